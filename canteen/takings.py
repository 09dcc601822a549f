"""What a canteen takes, minute by minute, and its last payments: kept from payments' events for the live board."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.models import LastPayments, MinuteTotal
from kernel.events import StoredEvent
from kernel.ids import instant_of, parse_public_id
from payments.events import (
    GuestPaymentRefunded,
    GuestPaymentSucceeded,
    GuestRefundFailed,
    PaymentRefunded,
    PaymentSucceeded,
    PaymentVoided,
)

LAST_PAYMENTS_SHOWN: Final = 12

# What the list of last payments calls somebody without an account.
GUEST_LABEL: Final = "访客"

GuestReturn = GuestPaymentRefunded | GuestRefundFailed
PaymentEvent = PaymentSucceeded | GuestPaymentSucceeded | PaymentVoided | PaymentRefunded | GuestReturn
MinuteKey = tuple[UUID, date, datetime]


def payment_events(events: Iterable[StoredEvent]) -> list[PaymentEvent]:
    """Those of the events that touch a canteen's takings."""
    return [stored.event for stored in events if isinstance(stored.event, PaymentEvent)]


def touched_days(events: Iterable[PaymentEvent]) -> dict[UUID, date]:
    """The canteens that some events touch, each with the latest business date among them."""
    found: dict[UUID, date] = {}
    for event in events:
        canteen_id, day = parse_public_id("can", event.canteen), date.fromisoformat(event.business_date)
        found[canteen_id] = max(day, found.get(canteen_id, day))
    return found


@dataclass(slots=True)
class Delta:
    """What some events do to one minute."""

    count: int = 0
    amount_fen: int = 0
    voided_count: int = 0
    returned_fen: int = 0


def fold(events: Iterable[PaymentEvent]) -> dict[MinuteKey, Delta]:
    """The sums of some events. What is given back counts in the minute in which it is, on the sale's business date."""
    deltas: defaultdict[MinuteKey, Delta] = defaultdict(Delta)
    for event in events:
        minute = _posted_at(event).replace(second=0, microsecond=0)
        key = parse_public_id("can", event.canteen), date.fromisoformat(event.business_date), minute
        delta = deltas[key]
        if isinstance(event, PaymentSucceeded | GuestPaymentSucceeded):
            delta.count += 1
            delta.amount_fen += event.amount_fen
        elif isinstance(event, GuestReturn):
            # What the gateway refuses to give back is the canteen's again.
            sign = -1 if isinstance(event, GuestRefundFailed) else 1
            delta.returned_fen += sign * event.amount_fen
            delta.voided_count += sign * (event.kind == "void")
        else:
            delta.returned_fen += event.amount_fen
            delta.voided_count += isinstance(event, PaymentVoided)
    return dict(deltas)


def _posted_at(event: PaymentEvent) -> datetime:
    """When it was posted, from the id that was made then; `happened_at` is only what a till said."""
    if isinstance(event, GuestPaymentSucceeded | GuestReturn):
        # Its id is older: it was made before the guest was asked for a password, or the gateway for the refund.
        return datetime.fromisoformat(event.happened_at)
    if isinstance(event, PaymentSucceeded):
        return instant_of(parse_public_id("pay", event.payment))
    if isinstance(event, PaymentVoided):
        return instant_of(parse_public_id("void", event.void))
    return instant_of(parse_public_id("ref", event.refund))


async def add_to_totals(session: AsyncSession, deltas: dict[MinuteKey, Delta]) -> None:
    """Add sums to the minutes, in one statement."""
    if not deltas:
        return
    addition = insert(MinuteTotal).values(
        [
            {
                "canteen_id": canteen_id,
                "business_date": day,
                "minute": minute,
                "count": delta.count,
                "amount_fen": delta.amount_fen,
                "voided_count": delta.voided_count,
                "returned_fen": delta.returned_fen,
            }
            for (canteen_id, day, minute), delta in sorted(deltas.items(), key=lambda entry: str(entry[0]))
        ]
    )
    added = addition.excluded
    await session.execute(
        addition.on_conflict_do_update(
            index_elements=[MinuteTotal.canteen_id, MinuteTotal.business_date, MinuteTotal.minute],
            set_={
                "count": MinuteTotal.count + added.count,
                "amount_fen": MinuteTotal.amount_fen + added.amount_fen,
                "voided_count": MinuteTotal.voided_count + added.voided_count,
                "returned_fen": MinuteTotal.returned_fen + added.returned_fen,
            },
        )
    )


def last_after(before: Sequence[dict[str, Any]], events: Iterable[PaymentEvent]) -> list[dict[str, Any]]:
    """The list of last payments after some events."""
    payments = list(before)
    for event in events:
        if isinstance(event, PaymentSucceeded):
            payments.insert(
                0,
                {
                    "payment": event.payment,
                    "payer_label": event.payer_label,
                    "terminal": event.terminal,
                    "amount_fen": event.amount_fen,
                    "status": "succeeded",
                    "happened_at": event.happened_at,
                    "credential": event.credential,
                    "far_m": event.far_m,
                },
            )
            del payments[LAST_PAYMENTS_SHOWN:]
        elif isinstance(event, GuestPaymentSucceeded):
            payments.insert(
                0,
                {
                    "payment": event.guest_payment,
                    "payer_label": GUEST_LABEL,
                    "terminal": event.terminal,
                    "amount_fen": event.amount_fen,
                    "status": "succeeded",
                    "happened_at": event.happened_at,
                    "credential": "pay_code",
                    "far_m": None,
                },
            )
            del payments[LAST_PAYMENTS_SHOWN:]
        else:
            subject, status = _status_after(event)
            payments = [
                {**payment, "status": status} if payment["payment"] == subject else payment for payment in payments
            ]
    return payments


def _status_after(event: PaymentVoided | PaymentRefunded | GuestReturn) -> tuple[str, str]:
    """(payment, what is shown of it) once something was given back, or the gateway has refused to."""
    if isinstance(event, GuestRefundFailed):
        return event.guest_payment, "succeeded"
    if isinstance(event, GuestPaymentRefunded):
        return event.guest_payment, "voided" if event.kind == "void" else "refunded"
    return event.payment, "voided" if isinstance(event, PaymentVoided) else "refunded"


async def note_last_payments(session: AsyncSession, events: Sequence[PaymentEvent]) -> None:
    """Keep the last payments of each canteen that the events touch."""
    by_canteen: defaultdict[UUID, list[PaymentEvent]] = defaultdict(list)
    for event in events:
        by_canteen[parse_public_id("can", event.canteen)].append(event)
    if not by_canteen:
        return
    rows = await session.scalars(select(LastPayments).where(LastPayments.canteen_id.in_(by_canteen)))
    before = {row.canteen_id: row.payments for row in rows}
    writing = insert(LastPayments).values(
        [
            {"canteen_id": canteen_id, "payments": last_after(before.get(canteen_id, []), its_events)}
            for canteen_id, its_events in by_canteen.items()
        ]
    )
    await session.execute(
        writing.on_conflict_do_update(
            index_elements=[LastPayments.canteen_id], set_={"payments": writing.excluded.payments}
        )
    )


# ---- reading


@dataclass(frozen=True, slots=True)
class Takings:
    """A canteen's business day so far: voided sales and money given back are taken off."""

    takings_fen: int
    count: int


async def takings_of(session: AsyncSession, canteen_id: UUID, day: date) -> Takings:
    """The sums of a business date."""
    row = (
        await session.execute(
            select(
                func.coalesce(func.sum(MinuteTotal.amount_fen - MinuteTotal.returned_fen), 0),
                func.coalesce(func.sum(MinuteTotal.count - MinuteTotal.voided_count), 0),
            ).where(MinuteTotal.canteen_id == canteen_id, MinuteTotal.business_date == day)
        )
    ).one()
    return Takings(int(row[0]), int(row[1]))


async def minutes_of(
    session: AsyncSession, canteen_id: UUID, day: date, *, since: datetime | None = None
) -> Sequence[MinuteTotal]:
    """The minutes of a business date in which something was paid or given back, in order."""
    query = select(MinuteTotal).where(MinuteTotal.canteen_id == canteen_id, MinuteTotal.business_date == day)
    if since is not None:
        query = query.where(MinuteTotal.minute >= since)
    return (await session.scalars(query.order_by(MinuteTotal.minute))).all()


async def last_payments_of(session: AsyncSession, canteen_id: UUID) -> list[dict[str, Any]]:
    """The last payments, newest first."""
    row = await session.get(LastPayments, canteen_id)
    return row.payments if row else []
