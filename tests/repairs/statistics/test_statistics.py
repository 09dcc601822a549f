"""A week of a workshop whose figures are worked out by hand: what the office reads of it, and who may."""

import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from openpyxl import load_workbook
from sqlalchemy import text

from identity.api import Place, Role
from kernel import clock
from kernel.ids import parse_public_id, public_id
from repairs.orders.problems import look_for_problem
from repairs.sla.jobs import note_times
from repairs.statistics.words import WORDS
from tests.repairs.orders.workshop import Json, Somebody, Workshop

HOUR_FEN = 6_000
TUBE_FEN = 1_250
# The Monday on which the workshop stands still, ten o'clock; silence counts as yes on Thursday morning.
WEEK = {"from": "2026-11-23", "to": "2026-11-29"}


def minutes(count: int) -> None:
    clock.advance(timedelta(minutes=count))


async def execute(shop: Workshop, statement: str) -> None:
    async with shop.db.session() as session:
        await session.execute(text(statement))


async def figures(shop: Workshop, who: Somebody | None = None, /, **asked: Any) -> Json:
    answer = await (who or shop.lead).http.get("/v1/repair_statistics", params={**WEEK, **asked})
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def sheets(shop: Workshop, language: str = "zh", **asked: Any) -> dict[str, list[tuple[Any, ...]]]:
    """The workbook read back: rows by sheet."""
    answer = await shop.lead.http.get(
        "/v1/repair_statistics.xlsx", params={**WEEK, **asked}, headers={"Accept-Language": language}
    )
    assert answer.status_code == 200, answer.text
    book = load_workbook(io.BytesIO(answer.content))
    return {sheet.title: [tuple(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets}


async def _paid_for(shop: Workshop, order: Json) -> None:
    """Half an hour at sixty yuan, two tubes taken and one brought back."""
    region = public_id("reg", shop.house.city)
    rate = await shop.lead.post("labour_rates", region=region, hour_fen=HOUR_FEN, effective_from="2026-11-23")
    store = (await shop.lead.post("stores", region=region, name="配件柜")).json()
    part = {
        "client_id": str(uuid4()),
        "code": "T8",
        "name": "灯管",
        "unit_cost_fen": TUBE_FEN,
        "quantity": 3,
        "minimum": 0,
    }
    tube = (await shop.lead.post(f"stores/{store['id']}/parts", **part)).json()
    body = {"store": store["id"], "part": tube["id"]}
    taken = await shop.lamp.post(f"work_orders/{order['id']}/parts", client_id=str(uuid4()), quantity=2, **body)
    back = await shop.lamp.post(f"work_orders/{order['id']}/parts/return", client_id=str(uuid4()), quantity=1, **body)
    spent = {"client_id": str(uuid4()), "started_at": clock.rfc3339(clock.now()), "minutes": 30, "words": "换灯管"}
    worked = await shop.lamp.post(f"work_orders/{order['id']}/labour", **spent)
    assert [answer.status_code for answer in (rate, taken, back, worked)] == [201, 200, 200, 201]


async def _praised(shop: Workshop) -> Json:
    """Answered after 10 minutes, begun after 20, done after 40; found good, five stars."""
    order = await shop.raised()
    minutes(10)
    await shop.lead.pulls(order, "accept")
    await shop.lead.pulls(order, "assign", assignee=shop.lamp.id)
    minutes(10)
    await shop.lamp.pulls(order, "start")
    await _paid_for(shop, order)
    minutes(20)
    await shop.lamp.pulls(order, "finish")
    await shop.wang.pulls(order, "confirm")
    return await shop.wang.pulls(order, "rate", score=5)


async def _passed_over(shop: Workshop) -> Json:
    """10, 20 and 50 minutes; and nobody says anything."""
    order = await shop.raised(words="走廊的灯")
    minutes(10)
    await shop.lead.pulls(order, "accept")
    await shop.lead.pulls(order, "assign", assignee=shop.lamp.id)
    minutes(10)
    await shop.lamp.pulls(order, "start")
    minutes(30)
    return await shop.lamp.pulls(order, "finish")


async def _quarrelled(shop: Workshop) -> Json:
    """Urgent: answered after 30 minutes instead of 15, half an hour waiting for parts, not found done, done after 60 that count."""
    order = await shop.zhou.raises(
        shop.categories["other"], place=shop.place("lobby"), urgency="urgent", words="门口漏电"
    )
    minutes(30)
    await shop.lead.pulls(order, "accept")
    await shop.lead.pulls(order, "assign", assignee=shop.pipe.id)
    await shop.pipe.pulls(order, "start")
    await shop.pipe.pulls(order, "hold", cause="parts")
    minutes(30)
    await shop.pipe.pulls(order, "resume")
    minutes(20)
    await shop.pipe.pulls(order, "finish")
    minutes(5)
    await shop.zhou.pulls(order, "dispute", words="还是漏电")
    await shop.pipe.pulls(order, "start")
    minutes(10)
    await shop.pipe.pulls(order, "finish")
    await shop.zhou.pulls(order, "confirm")
    await shop.zhou.pulls(order, "rate", score=1, words="来了两次")
    return await shop.lead.pulls(order, "answer", words="已更换全部线路")


async def _given_back(shop: Workshop) -> Json:
    """To nobody, in the end."""
    order = await shop.assigned(words="窗边的灯")
    return await shop.lamp.pulls(order, "decline", words="没有梯子")


@pytest.fixture
async def week(shop: Workshop) -> Workshop:
    """Monday from ten: one order after the other; then Thursday noon, when silence has confirmed one of them."""
    await _praised(shop)
    await _passed_over(shop)
    await _quarrelled(shop)
    await _given_back(shop)
    taken_back = await shop.raised(words="看错了")
    await shop.wang.pulls(taken_back, "withdraw")
    await shop.wait(timedelta(days=3))
    await shop.signs_in_again(shop.lead)
    return shop


def of(rows: list[Json], identifier: str | None) -> Json:
    return next(row for row in rows if row["id"] == identifier)


def milestone(rows: list[Json], name: str) -> Json:
    return next(row for row in rows if row["milestone"] == name)


def some(row: Json, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


COUNTS = ("raised", "finished", "open", "called_off", "declined", "declines", "reopened", "reopenings")
PROMISE = ("kept", "broken", "waiting", "kept_percent", "median_s", "p90_s", "promise_s")
SAID = ("confirmed_by_person", "confirmed_by_system", "rated", "response_percent", "ratings", "mean_score")
COST = ("minutes", "labour_fen", "parts_fen", "total_fen")


class TestFigures:
    async def test_orders_are_counted_by_kind_place_and_state_and_each_is_in_one_part(self, week: Workshop) -> None:
        found = await figures(week)
        assert some(found["totals"], *COUNTS) == (5, 3, 1, 1, 1, 1, 1, 1)
        lamps, other = (of(found["by_category"], week.categories[kind]) for kind in ("lamp", "other"))
        assert some(lamps, *COUNTS) == (4, 2, 1, 1, 1, 1, 0, 0)
        assert some(other, *COUNTS) == (1, 1, 0, 0, 0, 0, 1, 1)
        # The house is one; of the house, its rooms.
        assert [some(row, "id", "raised") for row in found["by_place"]] == [(week.place("tower"), 5)]
        inside = await figures(week, place=week.place("tower"))
        rooms = {(week.place("office"), 4), (week.place("lobby"), 1)}
        assert {some(row, "id", "raised") for row in inside["by_place"]} == rooms
        states = {row["state"]: row["orders"] for row in found["by_state"]}
        assert states == {"accepted": 1, "withdrawn": 1, "confirmed": 1, "rated": 1, "answered": 1}
        assert found["flow"] == [{"begins": "2026-11-23", "raised": 5, "finished": 3}]

    async def test_times_are_those_of_the_clocks_without_pauses_and_shares_leave_out_what_waits(
        self, week: Workshop
    ) -> None:
        # The order given back has been answered, and by Thursday nobody has come: eight hours were promised.
        found = await figures(week)
        answered, arrived, done = (milestone(found["promises"], name) for name in ("response", "arrival", "resolution"))
        # 0, 10, 10 and 30 minutes, the last of which was promised within 15.
        assert some(answered, *PROMISE) == (3, 1, 0, 75.0, 600, 1800, 7200)
        assert some(arrived, *PROMISE) == (3, 1, 0, 75.0, 1200, 1800, 28800)
        assert some(done, *PROMISE) == (3, 0, 1, 100.0, 3000, 3600, 86400)
        urgent = [row for row in found["promises_by_urgency"] if row["urgency"] == "urgent"]
        assert some(milestone(urgent, "response"), *PROMISE) == (0, 1, 0, 0.0, 1800, 1800, 900)
        assert some(milestone(urgent, "resolution"), *PROMISE) == (1, 0, 0, 100.0, 3600, 3600, 14400)
        lamps = [row for row in found["promises_by_category"] if row["id"] == week.categories["lamp"]]
        assert some(milestone(lamps, "resolution"), "kept", "median_s", "p90_s") == (2, 2400, 3000)
        # 40, 50 and 60 minutes: all within the first hour.
        assert [some(row, "up_to_s", "kept", "late") for row in found["times"][:2]] == [(3600, 3, 0), (7200, 0, 0)]

        # And what each order's own clock says comes to the same.
        page = (await week.lead.http.get("/v1/work_orders")).json()["data"]
        told = [promise for order in page for promise in order["sla"]["milestones"]]
        for row in found["promises"]:
            states = [promise["state"] for promise in told if promise["milestone"] == row["milestone"]]
            assert row["kept"] == states.count("kept")
            assert row["broken"] == states.count("missed") + states.count("breached")
            assert row["waiting"] == states.count("waiting") + states.count("at_risk")
            took = sorted(
                promise["target_s"] - promise["left_s"]
                for promise in told
                if promise["milestone"] == row["milestone"] and promise["reached_at"]
            )
            assert row["median_s"] == took[(len(took) - 1) // 2]
        # What was reached before times were written down is counted once the worker has caught up.
        await execute(week, "UPDATE sla_milestones SET took_s = NULL")
        assert (await figures(week))["promises"][0]["median_s"] is None
        assert await note_times(week.db) == 4
        assert await note_times(week.db) == 0
        assert (await figures(week))["promises"] == found["promises"]

    async def test_silence_is_neither_satisfaction_nor_an_answer(self, week: Workshop) -> None:
        found = await figures(week)
        said = found["satisfaction"]
        # Two of the three were confirmed by a person; both were rated, 5 and 1.
        assert some(said, *SAID) == (2, 1, 2, 100.0, 2, 3.0)
        assert said["scores"] == [1, 0, 0, 0, 1]
        assert some(said, "low", "low_answered", "low_waiting") == (1, 1, 0)
        lamps = of(found["satisfaction_by_category"], week.categories["lamp"])
        assert some(lamps, *SAID) == (1, 1, 1, 100.0, 1, 5.0)
        assert some(found["satisfaction_over_time"][0], "begins", *SAID) == ("2026-11-23", *some(said, *SAID))

        # A rating that comes after silence is in no mean, but its low score waits for an answer.
        page = (await week.lead.http.get("/v1/work_orders", params={"state": "confirmed"})).json()["data"]
        assert [order["confirmed_by"] for order in page] == ["system"]
        await week.signs_in_again(week.wang)
        await week.wang.pulls(page[0], "rate", score=2, words="等了三天")
        said = (await figures(week))["satisfaction"]
        assert some(said, *SAID) == (2, 1, 2, 100.0, 2, 3.0)
        assert some(said, "ratings_after_silence", "low", "low_answered", "low_waiting") == (1, 2, 1, 1)

        # Nor does the second rating, which an answer has earned, change it.
        page = (await week.lead.http.get("/v1/work_orders", params={"state": "answered"})).json()["data"]
        await week.signs_in_again(week.zhou)
        await week.zhou.pulls(page[0], "rate", score=5)
        said = (await figures(week))["satisfaction"]
        assert some(said, "ratings", "mean_score", "second_ratings", "second_mean_score") == (2, 3.0, 1, 5.0)

    async def test_technicians_have_what_they_did_and_costs_are_those_of_the_orders_own_sheets(
        self, week: Workshop
    ) -> None:
        told = {row["id"]: row for row in (await figures(week))["technicians"]}
        of_each = ("under_way", "given", "done", "declined", "minutes", "ratings", "mean_score")
        assert some(told[week.lamp.id], *of_each) == (0, 3, 2, 1, 30, 1, 5.0)
        assert some(told[week.pipe.id], *of_each) == (0, 1, 1, 0, 0, 1, 1.0)
        assert told[week.lamp.id]["name"] == "灯师傅"
        found = await figures(week)
        assert some(found["costs"], *COST) == (30, 3_000, 1_250, 4_250)
        assert [some(row, "name_zh", *COST) for row in found["costs_by_unit"]] == [
            ("第一医院", 30, 3_000, 1_250, 4_250)
        ]
        assert some(of(found["costs_by_category"], week.categories["lamp"]), *COST) == (30, 3_000, 1_250, 4_250)
        page = (await week.lead.http.get("/v1/work_orders")).json()["data"]
        sheets_of = [(await week.lead.http.get(f"/v1/work_orders/{order['id']}/costs")).json() for order in page]
        assert found["costs"]["labour_fen"] == sum(sheet["labour_fen"] for sheet in sheets_of)
        assert found["costs"]["parts_fen"] == sum(sheet["parts_fen"] for sheet in sheets_of)

    async def test_many_of_a_kind_are_a_problem_until_it_is_closed(self, shop: Workshop) -> None:
        leaks = [
            await shop.wang.raises(shop.categories["pipe"], place=shop.place("office"), words=f"漏水 {number}")
            for number in range(3)
        ]
        async with shop.db.session() as session:
            await look_for_problem(session, parse_public_id("wo", leaks[-1]["id"]))
        found = (await figures(shop))["problems"]
        assert some(found, "opened", "open") == (1, 1)
        assert some(found["rows"][0], "state", "orders", "category_zh") == ("open", 3, "pipe")
        assert (await figures(shop, category=shop.categories["lamp"]))["problems"]["open"] == 0
        assert (await figures(shop, place=shop.place("office")))["problems"]["open"] == 0
        assert (await figures(shop, place=shop.place("campus")))["problems"]["open"] == 1
        answer = await shop.lead.post(f"repair_problems/{found['rows'][0]['id']}/solve", words="换了总管")
        assert answer.status_code == 200, answer.text
        assert some((await figures(shop))["problems"], "opened", "open", "rows") == (1, 0, [])


class TestQuestions:
    async def test_a_kind_is_asked_for_with_what_is_below_it_and_an_empty_span_is_all_noughts(
        self, week: Workshop
    ) -> None:
        assert (await figures(week, category=week.categories["other"]))["totals"]["raised"] == 1
        nothing = await figures(week, category=week.categories["lift"])
        assert nothing["totals"]["raised"] == 0
        assert nothing["flow"] == [{"begins": "2026-11-23", "raised": 0, "finished": 0}]
        await execute(
            week,
            "UPDATE repair_categories SET parent_id = (SELECT id FROM repair_categories WHERE code = 'lift') WHERE code = 'lamp'",
        )
        assert (await figures(week, category=week.categories["lift"]))["totals"]["raised"] == 4
        found = await figures(week, None, **{"from": "2026-01-01", "to": "2026-03-31", "by": "month"})
        assert some(found["totals"], *COUNTS) == (0,) * len(COUNTS)
        assert [point["begins"] for point in found["flow"]] == ["2026-01-01", "2026-02-01", "2026-03-01"]
        assert found["promises"] == found["by_category"] == found["by_place"] == found["costs_by_unit"] == []
        assert some(found["satisfaction"], *SAID) == (0, 0, 0, None, 0, None)
        assert some(found["costs"], *COST) == (0, 0, 0, 0)
        # Those who work there are named all the same.
        assert {row["given"] for row in found["technicians"]} == {0}

    async def test_a_day_ends_at_midnight_of_its_region(self, shop: Workshop) -> None:
        clock.advance(timedelta(hours=13, minutes=59))
        await shop.signs_in_again(shop.wang)
        await shop.raised(words="午夜前")
        minutes(1)
        await shop.raised(words="午夜后")
        await shop.signs_in_again(shop.lead)
        days: list[Json] = [{"from": f"2026-11-2{day}", "to": f"2026-11-2{day}"} for day in (3, 4, 5)]
        assert [(await figures(shop, None, **day))["totals"]["raised"] for day in days] == [1, 1, 0]

    async def test_days_that_make_no_sense_are_refused_and_without_any_it_is_twelve_weeks(self, shop: Workshop) -> None:
        for asked in (
            {"from": "2026-11-24", "to": "2026-11-23"},
            {"from": "2020-01-01", "to": "2026-11-23"},
            {"from": "9999-12-31", "to": "9999-12-31"},
            {"from": "0001-01-01", "to": "0001-01-01"},
            {"from": "2026-11-23", "by": "day"},
        ):
            assert (await shop.lead.http.get("/v1/repair_statistics", params=asked)).status_code == 422
        answer = await shop.lead.http.get("/v1/repair_statistics")
        found = answer.json()
        assert some(found, "first_day", "last_day") == ("2026-09-07", "2026-11-23")
        assert len(found["flow"]) == 12


class TestWhoMaySee:
    async def test_only_who_leads_an_office_and_only_of_its_region(self, shop: Workshop) -> None:
        await shop.raised()
        for who in (shop.wang, shop.lamp, shop.stranger):
            assert (await who.http.get("/v1/repair_statistics")).status_code == 403
            assert (await who.http.get("/v1/repair_statistics.xlsx")).status_code == 403
        assert (await shop.guest.get("/v1/repair_statistics")).status_code == 401
        assert (await figures(shop))["totals"]["raised"] == 1

        there = await shop.house.person("宁波组长", Role.DISPATCHER, Place(region_id=shop.house.other_city))
        shop.stranger.http.headers["Authorization"] = f"Bearer {await shop.house.token(there)}"
        found = await figures(shop, shop.stranger)
        assert found["totals"]["raised"] == found["problems"]["open"] == 0
        assert found["technicians"] == found["by_place"] == []
        # Not by naming a place of it either, and its region is refused.
        assert (await figures(shop, shop.stranger, place=shop.place("tower")))["totals"]["raised"] == 0
        region = {"region": public_id("reg", shop.house.city)}
        assert (await shop.stranger.http.get("/v1/repair_statistics", params=region)).status_code == 403

        everywhere = await shop.house.person("总调度", Role.DISPATCHER)
        shop.stranger.http.headers["Authorization"] = f"Bearer {await shop.house.token(everywhere)}"
        found = await figures(shop, shop.stranger)
        assert [named["name_zh"] for named in found["regions"]] == ["杭州"]
        assert found["totals"]["raised"] == 1
        found = await figures(shop, shop.stranger, region=public_id("reg", shop.house.province))
        assert [named["name_zh"] for named in found["regions"]] == ["浙江", "杭州"]
        assert found["totals"]["raised"] == 1


class TestWorkbook:
    async def test_it_says_what_the_screen_says_to_the_last_digit(self, week: Workshop) -> None:
        found, book = await figures(week), await sheets(week)
        said = dict(book["概览"][1:])
        for name in COUNTS:
            assert said[WORDS[name][0]] == found["totals"][name]
        for name in SAID:
            assert said[WORDS[name][0]] == found["satisfaction"][name]
        self._same(book["按类别"], found["by_category"], COUNTS)
        self._same(book["按位置"], found["by_place"], COUNTS)
        assert [row[1:] for row in book["报修与完成"][1:]] == [some(row, "raised", "finished") for row in found["flow"]]
        promises = found["promises"] + found["promises_by_category"] + found["promises_by_urgency"]
        assert [row[2:] for row in book["时限"][1:]] == [some(row, *PROMISE) for row in promises]
        assert [row[1:] for row in book["修复用时分布"][1:]] == [some(row, "kept", "late") for row in found["times"]]
        people = ("name", "under_way", "load_max", "given", "done", "declined", "minutes", "ratings", "mean_score")
        assert book["维修人员"][1:] == [some(row, *people) for row in found["technicians"]]
        self._same(book["满意度"], found["satisfaction_over_time"], SAID)
        self._same(book["满意度按类别"], found["satisfaction_by_category"], SAID)
        assert [row[1] for row in book["评分分布"][1:]] == found["satisfaction"]["scores"]
        for sheet, name in (("费用按单位", "costs_by_unit"), ("费用按类别", "costs_by_category")):
            told = [(row[1], *(round(yuan * 100) for yuan in row[2:])) for row in book[sheet][1:]]
            assert told == [some(row, *COST) for row in found[name]]
        assert book["按状态"][1:] == [("待派单", 1), ("已撤回", 1), ("已确认", 1), ("已评价", 1), ("已回复", 1)]

    def _same(self, sheet: list[tuple[Any, ...]], rows: list[Json], names: tuple[str, ...]) -> None:
        assert [row[1:] for row in sheet[1:]] == [some(row, *names) for row in rows]

    async def test_it_speaks_english_leaves_a_trace_and_runs_no_formula(self, shop: Workshop) -> None:
        await execute(shop, "UPDATE repair_categories SET name_zh = '=1+1', name_en = '' WHERE code = 'lamp'")
        await shop.raised()
        book = await sheets(shop, "en")
        assert list(book)[:3] == ["Summary", "By category", "By place"]
        assert book["By category"][0][:3] == ("Category", "Raised", "Finished")
        async with shop.db.session() as session:
            actors = await session.scalars(
                text("SELECT actor FROM audit_log WHERE action = 'repair_statistics.download'")
            )
            assert list(actors) == [f"per_{shop.lead.person_id.hex}"]
        answer = await shop.lead.http.get("/v1/repair_statistics.xlsx", params=WEEK)
        cells = [cell for row in load_workbook(io.BytesIO(answer.content))["按类别"] for cell in row]
        assert {cell.data_type for cell in cells if cell.value == "=1+1"} == {"s"}

        nothing = await sheets(shop, **{"from": "2026-01-01", "to": "2026-01-02"})
        assert dict(nothing["概览"][1:])["报修"] == 0
        assert nothing["按类别"] == [("类别", *(WORDS[name][0] for name in COUNTS))]
