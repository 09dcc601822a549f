"""Vouchers: pay codes for one meal, which a phone fetches beforehand and shows when it has no network.

A voucher is a pay code whose P2 outlives its P1: a till that reads all 220 digits takes it until the meal ends, once, like
any other code. What a till without a network may take is said by the tier, which is 0 today (docs/pay-code.md).
"""

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import first_id_at, public_id
from kernel.settings import get_settings
from payments import queries
from payments.credentials import trust
from payments.credentials.pay_code_format import LIFE_UNTIL_MEAL_ENDS
from payments.credentials.pay_codes import CODE_LIFE, Terms, make_code, refuse_unless_active
from payments.errors import NoVoucher
from payments.models import Holder, PayCode

VOUCHERS_A_DAY: Final = 2
# A meal further away is nothing that a phone need be ready for; and a till looks back at codes of two days only.
NEAR: Final = timedelta(hours=18)
_BUSINESS_DAY_LENGTH: Final = timedelta(days=1)


class MealSpan(NamedTuple):
    """One meal somewhere within a person's reach."""

    meal: str
    from_at: datetime
    until_at: datetime


class MealCalendar(Protocol):
    """Payments knows no meals: whoever serves them tells which is on, or comes next, for people of a unit."""

    async def __call__(self, session: AsyncSession, unit_id: UUID, at: datetime, /) -> MealSpan | None:
        """The meal being served, else the next one; None where there is none in sight."""
        ...


_calendars: Final[list[MealCalendar]] = []


def register_meal_calendar(calendar: MealCalendar) -> None:
    """Add one; app/wiring.py calls this."""
    if calendar not in _calendars:
        _calendars.append(calendar)


async def issue_voucher(session: AsyncSession, person_id: UUID) -> dict[str, Any]:
    """A voucher for the meal that is on, else for the next one; at most two a business day."""
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    holder = await queries.lock_holder(session, bucket, holder_id)
    refuse_unless_active(holder)
    at = clock.now()
    if len(await _given_today(session, holder, at)) >= VOUCHERS_A_DAY:
        raise NoVoucher(reason="given_out")
    span = await _next_meal(session, holder.unit_id, at)
    if span is None:
        raise NoVoucher(reason="no_meal")
    terms = Terms(max(at, span.from_at), LIFE_UNTIL_MEAL_ENDS, span.meal, span.until_at)
    code, row = make_code(holder, await trust.ensure_signing_key(session, holder.region_id), at, terms)
    await session.execute(insert(PayCode), [row])
    return {
        "id": public_id("cod", code.id),
        "text": code.text,
        "meal": span.meal,
        "issued_at": clock.rfc3339(at),
        "expires_at": clock.rfc3339(span.until_at),
    }


async def list_vouchers(session: AsyncSession, person_id: UUID) -> list[dict[str, Any]]:
    """Today's, newest first, and whether they have paid."""
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    holder = await session.get_one(Holder, (bucket, holder_id))
    return [
        {
            "id": public_id("cod", row.id),
            "expires_at": clock.rfc3339(row.block_expires_at),
            "used": row.used_by is not None,
        }
        for row in await _given_today(session, holder, clock.now())
    ]


async def _given_today(session: AsyncSession, holder: Holder, at: datetime) -> list[PayCode]:
    """A voucher is what outlives its own P1. Within the holder's bucket, and of this business date only."""
    zone = get_settings().zone
    found = await session.scalars(
        select(PayCode)
        .where(
            PayCode.bucket == holder.bucket,
            PayCode.id >= first_id_at(at - _BUSINESS_DAY_LENGTH),
            PayCode.holder_id == holder.id,
            PayCode.block_expires_at > PayCode.expires_at,
        )
        .order_by(PayCode.id.desc())
    )
    today = clock.business_date(at, zone)
    return [row for row in found if clock.business_date(_issued_at(row), zone) == today]


def _issued_at(row: PayCode) -> datetime:
    return row.expires_at - CODE_LIFE


async def _next_meal(session: AsyncSession, unit_id: UUID, at: datetime) -> MealSpan | None:
    spans = [await calendar(session, unit_id, at) for calendar in _calendars]
    near = [span for span in spans if span is not None and at < span.until_at and span.from_at <= at + NEAR]
    return min(near, key=lambda span: span.from_at, default=None)
