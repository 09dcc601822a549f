"""`/v1/files`: pictures and voice notes come in, and go out to those who may see them."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse

from identity.access import CallerApart
from identity.schemas import FileView
from kernel.db import DatabaseDep
from kernel.errors import Forbidden, NotFound, TooManyRequests, Unauthenticated
from kernel.file_contents import FileDamaged, FileKindNotTaken, PictureTooLarge, VoiceTooLong
from kernel.file_store import local_store
from kernel.files import FILE_BYTES_MAX, PREFIX, StoredFile, readable_file, take_file
from kernel.http import raises
from kernel.ids import public_id
from kernel.uploads import MEDIA_BODY, FileNameHasPath, FileTooLarge, file_stream

router = APIRouter(prefix="/v1/files", tags=["files"])
FileId = Annotated[str, Path(pattern=r"^file_[0-9a-f]{32}$", max_length=37)]
_TAKEN: Final = raises(
    Unauthenticated,
    TooManyRequests,
    FileTooLarge,
    FileNameHasPath,
    FileKindNotTaken,
    FileDamaged,
    PictureTooLarge,
    VoiceTooLong,
)
_ENDINGS: Final = {"image/jpeg": "jpg", "audio/webm": "webm", "audio/ogg": "ogg", "audio/mp4": "m4a"}


@router.post("", status_code=201, responses=_TAKEN, openapi_extra=MEDIA_BODY)
async def post_file(request: Request, caller: CallerApart, db: DatabaseDep) -> FileView:
    """A picture (made anew, upright, without its place and camera) or a voice note, as such or as the file of a form."""
    async with file_stream(request, FILE_BYTES_MAX) as pieces:
        return file_view(await take_file(db, pieces, owner=caller.actor))


@router.get(
    "/{file}",
    response_class=StreamingResponse,
    responses={
        200: {"content": {media_type: {} for media_type in _ENDINGS}},
        **raises(Unauthenticated, Forbidden, NotFound),
    },
)
async def get_file(file: FileId, caller: CallerApart, db: DatabaseDep) -> StreamingResponse:
    """The bytes, for who sent them and for those who may see what they belong to."""
    async with db.session() as session:
        row = await readable_file(session, file, reader=caller, owner=caller.actor)
    headers = {
        "Content-Length": str(row.size_bytes),
        "Content-Disposition": f'inline; filename="{file[-8:]}.{_ENDINGS[row.media_type]}"',
        # What was sent by somebody is never run by anybody.
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    return StreamingResponse(local_store().read(row.sha256), headers=headers, media_type=row.media_type)


def file_view(row: StoredFile) -> FileView:
    """A file as those see it who may read it."""
    return FileView(
        id=public_id(PREFIX, row.id),
        kind=row.kind,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        width=row.width,
        height=row.height,
        created_at=row.created_at,
    )
