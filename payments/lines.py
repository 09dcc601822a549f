"""Ledger lines as plain data, and the hash chain over them. Pure.

An account is `kind:owner` in one region's book: `cash:<holder>`, `subsidy:<holder>`, `payable:<canteen>`,
`due_to:<region>`. A line moves one amount from the credited to the debited account of one book, so every set of
lines sums to zero by its shape. Purses live with their holder; every other account is a house account.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

# Accounts whose balance stands beside their owner (purses, subsidy_lots, unit_prefunds), with the sign of a credit.
HOLDER_ACCOUNTS: Final = frozenset({"cash", "official", "subsidy"})
GENESIS: Final = bytes(32)


class Account(NamedTuple):
    """`kind:owner`, within a book."""

    kind: str
    owner: UUID


class Line(NamedTuple):
    """One movement. `ordinal` counts within its transfer."""

    bucket: int
    transfer_id: UUID
    ordinal: int
    kind: str
    region_id: UUID
    debit: Account
    credit: Account
    lot_id: UUID | None
    amount_fen: int
    business_date: date
    accounting_period: str

    def canonical(self) -> str:
        """The line as the hash chain reads it; `ledger_chain_sql` in invariants.py writes the same in SQL."""
        return (
            f"{self.transfer_id},{self.ordinal},{self.kind},{self.region_id},{self.debit.kind}:{self.debit.owner},"
            f"{self.credit.kind}:{self.credit.owner},{self.lot_id or ''},{self.amount_fen},{self.business_date},"
            f"{self.accounting_period}"
        )

    def row(self) -> tuple[object, ...]:
        """The line as a row of `ledger_lines`, but for the commit that writes it."""
        return (
            self.bucket,
            self.transfer_id,
            self.ordinal,
            self.kind,
            self.region_id,
            *self.debit,
            *self.credit,
            self.lot_id,
            self.amount_fen,
            self.business_date,
            self.accounting_period,
        )


class Delta(NamedTuple):
    """What one commit did to one house account."""

    region_id: UUID
    kind: str
    owner: UUID
    amount_fen: int
    entry_count: int


def chain_hash(previous: bytes, lines: Sequence[Line]) -> bytes:
    """The next link: SHA-256 of the hash before and the commit's lines, in order of (transfer, ordinal)."""
    ordered = sorted(lines, key=lambda line: (line.transfer_id.int, line.ordinal))
    return hashlib.sha256(previous + "\n".join([line.canonical() for line in ordered]).encode()).digest()


def house_deltas(lines: Iterable[Line]) -> list[Delta]:
    """Net change and number of entries of each house account, in a stable order."""
    sums: dict[tuple[UUID, Account], list[int]] = {}
    for line in lines:
        for account, signed in ((line.debit, line.amount_fen), (line.credit, -line.amount_fen)):
            if account.kind not in HOLDER_ACCOUNTS:
                entry = sums.setdefault((line.region_id, account), [0, 0])
                entry[0] += signed
                entry[1] += 1
    ordered = sorted(sums.items(), key=lambda item: (item[0][0].int, item[0][1].kind, item[0][1].owner.int))
    return [Delta(region, *account, total, count) for (region, account), (total, count) in ordered]


class Leg(NamedTuple):
    """A part of a payment, out of one purse (and one lot of it)."""

    purse: str
    lot_id: UUID | None
    amount_fen: int


class Booking(NamedTuple):
    """What a set of lines has in common."""

    bucket: int
    transfer_id: UUID
    kind: str
    business_date: date
    accounting_period: str


def single_line(
    booking: Booking,
    region_id: UUID,
    debit: Account,
    credit: Account,
    amount_fen: int,
    lot_id: UUID | None = None,
) -> Line:
    """A transfer of one line within one book."""
    return Line(
        booking.bucket,
        booking.transfer_id,
        0,
        booking.kind,
        region_id,
        debit,
        credit,
        lot_id,
        amount_fen,
        booking.business_date,
        booking.accounting_period,
    )


def sale_lines(
    booking: Booking, holder_id: UUID, legs: Sequence[Leg], home_region_id: UUID, host_region_id: UUID, site_id: UUID
) -> list[Line]:
    """Lines of a sale: purses to the canteen's payable; between regions, through due_to and due_from in both books."""
    payable = Account("payable", site_id)
    at_home = home_region_id == host_region_id
    credit = payable if at_home else Account("due_to", host_region_id)
    lines = [
        Line(
            booking.bucket,
            booking.transfer_id,
            ordinal,
            booking.kind,
            home_region_id,
            Account(leg.purse, holder_id),
            credit,
            leg.lot_id,
            leg.amount_fen,
            booking.business_date,
            booking.accounting_period,
        )
        for ordinal, leg in enumerate(legs)
    ]
    if not at_home:
        total = sum([leg.amount_fen for leg in legs])
        lines.append(
            Line(
                booking.bucket,
                booking.transfer_id,
                len(legs),
                booking.kind,
                host_region_id,
                Account("due_from", home_region_id),
                payable,
                None,
                total,
                booking.business_date,
                booking.accounting_period,
            )
        )
    return lines


def reversed_lines(lines: Sequence[Line]) -> list[Line]:
    """The same movements the other way round: what a void or a refund books."""
    return [line._replace(debit=line.credit, credit=line.debit) for line in lines]
