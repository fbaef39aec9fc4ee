"""libcurl, as the command curl uses it, through pycurl: a transfer is a handle, a rename is a quoted command."""

import io
import os
import sys

import pycurl

verb, port, key, known_hosts = sys.argv[1:]
INBOX = "/test/inbox"


def handle(path):
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, f"sftp://127.0.0.1:{port}{path}")
    curl.setopt(pycurl.USERNAME, "lokeren")
    curl.setopt(pycurl.SSH_AUTH_TYPES, pycurl.SSH_AUTH_PUBLICKEY)
    curl.setopt(pycurl.SSH_PRIVATE_KEYFILE, key)
    curl.setopt(pycurl.SSH_PUBLIC_KEYFILE, key + ".pub")
    curl.setopt(pycurl.SSH_KNOWNHOSTS, known_hosts)
    return curl


def perform(curl):
    curl.perform()
    curl.close()


def listed(directory):
    text = io.BytesIO()
    curl = handle(directory)
    curl.setopt(pycurl.WRITEDATA, text)
    perform(curl)
    return text.getvalue().decode()


def get(remote, target, offset=0):
    curl = handle(remote)
    curl.setopt(pycurl.WRITEDATA, target)
    curl.setopt(pycurl.RESUME_FROM, offset)
    perform(curl)


def seek_in(source):
    def seek(offset, whence):
        source.seek(offset, whence)
        return pycurl.SEEKFUNC_OK

    return seek


def put(local, remote, resume=0):
    curl = handle(remote)
    curl.setopt(pycurl.UPLOAD, True)
    curl.setopt(pycurl.RESUME_FROM, resume)
    curl.setopt(pycurl.INFILESIZE, os.path.getsize(local))
    with open(local, "rb") as source:
        curl.setopt(pycurl.READDATA, source)
        # As the command does: libcurl would else send the beginning of the file again.
        curl.setopt(pycurl.SEEKFUNCTION, seek_in(source))
        perform(curl)


def quote(command):
    curl = handle(f"{INBOX}/")
    curl.setopt(pycurl.QUOTE, [command])
    curl.setopt(pycurl.NOBODY, True)
    perform(curl)


def refusal(call, *arguments):
    try:
        call(*arguments)
    except pycurl.error as error:
        print(error.args[1])


def transfer():
    for name in ("LEESMIJ.txt", "inbox", "outbox", "test"):
        assert name in listed("/"), name
    assert "lokeren" in listed("/test/outbox/")
    with open("voorbeeldlijst.csv", "wb") as target:
        get("/test/outbox/voorbeeldlijst.csv", target)
    put("a.csv", f"{INBOX}/a.csv")
    put("a.csv", f"{INBOX}/b.csv.part")
    quote(f"rename {INBOX}/b.csv.part {INBOX}/b.csv")
    put("half.csv", f"{INBOX}/c.csv.part")
    put("a.csv", f"{INBOX}/c.csv.part")
    quote(f"rename {INBOX}/c.csv.part {INBOX}/c.csv")
    put("a.csv", f"{INBOX}/weg.csv.part")
    quote(f"rm {INBOX}/weg.csv.part")
    refusal(put, "a.csv", "/a.csv")
    refusal(put, "a.csv", f"{INBOX}/a.pdf")
    refusal(quote, "rm /LEESMIJ.txt")


def break_off():
    source = open("lijst.csv.age", "rb")

    def read(size):
        if source.tell() > 100_000:
            os._exit(9)
        return source.read(size)

    curl = handle(f"{INBOX}/lijst.csv.age")
    curl.setopt(pycurl.UPLOAD, True)
    curl.setopt(pycurl.READFUNCTION, read)
    perform(curl)


def resume():
    # -1: libcurl asks for the size of what is there.
    put("lijst.csv.age", f"{INBOX}/lijst.csv.age", resume=-1)
    with open("LEESMIJ.txt", "ab") as target:
        get("/LEESMIJ.txt", target, target.tell())


{"transfer": transfer, "break": break_off, "resume": resume}[verb]()
