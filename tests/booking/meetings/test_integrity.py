"""What must never be: half a meeting, two in one hall, more covers than are cooked, two meetings that wait for each other."""

import asyncio
import itertools
import json
import random
import re
import signal
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking.meetings import service
from booking.meetings.codes import GUEST_BLOCK, guest_code, guide_code, read_code
from booking.meetings.errors import MeetingClash
from booking.meetings.schemas import NewMeeting
from booking.meetings.states import MEETING, OPEN, TRIGGERS, allowed_to, may_pull, next_state, states_of
from kernel import clock
from kernel.db import Database
from kernel.errors import StateConflict
from tests.booking.conftest import MONDAY
from tests.booking.meetings.conftest import ROOMS, Campus, Json

SIDES = ("organiser", "helper", "office")


class TestTheTable:
    @pytest.mark.parametrize("state", states_of(MEETING))
    def test_every_trigger_leads_somewhere_or_says_what_is_allowed(self, state: str) -> None:
        for trigger, side in itertools.product(sorted({trigger for _, trigger in MEETING}), SIDES):
            sides = frozenset({side})
            if (state, trigger) in MEETING:
                assert next_state(state, trigger, sides) == MEETING[state, trigger]
            else:
                with pytest.raises(StateConflict) as refused:
                    next_state(state, trigger, sides)
                assert refused.value.data["allowed"] == allowed_to(state, sides)
            for allowed in allowed_to(state, sides):
                assert may_pull(allowed, sides)
                assert (state, allowed) in MEETING

    def test_helpers_decide_nothing_and_only_the_office_decides_on_money(self) -> None:
        assert not any(may_pull(trigger, frozenset({"helper"})) for trigger in TRIGGERS)
        for trigger in ("approve", "reject", "settle", "refund"):
            assert not may_pull(trigger, frozenset({"organiser"}))

    def test_every_open_state_ends_without_anybody(self) -> None:
        for state in OPEN:
            assert any(trigger in ("expire", "begin", "end") for start, trigger in MEETING if start == state)


class TestCodes:
    @given(
        identifier=st.uuids(), issue=st.integers(1, 2**15 - 1), at=st.integers(0, 132), letter=st.sampled_from("A2Z7Q")
    )
    def test_a_code_with_one_letter_changed_is_nobody_s(
        self, identifier: UUID, issue: int, at: int, letter: str
    ) -> None:
        code = guest_code(identifier, issue)
        changed = code[:at] + letter + code[at + 1 :]
        block = read_code(code)

        assert block is not None
        assert (block.kind, block.id, block.issue) == (GUEST_BLOCK, identifier, issue)
        assert read_code(code.lower()) == block
        assert changed == code or read_code(changed) is None or at == 132

    @given(st.text(max_size=200))
    def test_any_other_text_is_none(self, text: str) -> None:
        assert read_code(text) is None

    def test_the_page_s_vector_is_read(self) -> None:
        page = (Path(__file__).parents[3] / "docs" / "meetings.md").read_text()
        guest = re.search(r"`mgt_([0-9a-f]{32})`", page)
        code = re.search(r"^    ([A-Z2-7]{133})$", page, re.MULTILINE)
        assert guest is not None
        assert code is not None

        assert code[1] == guest_code(UUID(guest[1]), 1)

    def test_a_guide_s_code_is_no_guest_s(self) -> None:
        block = read_code(guide_code(uuid4()))
        assert block is not None
        assert block.kind != GUEST_BLOCK


class TestTheDatabase:
    async def test_a_clash_by_raw_sql_is_refused_for_every_kind(self, campus: Campus) -> None:
        await campus.wang.has(campus.hall(), campus.sleep(1), campus.car())
        connection = await campus.db.raw_connection()
        try:
            rows = await connection.fetch("SELECT id, bookable_id FROM bookings")
            assert len({row["bookable_id"] for row in rows}) == 3
            columns = await connection.fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'bookings'"
            )
            names = ", ".join(f'"{row[0]}"' for row in columns)
            values = names.replace('"id"', "gen_random_uuid()", 1).replace('"request_id"', "gen_random_uuid()")
            for row in rows:
                with pytest.raises(asyncpg.ExclusionViolationError):
                    await connection.execute(
                        f"INSERT INTO bookings ({names}) SELECT {values} FROM bookings WHERE id = $1", row["id"]
                    )
        finally:
            await connection.close()

    async def test_covers_beyond_the_capacity_are_refused_whoever_writes_them(self, campus: Campus) -> None:
        await campus.wang.has(campus.hall(), campus.meal(40))
        connection = await campus.db.raw_connection()
        again = """
            INSERT INTO covers SELECT gen_random_uuid(), canteen_id, business_date, meal, title, $1, price_fen, needs, state,
                created_at, changed_at FROM covers LIMIT 1
        """
        try:
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(again, 11)
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute("UPDATE covers SET covers = 51")
            await connection.execute(again, 10)
            assert await connection.fetchval("SELECT taken FROM cover_days") == 50
            await connection.execute("UPDATE covers SET state = 'released' WHERE covers = 40")
            await connection.execute("DELETE FROM covers WHERE covers = 10")
            assert await connection.fetchval("SELECT taken FROM cover_days") == 0
        finally:
            await connection.close()


class TestMany:
    async def test_forty_of_twelve_lines_at_once_neither_lock_each_other_nor_leave_halves(self, campus: Campus) -> None:
        """All of them want what is there once, and each names it in an order of its own."""
        lines = [
            *(campus.hall(at, start, 1) for at in (0, 1) for start in (1, 5)),
            *(campus.sleep(1) for _ in range(3)),
            campus.sleep(1, "twin"),
            *(campus.car(start) for start in (0.5, 5)),
            campus.meal(20),
            {"kind": "badges", "count": 30},
        ]
        assert len(lines) == 12
        dice = random.Random(12)
        database = Database(campus.db.url.render_as_string(hide_password=False), pool_size=20)
        organiser = await campus.house.principal(campus.wang.person_id)

        async def hold() -> str:
            body = {"request_id": uuid4(), "title": "年会", "attendees": 30, "lines": dice.sample(lines, 12)}
            try:
                async with database.session() as session:
                    await service.hold_meeting(session, organiser, NewMeeting.model_validate(body))
            except MeetingClash:
                return "clash"
            return "held"

        try:
            waiting = iter(range(40))

            async def some() -> list[str]:
                return [await hold() for _ in waiting]

            outcomes = Counter(itertools.chain(*await asyncio.gather(*(some() for _ in range(16)))))
        finally:
            await database.close()

        assert outcomes == {"held": 1, "clash": 39}
        assert await campus.holds_now() == 11

    async def test_killed_between_its_lines_nothing_of_it_is_left(self, campus: Campus) -> None:
        wanted = [campus.car(), campus.meal(50)]
        body = {"request_id": str(uuid4()), "title": "年会", "attendees": 30, "lines": [*wanted, {"kind": "never"}]}
        url = campus.db.url.set(drivername="postgresql").render_as_string(hide_password=False)
        command = [sys.executable, "-m", "tests.booking.meetings.half_a_meeting", url, str(campus.wang.person_id)]
        process = await asyncio.create_subprocess_exec(
            *command, clock.rfc3339(clock.now()), json.dumps(body), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            assert await asyncio.wait_for(process.stdout.readline(), 60) == b"half\n"
            assert await campus.holds_now() == 0
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()

        # Nobody need wait ten minutes for what nobody has.
        await campus.zhou.holds(*wanted)


# ---- random meetings against a model

_HOLD = st.tuples(
    st.just("hold"), st.integers(0, 1), st.integers(0, 6), st.integers(1, 3), st.integers(0, 3), st.integers(0, 30)
)
_MOVE = st.tuples(st.just("move"), st.integers(0, 5), st.integers(0, 1), st.integers(0, 6), st.integers(1, 3))
_CANCEL = st.tuples(st.just("cancel"), st.integers(0, 5))


class Model:
    """What a day of the campus can bear, by the rules as one would say them."""

    def __init__(self) -> None:
        self.meetings: list[tuple[int, int, int, int, int]] = []

    def bears(self, wanted: tuple[int, int, int, int, int], instead_of: int | None = None) -> bool:
        others = [each for at, each in enumerate(self.meetings) if at != instead_of]
        hall, start, hours, rooms, covers = wanted
        is_free = all(o[0] != hall or o[1] + o[2] <= start or start + hours <= o[1] for o in others)
        rooms_left = ROOMS["single"] - sum(other[3] for other in others)
        covers_left = 50 - sum(other[4] for other in others)
        return is_free and rooms <= rooms_left and covers <= covers_left

    @property
    def holds(self) -> int:
        return sum(1 + rooms + (covers > 0) for _, _, _, rooms, covers in self.meetings)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=st.lists(st.one_of(_HOLD, _HOLD, _MOVE, _CANCEL), min_size=4, max_size=9))
async def test_random_meetings_moves_and_cancellations_end_as_the_model_says(
    campus: Campus, steps: list[tuple[Any, ...]]
) -> None:
    day = campus.__dict__.setdefault("days", itertools.count(1))
    day_number = next(day)
    model, held = Model(), list[Json]()
    before = await campus.holds_now()

    def hall_line(hall: int, start: int, hours: int) -> Json:
        return campus.hall(hall, 24 * day_number + start, hours)

    for step in steps:
        if step[0] == "hold":
            wanted: tuple[int, int, int, int, int] = step[1:]
            lines = [hall_line(*wanted[:3])]
            on = (MONDAY + timedelta(days=day_number)).date().isoformat()
            lines += [campus.sleep(wanted[3], first_night=on)] if wanted[3] else []
            lines += [campus.meal(wanted[4], business_date=on)] if wanted[4] else []
            answer = await campus.wang.asks(*lines)
            assert answer.status_code == (201 if model.bears(wanted) else 409), answer.text
            if answer.status_code == 201:
                model.meetings.append(wanted)
                held.append(answer.json())
        elif held and step[0] == "move":
            at = step[1] % len(held)
            wanted = (*step[2:], *model.meetings[at][3:])
            url = f"/v1/meetings/{held[at]['id']}/lines/{held[at]['lines'][0]['id']}"
            answer = await campus.wang.http.put(url, json={"line": hall_line(*wanted[:3])})
            assert answer.status_code == (200 if model.bears(wanted, at) else 409), answer.text
            if answer.status_code == 200:
                model.meetings[at] = wanted
        elif held and step[0] == "cancel":
            at = step[1] % len(held)
            await campus.wang.pulls(held.pop(at), "cancel")
            del model.meetings[at]
    assert await campus.holds_now() == before + model.holds
