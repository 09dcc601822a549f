"""A statement as PDF, A4, to be signed by hand and filed. A re-run gives the same bytes.

Chinese is set in the song face that PDF readers bring along (a CID font), as on the sheets of wall codes.
"""

import io
from collections.abc import Sequence
from typing import IO, Final

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from kernel.money import format_yuan
from payments.settlement.statements.sheets import HashingFile
from payments.settlement.statements.statement import StatementLine
from payments.settlement.statements.telling import Row, Teller

# A thousand pages are read by nobody; the line file has them all.
LINES_MAX: Final = 5000

_CJK: Final = "STSong-Light"
_LATIN: Final = "Helvetica"
_SIZE: Final = landscape(A4)
_WIDTH: Final = float(_SIZE[0])
_HEIGHT: Final = float(_SIZE[1])
_MARGIN: Final = 14 * mm
_BOTTOM: Final = 16 * mm
_STEP: Final = 5 * mm
_INK: Final = HexColor("#1E2A2A")
_SOFT: Final = HexColor("#5B6766")
_RULE: Final = HexColor("#E6E2D8")
_AMOUNT_WIDTH: Final = 28 * mm
# Left edges of number, business date, time, what, where; the reference closes the row.
_LEFT: Final = (0.0, 14 * mm, 36 * mm, 72 * mm, 98 * mm)
_REFERENCE_WIDTH: Final = 26 * mm


class PdfWriter:
    """Keeps the first lines and draws all pages at the end."""

    def __init__(self, target: IO[bytes], teller: Teller) -> None:
        self._target, self._teller = target, teller
        self._rows: list[Row] = []
        self._left_out = 0

    def write_all(self, lines: Sequence[StatementLine]) -> None:
        """As many as a PDF takes."""
        taken = lines[: LINES_MAX - len(self._rows)]
        self._rows.extend(map(self._teller.row, taken))
        self._left_out += len(lines) - len(taken)

    def close(self) -> str:
        """Draw it."""
        file = HashingFile(self._target)
        file.write(_draw(self._teller, self._rows, self._left_out))
        return file.sha256


def _draw(teller: Teller, rows: Sequence[Row], left_out: int) -> bytes:
    pdfmetrics.registerFont(UnicodeCIDFont(_CJK))
    buffer = io.BytesIO()
    # `invariant` leaves out the time and the random id that a PDF otherwise carries.
    canvas = Canvas(buffer, pagesize=_SIZE, invariant=1)
    canvas.setTitle(f"{teller.title} {teller.statement.subject.code} {teller.statement.period}")
    page = _Page(canvas, teller)
    page.begin()
    page.draw_facts()
    page.draw_columns()
    for row in rows:
        page.draw_row(row)
    page.draw_totals(left_out)
    page.end()
    canvas.save()
    return buffer.getvalue()


class _Page:
    """Where the next line goes, and a new page where there is no room for it."""

    def __init__(self, canvas: Canvas, teller: Teller) -> None:
        self._canvas, self._teller = canvas, teller
        self._number, self._at = 0, 0.0

    def begin(self) -> None:
        self._number += 1
        self._at = _HEIGHT - _MARGIN

    def end(self) -> None:
        teller = self._teller
        self._put(_MARGIN, 9 * mm, f"{teller.title} · {teller.statement.subject.code} · {teller.statement.period}", 8)
        self._put_right(_WIDTH - _MARGIN, 9 * mm, teller.say("page").format(self._number), 8)
        self._canvas.showPage()

    def _next(self) -> None:
        if self._at < _BOTTOM + 2 * _STEP:
            self.end()
            self.begin()
            self.draw_columns()

    def draw_facts(self) -> None:
        teller = self._teller
        self._put(_MARGIN, self._at - 4 * mm, teller.title, 18, _INK)
        self._at -= 13 * mm
        facts = [*teller.facts, ("", teller.say("unit_of_money"))]
        for at, (name, value) in enumerate(facts):
            left = _MARGIN + (at % 2) * (_WIDTH / 2 - _MARGIN)
            self._put(left, self._at, name, 9)
            self._put(left + 28 * mm, self._at, value, 9, _INK)
            self._at -= _STEP * (at % 2)
        self._at -= _STEP
        for total in teller.sums:
            parts = [("opening", total.opening_fen), ("change", total.change_fen), ("closing", total.closing_fen)]
            told = [f"{teller.say(word)} {format_yuan(fen)}" for word, fen in parts if fen is not None]
            self._put(_MARGIN, self._at, total.account, 10, _INK)
            for column, text in enumerate(told):
                self._put(_MARGIN + (36 + 56 * column) * mm, self._at, text, 10, _INK)
            self._at -= _STEP
        self._at -= _STEP

    def draw_columns(self) -> None:
        columns = self._teller.columns
        for left, name in zip(_LEFT, columns[:5], strict=True):
            self._put(_MARGIN + left, self._at, name, 8)
        for right, name in zip(self._amount_edges(), columns[5:-2], strict=True):
            self._put_right(right, self._at, name, 8)
        self._put_right(_WIDTH - _MARGIN, self._at, columns[-2], 8)
        self._canvas.setStrokeColor(_RULE)
        self._canvas.line(_MARGIN, self._at - 1.5 * mm, _WIDTH - _MARGIN, self._at - 1.5 * mm)
        self._at -= _STEP

    def _amount_edges(self) -> list[float]:
        count = len(self._teller.statement.account_kinds)
        last = _WIDTH - _MARGIN - _REFERENCE_WIDTH
        return [last - _AMOUNT_WIDTH * (count - 1 - at) for at in range(count)]

    def draw_row(self, row: Row) -> None:
        self._next()
        room = self._amount_edges()[0] - _AMOUNT_WIDTH - _MARGIN - _LEFT[-1]
        cells = (str(row.number), row.business_date, row.time, row.kind, _cut(row.place, room))
        for left, text in zip(_LEFT, cells, strict=True):
            self._put(_MARGIN + left, self._at, text, 8.5, _INK)
        for right, fen in zip(self._amount_edges(), row.gains_fen, strict=True):
            if fen:
                self._put_right(right, self._at, format_yuan(fen), 8.5, _INK)
        self._put_right(_WIDTH - _MARGIN, self._at, row.transfer[-10:], 7)
        self._at -= _STEP

    def draw_totals(self, left_out: int) -> None:
        self._next()
        teller = self._teller
        self._canvas.setStrokeColor(_RULE)
        self._canvas.line(_MARGIN, self._at + 3.5 * mm, _WIDTH - _MARGIN, self._at + 3.5 * mm)
        self._put(_MARGIN, self._at, teller.say("total"), 9, _INK)
        for right, total in zip(self._amount_edges(), teller.sums, strict=True):
            self._put_right(right, self._at, format_yuan(total.change_fen), 9, _INK)
        if left_out:
            self._at -= _STEP
            self._put(_MARGIN, self._at, teller.say("left_out").format(left_out), 8)

    def _put(self, left: float, bottom: float, text: str, size: float, colour: Color = _SOFT) -> None:
        self._canvas.setFillColor(colour)
        self._canvas.setFont(_font_of(text), size)
        self._canvas.drawString(left, bottom, text)

    def _put_right(self, right: float, bottom: float, text: str, size: float, colour: Color = _SOFT) -> None:
        self._canvas.setFillColor(colour)
        self._canvas.setFont(_font_of(text), size)
        self._canvas.drawRightString(right, bottom, text)


def _font_of(text: str) -> str:
    return _LATIN if text.isascii() else _CJK


def _cut(text: str, room: float) -> str:
    """As much of a long name as there is room for."""
    while text and pdfmetrics.stringWidth(text, _font_of(text), 8.5) > room:
        text = text[:-1]
    return text
