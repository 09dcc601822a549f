"""A picture and a voice note come in and are made safe; everything else is refused and leaves nothing behind."""

import io
import struct
import tempfile
import zlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, files
from kernel.db import Database
from kernel.errors import Forbidden, GuanjiaError, NotFound, TooManyRequests
from kernel.file_store import LocalFileStore
from kernel.files import FilesInUse, StoredFile, forget_unused_files, readable_file, take_file, use_files
from kernel.ids import public_id

ME, OTHER = "per_me", "per_other"


@pytest.fixture
def store(tmp_path: Path) -> LocalFileStore:
    return LocalFileStore(tmp_path / "files")


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    assert list((tmp_path / "tmp").iterdir()) == []  # Whatever happened: nothing is left behind.


async def pieces(content: bytes, size: int = 50_000) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


def picture(kind: str = "JPEG", size: tuple[int, int] = (600, 400), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(options.pop("mode", "RGB")).save(buffer, kind, **options)
    return buffer.getvalue()


def with_exif() -> bytes:
    """A photo as a phone takes it: lying on its side, with camera and coordinates."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825)[2] = (30.0, 15.0, 0.0)
    return picture(exif=exif)


def element(identifier: str, content: bytes) -> bytes:
    return bytes.fromhex(identifier) + (len(content) | 1 << 56).to_bytes(8) + content


def webm(track_type: int = 2, doc_type: bytes = b"webm") -> bytes:
    header = element("1A45DFA3", element("4282", doc_type))
    tracks = element("1654AE6B", element("AE", element("83", bytes([track_type]))))
    return header + bytes.fromhex("18538067") + b"\x01" + b"\xff" * 7 + tracks + element("1F43B675", b"sound" * 50)


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + name + content


def mp4(handler: bytes = b"soun") -> bytes:
    track = box(b"trak", box(b"mdia", box(b"hdlr", bytes(8) + handler + bytes(13))))
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", track) + box(b"mdat", b"sound" * 20)


def ogg(head: bytes = b"OpusHead") -> bytes:
    body = head.ljust(19, b"\0")
    return b"OggS\0\x02" + bytes(20) + bytes([1, len(body)]) + body + b"OggS\0\0" + bytes(20) + b"\1\5sound"


async def rows(db: Database) -> int:
    async with db.session() as session:
        found: int = await session.scalar(text("SELECT count(*) FROM files"))
        return found


async def read(store: LocalFileStore, file: StoredFile) -> bytes:
    return b"".join([piece async for piece in store.read(file.sha256)])


class TestPictures:
    async def test_a_photo_keeps_its_picture_and_loses_its_place_and_camera(
        self, db: Database, store: LocalFileStore
    ) -> None:
        file = await take_file(db, pieces(with_exif()), owner=ME, store=store)
        kept = await read(store, file)
        with Image.open(io.BytesIO(kept)) as made:
            assert (made.format, made.size) == ("JPEG", (400, 600))  # Turned upright.
            assert dict(made.getexif()) == {}
        assert b"SecretCamera" not in kept
        assert (file.kind, file.media_type, file.width, file.height) == ("picture", "image/jpeg", 400, 600)

    async def test_a_large_one_is_made_smaller(self, db: Database, store: LocalFileStore) -> None:
        file = await take_file(db, pieces(picture(size=(5000, 2500))), owner=ME, store=store)
        assert (file.width, file.height) == (2048, 1024)

    @pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB"), ("AVIF", "RGB")])
    async def test_other_kinds_become_jpeg(self, db: Database, store: LocalFileStore, kind: str, mode: str) -> None:
        file = await take_file(db, pieces(picture(kind, mode=mode)), owner=ME, store=store)
        assert (file.media_type, (await read(store, file))[:2]) == ("image/jpeg", b"\xff\xd8")

    async def test_what_is_hidden_behind_a_picture_does_not_survive(self, db: Database, store: LocalFileStore) -> None:
        file = await take_file(db, pieces(picture() + b"<script>alert(1)</script>"), owner=ME, store=store)
        assert b"script" not in await read(store, file)


class TestVoice:
    @pytest.mark.parametrize(
        ("content", "media_type"), [(webm(), "audio/webm"), (ogg(), "audio/ogg"), (mp4(), "audio/mp4")]
    )
    async def test_a_voice_note_stays_as_it_is(
        self, db: Database, store: LocalFileStore, content: bytes, media_type: str
    ) -> None:
        file = await take_file(db, pieces(content), owner=ME, store=store)
        assert (file.kind, file.media_type) == ("voice", media_type)
        assert await read(store, file) == content


def huge_png() -> bytes:
    """A few hundred bytes that want to become ten gigapixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")


REFUSED = {
    "a picture that is a program": (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "FILE_KIND_NOT_TAKEN"),
    "a page": (b"<!doctype html><script>alert(1)</script>", "FILE_KIND_NOT_TAKEN"),
    "an archive": (b"PK\x03\x04" + bytes(100), "FILE_KIND_NOT_TAKEN"),
    "nothing": (b"", "FILE_KIND_NOT_TAKEN"),
    "a phone's own kind": (box(b"ftyp", b"heic\0\0\0\0") + bytes(100), "FILE_KIND_NOT_TAKEN"),
    "an animation": (picture("GIF"), "FILE_KIND_NOT_TAKEN"),
    "half a photo": (picture(size=(2000, 2000))[:3000], "FILE_DAMAGED"),
    "half a drawing": (picture("PNG")[:200], "FILE_DAMAGED"),
    "a bomb": (huge_png(), "PICTURE_TOO_LARGE"),
    "a film": (webm(track_type=1), "FILE_KIND_NOT_TAKEN"),
    "another film": (mp4(b"vide"), "FILE_KIND_NOT_TAKEN"),
    "a third film": (ogg(b"\x80theora"), "FILE_KIND_NOT_TAKEN"),
    "half a voice": (mp4()[:40], "FILE_DAMAGED"),
    "a voice without sound": (webm()[:20], "FILE_DAMAGED"),
    "boxes in boxes": (box(b"ftyp", b"M4A \0\0\0\0") + b"\0\0\0\0moov" * 5000, "FILE_DAMAGED"),
    "an hour of voice": (webm() + bytes(5 * 1024 * 1024), "VOICE_TOO_LONG"),
}


class TestRefusals:
    @pytest.mark.parametrize("name", REFUSED)
    async def test_it_is_refused_with_a_code_and_nothing_stays(
        self, db: Database, store: LocalFileStore, name: str
    ) -> None:
        content, code = REFUSED[name]
        with pytest.raises(GuanjiaError) as refusal:
            await take_file(db, pieces(content), owner=ME, store=store)
        assert refusal.value.code == code
        assert (await rows(db), await store.names()) == (0, [])

    async def test_a_hundred_megabytes_are_refused_at_the_first_byte_too_many(
        self, db: Database, store: LocalFileStore
    ) -> None:
        sent = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 1 << 20
                yield bytes(1 << 20)

        with pytest.raises(GuanjiaError) as refusal:
            await take_file(db, endless(), owner=ME, store=store)
        assert refusal.value.code == "FILE_TOO_LARGE"
        assert sent <= files.FILE_BYTES_MAX + (1 << 20)

    async def test_nobody_hoards(self, db: Database, store: LocalFileStore, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(files, "UNUSED_MAX", 2)
        for _ in range(2):
            await take_file(db, pieces(ogg()), owner=ME, store=store)
        with pytest.raises(TooManyRequests):
            await take_file(db, pieces(ogg()), owner=ME, store=store)
        await take_file(db, pieces(ogg()), owner=OTHER, store=store)


class TestBelonging:
    async def test_a_file_is_its_senders_alone_until_it_belongs_to_something(
        self, db: Database, store: LocalFileStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file = await take_file(db, pieces(ogg()), owner=ME, store=store)
        name = public_id("file", file.id)

        async def only_the_helper(_session: AsyncSession, reader: Any, thing: str) -> bool:
            return bool(reader == "helper" and thing == "thg_1")

        monkeypatch.setitem(files._readers, "thg", only_the_helper)
        async with db.session() as session:
            assert (await readable_file(session, name, reader=ME, owner=ME)).id == file.id
            with pytest.raises(Forbidden):
                await readable_file(session, name, reader="helper", owner=OTHER)
            await use_files(session, [name], owner=ME, used_by="thg_1")
            assert (await readable_file(session, name, reader="helper", owner=OTHER)).id == file.id
            with pytest.raises(Forbidden):
                await readable_file(session, name, reader="stranger", owner=OTHER)

    async def test_what_is_attached_once_is_not_attached_elsewhere_nor_by_others(
        self, db: Database, store: LocalFileStore
    ) -> None:
        name = public_id("file", (await take_file(db, pieces(ogg()), owner=ME, store=store)).id)
        async with db.session() as session:
            with pytest.raises(NotFound):
                await use_files(session, [name], owner=OTHER, used_by="thg_1")
            await use_files(session, [name], owner=ME, used_by="thg_1")
            await use_files(session, [name], owner=ME, used_by="thg_1")  # Sent twice: the same thing.
            with pytest.raises(FilesInUse):
                await use_files(session, [name], owner=ME, used_by="thg_2")


class TestForgetting:
    async def test_what_nothing_refers_to_is_gone_after_a_day_and_the_rest_stays(
        self, db: Database, store: LocalFileStore
    ) -> None:
        kept = await take_file(db, pieces(ogg()), owner=ME, store=store)
        await take_file(db, pieces(mp4()), owner=ME, store=store)
        async with db.session() as session:
            await use_files(session, [public_id("file", kept.id)], owner=ME, used_by="thg_1")
        assert await forget_unused_files(db, store) == 0
        clock.advance(timedelta(hours=25))
        assert await forget_unused_files(db, store) == 1
        assert await store.names() == [kept.sha256]
        assert await rows(db) == 1

    async def test_the_same_bytes_are_kept_once_and_for_as_long_as_one_needs_them(
        self, db: Database, store: LocalFileStore
    ) -> None:
        first = await take_file(db, pieces(ogg()), owner=ME, store=store)
        clock.advance(timedelta(hours=20))
        second = await take_file(db, pieces(ogg()), owner=OTHER, store=store)
        assert (first.sha256, await store.names()) == (second.sha256, [second.sha256])
        clock.advance(timedelta(hours=10))
        assert await forget_unused_files(db, store) == 0
        assert await read(store, second) == ogg()

    async def test_bytes_whose_row_was_never_finished_are_swept(self, db: Database, store: LocalFileStore) -> None:
        await store.put(bytes(32), b"left behind by a crash")
        assert await forget_unused_files(db, store) == 1
        assert await store.names() == []
