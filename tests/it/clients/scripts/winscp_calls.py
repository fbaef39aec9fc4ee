"""The calls that WinSCP makes with SFTP version 3.

Files above 100 KB go to `NAME.filepart` first, the target is deleted when there is one, the file renamed, looked at,
and given its time and permissions. A broken upload is opened again without truncation or append, and written on.
"""

import functools
import os

import asyncssh
from asyncssh import FXF_CREAT, FXF_READ, FXF_TRUNC, FXF_WRITE, SFTPAttrs
from asyncssh_session import INBOX, check_root, run, three_refusals

RESUME_ABOVE = 100 * 1024


async def exists(sftp, path):
    try:
        return await sftp.lstat(path)
    except asyncssh.SFTPNoSuchFile:
        return None


async def write_from(sftp, local, remote, pflags, offset=0):
    upload = await sftp.open(remote, pflags, SFTPAttrs(), encoding=None)
    with open(local, "rb") as source:
        source.seek(offset)
        while piece := source.read(32_768):
            await upload.write(piece, offset)
            offset += len(piece)
    await upload.close()


async def upload(sftp, local, remote, partial_above=RESUME_ABOVE):
    await sftp.realpath(INBOX)
    target = await exists(sftp, remote)
    if os.path.getsize(local) > partial_above:
        partial = remote + ".filepart"
        have = await exists(sftp, partial)
        if have:
            await write_from(sftp, local, partial, FXF_WRITE | FXF_CREAT, have.size)
        else:
            await write_from(sftp, local, partial, FXF_WRITE | FXF_CREAT | FXF_TRUNC)
        if target:
            await sftp.remove(remote)
        await sftp.rename(partial, remote)
    else:
        await write_from(sftp, local, remote, FXF_WRITE | FXF_CREAT | FXF_TRUNC)
    await sftp.lstat(remote)
    await sftp.setstat(remote, SFTPAttrs(permissions=0o644))
    time = int(os.path.getmtime(local))
    await sftp.setstat(remote, SFTPAttrs(atime=time, mtime=time))
    assert (await sftp.lstat(remote)).mtime == time


async def download(sftp, remote, local, offset=0):
    await sftp.stat(remote)
    source = await sftp.open(remote, FXF_READ, encoding=None)
    with open(local, "ab") as target:
        while piece := await source.read(32_768, offset):
            target.write(piece)
            offset += len(piece)
    await source.close()


async def transfer(sftp):
    await check_root(sftp)
    await download(sftp, "/test/outbox/voorbeeldlijst.csv", "voorbeeldlijst.csv")
    await upload(sftp, "a.csv", f"{INBOX}/a.csv")
    # The way of large files, with small ones; the second time its target is there.
    await upload(sftp, "half.csv", f"{INBOX}/c.csv.part", partial_above=0)
    await upload(sftp, "a.csv", f"{INBOX}/c.csv.part", partial_above=0)
    await sftp.rename(f"{INBOX}/c.csv.part", f"{INBOX}/c.csv")
    await upload(sftp, "a.csv", f"{INBOX}/b.csv.part")
    await sftp.rename(f"{INBOX}/b.csv.part", f"{INBOX}/b.csv")
    await upload(sftp, "a.csv", f"{INBOX}/weg.csv.part")
    await sftp.remove(f"{INBOX}/weg.csv.part")
    await three_refusals(sftp, functools.partial(upload, sftp))


async def break_off(sftp):
    partial = await sftp.open(f"{INBOX}/lijst.csv.age.filepart", FXF_WRITE | FXF_CREAT | FXF_TRUNC, encoding=None)
    with open("lijst.csv.age", "rb") as source:
        await partial.write(source.read(100_000), 0)
    os._exit(9)


async def resume(sftp):
    await upload(sftp, "lijst.csv.age", f"{INBOX}/lijst.csv.age")
    await download(sftp, "/LEESMIJ.txt", "LEESMIJ.txt", os.path.getsize("LEESMIJ.txt"))


run(transfer, break_off, resume)
