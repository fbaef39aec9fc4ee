"""A session of asyncssh for the scripts that speak through it, and what all of them check."""

import asyncio
import sys

import asyncssh

INBOX = "/test/inbox"


def run(transfer, break_off, resume):
    """Does what the command line asks for, in a session."""
    asyncio.run(_perform({"transfer": transfer, "break": break_off, "resume": resume}, *sys.argv[1:]))


async def _perform(verbs, verb, port, key, known_hosts):
    options = {"username": "lokeren", "client_keys": [key], "known_hosts": known_hosts, "config": None}
    async with asyncssh.connect("127.0.0.1", int(port), **options) as connection:
        async with connection.start_sftp_client() as sftp:
            await verbs[verb](sftp)


async def check_root(sftp):
    names = {name.filename for name in await sftp.readdir("/")}
    assert {"LEESMIJ.txt", "inbox", "outbox", "test"} <= names


async def refusal(call, *arguments):
    """Prints the server's words; a call that succeeds prints nothing."""
    try:
        await call(*arguments)
    except asyncssh.SFTPError as error:
        print(error.reason)


async def three_refusals(sftp, upload):
    """Where nothing may be written, what is no list, what nobody may remove."""
    await refusal(upload, "a.csv", "/a.csv")
    await refusal(upload, "a.csv", f"{INBOX}/a.pdf")
    await refusal(sftp.remove, "/LEESMIJ.txt")
