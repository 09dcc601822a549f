"""Where the bytes of files are kept: an object store by SHA-256, and the one that needs nothing but a folder.

Another store (S3 or the like) is another class with these four methods; nothing else knows where bytes are.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, Protocol

from kernel.settings import get_settings

_CHUNK: Final = 256 * 1024


class FileStore(Protocol):
    """Keeps bytes under the name of their SHA-256. What was put twice is there once."""

    async def put(self, sha256: bytes, content: bytes) -> None:
        """Keep them; when this returns, they survive a power cut."""

    def read(self, sha256: bytes) -> AsyncIterator[bytes]:
        """The bytes in pieces; FileNotFoundError where they are gone."""

    async def delete(self, sha256: bytes) -> None:
        """Forget them; nothing happens where they are not there."""

    async def names(self) -> list[bytes]:
        """All that is kept: for the sweeper."""


class LocalFileStore:
    """Files in a folder, spread over 256 of them by the first byte."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, sha256: bytes, content: bytes) -> None:
        await asyncio.to_thread(self._write, self._path(sha256), content)

    async def read(self, sha256: bytes) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(self._path(sha256).open, "rb") as file:
            while piece := await asyncio.to_thread(file.read, _CHUNK):
                yield piece

    async def delete(self, sha256: bytes) -> None:
        await asyncio.to_thread(self._path(sha256).unlink, missing_ok=True)

    async def names(self) -> list[bytes]:
        return await asyncio.to_thread(lambda: list(self._names()))

    def _path(self, sha256: bytes) -> Path:
        return self._folder / sha256[:1].hex() / sha256.hex()

    def _names(self) -> Iterator[bytes]:
        for file in self._folder.glob("[0-9a-f][0-9a-f]/*"):
            if len(file.name) == 64:
                yield bytes.fromhex(file.name)

    def _write(self, path: Path, content: bytes) -> None:
        """Whole or not at all: a temporary file beside it, on the disk, and then its name."""
        if path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        _fsync_folder(path.parent)


def _fsync_folder(folder: Path) -> None:
    """A name is durable once its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def local_store() -> LocalFileStore:
    """The folder `files` in the data folder."""
    return LocalFileStore(get_settings().data_dir.absolute() / "files")
