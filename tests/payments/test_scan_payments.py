"""The payer scans the canteen's code: the tills' queue, limits and answers, without a till in between."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from identity.api import Place, Role
from identity.terminals import disable_terminal, edit_terminal
from kernel import clock
from kernel.ids import parse_public_id, public_id
from payments import explain
from payments.queries import get_payment
from payments.wall_codes import place_codes
from payments.wall_codes.place_code_format import write_place_code
from tests.payments.doors import Somebody, doors, employee, officer
from tests.payments.test_cards import card_of, pay, told
from tests.payments.test_wall_codes import CODE
from tests.payments.world import World


async def hang(world: World, till: int | None = None, site: UUID | None = None) -> str:
    """The digits of a code that was just issued for the home canteen or one of its tills."""
    terminal_id = world.tills[till] if till is not None else None
    async with world.db.session() as session:
        code = await place_codes.issue_place_code(session, site or world.canteen, terminal_id, actor="test")
        return place_codes.text_of(code)


async def scan(
    client: httpx.AsyncClient, who: Somebody, digits: str, *, key: str | None = None, **body: Any
) -> httpx.Response:
    headers = {**who.headers, "Idempotency-Key": key or uuid4().hex}
    return await client.post("/v1/me/scan_payments", json={"place_code": digits, **body}, headers=headers)


async def events_of(world: World) -> list[dict[str, Any]]:
    async with world.db.session() as session:
        rows = await session.scalars(text("SELECT events FROM outbox ORDER BY lane, n"))
        told = [event for row in rows for event in json.loads(row)]
    return [event["data"] for event in told if event["type"] == "payment.succeeded"]


class TestPaying:
    async def test_the_answer_is_that_of_a_till(self, world: World) -> None:
        diner, other = await employee(world, cash_fen=5000), await world.person(cash_fen=5000)
        digits = await hang(world, till=0)
        async with doors(world) as client:
            scanned = (await scan(client, diner, digits)).json()
            at_till = (await pay(world, client, "pay_code", (await world.code(other)).code)).json()
        assert set(scanned) == set(at_till)
        assert (scanned["status"], scanned["amount_fen"]) == ("succeeded", 1800)
        assert (scanned["canteen"], scanned["terminal"]) == (at_till["canteen"], at_till["terminal"])
        assert scanned["purses"]["cash_fen"] == 3200
        codes = [step["code"] for step in scanned["trace"]]
        assert codes == ["price.flat", "credential.wall_code", "leg.cash"]

    async def test_the_canteen_hears_it_masked_and_with_the_till_that_should_speak(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        async with doors(world) as client:
            await scan(client, diner, await hang(world, till=1), amount_fen=300)
            await scan(client, diner, await hang(world), amount_fen=400)
        at_till, at_canteen = await events_of(world)
        assert at_till["terminal"] == public_id("ter", world.tills[1])
        assert at_canteen["terminal"] is None
        assert {each["credential"] for each in (at_till, at_canteen)} == {"wall_code"}
        assert {each["canteen"] for each in (at_till, at_canteen)} == {public_id("can", world.canteen)}
        assert at_till["payer_label"] == "王*明"

    async def test_it_can_be_voided_at_the_till_and_is_explained(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        async with doors(world) as client:
            paid = (await scan(client, diner, await hang(world, till=0))).json()
            seen = (await client.get(f"/v1/payments/{paid['id']}", headers=diner.headers)).json()
        await world.void(paid["id"])
        assert seen["credential"] == "wall_code"
        async with world.db.session() as session:
            payment_id = parse_public_id("pay", paid["id"])
            payment = await get_payment(session, payment_id)
            chapters = await explain.tell_payment(session, payment_id, "en")
        assert (payment.terminal_id, payment.epoch, payment.seq, payment.code_id) == (world.tills[0], None, None, None)
        assert any("The payer scanned the wall code plc_" in line for line in chapters[0].sentences)

    async def test_it_stands_in_the_tills_list_beside_what_the_till_took_itself(self, world: World) -> None:
        diner, other = await employee(world, cash_fen=9000), await world.person(cash_fen=9000)
        here, elsewhere, canteens = await hang(world, till=0), await hang(world, till=1), await hang(world)
        till = {"Authorization": f"Bearer {world.tokens[world.tills[0]]}"}
        async with doors(world) as client:
            ids = [(await scan(client, diner, here, amount_fen=100)).json()["id"]]
            ids.append((await pay(world, client, "pay_code", (await world.code(other)).code)).json()["id"])
            ids.append((await scan(client, diner, here, amount_fen=200)).json()["id"])
            for digits in (elsewhere, canteens):
                await scan(client, diner, digits, amount_fen=300, confirm_repeat=True)
            page = (await client.get("/v1/terminals/me/payments", headers=till)).json()
            first = (await client.get("/v1/terminals/me/payments", params={"limit": 2}, headers=till)).json()
            after = {"limit": 2, "starting_after": first["data"][-1]["id"]}
            rest = (await client.get("/v1/terminals/me/payments", params=after, headers=till)).json()
        assert [each["id"] for each in page["data"]] == ids[::-1]
        assert [each["credential"] for each in page["data"]] == ["wall_code", "pay_code", "wall_code"]
        assert {each["payer_label"] for each in page["data"]} == {None}
        assert ([each["id"] for each in first["data"]], first["has_more"]) == (ids[:0:-1], True)
        assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (ids[:1], False)

    async def test_a_quiet_tills_list_reaches_back_to_its_first_code(self, world: World) -> None:
        diner = await employee(world, cash_fen=9000)
        digits = await hang(world, till=0)
        till = {"Authorization": f"Bearer {world.tokens[world.tills[0]]}"}
        async with doors(world) as client:
            paid = (await scan(client, diner, digits, amount_fen=100)).json()["id"]
            clock.advance(timedelta(days=20))
            page = (await client.get("/v1/terminals/me/payments", headers=till)).json()
        assert [each["id"] for each in page["data"]] == [paid]

    async def test_limits_and_the_unit_share_count_as_at_a_till(self, world: World) -> None:
        diner = await employee(world, cash_fen=9000)
        world.rule.count_max = 2
        digits = await hang(world, till=0)
        async with doors(world) as client:
            await pay(world, client, "pay_code", (await world.code(diner.id)).code)
            second = await scan(client, diner, digits, confirm_repeat=True)
            third = await scan(client, diner, digits, confirm_repeat=True)
        assert [told(second), told(third)] == [(201, "succeeded"), (402, "DENY_COUNT_LIMIT")]

    async def test_two_within_seconds_are_asked_about(self, world: World) -> None:
        diner = await employee(world, cash_fen=9000)
        digits = await hang(world)
        async with doors(world) as client:
            first = await scan(client, diner, digits, amount_fen=300)
            again = await scan(client, diner, digits, amount_fen=300, key="k")
            meant = await scan(client, diner, digits, amount_fen=300, key="k", confirm_repeat=True)
        assert (told(again), again.json()["data"]["payment"]) == ((409, "CONFIRM_REPEAT"), first.json()["id"])
        assert told(meant) == (201, "succeeded")

    async def test_twenty_payers_and_two_tills_at_once_leave_the_books_right(self, world: World) -> None:
        diners = [await employee(world, cash_fen=2000) for _ in range(20)]
        holder = await world.person(cash_fen=9000)
        digits, number = await hang(world), await card_of(world, holder)
        codes = [(await world.code(await world.person(cash_fen=2000))).code for _ in range(10)]
        async with doors(world) as client:
            answers = await asyncio.gather(
                *[scan(client, diner, digits) for diner in diners],
                *[pay(world, client, "pay_code", code, till=n % 2) for n, code in enumerate(codes)],
                pay(world, client, "card", number, till=1),
            )
        assert {told(each) for each in answers} == {(201, "succeeded")}
        assert len(await events_of(world)) == 31


class TestRefused:
    async def test_a_code_that_is_none_of_ours_pays_nothing(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        forged = write_place_code(CODE, bytes(11))
        async with doors(world) as client:
            answers = [await scan(client, diner, forged) for _ in range(11)]
        assert told(answers[0]) == (402, "DENY_CODE_UNKNOWN")
        assert "请勿付款" in answers[0].json()["message"]
        assert answers[10].status_code == 429
        assert (await world.purses(diner.id))["cash_fen"] == 5000

    async def test_a_replaced_sheet_pays_nothing(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        old = await hang(world)
        await hang(world)
        async with doors(world) as client:
            answer = await scan(client, diner, old)
        assert (told(answer), answer.json()["data"]["state"]) == ((402, "DENY_CODE_EXPIRED"), "replaced")

    async def test_the_code_of_a_till_out_of_service_pays_nothing(self, world: World) -> None:
        diner, chief = (
            await employee(world, cash_fen=5000),
            await officer(world, Role.SYSTEM_ADMIN, Place(region_id=world.home)),
        )
        digits = await hang(world, till=0)
        async with world.db.session() as session:
            await disable_terminal(session, world.tills[0], actor=chief.token)
        async with doors(world) as client:
            assert told(await scan(client, diner, digits)) == (402, "DENY_TERMINAL")

    async def test_a_till_that_takes_no_typed_amounts_takes_none_at_its_code_either(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        digits = await hang(world, till=0)
        async with world.db.session() as session:
            await edit_terminal(session, world.tills[0], {"modes": ["fixed"]}, actor="test")
        async with doors(world) as client:
            seen = await client.get(f"/v1/place_codes/{digits}", headers=diner.headers)
            assert seen.json()["modes"] == ["fixed"]
            assert told(await scan(client, diner, digits, amount_fen=300, key="k")) == (422, "MODE_NOT_ALLOWED")
            assert told(await scan(client, diner, digits, key="k")) == (201, "succeeded")

    @pytest.mark.parametrize(("trigger", "code"), [("report_lost", "DENY_LOST"), ("freeze", "DENY_FROZEN")])
    async def test_a_stopped_account_pays_nothing(self, world: World, trigger: str, code: str) -> None:
        diner = await employee(world, cash_fen=5000)
        digits = await hang(world)
        await world.change(diner.id, trigger)
        async with doors(world) as client:
            assert told(await scan(client, diner, digits)) == (402, code)

    @pytest.mark.parametrize(
        "body",
        [
            {"place_code": "7" * 69},
            {"amount_fen": 0},
            {"amount_fen": 1.5},
            {"amount_fen": 100, "items": [{"dish_id": "dsh_" + "0" * 32}]},
            {"items": [{"dish_id": "nothing"}]},
            {"location": {"latitude": 91, "longitude": 0}},
            {"seq": 1},
        ],
    )
    async def test_what_cannot_be_read_is_malformed(self, world: World, body: dict[str, Any]) -> None:
        diner = await employee(world, cash_fen=5000)
        digits = await hang(world)
        async with doors(world) as client:
            headers = {**diner.headers, "Idempotency-Key": "k"}
            sent = {"place_code": digits, **body}
            assert told(await client.post("/v1/me/scan_payments", json=sent, headers=headers)) == (422, "MALFORMED")
            assert told(await scan(client, diner, digits, key="k")) == (201, "succeeded")


class TestOnceMeansOnce:
    async def test_the_same_key_is_the_same_payment_wherever_the_phone_is_by_then(self, world: World) -> None:
        diner = await employee(world, cash_fen=5000)
        digits = await hang(world)
        async with doors(world) as client:
            first = await scan(client, diner, digits, key="k")
            moved = {"latitude": 30.0, "longitude": 120.0}
            again = await scan(client, diner, digits, key="k", location=moved, confirm_repeat=True)
            other = await scan(client, diner, digits, key="k", amount_fen=100)
            nobody = await client.post("/v1/me/scan_payments", json={"place_code": digits}, headers=diner.headers)
        assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
        assert told(other) == (409, "IDEMPOTENCY_KEY_REUSED")
        assert told(nobody) == (400, "IDEMPOTENCY_KEY_REQUIRED")
        assert (await world.purses(diner.id))["cash_fen"] == 3200

    async def test_ten_at_once_with_one_key_pay_once(self, world: World) -> None:
        diner = await employee(world, cash_fen=9000)
        digits = await hang(world)
        async with doors(world) as client:
            answers = await asyncio.gather(*[scan(client, diner, digits, key="k") for _ in range(10)])
        assert len({each.content for each in answers}) == 1
        assert (await world.purses(diner.id))["cash_fen"] == 7200

    async def test_keys_of_two_people_are_two_keys(self, world: World) -> None:
        one, other = await employee(world, cash_fen=5000), await employee(world, cash_fen=5000)
        digits = await hang(world)
        async with doors(world) as client:
            ids = {(await scan(client, who, digits, key="lunch")).json()["id"] for who in (one, other)}
        assert len(ids) == 2


class TestElsewhere:
    async def test_a_phone_far_away_pays_and_is_marked(self, world: World) -> None:
        diner = await employee(world, cash_fen=9000)
        async with world.db.session() as session:
            place = {"site": world.canteen, "north": 30.2431, "east": 120.15}
            await session.execute(text("UPDATE sites SET latitude = :north, longitude = :east WHERE id = :site"), place)
        digits = await hang(world)
        near, far = {"latitude": 30.243, "longitude": 120.151}, {"latitude": 30.29, "longitude": 120.15}
        async with doors(world) as client:
            await scan(client, diner, digits, amount_fen=300, location=near)
            paid = (await scan(client, diner, digits, amount_fen=400, location=far)).json()
            seen = (await client.get(f"/v1/payments/{paid['id']}", headers=diner.headers)).json()
        assert seen["far_m"] == pytest.approx(5215, abs=20)
        assert [event["far_m"] for event in await events_of(world)] == [None, seen["far_m"]]
        async with world.db.session() as session:
            kept = await session.scalar(text("SELECT string_agg(p::text, '') FROM payments p"))
        assert "30.29" not in str(kept)
