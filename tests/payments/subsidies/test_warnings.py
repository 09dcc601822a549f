"""Before money is lost its holder is told: seven, three and one days ahead, each once; and the phone says it too."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from kernel import clock
from payments.subsidies.mine import register_lunch_share
from payments.subsidies.warnings import warn_due
from tests.payments.subsidies.office import Office, today


async def told(office: Office) -> list[dict[str, Any]]:
    """Every warning so far, the oldest first."""
    async with office.world.db.session() as session:
        rows = (await session.scalars(text("SELECT events FROM outbox ORDER BY lane, n"))).all()
    events = [event for row in rows for event in (json.loads(row) if isinstance(row, str | bytes) else row)]
    return [event["data"] for event in events if event["type"] == "subsidy.expiring"]


class TestWarnings:
    async def test_come_seven_three_and_one_days_ahead_each_once(self, office: Office) -> None:
        await office.employ("A1")
        await office.grant([("A1", "32.00")], expires_on=today() + timedelta(days=9))
        for _ in range(11):
            await warn_due(office.world.db)
            await warn_due(office.world.db)
            clock.advance(timedelta(days=1))
        assert [warning["days"] for warning in await told(office)] == [7, 3, 1]

    async def test_are_sent_once_also_by_two_workers_at_once(self, office: Office) -> None:
        await office.employ("A1", "A2", "A3")
        await office.grant([(n, "32.00") for n in ("A1", "A2", "A3")], expires_on=today() + timedelta(days=3))
        await asyncio.gather(*(warn_due(office.world.db) for _ in range(4)))
        assert len(await told(office)) == 3

    async def test_say_how_many_lunches_use_it_by_what_a_lunch_has_taken_so_far(self, office: Office) -> None:
        await office.employ("A1")
        await office.grant([("A1", "48.00")], expires_on=today() + timedelta(days=3))
        await office.lunch("A1", amount_fen=1600)
        await warn_due(office.world.db)
        (warning,) = await told(office)
        assert (warning["amount_fen"], warning["lunches"]) == (3200, 2)
        assert warning["sentence_en"] == "You will lose 32.00 yuan in 3 days; two lunches use it"
        assert warning["sentence_zh"] == "3 天后将有 32.00 元补贴到期；再吃两顿午餐就用完"

    async def test_nobody_is_rung_before_eight_and_nobody_for_nothing(self, office: Office) -> None:
        await office.employ("A1", "A2")
        await office.grant([("A1", "16.00"), ("A2", "16.00")], expires_on=today() + timedelta(days=3))
        await office.lunch("A1", amount_fen=1600)
        clock.advance(timedelta(hours=19))
        assert await warn_due(office.world.db) == 0
        clock.advance(timedelta(hours=2))
        assert await warn_due(office.world.db) == 1

    async def test_whoever_missed_a_day_is_told_at_the_next_look(self, office: Office) -> None:
        await office.employ("A1")
        await office.grant([("A1", "16.00")], expires_on=today() + timedelta(days=7))
        clock.advance(timedelta(days=2))
        await warn_due(office.world.db)
        assert [warning["days"] for warning in await told(office)] == [5]


class TestThePhone:
    async def test_shows_the_forecast_by_the_price_where_nothing_was_eaten_yet(self, office: Office) -> None:
        async def sixteen(session: object, unit_id: object, person_class: str) -> int | None:
            return 1600 if person_class == "staff" else None

        register_lunch_share(sixteen)
        await office.employ("A1")
        await office.grant([("A1", "80.00")], expires_on=today() + timedelta(days=1))
        shown = await office.phone("A1")
        assert shown["lunch_share_fen"] == 1600
        assert (shown["forecast"]["lunches"], shown["forecast"]["lost_fen"]) == (2, 4800)

    async def test_says_nothing_while_there_is_time(self, office: Office) -> None:
        await office.employ("A1")
        await office.grant([("A1", "80.00")], expires_on=today() + timedelta(days=8))
        assert (await office.phone("A1"))["forecast"] is None


class TestTheOffice:
    async def test_sees_sums_by_day_and_nobodys_name(self, office: Office) -> None:
        await office.employ("A1", "A2")
        await office.grant([("A1", "32.00"), ("A2", "16.00")], expires_on=today() + timedelta(days=3))
        await office.grant([("A1", "10.00")], expires_on=today() + timedelta(days=60))
        answer = await office.http.get(
            "/v1/subsidies/expiring", params={"unit": office.unit}, headers=office.first.headers
        )
        assert answer.json()["left_fen"] == 5800
        assert answer.json()["data"] == [
            {"expires_on": str(today() + timedelta(days=3)), "days": 3, "amount_fen": 4800, "people": 2}
        ]
