"""The table of a call: every state with every trigger, for everybody who may stand beside it; and the database's own list."""

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from identity.api import Principal
from kernel import clock
from kernel.db import Database
from kernel.errors import Forbidden, StateConflict
from kernel.ids import parse_public_id
from realtime.calls import queries, service
from realtime.calls.models import Call
from realtime.calls.schemas import TriggerBody
from realtime.calls.states import CALL, OPEN, TAKEN, TIMED, TRIGGERS, allowed_to, next_state, states_of
from tests.realtime.calls.switchroom import Somebody, Switchroom, somebody

# Who may pull what where, written out once more by hand; everything that is not here must be refused.
EXPECTED = {
    "ringing": {"staff": {"acknowledge"}, "caller": {"cancel"}},
    "queued": {"staff": {"acknowledge"}, "caller": {"cancel"}},
    "acknowledged": {"acker": {"connect", "release"}},
    "connected": {"acker": {"arrive", "hand_over", "resolve", "stay"}, "lead": {"hand_over", "resolve"}},
    "on_site": {"acker": {"hand_over", "resolve", "stay"}, "lead": {"hand_over", "resolve"}},
    "handed_over": {"staff": {"acknowledge"}, "lead": {"resolve"}},
    "missed": {"lead": {"resolve"}},
    "resolved": {"caller": {"rate"}},
    "cancelled": {},
    "rated": {},
}
SIDES = {
    "caller": {"caller"},
    "rung": {"staff"},
    "acker": {"staff", "acker"},
    "lead": {"staff", "lead"},
    "stranger": set(),
}


def test_the_table_says_what_was_meant() -> None:
    assert set(EXPECTED) | {"placed"} == set(states_of(CALL))
    for state, by_side in EXPECTED.items():
        for side in ("caller", "staff", "acker", "lead"):
            assert set(allowed_to(state, frozenset({side}))) == by_side.get(side, set()), (state, side)


@pytest.mark.parametrize("state", states_of(CALL))
def test_each_trigger_in_each_state_moves_or_is_refused(state: str) -> None:
    for trigger in dict.fromkeys(trigger for _, trigger in CALL):
        if (state, trigger) in CALL:
            assert next_state(state, trigger) == CALL[state, trigger]
            continue
        with pytest.raises(StateConflict) as refusal:
            next_state(state, trigger)
        assert refusal.value.data["allowed"] == [known for before, known in CALL if before == state]


async def test_the_database_takes_exactly_these_states(db: Database) -> None:
    async with db.session() as session:
        for name, states in (
            ("calls_state_check", set(states_of(CALL))),
            ("calls_due_at_check", set(TIMED)),
            ("calls_acker_check", set(TAKEN)),
        ):
            found = await session.scalar(
                text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"), {"name": name}
            )
            assert set(re.findall(r"'([^']+)'", found or "")) == states, name
        index = await session.scalar(text("SELECT pg_get_indexdef('calls_open_key'::regclass)"))
        assert set(re.findall(r"'([^']+)'", index or "")) == set(OPEN)


async def test_everybody_pulls_their_own_triggers_and_no_others(forced_room: Switchroom) -> None:
    room = forced_room
    call = await room.placed()
    acker, stranger = room.second, await somebody(room.house, "路人")
    people = {"caller": room.caller, "rung": room.first, "acker": acker, "lead": room.lead, "stranger": stranger}
    who = {name: await room.house.principal(person.id) for name, person in people.items()}
    call_id = parse_public_id("call", call["id"])
    for state in EXPECTED:
        await _put(room, call_id, state, acker)
        for name, principal in who.items():
            for trigger in TRIGGERS:
                expected = _expected(state, trigger, name)
                found = await _try(room, principal, call_id, trigger)
                assert found == expected, (state, name, trigger)


def _expected(state: str, trigger: str, name: str) -> str:
    if name == "stranger":
        return "forbidden"
    if trigger == "acknowledge" and name == "acker" and state in TAKEN:
        return "done"  # The same word twice.
    if (state, trigger) not in CALL:
        return "conflict"
    sides = SIDES[name] if state in TAKEN or name != "acker" else {"staff"}
    return "done" if any(trigger in EXPECTED[state].get(side, set()) for side in sides) else "forbidden"


async def _put(room: Switchroom, call_id: UUID, state: str, acker: Somebody) -> None:
    """Into a state, as if it had come there."""
    values: dict[str, Any] = {
        "state": state,
        "due_at": clock.now() if state in TIMED else None,
        "acker_id": acker.id if state in TAKEN else None,
        "missed_at": clock.now() if state == "missed" else None,
        "ended_at": clock.now() if state in ("resolved", "rated", "cancelled") else None,
        "rating": 5 if state == "rated" else None,
    }
    async with room.db.session() as session:
        await session.execute(update(Call).where(Call.id == call_id).values(values))


async def _try(room: Switchroom, actor: Principal, call_id: UUID, trigger: str) -> str:
    """One trigger, and whatever it did is undone."""
    team = f"dty_{room.crew.team_id.hex}" if trigger == "hand_over" else None
    body = TriggerBody(cause="没有人在岗", rating=5, team=team)
    async with room.db.session() as session:
        before = (await queries.get_call(session, call_id)).state
        savepoint = await session.begin_nested()
        try:
            after = (await service.pull(session, actor, call_id, trigger, body)).state
        except (Forbidden, StateConflict) as error:
            return "forbidden" if isinstance(error, Forbidden) else "conflict"
        finally:
            await savepoint.rollback()
            session.info.clear()
    assert after == CALL.get((before, trigger), before)
    return "done"
