"""The live board: kept from payments' events, seen by those who work there, told on the canteen's channel."""

from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.channels import may_see_board
from canteen.jobs import BOARD_TYPE, advance_boards
from canteen.states import MENU, TABLES, allowed, states_of
from identity.api import Place, Role, principal_of, today
from identity.queries import find_terminal_by_token
from identity.tokens import hash_token
from kernel import clock
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from kernel.settings import get_settings
from payments.events import PaymentRefunded, PaymentSucceeded, PaymentVoided
from realtime.api import boards
from tests.canteen.conftest import Town

Api = httpx.AsyncClient


def _fields(town: Town, amount_fen: int) -> dict[str, Any]:
    return {
        "happened_at": clock.rfc3339(clock.now() - timedelta(days=400)),
        "payment": public_id("pay", uuid7(7)),
        "person": public_id("per", uuid7()),
        "payer_label": "王*",
        "canteen": public_id("can", town.canteen),
        "canteen_name": "西湖食堂",
        "terminal": None,
        "amount_fen": amount_fen,
        "legs": [],
        "business_date": clock.business_date(clock.now(), get_settings().zone).isoformat(),
        "purses": {},
    }


def sell(session: AsyncSession, town: Town, amount_fen: int = 1800) -> PaymentSucceeded:
    """A sale, as payments tells it; what the till says of the time is nonsense."""
    event = PaymentSucceeded(**_fields(town, amount_fen), meal="lunch")
    publish(session, event)
    return event


def give_back(session: AsyncSession, town: Town, sale: PaymentSucceeded, *, whole: bool) -> None:
    fields = {**_fields(town, sale.amount_fen if whole else 500), "payment": sale.payment, "paid_at": sale.happened_at}
    if whole:
        publish(session, PaymentVoided(**fields, void=public_id("void", uuid7(7))))
    else:
        publish(session, PaymentRefunded(**fields, refund=public_id("ref", uuid7(7))))


async def catch_up(town: Town) -> None:
    while await advance_boards(town.db):
        pass


class TestTheBoard:
    async def test_it_counts_what_was_sold_and_takes_off_what_was_given_back(self, town: Town, api: Api) -> None:
        async with town.db.session() as session:
            sales = [sell(session, town) for _ in range(3)]
        async with town.db.session() as session:
            give_back(session, town, sales[0], whole=True)
            give_back(session, town, sales[1], whole=False)
        await catch_up(town)

        board = (await api.get(f"{town.path}/board", headers=await town.manager())).json()

        assert (board["takings_fen"], board["count"]) == (3 * 1800 - 1800 - 500, 2)
        assert sum(minute["count"] for minute in board["per_minute"]) == 3
        assert all(minute["minute"][:4] == str(clock.now().year) for minute in board["per_minute"])
        assert [p["status"] for p in board["last_payments"]] == ["succeeded", "refunded", "voided"]
        assert board["last_payments"][0]["payer_label"] == "王*"
        assert board["position"] == 0

    async def test_events_are_counted_once_however_often_it_is_asked(self, town: Town, api: Api) -> None:
        async with town.db.session() as session:
            sell(session, town)
        await catch_up(town)
        await catch_up(town)

        board = (await api.get(f"{town.path}/board", headers=await town.manager())).json()

        assert board["count"] == 1

    async def test_a_frame_is_told_on_the_canteens_channel(self, town: Town) -> None:
        async with town.db.session() as session:
            sell(session, town)
        await catch_up(town)

        waiting = boards._boards[f"canteen:{public_id('can', town.canteen)}"].waiting

        assert list(waiting) == [BOARD_TYPE]
        assert b'"takings_fen":1800' in waiting[BOARD_TYPE].data
        boards._boards.clear()

    async def test_the_tills_stand_on_it(self, town: Town, api: Api) -> None:
        till = await town.till()

        board = (await api.get(f"{town.path}/board", headers={"Authorization": f"Bearer {till['token']}"})).json()

        assert [(t["id"], t["online"]) for t in board["terminals"]] == [(till["id"], True)]


class TestWhoSeesIt:
    async def test_who_works_there_and_its_tills_but_no_diner_and_no_other_till(self, town: Town, api: Api) -> None:
        path = f"{town.path}/board"
        cashier = await town.headers(await town.person("收银员", Role.CASHIER, Place(site_id=town.canteen)))
        regional = await town.headers(await town.person("会计", Role.FINANCE, Place(region_id=town.region)))
        other_till = {"Authorization": f"Bearer {(await town.till(town.site_without_canteen))['token']}"}

        answers = [await api.get(path, headers=h) for h in (cashier, regional, await town.diner(), other_till)]

        assert [answer.status_code for answer in answers] == [200, 200, 403, 403]

    async def test_the_channel_follows_the_same_rule(self, town: Town) -> None:
        channel = public_id("can", town.canteen)
        till = await town.till()
        diner_id = await town.person("王小明")
        manager_id = await town.person("陈主任", Role.CANTEEN_MANAGER, Place(site_id=town.canteen))
        async with town.db.session() as session:
            terminal = await find_terminal_by_token(session, hash_token(till["token"]))
            assert terminal is not None
            manager = await principal_of(session, manager_id, today())
            diner = await principal_of(session, diner_id, today())

            assert await may_see_board(session, terminal, channel)
            assert await may_see_board(session, manager, channel)
            assert not await may_see_board(session, diner, channel)
            assert not await may_see_board(session, manager, public_id("can", town.site_without_canteen))
            assert not await may_see_board(session, manager, "can_\x00")


class TestTheMenusLife:
    def test_every_state_has_a_way_on_and_every_trigger_a_state(self) -> None:
        assert TABLES["menu"] is MENU
        assert states_of(MENU) == ["draft", "published", "withdrawn"]
        assert {state: allowed(MENU, state) for state in states_of(MENU)} == {
            "draft": ["publish"],
            "published": ["withdraw"],
            "withdrawn": ["publish"],
        }
