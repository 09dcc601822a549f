"""The sheet that is printed and hung up: a page for each code, with the canteen's name in both languages.

The name is printed large and shown large on the phone before anybody pays, so that a code which was stuck over another
canteen's is seen. Chinese is set in the song face that PDF readers bring along (a CID font), so the file stays small.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import qrcode
from qrcode.constants import ERROR_CORRECT_Q
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

_CJK: Final = "STSong-Light"
_LATIN: Final = "Helvetica"
_WIDTH: Final = float(A4[0])
_HEIGHT: Final = float(A4[1])
_MARGIN: Final = 22 * mm
_QR_SIDE: Final = 112 * mm
_QUIET_ZONE_MODULES: Final = 4
_CELADON: Final = HexColor("#2F6B5E")
_INK: Final = HexColor("#1E2A2A")
_SOFT: Final = HexColor("#5B6766")
_LINE: Final = HexColor("#E6E2D8")

_STEPS: Final = (
    ("打开手机里的付款页，点“扫一扫”，或用手机相机扫描", "Scan in your pay page, or with your phone's camera"),
    ("核对屏幕上的食堂名称，与本页不同请勿付款", "Check the canteen's name; if it differs from this page, do not pay"),
    ("输入金额或确认餐价，付款后给收银员看一眼", "Type the amount or confirm the price, then show the result"),
)


@dataclass(frozen=True, slots=True)
class SheetPage:
    """One code to hang up. `till` is None for the code of a whole canteen."""

    name_zh: str
    name_en: str
    till: str | None
    issue: int
    issued_on: str
    number: str
    url: str


def place_code_sheet(pages: Sequence[SheetPage]) -> bytes:
    """The PDF: A4, a page for each code. It takes a moment; call it in a thread."""
    pdfmetrics.registerFont(UnicodeCIDFont(_CJK))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.setTitle("收款码 Wall codes")
    for page in pages:
        _draw_page(canvas, page)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _draw_page(canvas: Canvas, page: SheetPage) -> None:
    canvas.setFillColor(_CELADON)
    canvas.rect(0, _HEIGHT - 20 * mm, _WIDTH, 20 * mm, stroke=0, fill=1)
    canvas.setFillColor(HexColor("#FFFFFF"))
    _centred(canvas, "扫码付款  Scan to pay", 18, _HEIGHT - 13 * mm)
    _centred(canvas, page.name_zh, 34, _HEIGHT - 43 * mm, _INK)
    _centred(canvas, page.name_en, 18, _HEIGHT - 54 * mm, _SOFT)
    if page.till is not None:
        _centred(canvas, page.till, 16, _HEIGHT - 64 * mm, _CELADON)
    bottom = _HEIGHT - 72 * mm - _QR_SIDE
    _draw_qr(canvas, page.url, (_WIDTH - _QR_SIDE) / 2, bottom)
    _draw_steps(canvas, bottom - 14 * mm)
    canvas.setStrokeColor(_LINE)
    canvas.line(_MARGIN, 24 * mm, _WIDTH - _MARGIN, 24 * mm)
    _centred(canvas, f"第 {page.issue} 版  Issue {page.issue} · {page.issued_on} · {page.number}", 9, 17 * mm, _SOFT)


def _draw_steps(canvas: Canvas, top: float) -> None:
    for number, (zh, en) in enumerate(_STEPS, start=1):
        canvas.setFillColor(_INK)
        canvas.setFont(_CJK, 13)
        canvas.drawString(_MARGIN, top, f"{number}. {zh}")
        canvas.setFillColor(_SOFT)
        canvas.setFont(_LATIN, 10)
        canvas.drawString(_MARGIN + 5 * mm, top - 5.5 * mm, en)
        top -= 15 * mm


def _centred(canvas: Canvas, text: str, size: float, at: float, colour: Color | None = None) -> None:
    """A line in the middle; a long name is set smaller until it fits."""
    font = _LATIN if text.isascii() else _CJK
    while size > 8 and pdfmetrics.stringWidth(text, font, size) > _WIDTH - 2 * _MARGIN:
        size -= 1
    if colour is not None:
        canvas.setFillColor(colour)
    canvas.setFont(font, size)
    canvas.drawCentredString(_WIDTH / 2, at, text)


def _draw_qr(canvas: Canvas, url: str, left: float, bottom: float) -> None:
    """Squares, not pixels: sharp at any size. Level Q survives a stain and a scratch."""
    symbol = qrcode.QRCode(error_correction=ERROR_CORRECT_Q, border=_QUIET_ZONE_MODULES)
    symbol.add_data(url)
    symbol.make(fit=True)
    rows = symbol.get_matrix()
    side = _QR_SIDE / len(rows)
    canvas.setFillColor(_INK)
    for number, row in enumerate(rows):
        for at, end in _dark_runs(row):
            # A hair wider than the module: no white seams between neighbours where a printer rounds.
            y = bottom + _QR_SIDE - (number + 1) * side
            canvas.rect(left + at * side, y, (end - at) * side + 0.1, side + 0.1, stroke=0, fill=1)


def _dark_runs(row: Sequence[bool]) -> list[tuple[int, int]]:
    """Neighbouring dark modules as one rectangle each: (first, one past the last)."""
    runs: list[tuple[int, int]] = []
    for at, dark in enumerate(row):
        if not dark:
            continue
        if runs and runs[-1][1] == at:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs
