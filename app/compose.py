"""docker-compose.yml, made from the table of processes, so that the two ways to run Guanjia cannot drift apart."""

from typing import Any, Final

import yaml

from app.embedded.postgres import INITDB_ARGUMENTS, SERVER_SETTINGS
from app.processes import PROCESSES, WEB_PORT, Kind, Process

HEADER: Final = """\
# Made from app/processes.py by `make generate`; change it there.
#
#   cp deploy/example.env .env      then fill it in; nothing here has a default password
#   docker compose up -d --build --wait
#   docker compose up -d --scale web=4
#   docker compose --profile voice up -d      also a relay for voices in calls
"""

DATABASE_URL: Final = (
    "postgresql://guanjia:${GUANJIA_DATABASE_PASSWORD:?set it in .env, letters and digits only}@postgres:5432/guanjia"
)
REDIS_URL: Final = "redis://:${GUANJIA_VALKEY_PASSWORD:?set it in .env, letters and digits only}@valkey:6379/0"

OURS: Final[dict[str, str]] = {
    "GUANJIA_PRODUCTION": "true",
    "GUANJIA_DATABASE_URL": DATABASE_URL,
    "GUANJIA_REDIS_URL": REDIS_URL,
    "GUANJIA_SECRET_KEY": "${GUANJIA_SECRET_KEY:?set it in .env, at least 32 random characters}",
    "GUANJIA_PUBLIC_URL": "https://${GUANJIA_DOMAIN:?set it in .env, the name people type}",
    "GUANJIA_TIMEZONE": "${GUANJIA_TIMEZONE:-Asia/Shanghai}",
    "GUANJIA_LOG_JSON": "true",
    # Without these nobody tops up or pays by Alipay; everything else works.
    "GUANJIA_ALIPAY_APP_ID": "${GUANJIA_ALIPAY_APP_ID:-}",
    "GUANJIA_ALIPAY_APP_PRIVATE_KEY": "${GUANJIA_ALIPAY_APP_PRIVATE_KEY:-}",
    "GUANJIA_ALIPAY_PUBLIC_KEY": "${GUANJIA_ALIPAY_PUBLIC_KEY:-}",
    "GUANJIA_ALIPAY_SELLER_ID": "${GUANJIA_ALIPAY_SELLER_ID:-}",
    # Without these no mail is sent, and nobody is offered a new password by mail.
    "GUANJIA_SMTP_HOST": "${GUANJIA_SMTP_HOST:-}",
    "GUANJIA_SMTP_PORT": "${GUANJIA_SMTP_PORT:-587}",
    "GUANJIA_SMTP_SECURITY": "${GUANJIA_SMTP_SECURITY:-starttls}",
    "GUANJIA_SMTP_USER": "${GUANJIA_SMTP_USER:-}",
    "GUANJIA_SMTP_PASSWORD": "${GUANJIA_SMTP_PASSWORD:-}",
    "GUANJIA_SMTP_FROM": "${GUANJIA_SMTP_FROM:-}",
    # Without these, voices in calls go from browser to browser only.
    "GUANJIA_STUN_URLS": "${GUANJIA_STUN_URLS:-}",
    "GUANJIA_TURN_URLS": "${GUANJIA_TURN_URLS:-}",
    "GUANJIA_TURN_SECRET": "${GUANJIA_TURN_SECRET:-}",
    "GUANJIA_TURN_ONLY": "${GUANJIA_TURN_ONLY:-false}",
    # Only the proxy reaches a web process, so its word on where a request came from is good.
    "FORWARDED_ALLOW_IPS": "*",
}

# A process of ours needs nothing of its machine: no privileges, and no place to write but a scratch folder.
CONFINED: Final[dict[str, Any]] = {
    "init": True,
    "read_only": True,
    "tmpfs": ["/tmp"],  # noqa: S108  a mount of the container's own
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
}


def compose_file() -> str:
    """The whole file."""
    document = {
        "name": "guanjia",
        "services": {row.name: _service(row) for row in PROCESSES if row.kind is not Kind.SIMULATOR},
        "volumes": {"postgres": {}, "caddy": {}},
    }
    return HEADER + yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


class _Plain(yaml.SafeDumper):
    """Writes out what is repeated: anchors save lines and cost readers."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _service(row: Process) -> dict[str, Any]:
    special = {"postgres": _postgres, "valkey": _valkey, "caddy": _caddy, "coturn": _coturn}
    service = special[row.name](row) if row.name in special else _ours(row)
    if row.needs:
        service["depends_on"] = {name: {"condition": _condition(name)} for name in row.needs}
    service["stop_grace_period"] = f"{row.stop_timeout_s + 5:.0f}s"
    service["restart"] = "on-failure" if row.kind is Kind.ONCE else "unless-stopped"
    return service


def _condition(name: str) -> str:
    needed = next(row for row in PROCESSES if row.name == name)
    return "service_completed_successfully" if needed.kind is Kind.ONCE else "service_healthy"


def _ours(row: Process) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": "guanjia:${GUANJIA_VERSION:-local}",
        "build": ".",
        "command": ["guanjia", *row.command],
        "environment": OURS | row.environment,
        **CONFINED,
    }
    if row.health:
        service["healthcheck"] = _healthcheck(["CMD", "guanjia", *row.health], row)
    if row.scalable:
        service["deploy"] = {"replicas": "${GUANJIA_WEB_REPLICAS:-2}"}
        service["expose"] = [str(WEB_PORT)]
    return service


def _postgres(row: Process) -> dict[str, Any]:
    settings = SERVER_SETTINGS | {"shared_buffers": "${GUANJIA_SHARED_BUFFERS:-1GB}"}
    return {
        "image": row.image,
        "command": ["postgres", *(part for name, value in settings.items() for part in ("-c", f"{name}={value}"))],
        "environment": {
            "POSTGRES_PASSWORD": "${GUANJIA_SUPERUSER_PASSWORD:?set it in .env}",
            "POSTGRES_INITDB_ARGS": " ".join(INITDB_ARGUMENTS),
            "GUANJIA_DATABASE_PASSWORD": "${GUANJIA_DATABASE_PASSWORD:?set it in .env, letters and digits only}",
        },
        "volumes": [
            "postgres:/var/lib/postgresql",
            "./deploy/postgres-first-start.sh:/docker-entrypoint-initdb.d/guanjia.sh:ro",
        ],
        "shm_size": "256mb",
        "healthcheck": _healthcheck(["CMD", "pg_isready", "-U", "guanjia", "-d", "guanjia", "-h", "127.0.0.1"], row),
    }


def _valkey(row: Process) -> dict[str, Any]:
    password = "${GUANJIA_VALKEY_PASSWORD:?set it in .env, letters and digits only}"  # noqa: S105  a variable, not a password
    return {
        "image": row.image,
        "command": ["valkey-server", "--save", "", "--appendonly", "no", "--requirepass", password],
        "environment": {"REDISCLI_AUTH": password},
        "healthcheck": _healthcheck(["CMD-SHELL", "valkey-cli ping | grep -q PONG"], row),
    }


def _coturn(row: Process) -> dict[str, Any]:
    return {
        "image": row.image,
        "profiles": ["voice"],
        "entrypoint": ["/bin/sh", "/guanjia/coturn.sh"],
        "environment": {
            "TURN_SECRET": "${GUANJIA_TURN_SECRET:-}",
            "TURN_ADDRESS": "${GUANJIA_TURN_ADDRESS:-}",
        },
        "ports": ["3478:3478/tcp", "3478:3478/udp", "49160-49360:49160-49360/udp"],
        "volumes": ["./deploy/coturn.sh:/guanjia/coturn.sh:ro"],
        "healthcheck": _healthcheck(["CMD", "turnutils_stunclient", "127.0.0.1"], row),
    }


def _caddy(row: Process) -> dict[str, Any]:
    return {
        "image": row.image,
        "environment": {"GUANJIA_DOMAIN": "${GUANJIA_DOMAIN:?set it in .env, the name people type}"},
        "ports": ["80:80", "443:443", "443:443/udp"],
        "volumes": ["./deploy/Caddyfile:/etc/caddy/Caddyfile:ro", "caddy:/data"],
        "healthcheck": _healthcheck(["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:2019/config/"], row),
    }


def _healthcheck(test: list[str], row: Process) -> dict[str, Any]:
    return {
        "test": test,
        "interval": "10s",
        "timeout": "5s",
        "retries": 3,
        "start_period": f"{row.start_timeout_s:.0f}s",
        "start_interval": "1s",
    }
