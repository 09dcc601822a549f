"""Vouchers from a month's movements and a mapping. Pure.

A region's own vouchers say what its book says. A unit or a canteen stands on the other side: what our book owes it is
what it has to get, so its vouchers have debit and credit the other way round. One voucher for each day and kind of line.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from payments.settlement.statements.queries import Movement
from payments.settlement.statements.statement import kind_of

# Whose vouchers are the mirror of our book.
MIRRORED: Final = frozenset({"unit", "canteen"})


class ChartAccount(NamedTuple):
    """An account of somebody's own chart."""

    code: str
    name: str


class VoucherEntry(NamedTuple):
    """One line of a voucher: a debit or a credit, and the account of ours that it comes from."""

    chart: ChartAccount
    account: str
    debit_fen: int
    credit_fen: int


@dataclass(frozen=True, slots=True)
class Voucher:
    """One day's lines of one kind. Its debits are its credits."""

    number: int
    day: date
    line_kind: str
    line_count: int
    entries: tuple[VoucherEntry, ...]

    @property
    def total_fen(self) -> int:
        return sum(entry.debit_fen for entry in self.entries)


class HoleInMapping(Exception):
    """Accounts of ours that the mapping has no account for."""

    def __init__(self, accounts: Sequence[str]) -> None:
        super().__init__(", ".join(accounts))
        self.accounts = list(accounts)


def find_chart_account(mapping: Mapping[str, ChartAccount], account: str) -> ChartAccount | None:
    """The entry of this very account, or of all of its kind."""
    return mapping.get(account) or mapping.get(kind_of(account))


def find_holes(mapping: Mapping[str, ChartAccount], movements: Sequence[Movement]) -> list[str]:
    """The accounts that move and are not mapped."""
    moved = {account for movement in movements for account in (movement.debit, movement.credit)}
    return sorted(account for account in moved if find_chart_account(mapping, account) is None)


def make_vouchers(
    mapping: Mapping[str, ChartAccount], movements: Sequence[Movement], *, mirrored: bool
) -> list[Voucher]:
    """All vouchers of the movements, numbered by day; HoleInMapping where an account has none."""
    holes = find_holes(mapping, movements)
    if holes:
        raise HoleInMapping(holes)
    ordered = sorted(movements, key=lambda movement: (movement.business_date, movement.kind))
    grouped = itertools.groupby(ordered, key=lambda movement: (movement.business_date, movement.kind))
    vouchers = [
        _voucher(number, day, kind, list(found), mapping, mirrored=mirrored)
        for number, ((day, kind), found) in enumerate(grouped, start=1)
    ]
    assert sum(v.total_fen for v in vouchers) == sum(m.amount_fen for m in movements), "vouchers add up to the lines"
    return vouchers


def _voucher(
    number: int,
    day: date,
    kind: str,
    movements: Sequence[Movement],
    mapping: Mapping[str, ChartAccount],
    *,
    mirrored: bool,
) -> Voucher:
    debits: dict[str, int] = {}
    credits_: dict[str, int] = {}
    for movement in movements:
        debit, credit = (movement.credit, movement.debit) if mirrored else (movement.debit, movement.credit)
        debits[debit] = debits.get(debit, 0) + movement.amount_fen
        credits_[credit] = credits_.get(credit, 0) + movement.amount_fen
    entries = [*_entries(debits, mapping, is_debit=True), *_entries(credits_, mapping, is_debit=False)]
    assert sum(entry.debit_fen - entry.credit_fen for entry in entries) == 0, "debits are credits"
    return Voucher(number, day, kind, sum(movement.line_count for movement in movements), tuple(entries))


def _entries(sums: Mapping[str, int], mapping: Mapping[str, ChartAccount], *, is_debit: bool) -> list[VoucherEntry]:
    found = []
    for account in sorted(sums):
        chart = find_chart_account(mapping, account)
        assert chart is not None, "holes were refused"
        amount_fen = sums[account]
        found.append(VoucherEntry(chart, account, amount_fen if is_debit else 0, 0 if is_debit else amount_fen))
    return sorted(found, key=lambda entry: (entry.chart.code, entry.account))
