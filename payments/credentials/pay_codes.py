"""Issuing pay codes: one-time, 60 seconds, digits only. The format stands in pay_code_format.py."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import public_id, uuid7
from kernel.sealing import derived_key
from kernel.settings import get_settings
from payments import queries
from payments.credentials import trust
from payments.credentials.pay_code_format import (
    MEAL_NUMBERS,
    SECRET_DIGITS,
    SIGNED_PREFIX,
    Claims,
    encode_d17,
    life_steps,
    spend_key_number,
    write_p1,
)
from payments.errors import PaymentRefused
from payments.models import Holder, PayCode, SigningKey
from payments.posting_rule import DenyCode, Refusal

CODE_LIFE: Final = timedelta(seconds=60)
PRICE_CLASSES: Final = {"staff": 1, "contract": 2, "retired": 3, "family": 4, "visitor": 5}


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code as its holder's phone gets it."""

    id: UUID
    holder_id: UUID
    code: str
    offline_block: str
    expires_at: datetime

    @property
    def text(self) -> str:
        """What stands in the QR code: 220 digits."""
        return self.code + self.offline_block


async def issue_pay_code(session: AsyncSession, person_id: UUID) -> IssuedCode:
    """A fresh code for one person; refused for a lost, frozen or closed account."""
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    return (await issue_pay_codes(session, [(bucket, holder_id)]))[0]


async def issue_pay_codes(session: AsyncSession, keys: Sequence[tuple[int, UUID]]) -> list[IssuedCode]:
    """Fresh codes for many holders; if one of them may have none, nobody gets one."""
    issued = []
    for outcome in await issue_or_refuse(session, keys):
        if isinstance(outcome, PaymentRefused):
            raise outcome
        issued.append(outcome)
    return issued


async def issue_or_refuse(session: AsyncSession, keys: Sequence[tuple[int, UUID]]) -> list[IssuedCode | PaymentRefused]:
    """Fresh codes for many holders, in one statement each for reading and writing; in their order, refusals among them.

    The holder row is read, not locked: a code is a right to ask, and what the account is worth is decided when it is
    spent, under the lock.
    """
    rows = await session.scalars(select(Holder).where(tuple_(Holder.bucket, Holder.id).in_(sorted(set(keys)))))
    holders = {(holder.bucket, holder.id): holder for holder in rows}
    at = clock.now()
    signing: dict[UUID, SigningKey] = {}
    outcomes: list[IssuedCode | PaymentRefused] = []
    values: list[dict[str, object]] = []
    for key in keys:
        holder = holders[key]
        if (refusal := _refusal_of(holder)) is not None:
            outcomes.append(PaymentRefused(refusal))
            continue
        if holder.region_id not in signing:
            signing[holder.region_id] = await trust.ensure_signing_key(session, holder.region_id)
        code, row = make_code(holder, signing[holder.region_id], at, terms_of_code(at))
        outcomes.append(code)
        values.append(row)
    if values:
        await session.execute(insert(PayCode), values)
    return outcomes


def _refusal_of(holder: Holder) -> Refusal | None:
    if holder.state == "active":
        return None
    return Refusal(DenyCode.LOST if holder.state == "lost" else DenyCode.FROZEN)


def refuse_unless_active(holder: Holder) -> None:
    """No codes for an account that is lost, frozen or closed."""
    if (refusal := _refusal_of(holder)) is not None:
        raise PaymentRefused(refusal)


@dataclass(frozen=True, slots=True)
class Terms:
    """What sets one kind of code apart from another: from when on P2 counts, until when, and for which meal."""

    not_before: datetime
    life: int
    meal: str
    block_expires_at: datetime


def terms_of_code(at: datetime) -> Terms:
    """The ordinary code: a minute from now, for whatever is served."""
    return Terms(at, life_steps(int(CODE_LIFE.total_seconds())), "any", at + CODE_LIFE)


def make_code(holder: Holder, key: SigningKey, at: datetime, terms: Terms) -> tuple[IssuedCode, dict[str, object]]:
    """A code and its row. P1 lives a minute in every kind; P2 as long as its terms say."""
    identifier, secret, expires_at = uuid7(holder.bucket, at), secrets.randbelow(10**SECRET_DIGITS), at + CODE_LIFE
    claims = Claims(
        kid=key.kid,
        alias=alias_of(holder.id, at),
        not_before=int(terms.not_before.timestamp()),
        life=terms.life,
        meal=MEAL_NUMBERS[terms.meal],
        price_class=PRICE_CLASSES.get(holder.person_class, 0),
        tier=0,
        nonce=secrets.token_bytes(3),
    ).pack()
    block = claims + trust.private_key_of(key).sign(SIGNED_PREFIX + claims)
    row: dict[str, object] = {
        "bucket": holder.bucket,
        "id": identifier,
        "holder_id": holder.id,
        "secret": secret,
        "spend_key": spend_key_number(block),
        "expires_at": expires_at,
        "block_expires_at": terms.block_expires_at,
        "used_by": None,
    }
    issued = IssuedCode(identifier, holder.id, write_p1(holder.bucket, secret), encode_d17(block), expires_at)
    return issued, row


def wire_code(issued: IssuedCode) -> dict[str, str]:
    """The 201 of `POST /v1/me/pay_codes`."""
    return {
        "id": public_id("cod", issued.id),
        "code": issued.code,
        "offline_block": issued.offline_block,
        "text": issued.text,
        "expires_at": clock.rfc3339(issued.expires_at),
    }


def alias_of(holder_id: UUID, at: datetime) -> bytes:
    """Six bytes that stand for a person on one business day, and for nobody the day after."""
    day = clock.business_date(at, get_settings().zone)
    return hmac.digest(derived_key("alias"), holder_id.bytes + day.isoformat().encode(), "sha256")[:6]
