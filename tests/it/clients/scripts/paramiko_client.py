"""paramiko, as its documentation shows it."""

import hashlib
import os
import sys

import paramiko

verb, port, key, known_hosts = sys.argv[1:]
client = paramiko.SSHClient()
client.load_host_keys(known_hosts)
client.set_missing_host_key_policy(paramiko.RejectPolicy())
client.connect("127.0.0.1", int(port), "lokeren", key_filename=key, look_for_keys=False, allow_agent=False)
sftp = client.open_sftp()


def refusal(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        print(error)


def transfer():
    assert {"LEESMIJ.txt", "inbox", "outbox", "test"} <= set(sftp.listdir("/"))
    entry = next(entry for entry in sftp.listdir_attr("/test/outbox") if entry.filename == "voorbeeldlijst.csv")
    assert "lokeren" in entry.longname, entry.longname
    sftp.get("/test/outbox/voorbeeldlijst.csv", "voorbeeldlijst.csv")
    with open("voorbeeldlijst.csv", "rb") as example, sftp.open("/test/outbox/voorbeeldlijst.csv", "rb") as remote:
        body = example.read()
        assert remote.check("sha256") == hashlib.sha256(body).digest()
        blocks = [hashlib.sha256(body[at : at + 256]).digest() for at in range(0, len(body), 256)]
        assert remote.check("sha256", block_size=256) == b"".join(blocks)
    sftp.chdir("/test/inbox")
    assert sftp.put("a.csv", "a.csv").st_size == os.path.getsize("a.csv")
    sftp.put("a.csv", "b.csv.part")
    sftp.rename("b.csv.part", "b.csv")
    sftp.put("half.csv", "c.csv.part")
    sftp.put("a.csv", "c.csv.part")
    sftp.utime("c.csv.part", (1700000000, 1700000000))
    assert sftp.stat("c.csv.part").st_mtime == 1700000000
    sftp.posix_rename("c.csv.part", "c.csv")
    sftp.put("a.csv", "weg.csv.part")
    sftp.remove("weg.csv.part")
    refusal(sftp.put, "a.csv", "/a.csv")
    refusal(sftp.put, "a.csv", "a.pdf")
    refusal(sftp.remove, "/LEESMIJ.txt")


def break_off():
    with open("lijst.csv.age", "rb") as source:
        upload = sftp.open("/test/inbox/lijst.csv.age", "wb")
        upload.write(source.read(100_000))
        upload.flush()
    os._exit(9)


def resume():
    have = sftp.stat("/test/inbox/lijst.csv.age").st_size
    with open("lijst.csv.age", "rb") as source, sftp.open("/test/inbox/lijst.csv.age", "ab") as upload:
        source.seek(have)
        upload.set_pipelined()
        upload.write(source.read())
    with open("LEESMIJ.txt", "ab") as target, sftp.open("/LEESMIJ.txt", "rb") as download:
        download.seek(target.tell())
        target.write(download.read())


{"transfer": transfer, "break": break_off, "resume": resume}[verb]()
client.close()
