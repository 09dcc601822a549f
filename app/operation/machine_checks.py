"""What the doctor looks at on this machine: clock, disk, port, files, settings."""

import ctypes
import os
import platform
import re
import resource
import shutil
import stat
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from app import pages
from app.embedded.child import is_port_free
from app.operation.backup import LAST_BACKUP
from app.operation.findings import Found, bad, ok, warn
from app.problems import NotForProduction
from app.production import refuse_weak_settings
from kernel import clock
from kernel.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[2]
_GIB: Final = 1024**3
DISK_BAD_BYTES: Final = 1 * _GIB
DISK_WARN_BYTES: Final = 5 * _GIB
OPEN_FILES_WARN: Final = 4096
BACKUP_WARN: Final = timedelta(hours=26)
_UNSYNCHRONISED: Final = 0x40
_CLOCK_ERROR: Final = 5


def check_machine(settings: Settings) -> Iterator[Found]:
    """All of them, in the order in which a person would ask."""
    yield _versions()
    yield _settings(settings)
    yield _clock()
    yield disk_finding(*_disk(settings.data_dir))
    yield from _data_folder(settings.data_dir)
    yield _open_files()
    yield _front_end()
    yield backup_finding(settings)


def _versions() -> Found:
    project = ROOT / "pyproject.toml"
    found = (
        re.search(r'^version = "(.+)"', project.read_text(encoding="utf-8"), re.MULTILINE) if project.exists() else None
    )
    guanjia = found.group(1) if found else "of this image"
    words = f"Guanjia {guanjia}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return ok("versions", words)


def _settings(settings: Settings) -> Found:
    if not settings.production:
        return ok("settings", "not in production mode (demo logins and weak secrets are allowed)")
    try:
        refuse_weak_settings(settings)
    except NotForProduction as error:
        return bad("settings", "production mode, and its secrets are not fit for it", str(error))
    return ok("settings", "production mode, with a secret key of its own")


class _Timex(ctypes.Structure):
    """The beginning of the kernel's `struct timex`; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


def _clock() -> Found:
    """Whether something keeps this machine's clock right: pay codes live for 60 seconds."""
    if not sys.platform.startswith("linux"):
        return ok("clock", "not asked on this system")
    state = _Timex()
    result = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    if result < 0:
        return ok("clock", "the kernel does not say whether it is kept right")
    if result == _CLOCK_ERROR or state.status & _UNSYNCHRONISED:
        return warn(
            "clock",
            "nothing keeps this machine's clock right",
            "Run chrony or systemd-timesyncd here: codes live for 60 s, and a wrong clock refuses them.",
        )
    return ok("clock", f"kept right, within {state.maxerror / 1000:.0f} ms")


def _disk(data_dir: Path) -> tuple[int, int]:
    folder = data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return usage.free, usage.total


def disk_finding(free_bytes: int, total_bytes: int) -> Found:
    """Room for tables, log and a backup."""
    words = f"{free_bytes / _GIB:.1f} GiB of {total_bytes / _GIB:.1f} GiB free"
    advice = "Make room or give it a larger disk: a database that cannot write its log stops."
    if free_bytes < DISK_BAD_BYTES:
        return bad("disk", words, advice)
    if free_bytes < DISK_WARN_BYTES:
        return warn("disk", words, advice)
    return ok("disk", words)


def _data_folder(data_dir: Path) -> Iterator[Found]:
    if not data_dir.exists():
        yield ok("data folder", f"{data_dir} is not there yet; the first start makes it")
        return
    if not os.access(data_dir, os.W_OK):
        yield bad("data folder", f"{data_dir} cannot be written", "Give it to the user that runs Guanjia.")
        return
    kept = [data_dir / name for name in ("secret_key", "demo.json", "postgres/password", "valkey/password")]
    open_to_others = [
        file.name for file in kept if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if open_to_others:
        yield bad("data folder", f"others may read {', '.join(open_to_others)}", f"chmod 600 them in {data_dir}.")
    else:
        yield ok("data folder", f"{data_dir}, its secrets readable by their owner only")


def check_port(settings: Settings, base_url: str) -> Found:
    """Whether we answer where people look for us, or could."""
    try:
        with urlopen(f"{base_url}/healthz", timeout=4):  # noqa: S310  our own address
            return ok("port", f"{base_url} answers")
    except (URLError, OSError):
        pass
    if settings.port == 0 or is_port_free(settings.port):
        return warn("port", f"nothing answers at {base_url}; port {settings.port} is free", "Start it: `guanjia run`.")
    return bad(
        "port",
        f"nothing of ours answers at {base_url}, and port {settings.port} is taken",
        "Stop what uses it, or set GUANJIA_PORT to another one.",
    )


def _open_files() -> Found:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES_WARN:
        return warn(
            "open files",
            f"a process may open {soft} (at most {hard})",
            "Each phone and till holds a socket: raise it (ulimit -n, LimitNOFILE).",
        )
    return ok("open files", f"a process may open {soft}")


def _front_end() -> Found:
    if (pages.DIST / "index.html").exists():
        return ok("front end", "built")
    return warn("front end", "not built: there are no pages, and the interface works alone", "Run `make run` once.")


def backup_finding(settings: Settings) -> Found:
    """How old the last backup is that was made from here."""
    try:
        at, _, file = (settings.data_dir / LAST_BACKUP).read_text().strip().partition(" ")
    except FileNotFoundError:
        words = "none was made from here"
        if not settings.production:
            return ok("backup", words)
        return warn("backup", words, "Make one each day (`guanjia backup FILE`) and keep it on another machine.")
    age = clock.now() - datetime.fromisoformat(at)
    words = f"{age.total_seconds() / 3600:.0f} h old: {file}"
    if age > BACKUP_WARN:
        return warn("backup", words, "Make one each day (`guanjia backup FILE`) and keep it on another machine.")
    return ok("backup", words)
