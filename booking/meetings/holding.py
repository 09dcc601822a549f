"""All lines or none, and what could be had instead of those that are taken.

The alternatives are looked for in the same transaction, while everything else that was asked for is held: what is offered
for one line never takes away another. The best one of each is held too before the next line's are looked for, so that the
best ones can be had together. Then everything is undone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings.errors import MeetingClash
from booking.meetings.lines import Held, Wish, kind_of, lock_all, try_lock_all
from kernel.errors import GuanjiaError


async def hold_all(
    session: AsyncSession, wishes: Sequence[Wish], state: str, told_as: Mapping[UUID, int | str]
) -> dict[UUID, Held]:
    """Hold every line, kind by kind; MeetingClash says which ones cannot be had, by the names in `told_as`."""
    await lock_all(session, [_competed(wish) for wish in wishes])
    held: dict[UUID, Held] = {}
    refused: dict[UUID, GuanjiaError] = {}
    for kind in sorted({wish.kind for wish in wishes}):
        found = await kind_of(kind).hold(session, [wish for wish in wishes if wish.kind == kind], state)
        for line_id, outcome in found.items():
            if isinstance(outcome, GuanjiaError):
                refused[line_id] = outcome
            else:
                held[line_id] = outcome
    if refused:
        clashes = [
            await _clash(session, wish, refused[wish.line_id], told_as[wish.line_id])
            for wish in wishes
            if wish.line_id in refused
        ]
        raise MeetingClash(clashes=clashes)
    return held


def _competed(wish: Wish) -> tuple[str, Mapping[str, Any], UUID]:
    return wish.kind, wish.wanted, wish.region_id


async def _clash(session: AsyncSession, wish: Wish, refusal: GuanjiaError, told_as: int | str) -> dict[str, Any]:
    return {
        "line": told_as,
        "kind": wish.kind,
        "code": refusal.code,
        "message_zh": refusal.message("zh"),
        "message_en": refusal.message("en"),
        "data": refusal.data,
        "suggestions": [
            {"kind": kind, "line": wish.as_request(wanted)} for kind, wanted in await _alternatives(session, wish)
        ],
    }


async def _alternatives(session: AsyncSession, wish: Wish) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Best first, the first of them held; what somebody else is taking at this moment is not offered."""
    line = kind_of(wish.kind)
    found = list(await line.suggest(session, wish))
    while found:
        instead = replace(wish, wanted=line.read(found[0][1]))
        if await try_lock_all(session, [_competed(instead)]):
            held = await line.hold(session, [instead], "held")
            if not isinstance(held[wish.line_id], GuanjiaError):
                return found
        del found[0]
    return []
