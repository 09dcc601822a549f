"""Somebody without a sign-in: a scan opens the form where the place takes strangers, and a ticket follows what was reported.

The ticket has 80 bits that nobody can guess; only its SHA-256 is kept. A page names itself by a random key of its own, so that
its pictures are its own until the report refers to them, and a report that is sent twice gets the same ticket. Reports are counted by address and by place.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import AttemptPolicy, Principal, count_attempt, place_summary
from kernel import clock
from kernel.db import Database
from kernel.errors import Malformed, NotFound, Unauthenticated
from kernel.files import StoredFile, files_of
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.sealing import derived_key
from repairs.orders import queries, service
from repairs.orders.errors import ReportedTooOften
from repairs.orders.models import RepairGuest, WorkOrder
from repairs.orders.parties import Actor, actor_of_guest
from repairs.orders.raising import Report, Spot, raise_order, spot_of_code
from repairs.orders.schemas import GuestRequest, OrderTriggerBody
from repairs.orders.states import UNREPAIRED

# Crockford's letters: none that is taken for another.
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TICKET_LENGTH: Final = 16
_KEY_LENGTH_MIN, _KEY_LENGTH_MAX = 16, 100

BY_ADDRESS: Final = AttemptPolicy(10, timedelta(minutes=10), timedelta(minutes=5), timedelta(hours=1))
# A leak in a hall is reported by many; a flood of reports about one place is none.
BY_PLACE: Final = AttemptPolicy(40, timedelta(minutes=10), timedelta(minutes=5), timedelta(hours=1))
BY_FILES: Final = AttemptPolicy(60, timedelta(minutes=10), timedelta(minutes=5), timedelta(hours=1))
# Tickets cannot be guessed; this bounds the noise.
BY_TICKET: Final = AttemptPolicy(30, timedelta(minutes=1), timedelta(minutes=1), timedelta(minutes=10))


@dataclass(frozen=True, slots=True)
class Form:
    """What a scanned label opens."""

    spot: Spot
    is_open_to_strangers: bool
    twins: Sequence[WorkOrder]


async def open_form(session: AsyncSession, code: str, reader: Principal | None) -> Form:
    """The place or the machine, and what is known to be broken there; Unauthenticated where strangers report nothing."""
    spot, is_open = await _spot(session, code, reader)
    twins = await queries.twins_of(
        session,
        place_id=spot.place_id,
        asset_id=spot.asset.id if spot.asset is not None else None,
        category_id=None,
        at=clock.now(),
    )
    return Form(spot, is_open, [twin for twin in twins if twin.state in UNREPAIRED])


async def _spot(session: AsyncSession, code: str, reader: Principal | None) -> tuple[Spot, bool]:
    spot = await spot_of_code(session, code)
    assert spot.place_id is not None, "a label hangs somewhere"
    is_open = (await place_summary(session, [spot.place_id]))[spot.place_id].open_to_strangers
    if reader is None and not is_open:
        raise Unauthenticated
    return spot, is_open


def owner_of_key(guest_key: str | None) -> str:
    """How the files of a page without a sign-in are told from those of others."""
    if guest_key is None or not _KEY_LENGTH_MIN <= len(guest_key) <= _KEY_LENGTH_MAX:
        raise Malformed(reason="a Guest-Key of 16 to 100 characters is needed", field="Guest-Key")
    return f"guest_{hashlib.sha256(guest_key.encode()).hexdigest()[:32]}"


async def let_send_file(db: Database, code: str, address: str) -> None:
    """Before a guest's picture is taken: the place takes strangers, and this address has not sent too many."""
    async with db.session() as session:
        await _spot(session, code, None)
        wait_s = await count_attempt(session, f"repair file {address}", BY_FILES)
    if wait_s:
        raise ReportedTooOften(retry_after_s=wait_s)


async def count_report(db: Database, code: str, address: str) -> None:
    """Counted before it is looked at, in a transaction of its own, so that what is refused counts too."""
    async with db.session() as session:
        spot, _ = await _spot(session, code, None)
        waits = [
            await count_attempt(session, f"repair from {address}", BY_ADDRESS),
            await count_attempt(session, f"repair at {spot.place_id}", BY_PLACE),
        ]
    if any(waits):
        raise ReportedTooOften(retry_after_s=max(waits))


async def count_look(db: Database, address: str) -> None:
    """A ticket that nobody holds: so many guesses a minute."""
    async with db.session() as session:
        wait_s = await count_attempt(session, f"repair ticket {address}", BY_TICKET)
    if wait_s:
        raise ReportedTooOften(retry_after_s=wait_s)


@dataclass(frozen=True, slots=True)
class Reported:
    """The order and the ticket."""

    order: WorkOrder
    guest: Actor
    ticket: str


async def report_as_guest(session: AsyncSession, code: str, guest_key: str | None, wanted: GuestRequest) -> Reported:
    """One report by somebody without a sign-in. Sent again by the same page under the same name, it is the same order, with the
    same ticket."""
    spot, _ = await _spot(session, code, None)
    owner = owner_of_key(guest_key)
    assert guest_key is not None, "it has an owner"
    client_id = wanted.client_id or uuid4()
    ticket = _ticket_of(guest_key, client_id)
    guest = await session.scalar(select(RepairGuest).where(RepairGuest.ticket_hash == hash_of(ticket)))
    if guest is None:
        guest = RepairGuest(
            id=uuid7(), name=wanted.name, phone=wanted.phone, ticket_hash=hash_of(ticket), created_at=clock.now()
        )
        session.add(guest)
        await session.flush()
    actor = actor_of_guest(guest)
    report = Report(
        spot=spot,
        words=wanted.words,
        client_id=client_id,
        category_id=parse_public_id(queries.CATEGORY, wanted.category) if wanted.category else None,
        urgency=wanted.urgency,
        phone=wanted.phone,
        files=tuple(wanted.files),
        file_owner=owner,
    )
    raised = await raise_order(session, actor, report)
    return Reported(raised.order, actor, ticket)


def _ticket_of(guest_key: str, client_id: UUID) -> str:
    """From what only the page and the server know: sent twice, the answer says the same ticket, and nobody else can say it."""
    said = f"{guest_key} {client_id}".encode()
    number = int.from_bytes(hmac.digest(derived_key("repair-ticket"), said, "sha256")[:10])
    return "".join(_LETTERS[(number >> (5 * place)) & 31] for place in range(_TICKET_LENGTH))


def shown_ticket(ticket: str) -> str:
    """In fours, as one reads it out."""
    return "-".join(ticket[start : start + 4] for start in range(0, _TICKET_LENGTH, 4))


def hash_of(ticket: str) -> bytes:
    """Of the letters alone, however they were typed."""
    letters = ticket.upper().replace("-", "").replace(" ", "").replace("O", "0").replace("I", "1").replace("L", "1")
    return hashlib.sha256(letters.encode()).digest()


# ---- by the ticket


@dataclass(frozen=True, slots=True)
class Followed:
    """The order that a ticket leads to: the guest's own, or the one that it has become part of."""

    order: WorkOrder
    guest: Actor
    is_merged: bool


async def follow(session: AsyncSession, ticket: str) -> Followed:
    """TicketUnknown for any other text."""
    guest, order = await queries.guest_by_ticket(session, hash_of(ticket))
    is_merged = order.merged_into is not None
    while order.merged_into is not None:
        order = await queries.get_order(session, order.merged_into)
    return Followed(order, actor_of_guest(guest), is_merged)


async def pull_as_guest(session: AsyncSession, ticket: str, trigger: str, body: OrderTriggerBody) -> Followed:
    """Confirm, dispute, rate, withdraw."""
    followed = await follow(session, ticket)
    order = await service.pull(session, followed.guest, followed.order.id, trigger, body)
    return Followed(order, followed.guest, followed.is_merged)


async def file_for_guest(session: AsyncSession, ticket: str, identifier: str) -> StoredFile:
    """A picture of the guest's order, or of a public note at it; NotFound for any other."""
    _, own = await queries.guest_by_ticket(session, hash_of(ticket))
    followed = await follow(session, ticket)
    notes = await queries.notes_of(session, followed.order.id, only_public=True)
    owners = [public_id(queries.PREFIX, own.id), *(public_id(queries.NOTE, note.id) for note in notes)]
    for files in (await files_of(session, owners)).values():
        for file in files:
            if public_id("file", file.id) == identifier:
                return file
    raise NotFound(what="file", id=identifier)
