"""A batch from a file: looked at, approved by a second person, posted whole, and taken back whole."""

import asyncio
import io
from datetime import date, timedelta

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from identity.api import Place, Role
from kernel import clock
from kernel.ids import parse_public_id, public_id
from payments import jobs
from tests.payments.doors import officer
from tests.payments.subsidies.office import Office, csv_of, today, xlsx_of


class TestTheFile:
    async def test_names_each_bad_cell_and_takes_nothing_of_it(self, office: Office) -> None:
        await office.employ("A1", "A2")
        rows = [("A1", "352.00"), ("B9", "10"), ("A2", "1.234"), ("A1", "5")]
        tried = (await office.send(rows, dry_run=True)).json()
        assert [(cell["cell"], cell["column"]) for cell in tried["bad_cells"]] == [
            ("A3", "staff_number"),
            ("B4", "amount"),
            ("A5", "staff_number"),
        ]
        refused = await office.send(rows)
        assert (refused.status_code, refused.json()["code"]) == (422, "TABLE_HAS_BAD_CELLS")
        assert refused.json()["data"]["bad_cells_total"] == 3
        assert await office.batches() == []

    async def test_a_dry_run_says_the_sum_and_prepares_nothing(self, office: Office) -> None:
        await office.employ("A1", "A2")
        tried = (await office.send([("A1", "352.00"), ("A2", "16.5")], dry_run=True)).json()
        assert (tried["rows"], tried["amount_fen"], tried["batch"]) == (2, 36_850, None)
        assert await office.batches() == []

    async def test_may_be_a_workbook_and_a_name_must_fit_its_number(self, office: Office) -> None:
        await office.employ("007", "008")
        titles = ("工号", "姓名", "金额", "备注")
        batch = (await office.send(xlsx_of(titles, [("007", "人007", 32.5, "夜班"), ("008", "", 16, "")]))).json()[
            "batch"
        ]
        rows = await office.rows(batch)
        assert [(rows[n]["amount_fen"], rows[n]["note"]) for n in ("007", "008")] == [(3250, "夜班"), (1600, "")]
        wrong = await office.send(xlsx_of(titles, [("007", "人008", 32.5, "")]), dry_run=True)
        assert [cell["cell"] for cell in wrong.json()["bad_cells"]] == ["B2"]

    async def test_whose_account_is_closed_is_a_bad_cell(self, office: Office) -> None:
        await office.employ("A1", "A2")
        await office.world.change(office.people["A2"], "close")
        tried = (await office.send([("A1", "10"), ("A2", "10")], dry_run=True)).json()
        assert [cell["cell"] for cell in tried["bad_cells"]] == ["A3"]

    async def test_a_scope_names_canteens_that_there_are(self, office: Office) -> None:
        await office.employ("A1")
        answer = await office.send([("A1", "10")], sites="can_" + "0" * 32)
        assert answer.status_code == 404


class TestTwoPeople:
    async def test_one_asks_another_approves_and_only_then_is_it_paid(self, office: Office) -> None:
        await office.employ("A1", "A2")
        batch = await office.prepare([("A1", "352.00"), ("A2", "160.00")])
        assert (await office.phone("A1"))["lots"] == []
        approval = (await office.ask(batch)).json()["id"]
        assert (await office.batch(batch))["waiting"] == approval
        assert (await office.decide(approval, who=office.first)).json()["code"] == "SAME_PERSON"
        assert (await office.decide(approval)).status_code == 200
        assert ((await office.batch(batch))["state"], (await office.terms())["prefund_fen"]) == ("posted", 948_800)
        assert [lot["amount_fen"] for lot in (await office.phone("A1"))["lots"]] == [35_200]

    async def test_it_is_posted_once_however_often_it_is_approved_at_the_same_time(self, office: Office) -> None:
        await office.employ("A1")
        approval = (await office.ask(await office.prepare([("A1", "10.00")]))).json()["id"]
        answers = await asyncio.gather(*(office.decide(approval) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        assert (await office.terms())["prefund_fen"] == 999_000

    async def test_a_prefund_that_does_not_cover_all_of_it_pays_nobody(self, office: Office) -> None:
        await office.employ("A1", "A2")
        batch = await office.prepare([("A1", "9000.00"), ("A2", "9000.00")])
        refused = await office.decide((await office.ask(batch)).json()["id"])
        assert (refused.status_code, refused.json()["code"]) == (402, "PREFUND_TOO_LOW")
        assert ((await office.batch(batch))["state"], (await office.phone("A1"))["lots"]) == ("prepared", [])

    async def test_what_was_prepared_in_error_is_discarded_unless_somebody_is_deciding_on_it(
        self, office: Office
    ) -> None:
        await office.employ("A1")
        batch = await office.prepare([("A1", "10.00")])
        approval = (await office.ask(batch)).json()["id"]
        assert (await office.ask(batch, "discard")).json()["code"] == "AWAITS_APPROVAL"
        assert (await office.ask(batch)).json()["code"] == "AWAITS_APPROVAL"
        await office.decide(approval, "reject")
        assert (await office.ask(batch, "discard")).json()["state"] == "discarded"
        assert (await office.ask(batch)).json()["code"] == "STATE_CONFLICT"

    async def test_lots_whose_last_day_is_over_are_not_granted_any_more(self, office: Office) -> None:
        await office.employ("A1")
        batch = await office.prepare([("A1", "10.00")], expires_on=today())
        approval = (await office.ask(batch)).json()["id"]
        clock.advance(timedelta(days=1))
        assert (await office.decide(approval)).json()["code"] == "BATCH_IS_OVER"


class TestReversal:
    async def test_what_is_unspent_goes_back_and_what_was_eaten_is_said_for_each(self, office: Office) -> None:
        await office.employ("A1", "A2")
        batch = await office.grant([("A1", "32.00"), ("A2", "32.00")])
        await office.lunch("A1", amount_fen=1600)
        await office.carry_out(batch, "reverse")
        rows = await office.rows(batch)
        assert [(rows[n]["spent_fen"], rows[n]["returned_fen"]) for n in ("A1", "A2")] == [(1600, 1600), (0, 3200)]
        assert (await office.terms())["prefund_fen"] == 1_000_000 - 1600
        assert (await office.phone("A2"))["lots"] == []
        assert (await office.ask(batch, "reverse")).json()["code"] == "STATE_CONFLICT"

    async def test_a_meal_given_back_afterwards_is_the_units(self, office: Office) -> None:
        await office.employ("A1")
        batch = await office.grant([("A1", "32.00")])
        lunch = await office.lunch("A1", amount_fen=1600)
        await office.carry_out(batch, "reverse")
        await office.refund(lunch["id"], 1600)
        assert (await office.terms())["prefund_fen"] == 1_000_000
        assert (await office.phone("A1"))["lots"] == []

    async def test_what_is_set_aside_follows_when_it_is_free_again(self, office: Office) -> None:
        await office.employ("A1")
        batch = await office.grant([("A1", "32.00")])
        (lot,) = (await office.phone("A1"))["lots"]
        await set_aside(office, lot["id"], 1000)
        await office.carry_out(batch, "reverse")
        assert (await office.rows(batch))["A1"]["returned_fen"] == 2200
        assert (await office.phone("A1"))["lots"] == []
        await set_aside(office, lot["id"], 0)
        clock.advance(timedelta(days=4))
        await jobs.expire_due_lots(office.world.db)
        assert (await office.terms())["prefund_fen"] == 1_000_000


async def set_aside(office: Office, lot: str, amount_fen: int) -> None:
    """As a hold on a lot does it; no use case of the house holds a lot yet."""
    async with office.world.db.session() as session:
        await session.execute(
            text("UPDATE subsidy_lots SET held_fen = :fen WHERE id = :lot"),
            {"fen": amount_fen, "lot": parse_public_id("lot", lot)},
        )


class TestTheWorkbook:
    async def test_goes_out_with_its_sum_and_no_name_is_a_formula(self, office: Office) -> None:
        await office.employ("A1", "A2")
        batch = await office.grant([("A1", "32.10"), ("A2", "16.00")], name="=1+1 补贴")
        path = f"/v1/subsidies/batches/{batch}/workbook"
        sheet = load_workbook(io.BytesIO((await office.http.get(path, headers=office.first.headers)).content)).active
        assert sheet is not None
        cells = [[cell.value for cell in row[:3]] for row in sheet.iter_rows(min_row=3, max_row=5)]
        assert cells == [["A1", "人A1", 32.1], ["A2", "人A2", 16], ["合计", "2 人", 48.1]]
        assert sheet["A1"].data_type == "s"

    async def test_the_template_is_what_the_import_takes(self, office: Office) -> None:
        await office.employ("A1")
        answer = await office.http.get("/v1/subsidies/templates/batches", headers=office.first.headers)
        sheet = load_workbook(io.BytesIO(answer.content)).worksheets[0]
        titles = [str(cell.value) for cell in sheet[1]]
        good = await office.send(csv_of(titles, [("A1", "人A1", "16.00", "")]), dry_run=True)
        assert good.json()["bad_cells"] == []


class TestWhoMay:
    async def test_nobody_but_the_finance_of_the_unit(self, office: Office) -> None:
        manager = await officer(office.world, Role.CANTEEN_MANAGER, Place(region_id=office.world.home))
        elsewhere = await officer(office.world, Role.FINANCE, Place(region_id=office.world.away))
        for stranger in (manager, elsewhere):
            for path in ("rules", "batches", "attendance", "expiring"):
                answer = await office.http.get(
                    f"/v1/subsidies/{path}", params={"unit": office.unit}, headers=stranger.headers
                )
                assert answer.status_code == 403, path


class TestCarryOver:
    async def test_a_part_lives_on_and_the_rest_goes_back_after_three_days(self, office: Office) -> None:
        await office.employ("A1")
        last = today() + timedelta(days=1)
        await office.grant([("A1", "50.00")], expires_on=last, carry_over_days=30, carry_over_max_fen=2000)
        clock.advance(timedelta(days=2))
        await jobs.expire_due_lots(office.world.db)
        (lot,) = (await office.phone("A1"))["lots"]
        assert (lot["amount_fen"], lot["expires_on"]) == (2000, str(last + timedelta(days=30)))
        assert lot["carry_over"] is None, "what was carried over once is not carried over again"
        await jobs.expire_due_lots(office.world.db)
        assert (await office.terms())["prefund_fen"] == 995_000, "a late sale of the last day may still come"
        clock.advance(timedelta(days=3))
        await jobs.expire_due_lots(office.world.db)
        assert (await office.terms())["prefund_fen"] == 998_000

    async def test_a_share_is_rounded_to_the_units_favour(self, office: Office) -> None:
        await office.employ("A1", "A2")
        rows = [("A1", "10.01"), ("A2", "0.01")]
        await office.grant(rows, expires_on=today(), carry_over_days=30, carry_over_percent=50)
        clock.advance(timedelta(days=1))
        await jobs.expire_due_lots(office.world.db)
        assert [lot["amount_fen"] for lot in (await office.phone("A1"))["lots"]] == [500]
        assert (await office.phone("A2"))["lots"] == []

    async def test_reversing_takes_what_was_carried_over_as_well(self, office: Office) -> None:
        await office.employ("A1")
        batch = await office.grant([("A1", "50.00")], expires_on=today(), carry_over_days=30, carry_over_max_fen=2000)
        clock.advance(timedelta(days=1))
        await jobs.expire_due_lots(office.world.db)
        await office.carry_out(batch, "reverse")
        assert (await office.terms())["prefund_fen"] == 1_000_000
        assert (await office.rows(batch))["A1"]["returned_fen"] == 5000


class TestScope:
    async def test_stands_on_the_phone_with_the_canteens_name(self, office: Office) -> None:
        await office.employ("A1")
        site = public_id("can", office.world.canteen)
        await office.grant([("A1", "10")], sites=site, meals="lunch", days=["workday", "saturday"])
        (lot,) = (await office.phone("A1"))["lots"]
        assert lot["scope"] == {"sites": [site], "meals": ["lunch"], "days": ["workday", "saturday"]}
        assert [canteen["id"] for canteen in lot["canteens"]] == [site]


@pytest.mark.parametrize("body", [{"carry_over_days": 5}, {"expires_on": "1-1-1"}, {"name": ""}])
async def test_a_batch_that_says_too_little_is_refused(office: Office, body: dict[str, object]) -> None:
    await office.employ("A1")
    assert (await office.send([("A1", "10")], **body)).status_code == 422


def test_the_day_of_the_stories_is_a_workday() -> None:
    assert date(2026, 11, 2).weekday() == 0
