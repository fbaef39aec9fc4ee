// ssh2-sftp-client, as its documentation shows it.
"use strict";

const fs = require("fs");
const Client = require("ssh2-sftp-client");

const [verb, port, key, knownHosts] = process.argv.slice(2);
const INBOX = "/test/inbox";
const trusted = fs.readFileSync(knownHosts, "utf8").split("\n")[0].split(" ")[2];

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    console.log(error.message.replace(/\n/g, " "));
  }
}

async function transfer(sftp) {
  const names = (await sftp.list("/")).map((entry) => entry.name);
  for (const name of ["LEESMIJ.txt", "inbox", "outbox", "test"]) {
    if (!names.includes(name)) throw new Error(`${name} is missing`);
  }
  await sftp.fastGet("/test/outbox/voorbeeldlijst.csv", "voorbeeldlijst.csv");
  await sftp.put("a.csv", `${INBOX}/a.csv`);
  await sftp.put("a.csv", `${INBOX}/b.csv.part`);
  await sftp.rename(`${INBOX}/b.csv.part`, `${INBOX}/b.csv`);
  await sftp.fastPut("half.csv", `${INBOX}/c.csv.part`);
  await sftp.fastPut("a.csv", `${INBOX}/c.csv.part`);
  await sftp.posixRename(`${INBOX}/c.csv.part`, `${INBOX}/c.csv`);
  await sftp.put("a.csv", `${INBOX}/weg.csv.part`);
  await sftp.delete(`${INBOX}/weg.csv.part`);
  await refusal(sftp.put("a.csv", "/a.csv"));
  await refusal(sftp.put("a.csv", `${INBOX}/a.pdf`));
  await refusal(sftp.delete("/LEESMIJ.txt"));
}

async function breakOff(sftp) {
  const upload = sftp.createWriteStream(`${INBOX}/lijst.csv.age`);
  upload.write(fs.readFileSync("lijst.csv.age").subarray(0, 100000), () => process.exit(9));
  await new Promise(() => {});
}

async function resume(sftp) {
  const have = (await sftp.stat(`${INBOX}/lijst.csv.age`)).size;
  await sftp.append(fs.readFileSync("lijst.csv.age").subarray(have), `${INBOX}/lijst.csv.age`);
  const start = fs.statSync("LEESMIJ.txt").size;
  const rest = await sftp.get("/LEESMIJ.txt", undefined, { readStreamOptions: { start } });
  fs.appendFileSync("LEESMIJ.txt", rest);
}

async function main() {
  const sftp = new Client();
  await sftp.connect({
    host: "127.0.0.1",
    port: Number(port),
    username: "lokeren",
    privateKey: fs.readFileSync(key),
    hostVerifier: (offered) => offered.toString("base64") === trusted,
  });
  await { transfer, break: breakOff, resume }[verb](sftp);
  await sftp.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
