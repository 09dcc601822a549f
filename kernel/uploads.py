"""A file that is sent to us, as such or as the file of a form: its size is bounded before it is looked at."""

from collections.abc import AsyncGenerator
from typing import Any, Final

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from kernel.errors import Malformed

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
