"""What a file really is, whatever it calls itself; and a picture made anew, without what it must not tell.

A picture is decoded and encoded again: nothing survives of its metadata (place, camera, thumbnail) nor of anything that was
hidden in or behind it. A voice note stays as it is; its container is looked at, so that it holds sound and nothing else.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.Image import DecompressionBombError, DecompressionBombWarning

from kernel.errors import GuanjiaError

PICTURE_SIDE_MAX: Final = 2048
# A telephone's largest; a JPEG is decoded smaller at once, others at most at a quarter of a gigabyte.
PICTURE_PIXELS_MAX: Final = 64_000_000
VOICE_BYTES_MAX: Final = 4 * 1024 * 1024
_JPEG_QUALITY: Final = 85
_PICTURE_FORMATS: Final = ("JPEG", "PNG", "WEBP", "AVIF")
_HEIC_BRANDS: Final = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"heim", b"heis")


class FileKindNotTaken(GuanjiaError):
    """Neither a picture nor a voice note of a kind that is taken, whatever its name or type says."""

    code = "FILE_KIND_NOT_TAKEN"
    status = 415
    message_zh = "只支持 JPEG、PNG、WebP、AVIF 图片和 WebM、Ogg、MP4 语音"
    message_en = "Pictures are taken as JPEG, PNG, WebP or AVIF; voice as WebM, Ogg or MP4"


class FileDamaged(GuanjiaError):
    """It begins like a picture or a voice note and does not go on like one."""

    code = "FILE_DAMAGED"
    status = 422
    message_zh = "文件已损坏，打不开"
    message_en = "The file is damaged and cannot be opened"


class PictureTooLarge(GuanjiaError):
    """Small to send and huge to unpack. `data.max_pixels`."""

    code = "PICTURE_TOO_LARGE"
    status = 422
    message_zh = "图片像素过大"
    message_en = "The picture has too many pixels"


class VoiceTooLong(GuanjiaError):
    """`data.max_bytes`."""

    code = "VOICE_TOO_LONG"
    status = 413
    message_zh = "语音太长"
    message_en = "The voice note is too long"


@dataclass(frozen=True, slots=True)
class CheckedContent:
    """What is kept of a file that is taken."""

    kind: str
    media_type: str
    content: bytes
    width: int | None = None
    height: int | None = None


def check_content(file: BinaryIO, size_bytes: int) -> CheckedContent:
    """The file as it is kept, or a refusal. It works hard; call it in a thread."""
    head = file.read(64)
    file.seek(0)
    media_type = _voice_type(head)
    if media_type is None:
        return _remake_picture(file, head)
    if size_bytes > VOICE_BYTES_MAX:
        raise VoiceTooLong(max_bytes=VOICE_BYTES_MAX)
    content = file.read()
    _check_voice(media_type, content)
    return CheckedContent("voice", media_type, content)


# ---- pictures


def _remake_picture(file: BinaryIO, head: bytes) -> CheckedContent:
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        raise FileKindNotTaken(found="HEIC")
    try:
        with Image.open(file, formats=_PICTURE_FORMATS) as picture:
            if picture.width * picture.height > PICTURE_PIXELS_MAX:
                raise PictureTooLarge(max_pixels=PICTURE_PIXELS_MAX)
            return _encode(_upright_and_small(picture))
    except UnidentifiedImageError as error:
        raise FileKindNotTaken from error
    # Pillow warns of a bomb before it refuses one; a warning is an error where somebody made it one.
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise PictureTooLarge(max_pixels=PICTURE_PIXELS_MAX) from error
    # Decoders fail in as many ways as files can be broken; each of them means the same to a sender.
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
        raise FileDamaged from error


def _upright_and_small(picture: Image.Image) -> Image.Image:
    picture.draft("RGB", (PICTURE_SIDE_MAX, PICTURE_SIDE_MAX))
    picture.thumbnail((PICTURE_SIDE_MAX, PICTURE_SIDE_MAX), Image.Resampling.LANCZOS, reducing_gap=2.0)
    upright = ImageOps.exif_transpose(picture)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    seen_through = upright.convert("RGBA")
    paper = Image.new("RGB", seen_through.size, "white")
    paper.paste(seen_through, mask=seen_through)
    return paper


def _encode(picture: Image.Image) -> CheckedContent:
    buffer = io.BytesIO()
    clean = Image.new("RGB", picture.size)
    # A fresh canvas has no metadata that an encoder could carry along.
    clean.paste(picture)
    clean.save(buffer, "JPEG", quality=_JPEG_QUALITY, optimize=True, progressive=True)
    return CheckedContent("picture", "image/jpeg", buffer.getvalue(), clean.width, clean.height)


# ---- voice


def _voice_type(head: bytes) -> str | None:
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "audio/webm"
    if head.startswith(b"OggS"):
        return "audio/ogg"
    if head[4:8] == b"ftyp" and head[8:12] not in (*_HEIC_BRANDS, b"avif", b"avis"):
        return "audio/mp4"
    return None


def _check_voice(media_type: str, content: bytes) -> None:
    try:
        _VOICE_CHECKS[media_type](content)
    except (IndexError, ValueError) as error:
        raise FileDamaged from error


# Matroska: an element is an id, a length and its content. These are walked into; the others are stepped over.
_EBML_HEADER: Final = 0x1A45DFA3
_DOC_TYPE: Final = 0x4282
_SEGMENT: Final = 0x18538067
_TRACKS: Final = 0x1654AE6B
_TRACK_ENTRY: Final = 0xAE
_TRACK_TYPE: Final = 0x83
_CLUSTER: Final = 0x1F43B675
_WALKED_INTO: Final = frozenset({_EBML_HEADER, _SEGMENT, _TRACKS, _TRACK_ENTRY})
_SOUND_TRACK: Final = 2


def _check_webm(content: bytes) -> None:
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(content):
        element, at = _ebml_number(content, at, keep_marker=True)
        length, at = _ebml_number(content, at, keep_marker=False)
        if element == _CLUSTER:
            break
        if element in _WALKED_INTO:
            continue
        found.setdefault(element, []).append(content[at : at + length])
        at += length
    tracks = [int.from_bytes(value) for value in found.get(_TRACK_TYPE, [])]
    if not tracks or found.get(_DOC_TYPE, [b""])[0].rstrip(b"\0") not in (b"webm", b"matroska"):
        raise FileDamaged
    if any(track != _SOUND_TRACK for track in tracks):
        raise FileKindNotTaken(found="video")


def _ebml_number(content: bytes, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """A number whose first set bit says how many bytes it has; (number, where it ends)."""
    width = 9 - content[at].bit_length()
    if width > 8 or at + width > len(content):
        raise ValueError("a number without an end")
    number = int.from_bytes(content[at : at + width])
    return number if keep_marker else number & ((1 << (7 * width)) - 1), at + width


def _check_ogg(content: bytes) -> None:
    """The first page of each stream says what it is; they all stand at the beginning."""
    at, kinds = 0, []
    while content[at : at + 4] == b"OggS" and content[at + 5] & 2:
        segments = content[at + 26]
        body = at + 27 + segments
        kinds.append(content[body : body + 8])
        at = body + sum(content[at + 27 : body])
    if not kinds:
        raise FileDamaged
    if not all(kind.startswith((b"OpusHead", b"\x01vorbis", b"Speex", b"\x7fFLAC")) for kind in kinds):
        raise FileKindNotTaken(found="video")


_BOXES_WALKED_INTO: Final = (b"moov", b"trak", b"mdia")


def _check_mp4(content: bytes) -> None:
    handlers = _mp4_handlers(content, 0, len(content), depth_left=4)
    if not handlers:
        raise FileDamaged
    if any(handler != b"soun" for handler in handlers):
        raise FileKindNotTaken(found="video")


def _mp4_handlers(content: bytes, at: int, end: int, *, depth_left: int) -> list[bytes]:
    """What each track says that it holds."""
    if depth_left == 0:
        raise ValueError("boxes in boxes in boxes")
    handlers: list[bytes] = []
    while at + 8 <= end:
        size, name, header = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8], 8
        if size == 1:
            size, header = int.from_bytes(content[at + 8 : at + 16]), 16
        if size == 0:
            size = end - at
        if size < header or at + size > end:
            raise ValueError("a box that is longer than what it stands in")
        if name in _BOXES_WALKED_INTO:
            handlers += _mp4_handlers(content, at + header, at + size, depth_left=depth_left - 1)
        elif name == b"hdlr":
            handlers.append(content[at + header + 8 : at + header + 12])
        at += size
    return handlers


_VOICE_CHECKS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "audio/webm": _check_webm,
    "audio/ogg": _check_ogg,
    "audio/mp4": _check_mp4,
}
