"""Lets a process import its code while the database is still being made ready, and hold there until it may be used.

The supervisor hands each child the reading end of one pipe and closes the writing end when the gate opens; whoever comes
later finds it open. If the supervisor ends first, the children end with it (app/embedded/become.py).
"""

import asyncio
import os

GATE_FD_VARIABLE = "GUANJIA_GATE_FD"


class Gate:
    """The supervisor's side."""

    def __init__(self) -> None:
        self.fd, self._writer = os.pipe()
        self.opened = asyncio.Event()

    def open(self) -> None:
        """Let everybody through, those of later too."""
        if not self.opened.is_set():
            self.opened.set()
            os.close(self._writer)

    def close(self) -> None:
        """Take the pipe away."""
        self.open()
        os.close(self.fd)


def wait_at_gate() -> None:
    """The child's side: until the gate is open. Without a supervisor there is none."""
    descriptor = os.environ.pop(GATE_FD_VARIABLE, None)
    if descriptor is None:
        return
    os.read(int(descriptor), 1)
    os.close(int(descriptor))
