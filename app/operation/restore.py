"""`guanjia restore FILE`: an installation from a backup, audited afterwards.

All or nothing: what stands in the database is dropped and the backup brought in by one transaction, and with --replace
what stood there is backed up first.
"""

import asyncio
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import asyncpg

from app import migrate
from app.data_folder import only_user_of
from app.demo_logins import demo_file
from app.embedded.child import make_private_folder
from app.invariants import audit
from app.operation.archive import DEMO, DUMP, SECRET_KEY, Manifest, read_archive
from app.operation.backup import back_up, read_heads
from app.operation.postgres_programs import find_program, surroundings
from app.operation.reach import fingerprint, installation_secret, reached_database
from app.preparation import bring_to_head
from app.problems import BackupFailed, RestoreRefused
from kernel import audit_log, clock
from kernel.audit_log import Anchor
from kernel.db import Database
from kernel.settings import Settings

_HOLDS_DATA: Final = """
    SELECT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p'))
"""
_OTHERS: Final = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'guanjia' AND pid <> pg_backend_pid()
"""
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Restored:
    """What came back, and what is wrong with it: empty when it is as it was."""

    manifest: Manifest
    complaints: list[str]
    kept_before: Path | None


def restore(settings: Settings, file: Path, *, replace: bool, say: Callable[[str], None]) -> Restored:
    """Bring a backup in. Refuses where something is running, and over data unless told to replace it."""
    make_private_folder(settings.data_dir)
    with (
        only_user_of(settings.data_dir.absolute()),
        tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.data_dir) as name,
    ):
        folder = Path(name)
        say("· Reading the archive ...")
        manifest = read_archive(file, folder)
        _refuse_what_does_not_fit(settings, manifest)
        with reached_database(settings, create=True) as url:
            holds_data = asyncio.run(_look_at(url))
            if holds_data and not replace:
                raise RestoreRefused(
                    "This database holds data already. --replace backs it up and puts this backup in its place."
                )
            kept = _keep_present(settings, say) if holds_data else None
            say("· Bringing the backup in ...")
            _replace_everything(url, folder / DUMP)
            _put_secrets_back(settings, manifest, folder)
            bring_to_head(url, say=say)
            say("· Auditing what came back ...")
            complaints = asyncio.run(_examine(url, manifest))
    return Restored(manifest, complaints, kept)


def _refuse_what_does_not_fit(settings: Settings, manifest: Manifest) -> None:
    if manifest.schema not in migrate.revisions():
        raise RestoreRefused(
            f"This backup is of schema {manifest.schema}, which this version of Guanjia does not know: use a newer one."
        )
    if settings.production and manifest.is_demo:
        raise RestoreRefused("This backup holds the demo's people and passwords; it is never restored in production.")
    brings_its_own = SECRET_KEY in manifest.members and settings.secret_key is None
    if not brings_its_own and fingerprint(installation_secret(settings)) != manifest.secret_key_fingerprint:
        raise RestoreRefused(
            "The keys in this backup are sealed with another GUANJIA_SECRET_KEY. Set the one that was in use when it "
            "was made."
        )


async def _look_at(url: str) -> bool:
    """Whether there is data; refuses where somebody is working with it."""
    connection: Any = await asyncpg.connect(url)
    try:
        if await connection.fetchval(_OTHERS):
            raise RestoreRefused("Processes of Guanjia are connected to this database. Stop them first.")
        return bool(await connection.fetchval(_HOLDS_DATA))
    finally:
        await connection.close()


def _keep_present(settings: Settings, say: Callable[[str], None]) -> Path:
    folder = make_private_folder(settings.data_dir / "backups")
    kept = folder / f"before-restore-{clock.now():%Y%m%d-%H%M%S}.guanjia"
    say(f"· Backing up what is there now, to {kept} ...")
    try:
        back_up(settings, kept, with_secrets=True, say=lambda _sentence: None)
    except BackupFailed as error:
        raise RestoreRefused(
            f"What is there now cannot be backed up, so it is not replaced: {error}\n"
            "If it is worthless, delete the data folder (or empty the database) and restore without --replace."
        ) from error
    return kept


def _replace_everything(url: str, dump: Path) -> None:
    """Drop and bring in by one transaction. COMMIT is only said once pg_restore has read the dump to its end."""
    environment = surroundings(url)
    reading = [find_program("pg_restore"), "--no-owner", "--no-privileges", "--no-comments", "--file=-", str(dump)]
    writing = [find_program("psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--output=/dev/null"]
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(reading, env=environment, stdout=subprocess.PIPE, stderr=words) as reader,  # noqa: S603  our own program
        subprocess.Popen(writing, env=environment, stdin=subprocess.PIPE, stderr=words) as writer,  # noqa: S603  our own program
    ):
        assert reader.stdout is not None
        assert writer.stdin is not None
        try:
            _feed(reader, reader.stdout, writer.stdin)
        except BrokenPipeError:
            reader.kill()
        if reader.wait() != 0 or writer.wait() != 0:
            words.seek(0)
            said = words.read().decode(errors="replace").strip()
            raise RestoreRefused(f"The backup could not be brought in; the database is as it was.\n{said}")


def _feed(reader: "subprocess.Popen[bytes]", source: IO[bytes], target: IO[bytes]) -> None:
    target.write(b"BEGIN;\nSET LOCAL client_min_messages = warning;\nDROP OWNED BY CURRENT_USER CASCADE;\n")
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)
    if reader.wait() == 0:
        target.write(b"\nCOMMIT;\n")
    target.close()


def _put_secrets_back(settings: Settings, manifest: Manifest, folder: Path) -> None:
    """What belongs to the restored database; what belonged to the one before is in its own backup."""
    if settings.secret_key is None and SECRET_KEY in manifest.members:
        _replace_secret(folder / SECRET_KEY, settings.data_dir / "secret_key")
    if DEMO in manifest.members:
        _replace_secret(folder / DEMO, demo_file(settings.data_dir))
    else:
        demo_file(settings.data_dir).unlink(missing_ok=True)


def _replace_secret(source: Path, target: Path) -> None:
    source.chmod(0o600)
    source.replace(target)


async def _examine(url: str, manifest: Manifest) -> list[str]:
    """Whether it ends where the backup said, its books are right and its audit log is unbroken."""
    complaints = []
    connection: Any = await asyncpg.connect(url)
    try:
        if await read_heads(connection) != manifest.heads:
            complaints.append("The chains do not end where they ended when the backup was made.")
    finally:
        await connection.close()
    db = Database(url)
    try:
        async with db.session() as session:
            complaints += [
                f"{finding.invariant.name}: {finding.invariant.en} ({finding.offender_count} rows)"
                for finding in await audit(session)
                if not finding.holds
            ]
            anchor = Anchor.parse(manifest.heads.audit_log) if manifest.heads.audit_log else None
            if (bad := await audit_log.verify(session, anchor)) is not None:
                complaints.append(f"The audit log: {bad}")
        async with db.session() as session:
            await audit_log.record(
                session,
                actor="command-line",
                action="database.restored",
                subject="database",
                data={"made_at": manifest.made_at, "complaints": complaints},
            )
    finally:
        await db.close()
    return complaints
