"""Holding two sides' lines of one month against each other. Pure.

A payment, void or refund has one name in both installations: the id of its transfer. For each name, what we say that they
owe us must be what they say that they owe us.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from payments.settlement.statements.statement import StatementLine


class DifferenceKind(StrEnum):
    """How two sides can differ on one transfer."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    OTHER_PERIOD = "other_period"
    # A name or a day that cannot be of this month: it is not booked.
    NOT_CREDIBLE = "not_credible"


@dataclass(slots=True)
class Told:
    """One transfer as the other side's file has it. What a file's region gains is what we lose."""

    line_number: int
    kind: str
    business_date: date
    happened_at: datetime
    # Of a meal of ours at theirs, and of a meal of theirs at ours; from our side: - is what we owe.
    claimed_fen: int = 0
    accepted_fen: int = 0

    @property
    def ours_fen(self) -> int:
        """What our book must say of it: + is what they owe us."""
        return self.claimed_fen + self.accepted_fen


@dataclass(frozen=True, slots=True)
class Known:
    """One transfer as our book has it, and the month that it stands in here."""

    period: str
    business_date: date
    ours_fen: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One transfer on which the two sides differ; `line_number` is the line of the file, where it stands in it."""

    kind: DifferenceKind
    transfer: UUID
    line_number: int | None
    business_date: date
    ours_fen: int | None
    theirs_fen: int | None


def told_by(lines: Iterable[StatementLine], first_line_number: int = 3) -> dict[UUID, Told]:
    """Their lines by transfer. In the file the first journal line is the third line."""
    found: dict[UUID, Told] = {}
    for line in lines:
        told = found.get(line.transfer_id)
        if told is None:
            number = first_line_number + line.number - 1
            told = found[line.transfer_id] = Told(number, line.kind, line.business_date, line.happened_at)
        told.claimed_fen -= line.gain_fen("due_from")
        told.accepted_fen -= line.gain_fen("due_to")
    return found


def compare(theirs: Mapping[UUID, Told], ours: Mapping[UUID, Known], period: str) -> list[Difference]:
    """Every transfer on which the sides differ, in the order of the file, then of what is missing from it."""
    found: list[Difference] = []
    for transfer, told in theirs.items():
        known = ours.get(transfer)
        if known is None and told.ours_fen:
            found.append(_difference(DifferenceKind.MISSING_HERE, transfer, told, None))
        elif known is not None and known.ours_fen != told.ours_fen:
            found.append(_difference(DifferenceKind.AMOUNT, transfer, told, known))
        elif known is not None and known.period != period:
            found.append(_difference(DifferenceKind.OTHER_PERIOD, transfer, told, known))
    missing = sorted(transfer for transfer in ours.keys() - theirs.keys() if ours[transfer].period == period)
    return found + [_difference(DifferenceKind.MISSING_THERE, transfer, None, ours[transfer]) for transfer in missing]


def _difference(kind: DifferenceKind, transfer: UUID, told: Told | None, known: Known | None) -> Difference:
    day = told.business_date if told is not None else known.business_date if known is not None else date.min
    return Difference(
        kind,
        transfer,
        told.line_number if told is not None else None,
        day,
        known.ours_fen if known is not None else None,
        told.ours_fen if told is not None else None,
    )
