"""Handing a call over: to another team, which rings, or to another trade, which makes something of its own of it.

A trade (repairs, booking) implements `HandOverTarget` and is listed in app/wiring.py; it gets everything that the call has,
in the same transaction, and answers with the public id of what it has become there.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel.errors import NotFound
from kernel.files import files_of
from kernel.ids import parse_public_id, public_id
from realtime.calls import queries
from realtime.calls.errors import TargetUnknown
from realtime.calls.models import Call
from realtime.calls.ringing import TEAM_RINGS_S
from realtime.calls.schemas import PolicyStep, PolicyTarget


@dataclass(frozen=True, slots=True)
class HandedMessage:
    """What was said in the call before it was handed over."""

    message_id: UUID
    author_id: UUID
    words: str
    file_ids: tuple[UUID, ...]
    written_at: datetime


@dataclass(frozen=True, slots=True)
class HandedCall:
    """All that a call has, for whoever goes on with it."""

    call_id: UUID
    region_id: UUID
    kind: str
    place_id: UUID | None
    place_text: str
    words: str
    urgency: int
    # None: a button on a wall has called.
    caller_id: UUID | None
    file_ids: tuple[UUID, ...]
    placed_at: datetime
    # In the order in which they were written.
    messages: tuple[HandedMessage, ...] = ()


class HandOverTarget(Protocol):
    """A trade that goes on with a call: `name` is what the button sends."""

    name: str
    name_zh: str
    name_en: str

    async def take_over(self, session: AsyncSession, call: HandedCall, actor: Principal) -> str:
        """Make something of it, in the caller's transaction; returns its public id."""
        ...


_MESSAGES_MAX: Final = 1000
_targets: Final[dict[str, HandOverTarget]] = {}


def register_hand_over_target(target: HandOverTarget) -> None:
    """Add a trade; app/wiring.py calls this."""
    _targets[target.name] = target


def hand_over_targets() -> list[HandOverTarget]:
    """The trades that are there, for the buttons of the desk."""
    return list(_targets.values())


async def take_over(session: AsyncSession, call: Call, name: str, actor: Principal) -> str:
    """The trade's own id for what the call has become."""
    target = _targets.get(name)
    if target is None:
        raise TargetUnknown(targets=sorted(_targets))
    key = public_id(queries.PREFIX, call.id)
    files = (await files_of(session, [key])).get(key, [])
    handed = HandedCall(
        call_id=call.id,
        region_id=call.region_id,
        kind=call.kind,
        place_id=call.place_id,
        place_text=call.place_text,
        words=call.words,
        urgency=call.urgency,
        caller_id=call.caller_id,
        file_ids=tuple(file.id for file in files),
        placed_at=call.placed_at,
        messages=await _messages_of(session, call),
    )
    return await target.take_over(session, handed, actor)


async def _messages_of(session: AsyncSession, call: Call) -> tuple[HandedMessage, ...]:
    rows = list(reversed(await queries.list_messages(session, call.id, _MESSAGES_MAX, None)))
    files = await files_of(session, [public_id(queries.MESSAGE, row.id) for row in rows])
    return tuple(
        HandedMessage(
            message_id=row.id,
            author_id=row.author_id,
            words=row.words,
            file_ids=tuple(file.id for file in files.get(public_id(queries.MESSAGE, row.id), [])),
            written_at=row.written_at,
        )
        for row in rows
    )


def team_step(team: str) -> PolicyStep:
    """The one step of a hand-over: that team, for a minute."""
    parse_public_id(queries.TEAM, team)
    return PolicyStep(targets=[PolicyTarget(type="team", id=team)], seconds=TEAM_RINGS_S)


def nobody_there(team: str) -> NotFound:
    """A team that is closed, unknown, or has nobody in its rota now."""
    return NotFound(what=queries.TEAM, id=team)
