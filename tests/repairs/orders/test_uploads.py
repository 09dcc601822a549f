"""What is no picture does not come in with a report, at either door: it is refused by its own code, and nothing of it stays."""

import gzip
import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from tests.repairs.orders.workshop import Workshop, photo

KEY = {"Guest-Key": "a-random-key-of-this-page"}
MB = 1024 * 1024


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    assert list(folder.iterdir()) == []


@pytest.fixture(params=["guest", "signed in"])
async def door(shop: Workshop, request: pytest.FixtureRequest) -> tuple[httpx.AsyncClient, str]:
    """The address at which a picture of a report is sent, and whose."""
    if request.param == "guest":
        shop.guest.headers.update(KEY)
        return shop.guest, f"/v1/repair_forms/{shop.label('lobby')}/files"
    return shop.wang.http, "/v1/files"


async def nothing_stays(shop: Workshop, folder: Path) -> bool:
    async with shop.db.session() as session:
        rows = await session.scalar(text("SELECT count(*) FROM files"))
    return rows == 0 and not left_in(folder)


def left_in(folder: Path) -> list[Path]:
    return [entry for entry in folder.rglob("*") if entry.is_file()]


def zip_bomb() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("photo.png", bytes(50 * MB))
    return buffer.getvalue()


def png_bomb() -> bytes:
    """A few kilobytes that say they are 60,000 by 60,000 points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(MB))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


REFUSED = {
    "a zip that unpacks to 50 MB": (zip_bomb(), 415, "FILE_KIND_NOT_TAKEN"),
    "a gzip": (gzip.compress(bytes(20 * MB)), 415, "FILE_KIND_NOT_TAKEN"),
    "a picture that unpacks to gigabytes": (png_bomb(), 422, "PICTURE_TOO_LARGE"),
    "a drawing with a script": (
        b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/v1/me")</script></svg>',
        415,
        "FILE_KIND_NOT_TAKEN",
    ),
    "a page that calls itself a picture": (b"<!doctype html><script>1</script>", 415, "FILE_KIND_NOT_TAKEN"),
    "a program": (b"\x7fELF\x02\x01\x01" + bytes(500), 415, "FILE_KIND_NOT_TAKEN"),
    "half a picture": (photo()[:60], 422, "FILE_DAMAGED"),
}


async def test_a_wrong_file_is_refused_by_its_content_and_leaves_nothing(
    shop: Workshop, door: tuple[httpx.AsyncClient, str], tmp_path: Path
) -> None:
    client, path = door
    for what, (content, status, code) in REFUSED.items():
        answer = await client.post(path, files={"file": ("lamp.jpg", content, "image/jpeg")})

        assert (what, answer.status_code, answer.json()["code"]) == (what, status, code)
        assert await nothing_stays(shop, tmp_path), what


async def test_a_path_in_the_name_is_refused_though_the_picture_is_one(
    shop: Workshop, door: tuple[httpx.AsyncClient, str], tmp_path: Path
) -> None:
    client, path = door
    for name in ("../../etc/cron.d/x.png", "..\\windows\\x.png", "..", "a/b.png"):
        answer = await client.post(path, files={"file": (name, photo(), "image/png")})

        assert (name, answer.status_code, answer.json()["code"]) == (name, 422, "FILE_NAME_HAS_PATH")
        assert await nothing_stays(shop, tmp_path), name


async def test_a_hundred_megabytes_are_refused_before_they_are_taken(
    shop: Workshop, door: tuple[httpx.AsyncClient, str], tmp_path: Path
) -> None:
    client, path = door
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield photo()
        for _ in range(100):
            sent += 1
            yield bytes(MB)

    for headers, sent_max in (({"Content-Length": str(100 * MB)}, 1), ({}, 22)):
        sent = 0
        answer = await client.post(path, content=endless(), headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (413, "FILE_TOO_LARGE")
        assert sent <= sent_max
        assert await nothing_stays(shop, tmp_path)


async def test_an_order_refers_to_no_file_of_somebody_else(shop: Workshop) -> None:
    picture = await shop.zhou.sends_photo()
    answer = await shop.wang.post("work_orders", words="灯", files=[picture], category=shop.categories["lamp"])
    assert answer.status_code == 404
    assert (await shop.wang.http.get("/v1/work_orders?mine=raised")).json()["data"] == []
