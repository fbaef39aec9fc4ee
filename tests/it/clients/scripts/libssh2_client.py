"""libssh2, through ssh2-python: its calls are those of the library in C."""

import os
import socket
import sys

from ssh2 import sftp as flags
from ssh2.exceptions import SFTPProtocolError
from ssh2.knownhost import LIBSSH2_KNOWNHOST_KEYENC_RAW, LIBSSH2_KNOWNHOST_TYPE_PLAIN
from ssh2.session import Session

verb, port, key, known_hosts = sys.argv[1:]
connection = socket.create_connection(("127.0.0.1", int(port)))
session = Session()
session.handshake(connection)
hosts = session.knownhost_init()
hosts.readfile(known_hosts)
blob, _ = session.hostkey()
hosts.checkp(b"127.0.0.1", int(port), blob, LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW)
session.userauth_publickey_fromfile("lokeren", key)
sftp = session.sftp_init()

WRITE = flags.LIBSSH2_FXF_WRITE | flags.LIBSSH2_FXF_CREAT
MODE = 0o600


def put(local, remote):
    with open(local, "rb") as source, sftp.open(remote, WRITE | flags.LIBSSH2_FXF_TRUNC, MODE) as upload:
        upload.write(source.read())
        upload.close()


def get(remote, target, offset=0):
    with sftp.open(remote, flags.LIBSSH2_FXF_READ, 0) as download:
        download.seek64(offset)
        for _, piece in download:
            target.write(piece)


def refusal(call, *arguments):
    try:
        call(*arguments)
    except SFTPProtocolError:
        print("SFTP", sftp.last_error())


def names(directory):
    with sftp.opendir(directory) as handle:
        return {name.decode(): attributes for _, name, attributes in handle.readdir()}


def transfer():
    assert {"LEESMIJ.txt", "inbox", "outbox", "test"} <= set(names("/"))
    assert names("/test/outbox")["voorbeeldlijst.csv"].filesize > 0
    with open("voorbeeldlijst.csv", "wb") as target:
        get("/test/outbox/voorbeeldlijst.csv", target)
    put("a.csv", "/test/inbox/a.csv")
    put("a.csv", "/test/inbox/b.csv.part")
    sftp.rename("/test/inbox/b.csv.part", "/test/inbox/b.csv")
    put("half.csv", "/test/inbox/c.csv.part")
    put("a.csv", "/test/inbox/c.csv.part")
    sftp.rename("/test/inbox/c.csv.part", "/test/inbox/c.csv")
    put("a.csv", "/test/inbox/weg.csv.part")
    sftp.unlink("/test/inbox/weg.csv.part")
    refusal(put, "a.csv", "/a.csv")
    refusal(put, "a.csv", "/test/inbox/a.pdf")
    refusal(sftp.unlink, "/LEESMIJ.txt")


def break_off():
    upload = sftp.open("/test/inbox/lijst.csv.age", WRITE | flags.LIBSSH2_FXF_TRUNC, MODE)
    with open("lijst.csv.age", "rb") as source:
        upload.write(source.read(100_000))
    os._exit(9)


def resume():
    have = sftp.stat("/test/inbox/lijst.csv.age").filesize
    with open("lijst.csv.age", "rb") as source, sftp.open("/test/inbox/lijst.csv.age", WRITE, MODE) as upload:
        source.seek(have)
        upload.seek64(have)
        upload.write(source.read())
        upload.close()
    with open("LEESMIJ.txt", "ab") as target:
        get("/LEESMIJ.txt", target, target.tell())


{"transfer": transfer, "break": break_off, "resume": resume}[verb]()
session.disconnect()
