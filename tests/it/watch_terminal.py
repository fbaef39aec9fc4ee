"""Runs a program on a terminal of a size, presses keys, and tells what stood on the screen; as JSON.

    watch_terminal.py COLUMNS LINES WAIT_FOR KEYS END -- PROGRAM ARGUMENT...

KEYS is pressed once WAIT_FOR is on the screen; END is q, or the name of a signal that ends the program.
"""

import json
import os
import signal
import sys
import termios
import time

import pexpect
import pyte

PATIENCE = 60


def main():
    columns, lines, wait_for, keys, end = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
    program = sys.argv[7:]
    screen = pyte.Screen(columns, lines)
    stream = pyte.ByteStream(screen)
    child = pexpect.spawn(
        program[0], program[1:], dimensions=(lines, columns), env={**os.environ, "TERM": "xterm-256color"}
    )
    # Open here too, so that its modes can be read when the program is gone.
    spare = os.open(os.readlink(f"/proc/{child.pid}/fd/0"), os.O_RDWR | os.O_NOCTTY)
    before = termios.tcgetattr(spare)
    raw = b""

    def take(seconds):
        nonlocal raw
        try:
            data = child.read_nonblocking(65536, timeout=seconds)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return False
        raw += data
        stream.feed(data)
        return True

    def shown():
        return "\n".join(line.rstrip() for line in screen.display)

    def until(condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            take(0.1)
            if time.monotonic() > deadline:
                sys.exit(f"not on the screen within {PATIENCE} s:\n{shown()}")

    until(lambda: wait_for in shown())
    first = shown()
    for key in keys.split(",") if keys else []:
        child.send({"tab": "\t", "pgdn": "\x1b[6~", "down": "\x1b[B", "end": "\x1b[F"}.get(key, key))
        settled = time.monotonic() + 0.5
        while time.monotonic() < settled:
            take(0.1)
    after = shown()
    if end == "q":
        child.send("q")
    else:
        child.kill(getattr(signal, end))
    deadline = time.monotonic() + PATIENCE
    while child.isalive() and time.monotonic() < deadline:
        take(0.1)
    take(0.1)
    child.wait() if child.isalive() else None
    modes = termios.tcgetattr(spare)
    told = {
        "first": first,
        "after": after,
        "status": child.exitstatus,
        "signal": child.signalstatus,
        "left_alternate_screen": raw.rfind(b"\x1b[?1049l") > raw.rfind(b"\x1b[?1049h") >= 0,
        "cursor_shown": raw.rfind(b"\x1b[?25h") > raw.rfind(b"\x1b[?25l"),
        "modes_restored": modes[3] == before[3] and modes[0] == before[0],
    }
    print(json.dumps(told))


main()
