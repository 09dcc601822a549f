"""A bank's statement as plain data, whichever file it came in, and what must hold within it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from payments.banking.errors import StatementUnreadable


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement: + came in, - went out."""

    booked_on: date
    amount_fen: int
    counterparty: str
    end_to_end_id: str
    remittance: str
    bank_reference: str


@dataclass(frozen=True, slots=True)
class Statement:
    """An account's days: from one balance to another."""

    form: str
    account: str
    reference: str
    first_day: date
    last_day: date
    opening_fen: int
    closing_fen: int
    lines: Sequence[StatementLine]


def check_statement(statement: Statement) -> Statement:
    """The lines lead from the one balance to the other, and lie within the days; else StatementUnreadable."""
    led_to = statement.opening_fen + sum(line.amount_fen for line in statement.lines)
    if led_to != statement.closing_fen:
        raise StatementUnreadable(reason="sums", said=f"{led_to} fen, not {statement.closing_fen} fen")
    if statement.last_day < statement.first_day:
        raise StatementUnreadable(reason="days", said=f"{statement.first_day} - {statement.last_day}")
    outside = [line for line in statement.lines if not statement.first_day <= line.booked_on <= statement.last_day]
    if outside:
        raise StatementUnreadable(reason="days", said=f"{outside[0].bank_reference}: {outside[0].booked_on}")
    return statement
