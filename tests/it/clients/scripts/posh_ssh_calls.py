"""The calls that Posh-SSH makes, through SSH.NET.

An upload looks at the target, opens it with write, create and truncate, sends many writes before it waits, and closes.
A stream, with which it appends, opens for writing, asks for the attributes of the handle and sets its length. Times
are set with all attributes that were read before, size and owner too.
"""

import asyncio
import functools
import os

import asyncssh
from asyncssh import FXF_CREAT, FXF_READ, FXF_TRUNC, FXF_WRITE, SFTPAttrs
from asyncssh_session import INBOX, check_root, run, three_refusals

PIECE = 32_768 - 38


async def write_pieces(handle, data, offset):
    pieces = range(0, len(data), PIECE)
    await asyncio.gather(*(handle.write(data[at : at + PIECE], offset + at) for at in pieces))


async def upload(sftp, local, remote):
    await sftp.realpath(".")
    try:
        await sftp.lstat(remote)
    except asyncssh.SFTPNoSuchFile:
        pass
    handle = await sftp.open(remote, FXF_WRITE | FXF_CREAT | FXF_TRUNC, SFTPAttrs(), encoding=None)
    with open(local, "rb") as source:
        await write_pieces(handle, source.read(), 0)
    await handle.close()


async def append(sftp, local, remote):
    handle = await sftp.open(remote, FXF_WRITE | FXF_CREAT, SFTPAttrs(), encoding=None)
    have = (await handle.stat()).size
    await handle.setstat(SFTPAttrs(size=have))
    with open(local, "rb") as source:
        source.seek(have)
        await write_pieces(handle, source.read(), have)
    await handle.close()


async def set_times(sftp, remote, time):
    attributes = await sftp.stat(remote)
    wanted = SFTPAttrs(
        size=attributes.size, uid=attributes.uid, gid=attributes.gid, permissions=attributes.permissions,
        atime=time, mtime=time,
    )
    await sftp.setstat(remote, wanted)
    assert (await sftp.stat(remote)).mtime == time


async def download(sftp, remote, local, offset=0):
    size = (await sftp.stat(remote)).size
    source = await sftp.open(remote, FXF_READ, encoding=None)
    await source.stat()
    reads = (source.read(PIECE, at) for at in range(offset, size, PIECE))
    with open(local, "ab") as target:
        target.writelines(await asyncio.gather(*reads))
    await source.close()


async def transfer(sftp):
    await check_root(sftp)
    await download(sftp, "/test/outbox/voorbeeldlijst.csv", "voorbeeldlijst.csv")
    await upload(sftp, "a.csv", f"{INBOX}/a.csv")
    await set_times(sftp, f"{INBOX}/a.csv", 1_700_000_000)
    await upload(sftp, "a.csv", f"{INBOX}/b.csv.part")
    await sftp.rename(f"{INBOX}/b.csv.part", f"{INBOX}/b.csv")
    await upload(sftp, "half.csv", f"{INBOX}/c.csv.part")
    await upload(sftp, "a.csv", f"{INBOX}/c.csv.part")
    await sftp.posix_rename(f"{INBOX}/c.csv.part", f"{INBOX}/c.csv")
    await upload(sftp, "a.csv", f"{INBOX}/weg.csv.part")
    await sftp.remove(f"{INBOX}/weg.csv.part")
    await three_refusals(sftp, functools.partial(upload, sftp))


async def break_off(sftp):
    handle = await sftp.open(f"{INBOX}/lijst.csv.age", FXF_WRITE | FXF_CREAT | FXF_TRUNC, encoding=None)
    with open("lijst.csv.age", "rb") as source:
        await write_pieces(handle, source.read(100_000), 0)
    os._exit(9)


async def resume(sftp):
    await append(sftp, "lijst.csv.age", f"{INBOX}/lijst.csv.age")
    await download(sftp, "/LEESMIJ.txt", "LEESMIJ.txt", os.path.getsize("LEESMIJ.txt"))


run(transfer, break_off, resume)
