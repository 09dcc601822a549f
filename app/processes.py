"""The table of processes: what runs, in what order, with which command and health check.

The supervisor (`make run`) reads it to start everything on one machine; docker-compose.yml is generated from it
(`app/compose.py`). A process that is not in this table does not exist.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

WEB_PORT: Final = 8000
WORKER_HEALTH_PORT: Final = 8001


class Kind(Enum):
    """How a process lives."""

    SERVER = "server"  # somebody else's server: embedded on one machine, an image in compose
    ONCE = "once"  # does its work and ends; the others wait for its success
    SERVICE = "service"  # ours, runs until it is told to stop
    SIMULATOR = "simulator"  # plays somebody else's service for the demo, on one machine only
    PROXY = "proxy"  # stands between us and people; in compose only, since a single machine is reached directly


@dataclass(frozen=True)
class Process:
    """One row of the table."""

    name: str
    kind: Kind
    purpose: str
    needs: tuple[str, ...] = ()
    # Arguments of `guanjia` for our own processes.
    command: tuple[str, ...] = ()
    # Arguments of `guanjia` that end with 0 when the process is well; run by Docker, and by a test on this machine.
    health: tuple[str, ...] = ()
    # More than one may run side by side.
    scalable: bool = False
    # How long a new one may take until it is well.
    start_timeout_s: float = 60.0
    # How long it may take to finish what it has begun.
    stop_timeout_s: float = 10.0
    image: str | None = None
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


PROCESSES: Final[tuple[Process, ...]] = (
    Process("postgres", Kind.SERVER, "PostgreSQL 18: the truth", image="postgres:18", stop_timeout_s=30),
    Process("valkey", Kind.SERVER, "Valkey 9: carries messages, never the truth", image="valkey/valkey:9"),
    Process(
        "migrate",
        Kind.ONCE,
        "brings the database to the schema of this version",
        needs=("postgres",),
        command=("migrate",),
    ),
    Process(
        "web",
        Kind.SERVICE,
        "answers people, terminals and sockets",
        needs=("migrate", "valkey"),
        command=("web",),
        health=("health", f"http://127.0.0.1:{WEB_PORT}/readyz"),
        scalable=True,
        environment={"GUANJIA_HOST": "0.0.0.0", "GUANJIA_PORT": str(WEB_PORT)},  # noqa: S104  inside its container
    ),
    Process(
        "worker",
        Kind.SERVICE,
        "relays events, runs timers and what follows from events, seals the audit log",
        needs=("migrate", "valkey"),
        command=("worker", "--health-port", str(WORKER_HEALTH_PORT)),
        health=("health", f"http://127.0.0.1:{WORKER_HEALTH_PORT}/healthz"),
    ),
    Process(
        "alipay",
        Kind.SIMULATOR,
        "plays Alipay for the demo; never in compose, never in production mode",
        command=("simulated-alipay",),
    ),
    Process(
        "coturn",
        Kind.PROXY,
        "a way for voices in calls where two browsers do not reach each other; only with `--profile voice`",
        image="coturn/coturn:4.7",
    ),
    Process("caddy", Kind.PROXY, "TLS, and the one door from outside", needs=("web",), image="caddy:2"),
)


def process(name: str) -> Process:
    """The row of that name."""
    return next(row for row in PROCESSES if row.name == name)
