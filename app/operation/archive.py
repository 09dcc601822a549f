"""The file that a backup is: a tar archive with a manifest in front that names and seals what follows.

manifest.json   what it holds, from when, of which schema, with which hashes
secret_key      the installation's secret, where it was kept in the data folder
demo.json       the demo's logins, where there are any
database.dump   pg_dump's custom format
"""

import hashlib
import os
import tarfile
from pathlib import Path
from typing import Final

import msgspec

from app.problems import BackupFailed, RestoreRefused

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
DUMP: Final = "database.dump"
SECRET_KEY: Final = "secret_key"  # noqa: S105  a file's name
DEMO: Final = "demo.json"
MEMBERS: Final = (SECRET_KEY, DEMO, DUMP)
_CHUNK_BYTES: Final = 1024 * 1024


class Member(msgspec.Struct, frozen=True):
    """A file of the archive, as it must come out again."""

    bytes: int
    sha256: str


class Heads(msgspec.Struct, frozen=True):
    """Where the chains ended: of each lane of the ledger, and of the audit log. A restored database ends there too."""

    ledger: dict[str, int]
    audit_log: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds."""

    format: int
    made_at: str
    schema: str
    postgres: str
    is_demo: bool
    # Tells whether a secret key is the right one, and nothing else of it.
    secret_key_fingerprint: str
    heads: Heads
    members: dict[str, Member]


def describe(file: Path) -> Member:
    """Size and hash of a file."""
    with file.open("rb") as content:
        return Member(file.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest())


def write_archive(file: Path, manifest: Manifest, folder: Path) -> None:
    """Put the manifest and its members together; readable by the owner only, and there as a whole or not at all."""
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    unfinished = file.with_name(file.name + ".unfinished")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            with tarfile.open(fileobj=target, mode="w") as archive:
                for name in (MANIFEST, *manifest.members):
                    archive.add(folder / name, name, filter=_plain)
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise BackupFailed(f"{file} cannot be written: {error.strerror}.") from error


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Nobody's names and numbers of this machine."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def read_archive(file: Path, folder: Path) -> Manifest:
    """Take everything out into a folder, each member compared with its hash."""
    try:
        with tarfile.open(file, "r:") as archive:
            manifest = _read_manifest(archive)
            for name, member in manifest.members.items():
                _extract(archive, name, folder)
                if describe(folder / name) != member:
                    raise RestoreRefused(f"{file} is damaged: {name} is not as it was written.")
    except (tarfile.TarError, OSError, EOFError, KeyError, msgspec.DecodeError) as error:
        raise RestoreRefused(f"{file} cannot be read as a backup of Guanjia ({error}).") from error
    return manifest


def _read_manifest(archive: tarfile.TarFile) -> Manifest:
    content = archive.extractfile(MANIFEST)
    if content is None:
        raise KeyError(MANIFEST)
    text = content.read()
    found = msgspec.json.decode(text).get("format")
    if found != FORMAT:
        raise RestoreRefused(f"This backup has format {found}; this version of Guanjia reads format {FORMAT}.")
    manifest = msgspec.json.decode(text, type=Manifest)
    if not set(manifest.members) <= set(MEMBERS) or DUMP not in manifest.members:
        raise KeyError(DUMP)
    return manifest


def _extract(archive: tarfile.TarFile, name: str, folder: Path) -> None:
    """By our own hand: a name in a stranger's archive must not choose where it lands."""
    content = archive.extractfile(name)
    if content is None:
        raise KeyError(name)
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        while chunk := content.read(_CHUNK_BYTES):
            target.write(chunk)
