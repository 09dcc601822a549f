"""Use cases that only read, and the one that turns a till's request into an item of the posting queue."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal, payers_of, site_summary
from kernel import clock
from kernel.errors import Forbidden, Malformed, NotFound
from kernel.idempotency import check_key, hash_of
from kernel.ids import HOUSE_BUCKET, parse_public_id, public_id, uuid7
from kernel.settings import get_settings
from payments import queries, schemas
from payments.batch import Item
from payments.credentials.lookup import fingerprint
from payments.credentials.pay_code_format import P1_LENGTH, TEXT_LENGTH, decode_d17, read_p1, spend_key_number
from payments.credentials.presented import Presented
from payments.decide import Request
from payments.models import Holder, Payment, Reversal, SubsidyLot
from payments.posting_rule import PostingRule, Sale, SaleItem
from payments.schemas import PaymentRequest


def queue_item(
    terminal: Terminal,
    key: str | None,
    body: PaymentRequest,
    *,
    request_id: str,
    language: str,
    presented: Presented | None = None,
) -> Item:
    """One request for the posting queue. Malformed for what cannot be read, IdempotencyKeyRequired without a key.

    `presented` is what `credentials.present` has found of a card or a staff number.
    """
    key = check_key(key)
    text = _code_text(body) if presented is None else _fingerprint(body)
    if body.amount_fen is not None and body.items is not None:
        raise Malformed(reason="amount_fen and items exclude each other", field="items")
    at = clock.now()
    if presented is not None:
        bucket, secret = presented.bucket, -1
    else:
        # A prefix or check digit that cannot be ours is refused like a code that nobody was given: -1 finds nothing.
        bucket, secret = read_p1(text[:P1_LENGTH]) or (-1, -1)
    return Item(
        request=Request(
            payment_id=uuid7(bucket if bucket >= 0 else HOUSE_BUCKET, at),
            sale=Sale(terminal.site_id, terminal.id, at, body.amount_fen, _items(body)),
            happened_at=_instant(body.happened_at) or at,
            confirm_repeat=body.confirm_repeat,
            by_block=len(text) == TEXT_LENGTH,
        ),
        terminal=terminal,
        key=key,
        seq=body.seq,
        # Bodies are compared as parsed values; a confirmed repeat is the same request as the one that was asked about.
        body_hash=hash_of((text, body.amount_fen, body.items, body.seq, body.happened_at))[:16],
        bucket=bucket,
        secret=secret,
        spend_key=_spend_key(text),
        request_id=request_id,
        language=language,
        presented=presented,
    )


def _fingerprint(body: PaymentRequest) -> str:
    if body.code is not None or body.credential is None:
        raise Malformed(reason="exactly one of code and credential is needed", field="code")
    return fingerprint(body.credential)


def _code_text(body: PaymentRequest) -> str:
    if (body.code is None) == (body.credential is None):
        raise Malformed(reason="exactly one of code and credential is needed", field="code")
    if body.credential is not None and body.credential.kind != "pay_code":
        raise Malformed(reason="a pay code is needed here", field="credential")
    text = body.code if body.code is not None else body.credential.value if body.credential else ""
    if len(text) not in (P1_LENGTH, TEXT_LENGTH) or not (text.isascii() and text.isdigit()):
        raise Malformed(reason="a pay code has 20 or 220 digits", field="code")
    return text


def _instant(happened_at: datetime | None) -> datetime | None:
    """The same in UTC. At the two ends of the calendar an offset can lead out of it: that is no instant."""
    try:
        return happened_at.astimezone(UTC) if happened_at is not None else None
    except OverflowError:
        raise Malformed(reason="no such instant", field="happened_at") from None


def _items(body: PaymentRequest) -> tuple[SaleItem, ...]:
    if not body.items:
        return ()
    try:
        return tuple(SaleItem(parse_public_id("dsh", item.dish_id), item.quantity) for item in body.items)
    except NotFound:
        raise Malformed(reason="no such dish", field="items") from None


def _spend_key(text: str) -> int | None:
    """The spend key of P2, where the till sent it; one that matches nothing for a block that is no block."""
    if len(text) != TEXT_LENGTH:
        return None
    try:
        return spend_key_number(decode_d17(text[P1_LENGTH:]))
    except ValueError:
        return 0


decode_payment_request = msgspec.json.Decoder(PaymentRequest).decode


def business_today() -> date:
    """The business date of the default zone."""
    return clock.business_date(clock.now(), get_settings().zone)


async def purses_view(session: AsyncSession, person_id: UUID) -> dict[str, Any]:
    """Balances, lots and the account's state."""
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    on = business_today()
    holder = await session.get(Holder, (bucket, holder_id))
    purses = await queries.purses_of(session, bucket, holder_id)
    lots = await queries.lots_of(session, bucket, holder_id, on)
    held_fen = sum(purse.held_fen for purse in purses.values()) + sum(lot.held_fen for lot in lots)
    return {
        "cash_fen": purses["cash"].balance_fen if "cash" in purses else 0,
        "subsidy_fen": sum(lot.balance_fen for lot in lots),
        "official_fen": purses["official"].balance_fen if "official" in purses else 0,
        "lots": [_lot_view(lot) for lot in lots],
        "held_fen": held_fen,
        "state": holder.state if holder else "closed",
    }


def _lot_view(lot: SubsidyLot) -> dict[str, Any]:
    return {
        "id": public_id("lot", lot.id),
        "amount_fen": lot.balance_fen,
        "expires_at": clock.rfc3339(_end_of_business_day(lot.expires_on, get_settings().zone)),
        "expires_on": lot.expires_on.isoformat(),
        "scope": lot.scope,
    }


def _end_of_business_day(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(2), zone).astimezone(UTC)


async def payment_views(
    session: AsyncSession, payments: Sequence[Payment], rule: PostingRule
) -> list[schemas.PaymentView]:
    """Payments as lists show them, with the canteens' names in both languages."""
    sites = await site_summary(session, list({payment.site_id for payment in payments}))
    return [
        schemas.PaymentView.model_validate(_payment_view(payment, rule, sites[payment.site_id].name_en))
        for payment in payments
    ]


def _payment_view(payment: Payment, rule: PostingRule, canteen_name_en: str) -> dict[str, Any]:
    return {
        "id": public_id("pay", payment.id),
        "status": payment.status,
        "amount_fen": payment.amount_fen,
        "refunded_fen": payment.refunded_fen,
        "legs": _wire_legs(payment.legs),
        "trace": payment.trace,
        "payer_label": None,
        "canteen": public_id("can", payment.site_id),
        "canteen_name": rule.site_label(payment.site_id),
        "canteen_name_en": canteen_name_en,
        "terminal": public_id("ter", payment.terminal_id) if payment.terminal_id else None,
        "credential": payment.context.get("credential", "pay_code"),
        "far_m": payment.context.get("far_m"),
        "meal": payment.context.get("meal"),
        "business_date": payment.business_date.isoformat(),
        "happened_at": clock.rfc3339(payment.happened_at),
        "recorded_at": clock.rfc3339(payment.recorded_at),
    }


def _wire_legs(column: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"purse": purse, "lot": public_id("lot", lot_id) if lot_id else None, "amount_fen": amount_fen}
        for purse, lot_id, amount_fen in queries.legs_from_wire(column)
    ]


def reversal_view(reversal: Reversal) -> dict[str, Any]:
    """A void or refund beside its payment."""
    return {
        "id": public_id("void" if reversal.kind == "void" else "ref", reversal.id),
        "kind": reversal.kind,
        "amount_fen": reversal.amount_fen,
        "legs": _wire_legs(reversal.legs),
        "reason": reversal.reason,
        "recorded_at": clock.rfc3339(reversal.recorded_at),
    }


async def payment_detail(session: AsyncSession, payment_id: UUID, rule: PostingRule) -> tuple[Payment, dict[str, Any]]:
    """A payment with its voids and refunds; the caller decides who may see it."""
    payment = await queries.get_payment(session, payment_id)
    site = (await site_summary(session, [payment.site_id]))[payment.site_id]
    view = _payment_view(payment, rule, site.name_en)
    view["reversals"] = [reversal_view(reversal) for reversal in await queries.reversals_of(session, payment_id)]
    return payment, view


async def holder_of(session: AsyncSession, person_id: UUID) -> Holder:
    """A person's account, unlocked; NotFound where there is none."""
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    holder = await session.get(Holder, (bucket, holder_id))
    if holder is None:
        raise NotFound(what="holder")
    return holder


async def region_of_unit(session: AsyncSession, unit_id: UUID) -> UUID:
    """The region whose book a unit's money stands in."""
    return (await payers_of(session, [unit_id]))[unit_id].region_id


def refuse_strangers(payment: Payment, *, person_id: UUID | None, site_id: UUID | None, may_see_site: bool) -> None:
    """A payment is seen by its payer, by tills of its canteen, and by staff whose role covers the canteen."""
    if payment.person_id == person_id or payment.site_id == site_id or may_see_site:
        return
    raise Forbidden
