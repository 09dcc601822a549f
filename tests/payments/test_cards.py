"""Paying by card and by staff number: the reader types a number, and what a copied number can do is bounded."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from identity.api import Place, Role, change_person_status
from kernel import clock
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from payments import api
from payments.credentials import pins
from payments.errors import PinTooWeak
from payments.posting_rule import Refusal
from payments.queries import get_payment
from tests.payments.doors import Somebody, doors, employee, officer
from tests.payments.world import World


async def card_of(world: World, person_id: UUID, number: str | None = None) -> str:
    async with world.db.session() as session:
        return await api.reissue_card(session, person_id, actor="test", number=number)


async def pay(
    world: World,
    client: httpx.AsyncClient,
    kind: str,
    value: str,
    *,
    till: int = 0,
    key: str | None = None,
    seq: int | None = None,
    **body: Any,
) -> httpx.Response:
    """One request of a till."""
    terminal = world.terminal(world.tills[till])
    headers = {"Authorization": f"Bearer {world.tokens[terminal.id]}", "Idempotency-Key": key or uuid4().hex}
    sent = {"seq": seq or world.next_seq(terminal), "credential": {"kind": kind, "value": value}, **body}
    return await client.post("/v1/payments", json=sent, headers=headers)


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code") or answer.json()["status"]


class TestACardAtATill:
    async def test_it_pays_the_meal_and_says_so(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        number = await card_of(world, person)
        async with doors(world) as client:
            answer = await pay(world, client, "card", number)
        assert told(answer) == (201, "succeeded")
        paid = answer.json()
        assert (paid["amount_fen"], paid["purses"]["cash_fen"]) == (1800, 3200)
        assert [step["code"] for step in paid["trace"]][:2] == ["price.flat", "credential.card"]
        async with world.db.session() as session:
            payment = await get_payment(session, parse_public_id("pay", paid["id"]))
        assert (payment.code_id, payment.context["credential"]) == (None, "card")

    async def test_its_holder_is_told_by_what_it_was_paid(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        number = await card_of(world, person)
        async with doors(world) as client:
            await pay(world, client, "card", number)
            code = (await world.code(person)).code
            await pay(world, client, "pay_code", code, confirm_repeat=True)
        async with world.db.session() as session:
            events = await session.scalars(
                text("""
                    SELECT event -> 'data' ->> 'credential' FROM outbox, json_array_elements(events::json) AS event
                     WHERE event ->> 'type' = 'payment.succeeded' ORDER BY lane, n
                """)
            )
            assert list(events) == ["card", "pay_code"]

    async def test_a_number_that_was_never_given_out_is_refused_and_counted(self, world: World) -> None:
        async with doors(world) as client:
            answers = [await pay(world, client, "card", f"90000000{n:02d}") for n in range(11)]
        assert told(answers[0]) == (402, "DENY_CODE_UNKNOWN")
        assert answers[0].json()["message"] == "无法识别的卡"
        assert {each.status_code for each in answers[:10]} == {402}
        assert (answers[10].status_code, int(answers[10].headers["retry-after"]) > 0) == (429, True)

    @pytest.mark.parametrize("value", ["12", "1" * 20, "12a456", "１２３４５６"])
    async def test_what_is_no_card_number_is_malformed_and_consumes_nothing(self, world: World, value: str) -> None:
        async with doors(world) as client:
            answer = await pay(world, client, "card", value, seq=7)
            assert told(answer) == (422, "MALFORMED")
            person = await world.person(cash_fen=5000)
            assert (await pay(world, client, "card", await card_of(world, person), seq=7)).status_code == 201

    async def test_the_same_request_again_has_the_same_answer(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        number = await card_of(world, person)
        async with doors(world) as client:
            first = await pay(world, client, "card", number, key="k", seq=1)
            again = await pay(world, client, "card", number, key="k", seq=1)
            other = await pay(world, client, "card", await card_of(world, await world.person()), key="k", seq=1)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert told(other) == (409, "IDEMPOTENCY_KEY_REUSED")

    async def test_no_table_holds_a_number_or_a_pin(self, world: World) -> None:
        somebody = await employee(world, cash_fen=5000, staff_number="S-10086")
        number = await card_of(world, somebody.id, "8612345678")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        async with doors(world) as client:
            await pay(world, client, "card", number)
            await pay(world, client, "staff_pin", "S-10086:274911", confirm_repeat=True)
        async with world.db.session() as session:
            tables = await session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
            for table in tables.all():
                rows = await session.execute(text(f'SELECT t::text FROM "{table}" t'))
                written = "\n".join(row[0] or "" for row in rows)
                assert "8612345678" not in written, table
                assert "274911" not in written, table


class TestItsLimit:
    async def test_a_card_pays_twenty_yuan_a_meal_and_no_more(self, world: World) -> None:
        person = await world.person(cash_fen=9000)
        number = await card_of(world, person)
        async with doors(world) as client:
            assert told(await pay(world, client, "card", number, amount_fen=1200)) == (201, "succeeded")
            assert told(await pay(world, client, "card", number, amount_fen=800)) == (201, "succeeded")
            refused = await pay(world, client, "card", number, amount_fen=1)
            by_phone = await pay(world, client, "pay_code", (await world.code(person)).code, amount_fen=3000)
        assert told(refused) == (402, "DENY_AMOUNT_LIMIT")
        assert refused.json()["data"] == {
            "credential": "card",
            "window": "card",
            "limit_fen": 2000,
            "used_fen": 2000,
            "amount_fen": 1,
        }
        assert "付款码" in refused.json()["message"]
        assert told(by_phone) == (201, "succeeded")

    async def test_the_operator_sets_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(get_settings(), "card_meal_max_fen", 500)
        person = await world.person(cash_fen=9000)
        number = await card_of(world, person)
        async with doors(world) as client:
            assert told(await pay(world, client, "card", number, amount_fen=501)) == (402, "DENY_AMOUNT_LIMIT")
            assert told(await pay(world, client, "card", number, amount_fen=500)) == (201, "succeeded")

    async def test_a_voided_payment_gives_its_part_back(self, world: World) -> None:
        person = await world.person(cash_fen=9000)
        number = await card_of(world, person)
        async with doors(world) as client:
            paid = (await pay(world, client, "card", number, amount_fen=2000)).json()
            await world.void(paid["id"])
            assert told(await pay(world, client, "card", number, amount_fen=2000, confirm_repeat=True))[0] == 201


class TestLostAndReissued:
    async def test_a_lost_card_is_refused_from_the_next_tap_on(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        number = await card_of(world, person)
        await world.change(person, "report_lost")
        async with doors(world) as client:
            assert told(await pay(world, client, "card", number)) == (402, "DENY_LOST")
            await world.change(person, "unlist")
            assert told(await pay(world, client, "card", number)) == (201, "succeeded")

    async def test_after_a_reissue_only_the_new_card_pays(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        old = await card_of(world, person)
        await world.change(person, "report_lost")
        new = await card_of(world, person)
        async with doors(world) as client:
            refused = await pay(world, client, "card", old)
            assert told(refused) == (402, "DENY_LOST")
            assert refused.json()["data"] == {"credential": "card", "state": "replaced"}
            assert told(await pay(world, client, "card", new)) == (201, "succeeded")

    async def test_a_frozen_account_pays_by_no_card(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        number = await card_of(world, person)
        await world.change(person, "freeze")
        async with doors(world) as client:
            assert told(await pay(world, client, "card", number)) == (402, "DENY_FROZEN")


class TestTwice:
    async def test_tapped_twice_the_cashier_is_asked(self, world: World) -> None:
        person = await world.person(cash_fen=9000)
        number = await card_of(world, person)
        async with doors(world) as client:
            first = await pay(world, client, "card", number, amount_fen=300)
            twice = await pay(world, client, "card", number, amount_fen=300, key="second", seq=77)
            assert told(twice) == (409, "CONFIRM_REPEAT")
            assert twice.json()["data"]["payment"] == first.json()["id"]
            meant = await pay(world, client, "card", number, amount_fen=300, key="second", seq=77, confirm_repeat=True)
            assert told(meant) == (201, "succeeded")

    async def test_at_two_tills_in_one_second_it_pays_once(self, world: World) -> None:
        """One card cannot be in two places: one of them is a copy, or a hand that reaches far."""
        person = await world.person(cash_fen=9000)
        number = await card_of(world, person)
        async with doors(world) as client:
            answers = await asyncio.gather(
                pay(world, client, "card", number, amount_fen=300, till=0),
                pay(world, client, "card", number, amount_fen=400, till=1),
            )
        assert sorted(told(each) for each in answers) == [(201, "succeeded"), (409, "CONFIRM_REPEAT")]
        paid, asked = sorted(answers, key=lambda each: each.status_code)
        assert asked.json()["data"]["payment"] == paid.json()["id"]
        assert (await world.purses(person))["cash_fen"] == 9000 - paid.json()["amount_fen"]

    async def test_nine_seconds_later_at_another_till_nobody_asks(self, world: World) -> None:
        person = await world.person(cash_fen=9000)
        number = await card_of(world, person)
        async with doors(world) as client:
            await pay(world, client, "card", number, amount_fen=300, till=0)
            clock.advance(timedelta(seconds=9))
            assert told(await pay(world, client, "card", number, amount_fen=300, till=1)) == (201, "succeeded")

    async def test_a_code_and_a_card_of_one_person_in_one_batch_see_each_other(self, world: World) -> None:
        person, other = await world.person(cash_fen=2000), await world.person(cash_fen=2000)
        number, code = await card_of(world, person), (await world.code(person)).code
        async with doors(world) as client:
            answers = await asyncio.gather(
                pay(world, client, "card", number, amount_fen=1500, confirm_repeat=True),
                pay(world, client, "pay_code", code, amount_fen=1400, confirm_repeat=True),
                pay(world, client, "pay_code", (await world.code(other)).code, amount_fen=2000),
            )
        assert sorted(told(each) for each in answers[:2]) == [(201, "succeeded"), (402, "DENY_NO_FUNDS")]
        assert told(answers[2]) == (201, "succeeded")


class TestStaffNumber:
    async def test_number_and_pin_pay(self, world: World) -> None:
        somebody = await employee(world, cash_fen=5000, staff_number="100234")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        async with doors(world) as client:
            answer = await pay(world, client, "staff_pin", "100234:274911")
        assert told(answer) == (201, "succeeded")
        assert "credential.staff_pin" in [step["code"] for step in answer.json()["trace"]]

    @pytest.mark.parametrize("value", ["100234:000000", "999999:274911", "no-pin:274911"])
    async def test_a_wrong_pin_and_a_number_that_nobody_has_look_alike(self, world: World, value: str) -> None:
        somebody = await employee(world, cash_fen=5000, staff_number="100234")
        await employee(world, cash_fen=5000, staff_number="no-pin")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        async with doors(world) as client:
            answer = await pay(world, client, "staff_pin", value)
        assert told(answer) == (402, "DENY_CODE_UNKNOWN")
        assert (answer.json()["message"], answer.json()["data"]) == (
            "工号或支付密码不正确",
            {"credential": "staff_pin"},
        )

    @pytest.mark.parametrize("value", ["100234", "100234:", "100234:12345", ":123456", "100234:1234567", "a\0b:123456"])
    async def test_what_has_no_pin_is_malformed(self, world: World, value: str) -> None:
        async with doors(world) as client:
            assert told(await pay(world, client, "staff_pin", value)) == (422, "MALFORMED")

    async def test_five_wrong_pins_lock_it_also_for_the_right_one(self, world: World) -> None:
        somebody = await employee(world, cash_fen=5000, staff_number="100234")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        async with doors(world) as client:
            for guess in range(5):
                await pay(world, client, "staff_pin", f"100234:00000{guess}")
            locked = await pay(world, client, "staff_pin", "100234:274911")
            assert told(locked) == (402, "DENY_FROZEN")
            assert locked.json()["data"]["reason"] == "locked"
            assert 0 < locked.json()["data"]["retry_after_s"] <= 900
            clock.advance(timedelta(minutes=16))
            assert told(await pay(world, client, "staff_pin", "100234:274911")) == (201, "succeeded")

    async def test_a_request_sent_again_is_no_second_guess(self, world: World) -> None:
        somebody = await employee(world, cash_fen=5000, staff_number="100234")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        async with doors(world) as client:
            sent = [await pay(world, client, "staff_pin", "100234:000000", key="k", seq=77) for _ in range(6)]
            assert len({each.content for each in sent}) == 1
            assert told(await pay(world, client, "staff_pin", "100234:274911")) == (201, "succeeded")

    async def test_who_has_left_pays_by_no_number(self, world: World) -> None:
        somebody = await employee(world, cash_fen=5000, staff_number="100234")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        async with world.db.session() as session:
            await change_person_status(session, somebody.id, "leave", actor="test")
        async with doors(world) as client:
            assert told(await pay(world, client, "staff_pin", "100234:274911")) == (402, "DENY_CODE_UNKNOWN")

    @pytest.mark.parametrize("pin", ["111111", "123456", "987654", "100234"])
    async def test_a_pin_that_is_tried_first_is_not_taken(self, world: World, pin: str) -> None:
        somebody = await employee(world, staff_number="S100234")
        with pytest.raises(PinTooWeak):
            await pins.set_pin(world.db, somebody.id, pin, actor="test")

    async def test_a_new_pin_unlocks_and_the_old_one_is_worth_nothing(self, world: World) -> None:
        somebody = await employee(world, staff_number="100234")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        for _ in range(5):
            await pins.check_pin(world.db, "100234", "000000")
        await pins.set_pin(world.db, somebody.id, "830517", actor="test")
        assert isinstance(await pins.check_pin(world.db, "100234", "274911"), Refusal)
        assert not isinstance(await pins.check_pin(world.db, "100234", "830517"), Refusal)


async def finance(world: World) -> Somebody:
    return await officer(world, Role.FINANCE, Place(organisation_id=world.unit))


class TestAtTheOffice:
    async def test_a_card_on_the_reader_says_whose_it_is_and_whether_it_pays(self, world: World) -> None:
        clerk, somebody = await finance(world), await employee(world, staff_number="100234")
        old = await card_of(world, somebody.id)
        async with doors(world) as client:
            given = await client.post(
                f"/v1/people/per_{somebody.id.hex}/account/cards", json={"number": "0007788"}, headers=clerk.headers
            )
            found = [
                (await client.post("/v1/cards/find", json={"number": number}, headers=clerk.headers)).json()
                for number in (old, "0007788")
            ]
            unknown = await client.post("/v1/cards/find", json={"number": "99999"}, headers=clerk.headers)
            stranger = await client.post("/v1/cards/find", json={"number": old}, headers=somebody.headers)
        assert (given.status_code, given.json()) == (201, {"number": "0007788"})
        assert [(each["staff_number"], each["found_state"]) for each in found] == [
            ("100234", "replaced"),
            ("100234", "active"),
        ]
        assert (unknown.status_code, stranger.status_code) == (404, 403)

    async def test_a_number_is_given_out_once(self, world: World) -> None:
        clerk, one, other = await finance(world), await employee(world), await employee(world)
        await card_of(world, one.id, "0007788")
        async with doors(world) as client:
            taken = await client.post(
                f"/v1/people/per_{other.id.hex}/account/cards", json={"number": "0007788"}, headers=clerk.headers
            )
            account = await client.get(f"/v1/people/per_{other.id.hex}/account", headers=clerk.headers)
        assert told(taken) == (409, "CARD_NUMBER_TAKEN")
        assert (account.json()["card"], account.json()["state"]) == (None, "active")

    async def test_the_office_clears_a_pin_that_was_seen(self, world: World) -> None:
        clerk, somebody = await finance(world), await employee(world, staff_number="100234")
        await pins.set_pin(world.db, somebody.id, "274911", actor="test")
        address = f"/v1/people/per_{somebody.id.hex}/account"
        async with doors(world) as client:
            assert (await client.get(address, headers=clerk.headers)).json()["has_pin"] is True
            assert (await client.delete(f"{address}/pin", headers=clerk.headers)).status_code == 204
            assert (await client.get(address, headers=clerk.headers)).json()["has_pin"] is False
            assert (await client.delete(f"{address}/pin", headers=somebody.headers)).status_code == 403


class TestOnThePhone:
    async def test_somebody_takes_a_blank_card_and_sets_a_pin(self, world: World) -> None:
        somebody = await employee(world, cash_fen=5000, staff_number="100234")
        async with doors(world) as client:
            before = (await client.get("/v1/me/card", headers=somebody.headers)).json()
            taken = await client.post("/v1/me/card", json={"number": "0007788"}, headers=somebody.headers)
            pin = await client.put("/v1/me/pin", json={"pin": "274911"}, headers=somebody.headers)
            after = (await client.get("/v1/me/card", headers=somebody.headers)).json()
            assert told(await pay(world, client, "card", "0007788")) == (201, "succeeded")
            assert (await client.delete("/v1/me/pin", headers=somebody.headers)).status_code == 204
            refused = await pay(world, client, "staff_pin", "100234:274911")
        assert (before["card"], before["has_pin"], before["card_meal_max_fen"]) == (None, False, 2000)
        assert (taken.status_code, taken.json()["state"], pin.status_code) == (201, "active", 204)
        assert (after["card"]["state"], after["has_pin"]) == ("active", True)
        assert told(refused) == (402, "DENY_CODE_UNKNOWN")

    async def test_who_tries_numbers_out_is_slowed_down(self, world: World) -> None:
        owner, curious = await employee(world), await employee(world)
        await card_of(world, owner.id, "0007788")
        async with doors(world) as client:
            tries = [
                await client.post("/v1/me/card", json={"number": "0007788"}, headers=curious.headers) for _ in range(6)
            ]
        assert [each.status_code for each in tries] == [409] * 5 + [429]
