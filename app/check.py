"""`make check`: everything that can be said about the code without running it. All steps run, then the failures are named."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app import frontend_build, generate

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent
PACKAGES: Final = (
    "app",
    "kernel",
    "identity",
    "payments",
    "canteen",
    "repairs",
    "booking",
    "realtime",
    "bench",
    "tests",
)

# Locks and configuration say which packages, with which hashes; from where is each machine's own affair.
FILES_WITHOUT_ADDRESSES: Final = (
    "requirements*.lock",
    "pyproject.toml",
    "uv.toml",
    "pip.conf",
    "frontend/package-lock.json",
    "frontend/package.json",
    "frontend/.npmrc",
    ".npmrc",
    ".ci/*",
    "Makefile",
    "Dockerfile",
    "docker-compose.yml",
    "app/bootstrap.py",
)
ADDRESS: Final = re.compile(
    r"https?://(?!\$\{|127\.0\.0\.1|localhost)|(?:registry|index-url|find-links)\s*[=:]\s*\S", re.IGNORECASE
)
# Where a package asks for money, in npm's lock: no registry.
FUNDING: Final = re.compile(r'^\s*("url"|"funding"): "|//(github\.com/sponsors|opencollective\.com)/')


@dataclass(frozen=True)
class Step:
    """One check; returns what is wrong, or nothing."""

    name: str
    run: Callable[[], str]


def _command(*command: str) -> Callable[[], str]:
    def run() -> str:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


def _npm(script: str) -> Callable[[], str]:
    def run() -> str:
        frontend_build.install_packages()
        done = frontend_build.npm(["run", script, "--silent"], capture=True)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


def _stale_files() -> str:
    stale = generate.stale_files() + generate.stale_types()
    return "\n".join(f"{file.relative_to(ROOT)} is stale: run `make generate`." for file in stale)


def registry_addresses() -> Iterator[str]:
    """Lines of locks and configuration that name an address, `file:line: text`."""
    for pattern in FILES_WITHOUT_ADDRESSES:
        for file in sorted(ROOT.glob(pattern)):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                if ADDRESS.search(line) and not FUNDING.search(line):
                    yield f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"


def _addresses() -> str:
    return "\n".join(registry_addresses())


def steps() -> list[Step]:
    """All checks, the quick ones first."""
    packages = [name for name in PACKAGES if any((ROOT / name).glob("*.py"))]
    found = [
        Step("format (ruff)", _command(str(BIN / "ruff"), "format", "--check", ".")),
        Step("lint (ruff)", _command(str(BIN / "ruff"), "check", "--quiet", ".")),
        Step("import directions (import-linter)", _command(str(BIN / "lint-imports"), "--no-logo")),
        Step("no registry address in locks and configuration", _addresses),
        Step("types (mypy --strict)", _command(str(BIN / "mypy"), "--no-error-summary", *packages)),
        Step("generated files are fresh", _stale_files),
    ]
    if (frontend_build.FRONTEND / "package.json").exists():
        found.append(Step("front end: lint (eslint)", _npm("lint")))
        found.append(Step("front end: types (vue-tsc)", _npm("typecheck")))
        found.append(Step("front end: unit tests (vitest)", _npm("test")))
    return found


def main() -> None:
    """Run all steps; the exit status says whether all passed."""
    failed = []
    for step in steps():
        started = time.monotonic()
        print(f"· {step.name} ...", end=" ", flush=True)
        complaint = step.run()
        print(f"{'failed' if complaint else 'ok'} ({time.monotonic() - started:.1f} s)", flush=True)
        if complaint:
            failed.append(step.name)
            print(complaint.rstrip(), flush=True)
    if failed:
        sys.exit(f"\nFailed: {', '.join(failed)}.")
    print("All checks passed.")


if __name__ == "__main__":
    main()
