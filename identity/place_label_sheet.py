"""Labels to print and stick up: one on a page for a wall by the lift, or eight on a page for doors and machines.

Chinese is set in the song face that PDF readers bring along (a CID font), so the file stays small.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import qrcode
from qrcode.constants import ERROR_CORRECT_Q
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

Layout = Literal["sheet", "labels"]

_CJK: Final = "STSong-Light"
_LATIN: Final = "Helvetica"
_WIDTH, _HEIGHT = float(A4[0]), float(A4[1])
_QUIET_ZONE_MODULES: Final = 4
_CELADON: Final = HexColor("#2F6B5E")
_WHITE: Final = HexColor("#FFFFFF")
_INK: Final = HexColor("#1E2A2A")
_SOFT: Final = HexColor("#5B6766")
_LINE: Final = HexColor("#E6E2D8")
_COLUMNS, _ROWS = 2, 4
_MARGIN: Final = 8 * mm


@dataclass(frozen=True, slots=True)
class Label:
    """One place to be found by. `way_*` name what it stands in."""

    name_zh: str
    name_en: str
    way_zh: str
    way_en: str
    code: str
    issue: int
    url: str


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    bottom: float
    width: float
    height: float


def label_sheet(labels: Sequence[Label], layout: Layout) -> bytes:
    """The PDF, A4. It takes a moment; call it in a thread."""
    pdfmetrics.registerFont(UnicodeCIDFont(_CJK))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setTitle("位置码 Place codes")
    if layout == "sheet":
        for label in labels:
            _draw_sheet(canvas, label)
            canvas.showPage()
    else:
        for first in range(0, len(labels), _COLUMNS * _ROWS):
            for number, label in enumerate(labels[first : first + _COLUMNS * _ROWS]):
                _draw_label(canvas, label, _box_of(number))
            canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _box_of(number: int) -> _Box:
    width, height = (_WIDTH - 2 * _MARGIN) / _COLUMNS, (_HEIGHT - 2 * _MARGIN) / _ROWS
    row, column = divmod(number, _COLUMNS)
    return _Box(_MARGIN + column * width, _HEIGHT - _MARGIN - (row + 1) * height, width, height)


def _draw_sheet(canvas: Canvas, label: Label) -> None:
    canvas.setFillColor(_CELADON)
    canvas.rect(0, _HEIGHT - 22 * mm, _WIDTH, 22 * mm, stroke=0, fill=1)
    middle, room = _WIDTH / 2, _WIDTH - 40 * mm
    _line(canvas, "扫码求助 · 报修  Scan for help", 20, middle, _HEIGHT - 14.5 * mm, room, _WHITE)
    _line(canvas, label.name_zh, 40, middle, _HEIGHT - 48 * mm, room, _INK)
    _line(canvas, label.name_en, 20, middle, _HEIGHT - 60 * mm, room, _SOFT)
    _line(canvas, label.way_zh, 14, middle, _HEIGHT - 72 * mm, room, _CELADON)
    _line(canvas, label.way_en, 11, middle, _HEIGHT - 79 * mm, room, _SOFT)
    side = 118 * mm
    _draw_qr(canvas, label.url, (_WIDTH - side) / 2, _HEIGHT - 90 * mm - side, side)
    steps = "用手机相机或本系统“扫一扫”，位置会自动填好"
    _line(canvas, steps, 13, middle, 68 * mm, room, _INK)
    _line(canvas, "Scan with your phone: the place is filled in for you", 11, middle, 61 * mm, room, _SOFT)
    canvas.setStrokeColor(_LINE)
    canvas.line(20 * mm, 24 * mm, _WIDTH - 20 * mm, 24 * mm)
    _line(canvas, _small_print(label), 9, middle, 17 * mm, room, _SOFT)


def _draw_label(canvas: Canvas, label: Label, box: _Box) -> None:
    canvas.setStrokeColor(_LINE)
    canvas.setDash(2, 2)
    canvas.rect(box.left, box.bottom, box.width, box.height, stroke=1, fill=0)
    canvas.setDash()
    side = box.height - 18 * mm
    _draw_qr(canvas, label.url, box.left + 3 * mm, box.bottom + 12 * mm, side)
    left = box.left + side + 4 * mm
    middle, room = (left + box.left + box.width) / 2, box.left + box.width - left - 4 * mm
    top = box.bottom + box.height
    _line(canvas, label.name_zh, 20, middle, top - 20 * mm, room, _INK)
    _line(canvas, label.name_en, 11, middle, top - 26 * mm, room, _SOFT)
    _line(canvas, label.way_zh, 9, middle, top - 35 * mm, room, _CELADON)
    _line(canvas, "扫码求助 · 报修", 10, middle, top - 46 * mm, room, _INK)
    _line(canvas, "Scan for help", 8, middle, top - 50 * mm, room, _SOFT)
    _line(canvas, _small_print(label), 7, box.left + box.width / 2, box.bottom + 5 * mm, box.width - 6 * mm, _SOFT)


def _small_print(label: Label) -> str:
    return f"{label.code} · 第 {label.issue} 版  Issue {label.issue}"


def _line(canvas: Canvas, text: str, size: float, middle: float, at: float, room: float, colour: Color) -> None:
    """A line in the middle; a long name is set smaller until it fits, and cut where even that does not help."""
    font = _LATIN if text.isascii() else _CJK
    while size > 6 and pdfmetrics.stringWidth(text, font, size) > room:
        size -= 0.5
    while len(text) > 1 and pdfmetrics.stringWidth(text, font, size) > room:
        text = text[:-2] + "…"
        font = _CJK
    canvas.setFillColor(colour)
    canvas.setFont(font, size)
    canvas.drawCentredString(middle, at, text)


def _draw_qr(canvas: Canvas, url: str, left: float, bottom: float, length: float) -> None:
    """Squares, not pixels: sharp at any size. Level Q survives a stain and a scratch."""
    symbol = qrcode.QRCode(error_correction=ERROR_CORRECT_Q, border=_QUIET_ZONE_MODULES)
    symbol.add_data(url)
    symbol.make(fit=True)
    rows = symbol.get_matrix()
    side = length / len(rows)
    canvas.setFillColor(_INK)
    for number, row in enumerate(rows):
        for at, dark in enumerate(row):
            if dark:
                # A hair wider than the module: no white seams between neighbours where a printer rounds.
                canvas.rect(
                    left + at * side, bottom + length - (number + 1) * side, side + 0.1, side + 0.1, stroke=0, fill=1
                )
