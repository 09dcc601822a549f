"""The figures as a workbook: a sheet for each table, its titles in one language, with the two pictures that a report begins with.

Everything is taken from the answer that the screen gets, so that the two cannot differ. Money stands in yuan, exactly.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final

from xlsxwriter import Workbook

from repairs.statistics.schemas import (
    CostFigures,
    NamedFigures,
    OrderCounts,
    PromiseFigures,
    RepairStatistics,
    SatisfactionFigures,
)
from repairs.statistics.words import WORDS

Row = Sequence[Any]
_MONEY_FORMAT: Final = "#,##0.00"
_FIRST_WIDTH: Final = 30
_WIDTH: Final = 14
# An order's, a milestone's, a rating's and a cost's columns stand in this order wherever they stand.
_COUNTS: Final = ("raised", "finished", "open", "called_off", "declined", "declines", "reopened", "reopenings")
_PROMISE: Final = ("kept", "broken", "waiting", "kept_percent", "median_s", "p90_s", "promise_s")
_SAID: Final = ("confirmed_by_person", "confirmed_by_system", "rated", "response_percent", "ratings", "mean_score")
_COST: Final = ("minutes", "labour_fen", "parts_fen", "total_fen")


def yuan(amount_fen: int) -> Decimal:
    """`1800` as 18.00, exactly."""
    return Decimal(amount_fen).scaleb(-2)


def workbook_of(found: RepairStatistics, language: str) -> bytes:
    """The file."""
    buffer = io.BytesIO()
    _Book(Workbook(buffer, {"in_memory": True}), language).write(found)
    return buffer.getvalue()


class _Book:
    """Writes sheet by sheet in one language."""

    def __init__(self, book: Workbook, language: str) -> None:
        self._book, self._at = book, int(language == "en")
        self._bold = book.add_format({"bold": True, "bg_color": "#E3EFEA"})
        self._money = book.add_format({"num_format": _MONEY_FORMAT})

    def write(self, found: RepairStatistics) -> None:
        """All sheets; then the file is complete."""
        self._summary(found)
        self._orders(found)
        self._flow(found)
        self._promises(found)
        self._times(found)
        self._technicians(found)
        self._satisfaction(found)
        self._costs(found)
        self._problems(found)
        self._book.close()

    def _say(self, word: str) -> str:
        return WORDS[word][self._at]

    def _titles(self, words: Iterable[str]) -> list[str]:
        return [self._say(word) for word in words]

    def _name(self, row: NamedFigures) -> str:
        return (row.name_en if self._at else row.name_zh) or self._say("nameless")

    def _sheet(self, word: str, titles: Iterable[str], rows: Iterable[Row]) -> Any:
        """A title row that stays in sight, and what stands below it."""
        sheet = self._book.add_worksheet(self._say(word))
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, 0, _FIRST_WIDTH)
        sheet.set_column(1, 20, _WIDTH)
        for number, row in enumerate([self._titles(titles), *rows]):
            for column, value in enumerate(row):
                self._put(sheet, number, column, value)
        return sheet

    def _put(self, sheet: Any, number: int, column: int, value: Any) -> None:
        if value is None:
            return
        if isinstance(value, Decimal):
            sheet.write_number(number, column, value, self._money)
        elif isinstance(value, int | float):
            sheet.write_number(number, column, value)
        else:
            # Text is text, whatever it begins with.
            shown = value.isoformat() if isinstance(value, date) else value
            sheet.write_string(number, column, shown, self._bold if number == 0 else None)

    # ---- the sheets

    def _summary(self, found: RepairStatistics) -> None:
        facts: list[Row] = [
            (self._say("days"), f"{found.first_day} – {found.last_day}"),
            (self._say("regions"), "、".join(map(self._name, found.regions))),
            (self._say("category"), self._name(found.category) if found.category else self._say("every")),
            (self._say("place"), self._name(found.place) if found.place else self._say("every")),
            (self._say("counted_at"), found.counted_at),
        ]
        facts += [(self._say(word), value) for word, value in zip(_COUNTS, _counts(found.totals), strict=True)]
        said = found.satisfaction
        facts += [(self._say(word), value) for word, value in zip(_SAID, _said(said), strict=True)]
        facts += [
            (self._say(word), getattr(said, word))
            for word in ("ratings_after_silence", "low", "low_answered", "low_waiting")
        ]
        facts += [(self._say(word), getattr(said, word)) for word in ("second_ratings", "second_mean_score")]
        facts += [(self._say(word), value) for word, value in zip(_COST, _cost(found.costs), strict=True)]
        facts += [
            (self._say("problems_opened"), found.problems.opened),
            (self._say("problems_open"), found.problems.open),
        ]
        self._sheet("summary", ("figure", "value"), facts).set_column(1, 1, _FIRST_WIDTH)

    def _orders(self, found: RepairStatistics) -> None:
        for word, rows in (("by_category", found.by_category), ("by_place", found.by_place)):
            title = "category" if word == "by_category" else "place"
            self._sheet(word, (title, *_COUNTS), ((self._name(row), *_counts(row)) for row in rows))
        states = ((self._say(f"state_{row.state}"), row.orders) for row in found.by_state)
        self._sheet("by_state", ("state", "orders"), states)

    def _flow(self, found: RepairStatistics) -> None:
        rows = [(point.begins, point.raised, point.finished) for point in found.flow]
        sheet = self._sheet("flow", (f"by_{found.by}", "raised", "finished"), rows)
        self._picture(sheet, "flow", len(rows), "column", (1, 2))

    def _promises(self, found: RepairStatistics) -> None:
        rows: list[Row] = []
        rows += [(self._say("all"), *self._promise(row)) for row in found.promises]
        rows += [(self._name(row), *self._promise(row)) for row in found.promises_by_category]
        rows += [(self._say(f"urgency_{row.urgency}"), *self._promise(row)) for row in found.promises_by_urgency]
        self._sheet("promises", ("of_what", "milestone", *_PROMISE), rows)

    def _promise(self, row: PromiseFigures) -> Row:
        return (self._say(f"milestone_{row.milestone}"), *(getattr(row, name) for name in _PROMISE))

    def _times(self, found: RepairStatistics) -> None:
        longer = self._say("longer")
        rows = [(one.up_to_s if one.up_to_s is not None else longer, one.kept, one.late) for one in found.times]
        sheet = self._sheet("times", ("up_to_s", "kept", "late"), rows)
        self._picture(sheet, "times", len(rows), "column", (1, 2))

    def _technicians(self, found: RepairStatistics) -> None:
        names = ("under_way", "load_max", "given", "done", "declined_by", "minutes", "ratings", "mean_score")
        rows = (
            (
                one.name, one.under_way, one.load_max, one.given, one.done, one.declined, one.minutes, one.ratings,
                one.mean_score,
            )
            for one in found.technicians
        )  # fmt: skip  # in the order of the titles
        self._sheet("technicians", ("technician", *names), rows)

    def _satisfaction(self, found: RepairStatistics) -> None:
        over_time = ((point.begins, *_said(point)) for point in found.satisfaction_over_time)
        self._sheet("satisfaction", (f"by_{found.by}", *_SAID), over_time)
        kinds = ((self._name(row), *_said(row)) for row in found.satisfaction_by_category)
        self._sheet("satisfaction_by_category", ("category", *_SAID), kinds)
        self._sheet("scores", ("score", "ratings"), enumerate(found.satisfaction.scores, start=1))

    def _costs(self, found: RepairStatistics) -> None:
        self._sheet("costs_by_unit", ("unit", *_COST), ((self._name(row), *_cost(row)) for row in found.costs_by_unit))
        kinds = ((self._name(row), *_cost(row)) for row in found.costs_by_category)
        self._sheet("costs_by_category", ("category", *_COST), kinds)

    def _problems(self, found: RepairStatistics) -> None:
        rows = (
            (
                row.place_text,
                row.category_en if self._at else row.category_zh,
                self._say(f"problem_{row.state}"),
                row.orders,
                row.opened_at,
            )
            for row in found.problems.rows
        )
        self._sheet("problems", ("place", "category", "state", "orders", "opened_at"), rows)

    def _picture(self, sheet: Any, word: str, rows: int, kind: str, columns: Sequence[int]) -> None:
        chart = self._book.add_chart({"type": kind})
        name = self._say(word)
        for column, colour in zip(columns, ("#2F6B5E", "#B7791F"), strict=True):
            chart.add_series(
                {
                    "name": [name, 0, column],
                    "categories": [name, 1, 0, rows, 0],
                    "values": [name, 1, column, rows, column],
                    "fill": {"color": colour},
                }
            )
        chart.set_title({"name": name})
        chart.set_size({"width": 760, "height": 360})
        sheet.insert_chart(1, max(columns) + 2, chart)


def _counts(row: OrderCounts) -> Row:
    return [getattr(row, name) for name in _COUNTS]


def _said(row: SatisfactionFigures) -> Row:
    return [getattr(row, name) for name in _SAID]


def _cost(row: CostFigures) -> Row:
    return (row.minutes, yuan(row.labour_fen), yuan(row.parts_fen), yuan(row.total_fen))
