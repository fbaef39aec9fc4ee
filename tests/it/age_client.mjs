// age in JavaScript, as its documentation shows it, for keys that Debian's age does not know.

import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [library, verb, ...names] = process.argv.slice(2);
const { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient } = await import(pathToFileURL(library));

const verbs = {
  // A post-quantum hybrid key, and its public part.
  async keys(secret, shared) {
    const identity = await generateHybridIdentity();
    await writeFile(secret, `${identity}\n`, { mode: 0o600 });
    await writeFile(shared, await identityToRecipient(identity));
  },
  async seal(shared, from, to) {
    const encrypter = new Encrypter();
    encrypter.addRecipient((await readFile(shared, "utf8")).trim());
    await writeFile(to, await encrypter.encrypt(await readFile(from)));
  },
  async open(secret, from) {
    const decrypter = new Decrypter();
    decrypter.addIdentity((await readFile(secret, "utf8")).trim());
    process.stdout.write(await decrypter.decrypt(await readFile(from), "text"));
  },
};

await verbs[verb](...names);
