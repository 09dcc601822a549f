"""Covers that a kitchen makes for meetings: it says how many, sees what is promised, and keeps its word."""

from datetime import timedelta
from typing import Any

import httpx

from canteen.covers.schemas import Capacities
from canteen.covers.service import MeetingMeals, set_capacities
from kernel import clock
from kernel.errors import GuanjiaError
from kernel.ids import public_id, uuid7
from tests.canteen.conftest import Town


class Wish:
    """A meeting's wish, as far as a kitchen looks at it."""

    def __init__(self, town: Town, organiser: Any, covers: int, meal: str = "lunch", days: int = 3) -> None:
        self.line_id, self.title, self.organiser, self.region_id = uuid7(), "评审会", organiser, town.region
        day = (clock.now() + timedelta(days=days)).date().isoformat()
        wish = {"canteen": public_id("can", town.canteen), "business_date": day, "meal": meal, "covers": covers}
        self.wanted: dict[str, Any] = MeetingMeals().read(wish)


async def hold(town: Town, wish: Wish) -> Any:
    async with town.db.session() as session:
        return (await MeetingMeals().hold(session, [wish], "held"))[wish.line_id]


async def organiser_of(town: Town) -> Any:
    from identity.api import principal_of, today

    person = await town.person("王芳")
    async with town.db.session() as session:
        return await principal_of(session, person, today())


class TestCapacity:
    async def test_without_a_word_of_the_kitchen_it_is_its_seats(self, town: Town) -> None:
        organiser = await organiser_of(town)

        full = await hold(town, Wish(town, organiser, 121))
        held = await hold(town, Wish(town, organiser, 120))

        assert (full.code, full.data) == ("COVERS_FULL", {"left": 120})
        # The visitor's price of the matrix.
        assert (held.quantity, held.estimate_fen) == (120, 120 * 1800)

    async def test_what_was_promised_stays_promised(self, town: Town, api: httpx.AsyncClient) -> None:
        organiser, manager = await organiser_of(town), await town.manager()
        await hold(town, Wish(town, organiser, 80))

        url = f"{town.path}/cover_capacities"
        assert (await api.put(url, json={"lunch": 30}, headers=await town.diner())).status_code == 403
        changed = await api.put(url, json={"lunch": 30}, headers=manager)

        assert changed.json() == {"breakfast": None, "lunch": 30, "dinner": None, "night": None}
        assert isinstance(await hold(town, Wish(town, organiser, 1)), GuanjiaError)
        assert (await hold(town, Wish(town, organiser, 30, days=4))).quantity == 30
        day = (clock.now() + timedelta(days=3)).date().isoformat()
        seen = await api.get(f"{town.path}/covers", params={"from": day, "until": day}, headers=manager)
        assert seen.json()["days"] == [{"business_date": day, "meal": "lunch", "capacity": 80, "taken": 80}]
        assert [row["covers"] for row in seen.json()["data"]] == [80]
        long = await api.get(f"{town.path}/covers", params={"from": day, "until": "9999-12-31"}, headers=manager)
        assert long.status_code == 422

    async def test_a_meal_that_is_over_or_for_others_is_not_held(self, town: Town) -> None:
        organiser = await organiser_of(town)

        past = await hold(town, Wish(town, organiser, 1, days=-1))

        assert past.code == "MEAL_NOT_SERVED"

    async def test_what_is_offered_instead_can_be_had(self, town: Town) -> None:
        organiser = await organiser_of(town)
        async with town.db.session() as session:
            await set_capacities(session, town.canteen, Capacities(lunch=50), actor="test")
        await hold(town, Wish(town, organiser, 40))
        wish = Wish(town, organiser, 20)

        async with town.db.session() as session:
            offered = await MeetingMeals().suggest(session, wish)

        assert [kind for kind, _ in offered] == ["day", "day", "fewer"]
        for _, wanted in offered:
            other = Wish(town, organiser, 1)
            other.wanted = dict(wanted)
            assert not isinstance(await hold(town, other), GuanjiaError)
