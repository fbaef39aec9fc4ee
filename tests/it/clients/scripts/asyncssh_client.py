"""asyncssh, as its documentation shows it."""

import os

from asyncssh_session import check_root, run, three_refusals


async def transfer(sftp):
    await check_root(sftp)
    names = await sftp.readdir("/test/outbox")
    assert any("lokeren" in name.longname for name in names if name.filename == "voorbeeldlijst.csv")
    await sftp.get("/test/outbox/voorbeeldlijst.csv", "voorbeeldlijst.csv")
    await sftp.chdir("/test/inbox")
    await sftp.put("a.csv", "a.csv", preserve=True)
    await sftp.put("a.csv", "b.csv.part")
    await sftp.rename("b.csv.part", "b.csv")
    await sftp.put("half.csv", "c.csv.part")
    await sftp.put("a.csv", "c.csv.part")
    await sftp.posix_rename("c.csv.part", "c.csv")
    await sftp.put("a.csv", "weg.csv.part")
    await sftp.remove("weg.csv.part")
    assert (await sftp.statvfs("/")).bsize > 0
    await three_refusals(sftp, sftp.put)


async def break_off(sftp):
    with open("lijst.csv.age", "rb") as source:
        upload = await sftp.open("/test/inbox/lijst.csv.age", "wb")
        await upload.write(source.read(100_000))
    os._exit(9)


async def resume(sftp):
    have = (await sftp.stat("/test/inbox/lijst.csv.age")).size
    with open("lijst.csv.age", "rb") as source:
        source.seek(have)
        async with sftp.open("/test/inbox/lijst.csv.age", "ab") as upload:
            await upload.write(source.read())
    with open("LEESMIJ.txt", "ab") as target:
        async with sftp.open("/LEESMIJ.txt", "rb") as download:
            await download.seek(target.tell())
            target.write(await download.read())


run(transfer, break_off, resume)
