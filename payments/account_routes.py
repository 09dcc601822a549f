"""HTTP of cards and PINs: one's own on the phone, anybody's at the office."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import CurrentPerson, CurrentPersonApart, Role, person_summary
from kernel import clock
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, TooManyRequests, Unauthenticated
from kernel.http import raises
from kernel.ids import parse_public_id, public_id
from kernel.settings import get_settings
from payments import holders, schemas, service
from payments.credentials import pins
from payments.credentials.cards import find_card
from payments.errors import CardNumberTaken, PinTooWeak
from payments.models import Card, Holder
from payments.states import HOLDER, allowed

router = APIRouter(prefix="/v1", tags=["payments"])
PersonId = Annotated[str, Path(max_length=80)]


@router.get("/me/card", responses=raises(Unauthenticated, NotFound))
async def show_my_card(person: CurrentPerson, session: SessionDep) -> schemas.MyCardView:
    """The card and the PIN that somebody can pay with besides the phone."""
    holder = await service.holder_of(session, person.person_id)
    return schemas.MyCardView(
        state=holder.state,
        card=_card_state(await holders.live_card(session, holder)),
        has_pin=await pins.has_pin(session, person.person_id),
        card_meal_max_fen=get_settings().card_meal_max_fen,
    )


@router.post(
    "/me/card",
    status_code=201,
    responses=raises(Unauthenticated, NotFound, StateConflict, CardNumberTaken, TooManyRequests),
)
async def take_card(body: schemas.CardNumberRequest, person: CurrentPersonApart, db: DatabaseDep) -> schemas.CardState:
    """Make a blank card one's own by the number printed on it; the card before it is refused from now on."""
    issued = await holders.take_card(db, person.person_id, body.number, actor=person.actor)
    return schemas.CardState(state=issued.state, issued_at=clock.rfc3339(issued.issued_at))


@router.put("/me/pin", status_code=204, responses=raises(Unauthenticated, NotFound, PinTooWeak))
async def set_my_pin(body: schemas.PinRequest, person: CurrentPersonApart, db: DatabaseDep) -> None:
    """Six digits with which I pay at a till by my staff number."""
    await pins.set_pin(db, person.person_id, body.pin, actor=person.actor)


@router.delete("/me/pin", status_code=204, responses=raises(Unauthenticated, NotFound))
async def clear_my_pin(person: CurrentPerson, session: SessionDep) -> None:
    """Nobody pays by my staff number any more."""
    await pins.clear_pin(session, person.person_id, actor=person.actor)


@router.get("/people/{person_id}/account", responses=raises(Unauthenticated, Forbidden, NotFound))
async def show_account(person_id: PersonId, person: CurrentPerson, session: SessionDep) -> schemas.AccountView:
    """Somebody's account, its card, and what may be done with it."""
    holder = await service.holder_of(session, parse_public_id("per", person_id))
    person.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)
    return await _account(session, holder)


@router.delete(
    "/people/{person_id}/account/pin", status_code=204, responses=raises(Unauthenticated, Forbidden, NotFound)
)
async def clear_pin(person_id: PersonId, person: CurrentPerson, session: SessionDep) -> None:
    """Somebody's PIN was seen or forgotten: nobody pays by it any more; they set a new one on their phone."""
    holder = await service.holder_of(session, parse_public_id("per", person_id))
    person.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)
    await pins.clear_pin(session, holder.person_id, actor=person.actor)


@router.post("/cards/find", responses=raises(Unauthenticated, Forbidden, NotFound))
async def find_card_owner(
    body: schemas.CardNumberRequest, person: CurrentPerson, session: SessionDep
) -> schemas.FoundCardView:
    """Whose a card is that was held to the reader, and whether it still pays."""
    found = await find_card(session, body.number)
    if found is None:
        raise NotFound(what="card")
    holder = await session.get(Holder, (found.bucket, found.holder_id))
    card = await session.get(Card, (found.bucket, found.card_id))
    if holder is None or card is None:
        raise NotFound(what="card")
    person.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)
    account = await _account(session, holder)
    return schemas.FoundCardView(**account.model_dump(), found_state=card.state)


async def _account(session: AsyncSession, holder: Holder) -> schemas.AccountView:
    somebody = (await person_summary(session, [holder.person_id]))[holder.person_id]
    return schemas.AccountView(
        person=public_id("per", holder.person_id),
        name=somebody.name,
        staff_number=somebody.staff_number,
        unit=public_id("org", holder.unit_id),
        state=holder.state,
        allowed=allowed(HOLDER, holder.state),
        card=_card_state(await holders.live_card(session, holder)),
        has_pin=await pins.has_pin(session, holder.person_id),
    )


def _card_state(card: Card | None) -> schemas.CardState | None:
    return schemas.CardState(state=card.state, issued_at=clock.rfc3339(card.issued_at)) if card is not None else None
