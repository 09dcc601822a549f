"""Lines between accounts that stand in two regions' books: through `due_to` and `due_from`, alike in both. Pure."""

from typing import NamedTuple
from uuid import UUID

from payments.lines import Account, Booking, Line


class BookAccount(NamedTuple):
    """An account and the region in whose book it stands."""

    region_id: UUID
    account: Account


def crossing_lines(
    booking: Booking,
    debit: BookAccount,
    credit: BookAccount,
    amount_fen: int,
    lot_id: UUID | None = None,
    *,
    first_ordinal: int = 0,
) -> list[Line]:
    """One movement: a single line within one book; between two, a line in each, and the debited book owes the other.

    `lot_id` stands on the lines that move the lot's own money.
    """
    line = Line(
        booking.bucket,
        booking.transfer_id,
        first_ordinal,
        booking.kind,
        debit.region_id,
        debit.account,
        credit.account,
        lot_id,
        amount_fen,
        booking.business_date,
        booking.accounting_period,
    )
    if debit.region_id == credit.region_id:
        return [line]
    owing = line._replace(
        credit=Account("due_to", credit.region_id), lot_id=lot_id if debit.account.kind == "subsidy" else None
    )
    owed = line._replace(
        ordinal=first_ordinal + 1,
        region_id=credit.region_id,
        debit=Account("due_from", debit.region_id),
        lot_id=lot_id if credit.account.kind == "subsidy" else None,
    )
    return [owing, owed]
