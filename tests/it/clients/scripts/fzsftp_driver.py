"""Drives `fzsftp` as FileZilla does: one command at a time, each after the reply to the one before.

What it says begins with a character for its kind, from `0`: reply, done, error. In between it asks, by a single
character, how much it may receive and send, and whether the server's key is trusted.
"""

import subprocess
import sys

REPLY, DONE = "0", "1"
# An entry of a listing goes on with its time and its name, on lines of their own; a key with the server's port.
ENTRY, ASKS_KEY = "8", "9"
LINES_MORE = {ENTRY: 2, ASKS_KEY: 1}
# The answer to each: no limit.
QUOTAS = {"@": "-0-", "A": "-1-"}

process = subprocess.Popen(["fzsftp", "-v"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def say(line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def settle():
    """Reads until a command is answered."""
    while kind := process.stdout.read(1):
        if kind in QUOTAS:
            say(QUOTAS[kind])
            continue
        print(kind + process.stdout.readline(), end="")
        for _ in range(LINES_MORE.get(kind, 0)):
            print(process.stdout.readline(), end="")
        if kind == ASKS_KEY:
            say("y")
        elif kind in (REPLY, DONE):
            return


settle()
for command in sys.stdin.read().splitlines():
    say(command)
    settle()
process.stdin.close()
process.wait()
