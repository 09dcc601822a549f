"""Questions about processes, for tests that end them."""

from pathlib import Path

import psutil


def children_of(pid: int) -> list[int]:
    """All processes below that one."""
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def is_gone(pid: int) -> bool:
    """Whether it has ended; one that nobody has buried yet has ended too."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def command_of(pid: int) -> str:
    """Its command line, in one string."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return " ".join(psutil.Process(pid).cmdline())
