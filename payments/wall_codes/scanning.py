"""The payer scans the canteen's code (主扫): what is shown before, and what goes into the posting queue.

It is the very queue of the tills: the same limits, reasons and answers. The phone takes the till's part: the payer is the
caller that a key is scoped to, and the numbers that a till would count are made from the keys.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import SiteSummary, Terminal, site_summary
from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError, Malformed, NotFound
from kernel.idempotency import check_key, hash_of
from kernel.ids import parse_public_id, public_id, uuid7
from payments import queries
from payments.batch import Item
from payments.caller_keys import number_of_key
from payments.credentials.presented import Presented
from payments.decide import Request
from payments.errors import PlaceCodeEnded, PlaceCodeUnknown, refusal_sentence
from payments.models import Holder, PlaceCode
from payments.posting_rule import DenyCode, Payer, PostingRule, Quote, Refusal, Sale, SaleItem, Usage
from payments.schemas import ScanPaymentBody
from payments.wall_codes import place_codes
from payments.wall_codes.nearness import Coordinates, far_m

# A code that is none of ours leads nowhere; it is refused before anybody asks where.
_NOWHERE: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ScannedPlace:
    """A code that is good, where it hangs, and what a meal costs its reader there now."""

    code: PlaceCode
    place: place_codes.Place
    offer: Quote | Refusal
    far_m: int | None


async def read_place(
    session: AsyncSession, rule: PostingRule, person_id: UUID, digits: str, phone: Coordinates | None
) -> ScannedPlace:
    """What somebody sees who has scanned a code; PlaceCodeUnknown or PlaceCodeEnded for one that must not be paid at."""
    code = await place_codes.find_place_code(session, digits)
    if code is None:
        raise PlaceCodeUnknown
    if code.state != "active":
        raise PlaceCodeEnded(state=code.state)
    place = await place_codes.place_of(session, code)
    offer = await _offer(session, rule, person_id, code, place)
    return ScannedPlace(code, place, offer, far_m(phone, coordinates_of(place.site)))


def coordinates_of(site: SiteSummary) -> Coordinates | None:
    """A site's, where somebody has entered them."""
    if site.latitude is None or site.longitude is None:
        return None
    return Coordinates(site.latitude, site.longitude)


async def _offer(
    session: AsyncSession, rule: PostingRule, person_id: UUID, code: PlaceCode, place: place_codes.Place
) -> Quote | Refusal:
    bucket, holder_id = await queries.find_holder_key(session, person_id)
    holder = await session.get(Holder, (bucket, holder_id))
    if holder is None or holder.state != "active":
        return Refusal(DenyCode.LOST if holder is not None and holder.state == "lost" else DenyCode.FROZEN)
    if code.terminal_id is not None and (place.till is None or place.till.status != "active"):
        return Refusal(DenyCode.TERMINAL)
    sale = Sale(code.site_id, code.terminal_id, clock.now())
    payer = Payer(holder_id, holder.person_class, holder.unit_id, holder.region_id)
    keys = rule.counter_keys(sale)
    rows = await queries.usage_of(session, bucket, holder_id, keys)
    usage = {row.key: Usage(row.count, row.amount_fen) for row in rows}
    try:
        return rule.quote(sale, payer, usage)
    except GuanjiaError as error:
        # A rule that cannot price a sale without an amount: the payer keys one.
        return Refusal(DenyCode.OUT_OF_PERIOD, {"reason": error.code})


def scanned_view(scanned: ScannedPlace, language: str) -> dict[str, Any]:
    """The 200 of `GET /v1/place_codes/{digits}`."""
    code, site, till, offer = scanned.code, scanned.place.site, scanned.place.till, scanned.offer
    quoted = offer if isinstance(offer, Quote) else None
    refusal = offer if isinstance(offer, Refusal) else None
    return {
        "id": public_id("plc", code.id),
        "canteen": public_id("can", site.id),
        "name_zh": site.name_zh,
        "name_en": site.name_en,
        "terminal": public_id("ter", code.terminal_id) if code.terminal_id else None,
        "terminal_name": till.name if till is not None else None,
        "modes": sorted(scanned.place.modes),
        "meal": quoted.context.get("meal") if quoted else None,
        "price_fen": quoted.amount_fen if quoted else None,
        "refusal": {
            "code": refusal.code.value,
            "message": refusal_sentence(refusal, language),
            "data": refusal.data,
        }
        if refusal
        else None,
        "far_m": scanned.far_m,
    }


async def scan_item(
    db: Database, person_id: UUID, key: str | None, body: ScanPaymentBody, *, request_id: str, language: str
) -> Item:
    """A payer's own request for the posting queue; NotFound for somebody without an account."""
    key = check_key(key)
    if body.amount_fen is not None and body.items is not None:
        raise Malformed(reason="amount_fen and items exclude each other", field="items")
    at = clock.now()
    async with db.session() as session:
        bucket, holder_id = await queries.find_holder_key(session, person_id)
        code = await place_codes.find_place_code(session, body.place_code)
        presented = await _present(session, code, bucket, holder_id, body)
    site_id, terminal_id = (code.site_id, code.terminal_id) if code is not None else (_NOWHERE, None)
    return Item(
        request=Request(
            payment_id=uuid7(bucket, at),
            sale=Sale(site_id, terminal_id, at, body.amount_fen, _items(body)),
            happened_at=at,
            confirm_repeat=body.confirm_repeat,
            by_block=False,
        ),
        terminal=_as_terminal(person_id, site_id),
        key=key,
        seq=number_of_key(key),
        # Where the phone is may change until it is sent again; it is the same payment.
        body_hash=hash_of(("wall_code", body.place_code, body.amount_fen, body.model_dump()["items"]))[:16],
        bucket=bucket,
        secret=-1,
        spend_key=None,
        request_id=request_id,
        language=language,
        presented=presented,
    )


async def _present(
    session: AsyncSession, code: PlaceCode | None, bucket: int, holder_id: UUID, body: ScanPaymentBody
) -> Presented:
    if code is None:
        return Presented("wall_code", refusal=Refusal(DenyCode.CODE_UNKNOWN, {"credential": "wall_code"}))
    if code.state != "active":
        data = {"credential": "wall_code", "state": code.state}
        return Presented("wall_code", refusal=Refusal(DenyCode.CODE_EXPIRED, data))
    context: dict[str, Any] = {"place_code": public_id("plc", code.id)}
    phone = Coordinates(**body.location.model_dump()) if body.location is not None else None
    site = (await site_summary(session, [code.site_id]))[code.site_id]
    distance = far_m(phone, coordinates_of(site))
    if distance is not None:
        context["far_m"] = distance
    return Presented("wall_code", bucket, holder_id, context=context)


def _items(body: ScanPaymentBody) -> tuple[SaleItem, ...]:
    try:
        return tuple(SaleItem(parse_public_id("dsh", item.dish_id), item.quantity) for item in body.items or ())
    except NotFound:
        raise Malformed(reason="no such dish", field="items") from None


def _as_terminal(person_id: UUID, site_id: UUID) -> Terminal:
    """The payer in the eyes of posting: whom a key and a number belong to."""
    return Terminal(
        id=person_id,
        site_id=site_id,
        region_id=_NOWHERE,
        name="",
        status="active",
        epoch=0,
        modes=frozenset(),
        token_hash=b"",
        configuration_version=0,
    )
