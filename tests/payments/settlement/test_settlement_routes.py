"""Settlement over HTTP: with the contract in hand a month is taken to its lock; each sees and presses what is theirs."""

from typing import Any

import httpx

from identity.api import Place, Role
from kernel import clock
from kernel.ids import public_id
from payments.settlement import routes
from tests.payments.doors import Somebody, doors, employee, officer
from tests.payments.settlement.conftest import AFTER_MONTH
from tests.payments.settlement.month import Month


async def press(
    http: httpx.AsyncClient, who: Somebody, settlement: str, trigger: str, body: dict[str, Any] | None = None
) -> httpx.Response:
    """`POST /v1/settlements/{id}/<trigger>`."""
    return await http.post(f"/v1/settlements/{settlement}/{trigger}", headers=who.headers, json=body)


async def opened(http: httpx.AsyncClient, who: Somebody, month: Month) -> list[str]:
    """The ids of both regions' month."""
    found = []
    for region in (month.world.home, month.world.away):
        body = {"region": public_id("reg", region), "period": month.period}
        answer = await http.post("/v1/settlements", headers=who.headers, json=body)
        assert answer.status_code == 201, answer.text
        found.append(answer.json()["id"])
    return found


class TestTheWholeWay:
    async def test_from_open_to_locked(self, month: Month) -> None:
        world = month.world
        sender, receiver = [await officer(world, Role.FINANCE, Place()) for _ in range(2)]
        async with doors(world, routes) as http:
            settlements = await opened(http, sender, month)
            early = await press(http, sender, settlements[0], "cut_off")
            assert (early.status_code, early.json()["code"]) == (409, "PERIOD_NOT_OVER")
            clock.advance(AFTER_MONTH - clock.now())
            sender, receiver = [await officer(world, Role.FINANCE, Place()) for _ in range(2)]
            for trigger in ("cut_off", "reconcile", "send_statement"):
                for settlement in settlements:
                    answer = await press(http, sender, settlement, trigger)
                    assert answer.status_code == 200, answer.text
            wrong = await press(http, sender, settlements[0], "lock")
            assert wrong.status_code == 409
            assert wrong.json()["data"]["allowed"] == ["dispute", "confirm"]
            same = await press(http, sender, settlements[0], "confirm")
            assert (same.status_code, same.json()["code"]) == (403, "SAME_PERSON")
            for settlement in settlements:
                answer = await press(http, receiver, settlement, "confirm", {})
                assert answer.json()["state"] == "confirmed", answer.text
            positions = await http.get("/v1/settlements/positions?period=2026-11", headers=sender.headers)
            assert [owed["amount_fen"] for owed in positions.json()["transfers"]] == [2_000]
            netted = await press(http, sender, settlements[0], "net")
            assert {each["kind"]: each["amount_fen"] for each in netted.json()["instructions"]} == {
                "region_net": 2_000,
                "canteen_payout": 3_600,
            }
            open_still = await press(http, sender, settlements[0], "settle")
            assert (open_still.status_code, open_still.json()["data"]) == (409, {"open_count": 2})
            for trigger, body in (("pay", {"bank_reference": "B-1"}), ("settle", None), ("lock", None)):
                for settlement in settlements:
                    answer = await press(http, sender, settlement, trigger, body)
                    assert answer.status_code == 200, answer.text
            shown = (await http.get(f"/v1/settlements/{settlements[0]}", headers=sender.headers)).json()
            assert (shown["state"], shown["allowed"]) == ("locked", [])
            assert [step["trigger"] for step in shown["steps"]][-3:] == ["pay", "settle", "lock"]
            listed = (await http.get("/v1/settlements?limit=1", headers=sender.headers)).json()
            assert (len(listed["data"]), listed["has_more"]) == (1, True)
            rest = await http.get(f"/v1/settlements?starting_after={listed['data'][0]['id']}", headers=sender.headers)
            assert len(rest.json()["data"]) == 1
        assert (await month.balances())["Q"] == {}


class TestWhoSeesWhat:
    async def test_a_canteen_sees_and_disputes_its_own_statement_down_to_the_meals(self, month: Month) -> None:
        world = month.world
        clock.advance(AFTER_MONTH - clock.now())
        office = await officer(world, Role.FINANCE, Place())
        manager = await officer(world, Role.CANTEEN_MANAGER, Place(site_id=world.canteen))
        async with doors(world, routes) as http:
            settlements = await opened(http, office, month)
            for trigger in ("cut_off", "reconcile", "send_statement"):
                for settlement in settlements:
                    await press(http, office, settlement, trigger)
            base = f"/v1/settlements/{settlements[0]}/statements"
            assert (await http.get("/v1/settlements", headers=manager.headers)).status_code == 403
            (mine,) = (await http.get(base, headers=manager.headers)).json()["data"]
            assert (mine["kind"], mine["due_fen"], mine["mine"]) == ("canteen", 3_600, True)
            (line,) = (await http.get(f"{base}/{mine['id']}/lines", headers=manager.headers)).json()
            assert (line["kind"], line["amount_fen"], line["is_late"]) == ("payable.payment", 3_600, False)
            day = line["business_date"]
            meals = await http.get(f"{base}/{mine['id']}/meals?business_date={day}", headers=manager.headers)
            assert [meal["amount_fen"] for meal in meals.json()["data"]] == [1_800, 1_800]
            assert "王" not in meals.text
            body = {
                "statement": mine["id"],
                "business_date": day,
                "line_kind": line["kind"],
                "amount_fen": 600,
                "reason": "not ours",
            }
            disputed = await press(http, manager, settlements[0], "dispute", body)
            assert (disputed.status_code, disputed.json()["state"]) == (201, "open")
            decided = await http.post(
                f"/v1/settlements/{settlements[0]}/disputes/{disputed.json()['id']}/dismiss",
                headers=manager.headers,
                json={"note": "says who"},
            )
            assert decided.status_code == 403

    async def test_an_employee_sees_nothing_of_it(self, month: Month) -> None:
        anybody = await employee(month.world)
        async with doors(month.world, routes) as http:
            assert (await http.get("/v1/settlements", headers=anybody.headers)).status_code == 403
            answer = await http.post(
                "/v1/settlements", headers=anybody.headers, json={"region": "reg_x", "period": "2026-11"}
            )
            assert answer.status_code == 404


class TestParties:
    async def test_shares_and_bank_accounts_are_entered_by_the_office(self, month: Month) -> None:
        world = month.world
        office = await officer(world, Role.FINANCE, Place())
        canteen, unit = public_id("can", world.canteen), public_id("org", world.unit)
        async with doors(world, routes) as http:
            body = {
                "from_period": "2026-11",
                "shares": [
                    {"organisation": unit, "weight": 92, "role": "canteen"},
                    {"organisation": unit, "weight": 8, "role": "operator"},
                ],
            }
            put = await http.put(f"/v1/canteens/{canteen}/shares", headers=office.headers, json=body)
            assert put.status_code == 204, put.text
            shares = (await http.get(f"/v1/canteens/{canteen}/shares", headers=office.headers)).json()
            assert [share["weight"] for share in shares] == [92, 8]
            account = {
                "account_name": "某公司",
                "account_number": "6222 0200 0000 1234",
                "bank_number": "102100099996",
                "bank_name": "某银行",
            }
            put = await http.put(f"/v1/bank_accounts/{canteen}", headers=office.headers, json=account)
            assert put.status_code == 204, put.text
            shown = (await http.get(f"/v1/bank_accounts/{canteen}", headers=office.headers)).json()
            assert shown == account | {"party": canteen}
            region = public_id("reg", world.home)
            listed = await http.get("/v1/bank_accounts", headers=office.headers, params={"region": region})
            assert listed.json() == {"data": [shown], "has_more": False}
            elsewhere = {"region": public_id("reg", world.away)}
            assert (await http.get("/v1/bank_accounts", headers=office.headers, params=elsewhere)).json()["data"] == []
            missing = await http.get(f"/v1/bank_accounts/{unit}", headers=office.headers)
            assert missing.status_code == 404
