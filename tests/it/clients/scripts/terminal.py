"""Runs `sftp` at a terminal and types the lines of standard input, each at its prompt. Shows what it said."""

import os
import pty
import sys

PROMPT = b"sftp> "

lines = sys.stdin.buffer.read().splitlines()
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])

said = b""
fresh = b""
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        # So ends a terminal whose program is gone.
        break
    if not piece:
        break
    said += piece
    fresh += piece
    if fresh.endswith(PROMPT) and lines:
        fresh = b""
        os.write(terminal, lines.pop(0) + b"\n")

sys.stdout.buffer.write(said.replace(b"\r", b""))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
