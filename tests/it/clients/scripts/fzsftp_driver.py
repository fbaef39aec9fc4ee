"""Drives `fzsftp` as FileZilla does: one command at a time, each after the reply to the one before.

What it says begins with a character for its kind, from `0`: reply, done, error. In between it asks for leave to send and
to receive, and whether the server's key is trusted.
"""

import subprocess
import sys

REPLY, DONE, ERROR = "0", "1", "2"
ASKS_KEY = "9"
ASKS_TO_SEND, ASKS_TO_RECEIVE = "@", "A"

process = subprocess.Popen(["fzsftp", "-v"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def say(line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def hear():
    line = process.stdout.readline()
    print(line, end="")
    return line


def settle():
    """Reads until a command is answered."""
    while line := hear():
        kind = line[0]
        if kind == ASKS_KEY:
            hear()
            say("y")
        elif kind == ASKS_TO_RECEIVE:
            say("-0-")
        elif kind == ASKS_TO_SEND:
            say("-1-")
        elif kind in (REPLY, DONE):
            return


settle()
for command in sys.stdin.read().splitlines():
    say(command)
    settle()
process.stdin.close()
process.wait()
