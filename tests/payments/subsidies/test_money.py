"""Where the money of subsidies comes from and goes back to, to the fen: billed units, refunds after the end, any order."""

import random
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from kernel import clock
from payments import jobs
from tests.payments.subsidies.office import Office, today
from tests.payments.world import body_of


async def account(office: Office, kind: str) -> int:
    """What the book says: + debit, - credit."""
    async with office.world.db.session() as session:
        fen = await session.scalar(
            text("SELECT coalesce(sum(amount_fen), 0) FROM entries WHERE account_kind = :kind"), {"kind": kind}
        )
    return int(fen)


class TestABilledUnit:
    async def test_owes_what_it_grants_and_no_more_what_comes_back(self, office: Office) -> None:
        """E2' and E9': `unit_receivable:U` in the place of the prefund."""
        await office.employ("A1")
        await office.bill(100_000)
        await office.grant([("A1", "352.00")], expires_on=today())
        assert (await account(office, "unit_receivable"), await account(office, "subsidy")) == (35_200, -35_200)
        await office.lunch("A1", amount_fen=1600)
        assert await account(office, "unit_receivable") == 35_200
        clock.advance(timedelta(days=5))
        await jobs.expire_due_lots(office.world.db)
        assert (await account(office, "unit_receivable"), await account(office, "subsidy")) == (1600, 0)
        assert (await account(office, "unit_prefund"), (await office.terms())["owed_fen"]) == (-1_000_000, 1600)

    async def test_pays_its_bill_and_is_in_credit_for_what_comes_back_later(self, office: Office) -> None:
        await office.employ("A1")
        await office.bill(100_000)
        await office.grant([("A1", "352.00")], expires_on=today())
        path = f"/v1/organisations/{office.unit}/bill_payments"
        for _ in range(2):
            paid = await office.http.post(
                path, json={"amount_fen": 35_200}, headers={**office.first.headers, "Idempotency-Key": "bill-1"}
            )
            assert (paid.status_code, paid.json()["owed_fen"]) == (201, 0)
        clock.advance(timedelta(days=5))
        await jobs.expire_due_lots(office.world.db)
        assert (await office.terms())["owed_fen"] == -35_200

    async def test_owes_no_more_than_its_limit(self, office: Office) -> None:
        await office.employ("A1")
        await office.bill(20_000)
        await office.grant([("A1", "160.00")])
        refused = await office.decide((await office.ask(await office.prepare([("A1", "40.01")]))).json()["id"])
        assert (refused.status_code, refused.json()["code"]) == (402, "BILLING_LIMIT")
        assert refused.json()["data"] == {"limit_fen": 20_000, "owed_fen": 16_000, "needed_fen": 4_001}

    async def test_what_was_paid_ahead_goes_back_there_after_the_terms_have_changed(self, office: Office) -> None:
        await office.employ("A1")
        batch = await office.grant([("A1", "352.00")])
        await office.bill(100_000)
        await office.carry_out(batch, "reverse")
        terms = await office.terms()
        assert (terms["prefund_fen"], terms["owed_fen"]) == (1_000_000, 0)
        assert [(each["funded_by"], each["limit_fen"]) for each in terms["history"]] == [("unit_receivable", 100_000)]

    async def test_is_made_one_by_two_people(self, office: Office) -> None:
        body = {"unit": office.unit, "funded_by": "unit_receivable", "limit_fen": 1, "reason": "协议"}
        asked = await office.http.post("/v1/subsidies/terms", json=body, headers=office.first.headers)
        again = await office.http.post("/v1/subsidies/terms", json=body, headers=office.first.headers)
        assert again.json()["code"] == "AWAITS_APPROVAL"
        assert (await office.decide(asked.json()["id"], who=office.first)).json()["code"] == "SAME_PERSON"
        assert (await office.terms())["funded_by"] == "unit_prefund"


class TestARefundAfterTheEnd:
    @pytest.mark.parametrize("billed", [False, True])
    async def test_opens_a_lot_of_the_same_scope_for_seven_days_and_then_goes_back_to_the_unit(
        self, office: Office, billed: bool
    ) -> None:
        await office.employ("A1")
        if billed:
            await office.bill(100_000)
        kind = "unit_receivable" if billed else "unit_prefund"
        before = await account(office, kind)
        await office.grant([("A1", "32.00")], expires_on=today(), meals="lunch")
        lunch = await office.lunch("A1", amount_fen=1600)
        clock.advance(timedelta(days=5))
        await jobs.expire_due_lots(office.world.db)
        assert await account(office, kind) == before + 1600
        await office.refund(lunch["id"], 1600)
        (lot,) = (await office.phone("A1"))["lots"]
        assert (lot["amount_fen"], lot["days"], lot["scope"]) == (1600, 7, {"meals": ["lunch"]})
        assert await account(office, kind) == before + 1600
        clock.advance(timedelta(days=12))
        await jobs.expire_due_lots(office.world.db)
        assert (await account(office, kind), await account(office, "subsidy")) == (before, 0)


class TestInAnyOrder:
    @pytest.mark.parametrize("seed", range(3))
    async def test_spending_refunds_ends_carry_over_and_reversal_keep_every_fen(
        self, office: Office, seed: int
    ) -> None:
        """What a unit gave is what its people ate, what they still have, and what came back to it."""
        dice = random.Random(seed)
        await office.employ("A1", "A2")
        batches, meals = [], []
        for step in range(14):
            match dice.choice(["grant", "eat", "eat", "refund", "days", "reverse"]) if step else "grant":
                case "grant":
                    carry = {"carry_over_days": 9, "carry_over_max_fen": 700} if dice.random() < 0.5 else {}
                    last = today() + timedelta(days=dice.randint(0, 3))
                    batches.append(await office.grant([("A1", "33.33"), ("A2", "20.01")], expires_on=last, **carry))
                case "eat":
                    who, fen = dice.choice(["A1", "A2"]), dice.randint(1, 1600)
                    code = (await office.world.code(office.people[who])).code
                    paid = await office.world.pay(code, amount_fen=fen, confirm_repeat=True, key=uuid4().hex)
                    if paid.status == 201:
                        meals.append((body_of(paid)["id"], fen))
                case "refund" if meals:
                    payment, fen = meals.pop(dice.randrange(len(meals)))
                    await office.refund(payment, dice.randint(1, fen))
                case "reverse" if batches:
                    await office.carry_out(batches.pop(dice.randrange(len(batches))), "reverse")
                case "days":
                    clock.advance(timedelta(days=dice.randint(1, 4)))
            await jobs.expire_due_lots(office.world.db)
            parts = [await account(office, kind) for kind in ("unit_prefund", "subsidy", "payable")]
            assert sum(parts) == -1_000_000
