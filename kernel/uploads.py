"""A file that is sent to us, as such or as the file of a form: its size is bounded before it is looked at."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from kernel.errors import GuanjiaError, Malformed

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
FILE_BYTES_MAX: Final = 10 * 1024 * 1024
# What a route that takes a table says of its body.
TABLE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            XLSX: {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}

# What a route that takes a picture or a voice note says of its body.
MEDIA_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": TABLE_BODY["requestBody"]["content"]["multipart/form-data"],
        },
    }
}
_FORM_FRAME_BYTES: Final = 64 * 1024
_PIECE_BYTES: Final = 64 * 1024


class FileTooLarge(GuanjiaError):
    """`data.max_bytes`."""

    code = "FILE_TOO_LARGE"
    status = 413
    message_zh = "文件太大"
    message_en = "The file is too large"


class FileNameHasPath(Malformed):
    """A name that means a place on a disk. We keep no names at all; who sends such a one has something in mind."""

    code = "FILE_NAME_HAS_PATH"
    message_zh = "文件名里不能有路径"
    message_en = "A file's name must not hold a path"


@asynccontextmanager
async def file_stream(request: Request, bytes_max: int) -> AsyncGenerator[AsyncIterator[bytes], None]:
    """The file in pieces, however it was sent, without ever holding all of it. Too large is told as early as it is known:
    by the length that the sender names, or else at the first byte too many."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > bytes_max + _FORM_FRAME_BYTES:
        raise FileTooLarge(max_bytes=bytes_max)
    pieces = _bounded(request, bytes_max + _FORM_FRAME_BYTES)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        yield pieces
        return
    try:
        form = await MultiPartParser(request.headers, pieces, max_files=1, max_fields=10).parse()
    except (MultiPartException, KeyError) as error:
        raise Malformed(reason="not a form with a file", field="file") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Malformed(reason="the form has no file", field="file")
        if any(mark in (file.filename or "") for mark in ("/", "\\", "\0", "..")):
            raise FileNameHasPath
        yield _pieces_of(file)
    finally:
        await form.close()


async def _bounded(request: Request, bytes_max: int) -> AsyncGenerator[bytes, None]:
    size_bytes = 0
    async for piece in request.stream():
        size_bytes += len(piece)
        if size_bytes > bytes_max:
            raise FileTooLarge(max_bytes=bytes_max)
        yield piece


async def _pieces_of(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(_PIECE_BYTES):
        yield piece


async def read_file(request: Request) -> bytes:
    """The file, however it was sent. Its size is bounded before it is looked at."""
    body = await _read_bounded(request)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return body

    async def chunks() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(request.headers, chunks(), max_files=1, max_fields=10).parse()
    except (MultiPartException, KeyError) as error:
        raise Malformed(reason="not a form with a file", field="file") from error
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Malformed(reason="the form has no file", field="file")
        return await file.read()
    finally:
        await form.close()


async def _read_bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FILE_BYTES_MAX:
            raise Malformed(reason="a file of more than 10 MB", field="file")
    return bytes(body)
