"""Badges to print and cut: ten on a page of A4, each with a name and the guest's code.

Chinese is set in the song face that PDF readers bring along (a CID font), so the file stays small.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import qrcode
from qrcode.constants import ERROR_CORRECT_L
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

_CJK: Final = "STSong-Light"
_LATIN: Final = "Helvetica"
_COLUMNS, _ROWS = 2, 5
_WIDTH, _HEIGHT = 90 * mm, 54 * mm
_LEFT, _BOTTOM = (float(A4[0]) - _COLUMNS * _WIDTH) / 2, (float(A4[1]) - _ROWS * _HEIGHT) / 2
_CELADON: Final = HexColor("#2F6B5E")
_WHITE: Final = HexColor("#FFFFFF")
_INK: Final = HexColor("#1E2A2A")
_SOFT: Final = HexColor("#5B6766")
_LINE: Final = HexColor("#E6E2D8")


@dataclass(frozen=True, slots=True)
class Badge:
    """What stands on one."""

    name: str
    unit_name: str
    meeting: str
    code: str


def badge_sheet(badges: Sequence[Badge]) -> bytes:
    """The PDF. It takes a moment; call it in a thread."""
    pdfmetrics.registerFont(UnicodeCIDFont(_CJK))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setTitle("胸牌 Badges")
    for first in range(0, max(len(badges), 1), _COLUMNS * _ROWS):
        for number, badge in enumerate(badges[first : first + _COLUMNS * _ROWS]):
            row, column = divmod(number, _COLUMNS)
            _draw(canvas, badge, _LEFT + column * _WIDTH, _BOTTOM + (_ROWS - 1 - row) * _HEIGHT)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw(canvas: Canvas, badge: Badge, left: float, bottom: float) -> None:
    canvas.setStrokeColor(_LINE)
    canvas.setDash(2, 2)
    canvas.rect(left, bottom, _WIDTH, _HEIGHT, stroke=1, fill=0)
    canvas.setDash()
    canvas.setFillColor(_CELADON)
    canvas.rect(left, bottom + _HEIGHT - 11 * mm, _WIDTH, 11 * mm, stroke=0, fill=1)
    _line(canvas, badge.meeting, 11, left + _WIDTH / 2, bottom + _HEIGHT - 7.5 * mm, _WIDTH - 8 * mm, _WHITE)
    side = 34 * mm
    _draw_qr(canvas, badge.code, left + _WIDTH - side - 4 * mm, bottom + 4 * mm, side)
    room = _WIDTH - side - 12 * mm
    middle = left + 4 * mm + room / 2
    _line(canvas, badge.name, 26, middle, bottom + 24 * mm, room, _INK)
    _line(canvas, badge.unit_name, 11, middle, bottom + 14 * mm, room, _SOFT)


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


def _draw_qr(canvas: Canvas, code: str, left: float, bottom: float, length: float) -> None:
    """Squares, not pixels: sharp at any size. A fresh badge needs no spare modules, larger ones are read from further."""
    symbol = qrcode.QRCode(error_correction=ERROR_CORRECT_L, border=2)
    symbol.add_data(code)
    symbol.make(fit=True)
    rows = symbol.get_matrix()
    side = length / len(rows)
    canvas.setFillColor(_INK)
    for number, row in enumerate(rows):
        for at, dark in enumerate(row):
            if dark:
                canvas.rect(
                    left + at * side, bottom + length - (number + 1) * side, side + 0.1, side + 0.1, stroke=0, fill=1
                )
