"""Checks a transfer log with programs that nobody of this project wrote, and prints what each finds at fault.

    verify_log.py LOG VKEY [--since CHECKPOINT] [--dictionary FILE] [--receipt FILE]...

tlog-scales reads the tiles, proofbundle hashes the entries, rfc8785 writes each entry's canonical form.
"""

import base64
import json
import sys
import zlib
from pathlib import Path

import proofbundle.checkpoint
import proofbundle.merkle
import proofbundle.tlogproof
import rfc8785
from tlog_scales import backend, reader, signing, tiles, tlog


def attempt(faults, what, check):
    """Notes what a check objects to; anything it raises is an objection."""
    try:
        objection = check()
    except Exception as error:  # noqa: BLE001
        objection = f"{type(error).__name__}: {error}"
    if objection:
        faults.append(f"{what}: {objection}"[:200])


def read_entries(log, size):
    """The entries as the bundles have them."""
    entries = []
    for index in range((size + 255) // 256):
        partial = size % 256 if index == size // 256 else 0
        data = log.joinpath(*tiles.tile_path(-1, index, partial)).read_bytes()
        entries += reader.Tile.from_entries_bytes(data).entries
    return entries


def with_tlog_scales(log, vkey, since):
    faults = []
    tree = reader.TilesReader(backend.make_backend(str(log)))
    state = {}

    def checkpoint():
        state["checkpoint"] = tree.get_checkpoint()
        state["checkpoint"].verify(signing.Vkey.from_string(vkey))

    attempt(faults, "checkpoint", checkpoint)
    head = state.get("checkpoint")
    if head is None:
        return faults
    attempt(faults, "root", lambda: tree.calculate_root_hash() != head.root_hash and "differs")
    for index in range(head.size):
        if len(faults) > 5:
            break
        attempt(
            faults,
            f"entry {index}",
            lambda: tree.get_inclusion_proof(index, head.size).check(
                tiles.leaf_hash(tree.get_entry(index)), head.root_hash
            ),
        )
    if since is not None:
        old = tlog.Checkpoint.from_text(since)
        attempt(faults, "since", lambda: old.verify(signing.Vkey.from_string(vkey)))
        attempt(
            faults,
            "since",
            lambda: tree.get_consistency_proof(old.size, head.size).check(old.root_hash, head.root_hash),
        )
    return faults


def with_proofbundle(log, vkey, since, receipts, dictionary):
    faults = []
    head = {}

    def checkpoint():
        head.update(proofbundle.checkpoint.verify_checkpoint(log.joinpath("checkpoint").read_text(), vkey))
        return None if head["ok"] else "not signed by the key"

    attempt(faults, "checkpoint", checkpoint)
    if not head:
        return faults
    size = head["tree_size"]

    def whole():
        entries = read_entries(log, size)
        if len(entries) != size:
            return f"{len(entries)} entries"
        root = proofbundle.merkle.merkle_tree_hash(entries)
        if root != as_bytes(head["root"]):
            return "the root differs"
        if since is not None:
            old = proofbundle.checkpoint.verify_checkpoint(since, vkey)
            if old["tree_size"] > size:
                return "shorter than before"
            if proofbundle.merkle.merkle_tree_hash(entries[: old["tree_size"]]) != as_bytes(old["root"]):
                return "another beginning"
        return None

    attempt(faults, "entries", whole)
    for path in receipts:
        text = Path(path).read_text()
        extra = next(line for line in text.splitlines() if line.startswith("extra "))
        # Lines: the entry, which is the leaf, and its disclosures.
        packed = base64.b64decode(extra.removeprefix("extra "))
        leaf = zlib.decompressobj(zdict=dictionary).decompress(packed).split(b"\n")[0]
        result = proofbundle.tlogproof.verify_tlog_proof(text, leaf, vkey)
        if not result["ok"]:
            faults.append(f"receipt {path}: {result}"[:200])
    return faults


def as_bytes(root):
    return root if isinstance(root, bytes) else bytes.fromhex(root) if len(root) == 64 else base64.b64decode(root)


def with_rfc8785(log, size):
    faults = []

    def unique(pairs):
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise ValueError("a key stands twice")
        return dict(pairs)

    def each():
        for index, entry in enumerate(read_entries(log, size)):
            value = json.loads(entry, object_pairs_hook=unique)
            if rfc8785.dumps(value) != entry:
                return f"entry {index} is not in canonical form"
            if value["seq"] != index:
                return f"entry {index} says that it is {value['seq']}"
        return None

    attempt(faults, "entries", each)
    return faults


def main(arguments):
    log, vkey, *rest = arguments
    since, dictionary, receipts = None, b"", []
    while rest:
        option, value, *rest = rest
        if option == "--since":
            since = Path(value).read_text()
        elif option == "--dictionary":
            dictionary = Path(value).read_bytes()
        else:
            receipts.append(value)
    log = Path(log).resolve()
    size = int(log.joinpath("checkpoint").read_text().splitlines()[1])
    found = {
        "tlog-scales": with_tlog_scales(log, vkey, since),
        "proofbundle": with_proofbundle(log, vkey, since, receipts, dictionary),
        "rfc8785": with_rfc8785(log, size),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
