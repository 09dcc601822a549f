"""Files that people send: pictures and voice notes. Checked by content, kept apart, and shown to those who may see them.

A file comes in by `take_file`: streamed into a temporary file of bounded size, made anew where it is a picture
(kernel/file_contents.py), and put into the store (kernel/file_store.py) under the name of its own SHA-256. What is refused
leaves nothing behind. Until a thing of some domain refers to it, a file is its sender's alone: `use_files` binds it to that
thing, and from then on the domain says who may read it (`register_file_reader`). What nothing refers to within a day is
forgotten by `forget_unused_files`.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Final, cast
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, Integer, LargeBinary, Text, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.db import Base, Database
from kernel.errors import Forbidden, GuanjiaError, NotFound, TooManyRequests
from kernel.file_contents import CheckedContent, check_content
from kernel.file_store import FileStore, local_store
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.uploads import FileTooLarge

PREFIX: Final = "file"
FILE_BYTES_MAX: Final = 20 * 1024 * 1024
UNUSED_FOR: Final = timedelta(days=1)
# Of one sender, sent and not yet attached to anything: nobody fills our disk by accident.
UNUSED_MAX: Final = 60
# Who may read a file that belongs to a thing: (session, reader, the thing's public id) -> yes or no. The reader is whatever
# the address knows its caller as; the kernel does not look inside.
FileReader = Callable[[AsyncSession, Any, str], Awaitable[bool]]
_readers: dict[str, FileReader] = {}
# Pictures are unpacked in memory: so many at once, however many are sent.
_bench: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="files")


class StoredFile(Base):
    """A picture or a voice note that somebody sent. The bytes are in the store, named by their SHA-256."""

    __tablename__ = "files"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    # Who sent it, as the audit log names them.
    owner: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    media_type: Mapped[str] = mapped_column(Text)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, index=True)
    size_bytes: Mapped[int] = mapped_column(Integer)
    width: Mapped[int | None] = mapped_column(Integer)
    height: Mapped[int | None] = mapped_column(Integer)
    # The public id of what it belongs to, once it belongs to something.
    used_by: Mapped[str | None] = mapped_column(Text, index=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    # Written down before the store is asked, so that the sweeper never takes what is just being put in.
    stored_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("kind IN ('picture', 'voice')", name="kind"),
        CheckConstraint("length(sha256) = 32", name="sha256"),
        CheckConstraint("size_bytes > 0", name="size_bytes"),
        Index("files_unused_idx", "created_at", postgresql_where=text("used_by IS NULL")),
    )


class FilesInUse(GuanjiaError):
    """A file that was already attached elsewhere."""

    code = "FILE_IN_USE"
    status = 409
    message_zh = "这个文件已经用在别处，请重新选择"
    message_en = "This file already belongs to something else; please choose it again"


# ---- coming in


async def take_file(
    db: Database, stream: AsyncIterator[bytes], *, owner: str, store: FileStore | None = None
) -> StoredFile:
    """Take a picture or a voice note, or refuse it and keep nothing. Opens its own short transactions."""
    # On disk beyond a megabyte, without a name: however this ends, the system takes it back.
    with tempfile.SpooledTemporaryFile(max_size=1 << 20) as spooled:
        received = cast("BinaryIO", spooled)
        size_bytes = await _receive(stream, received)
        checked = await asyncio.get_running_loop().run_in_executor(_bench, check_content, received, size_bytes)
    return await _keep(db, store or local_store(), checked, owner)


async def _receive(stream: AsyncIterator[bytes], into: BinaryIO) -> int:
    """Whoever sends too much is told at once, not when it is over."""
    size_bytes = 0
    async for piece in stream:
        size_bytes += len(piece)
        if size_bytes > FILE_BYTES_MAX:
            raise FileTooLarge(max_bytes=FILE_BYTES_MAX)
        await asyncio.to_thread(into.write, piece)
    into.seek(0)
    return size_bytes


async def _keep(db: Database, store: FileStore, checked: CheckedContent, owner: str) -> StoredFile:
    """First the row, then the bytes, then that they are there: a crash in between leaves what the sweeper takes away."""
    file = StoredFile(
        id=uuid7(),
        owner=owner,
        kind=checked.kind,
        media_type=checked.media_type,
        sha256=hashlib.sha256(checked.content).digest(),
        size_bytes=len(checked.content),
        width=checked.width,
        height=checked.height,
        used_by=None,
        created_at=clock.now(),
        stored_at=None,
    )
    async with db.session() as session:
        await _refuse_hoards(session, owner)
        await _lock_content(session, file.sha256)
        session.add(file)
    await store.put(file.sha256, checked.content)
    async with db.session() as session:
        stored_at = clock.now()
        await session.execute(update(StoredFile).where(StoredFile.id == file.id).values(stored_at=stored_at))
    file.stored_at = stored_at
    return file


async def _refuse_hoards(session: AsyncSession, owner: str) -> None:
    unused = await session.scalar(
        select(func.count()).where(
            StoredFile.owner == owner, StoredFile.used_by.is_(None), StoredFile.created_at > clock.now() - UNUSED_FOR
        )
    )
    if (unused or 0) >= UNUSED_MAX:
        raise TooManyRequests(retry_after_s=int(UNUSED_FOR.total_seconds()))


async def _lock_content(session: AsyncSession, sha256: bytes) -> None:
    """Who puts bytes and who sweeps them away go one after the other."""
    key = int.from_bytes(sha256[:8], signed=True)
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


# ---- belonging and reading


def register_file_reader(prefix: str, may_read: FileReader) -> None:
    """A domain says who may read the files of its things; `prefix` is that of their public ids."""
    _readers[prefix] = may_read


async def use_files(session: AsyncSession, ids: Collection[str], *, owner: str, used_by: str) -> list[StoredFile]:
    """Bind files of a sender to a thing of a domain (its public id), in the caller's transaction. In the order given.

    NotFound for what is not there or somebody else's, FilesInUse for what belongs to another thing already.
    """
    wanted = [parse_public_id(PREFIX, identifier) for identifier in ids]
    rows = await session.scalars(
        select(StoredFile).where(StoredFile.id.in_(wanted)).order_by(StoredFile.id).with_for_update()
    )
    found = {row.id: row for row in rows}
    for identifier in wanted:
        file = found.get(identifier)
        if file is None or file.owner != owner or file.stored_at is None:
            raise NotFound(what=PREFIX, id=public_id(PREFIX, identifier))
        if file.used_by not in (None, used_by):
            raise FilesInUse
        file.used_by = used_by
    await session.flush()
    return [found[identifier] for identifier in wanted]


async def share_files(session: AsyncSession, ids: Collection[UUID], *, used_by: str) -> list[StoredFile]:
    """The same bytes at another thing too: a matter that goes on in another domain keeps its pictures and voices. In the caller's
    transaction, which has asked whether it may."""
    rows = await session.scalars(select(StoredFile).where(StoredFile.id.in_(ids)).order_by(StoredFile.id))
    shared = [
        StoredFile(
            id=uuid7(),
            owner=row.owner,
            kind=row.kind,
            media_type=row.media_type,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            width=row.width,
            height=row.height,
            used_by=used_by,
            created_at=row.created_at,
            stored_at=row.stored_at,
        )
        for row in rows
    ]
    session.add_all(shared)
    await session.flush()
    return shared


async def files_of(session: AsyncSession, used_by: Collection[str]) -> dict[str, list[StoredFile]]:
    """The files of some things, by the thing's public id, in the order in which they came."""
    rows = await session.scalars(select(StoredFile).where(StoredFile.used_by.in_(used_by)).order_by(StoredFile.id))
    found: dict[str, list[StoredFile]] = {}
    for row in rows:
        found.setdefault(row.used_by or "", []).append(row)
    return found


async def readable_file(session: AsyncSession, identifier: str, *, reader: Any, owner: str) -> StoredFile:
    """The file, for its sender and for those whom its thing's domain lets read it; NotFound or Forbidden for others."""
    file = await session.get(StoredFile, parse_public_id(PREFIX, identifier))
    if file is None or file.stored_at is None:
        raise NotFound(what=PREFIX, id=identifier)
    if file.owner == owner:
        return file
    if file.used_by is None:
        raise Forbidden
    may_read = _readers.get(file.used_by.partition("_")[0])
    if may_read is None or not await may_read(session, reader, file.used_by):
        raise Forbidden
    return file


# ---- forgetting


async def forget_unused_files(db: Database, store: FileStore | None = None) -> int:
    """Take away what nothing has referred to for a day, and bytes whose row is gone. How many bytes' names went."""
    store = store or local_store()
    async with db.session() as session:
        old = clock.now() - UNUSED_FOR
        await session.execute(delete(StoredFile).where(StoredFile.used_by.is_(None), StoredFile.created_at < old))
    swept = 0
    for sha256 in await store.names():
        swept += await _sweep(db, store, sha256)
    return swept


async def _sweep(db: Database, store: FileStore, sha256: bytes) -> bool:
    async with db.session() as session:
        if await session.scalar(select(StoredFile.id).where(StoredFile.sha256 == sha256).limit(1)):
            return False
        await _lock_content(session, sha256)
        # Asked again under the lock: somebody may just be putting the same bytes in. They wait for us, and put them in anew;
        # so this is the one time that the store is spoken to inside a transaction.
        if await session.scalar(select(StoredFile.id).where(StoredFile.sha256 == sha256).limit(1)):
            return False
        await store.delete(sha256)
    return True
