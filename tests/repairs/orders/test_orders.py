"""Orders as people make them: raised, sent, done, confirmed, disputed, rated; merged, declined, and never lost."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from identity.api import Place, Role
from kernel.ids import public_id
from repairs.orders import jobs
from repairs.orders.schemas import RepairBoardView
from tests.repairs.orders.workshop import Somebody, Workshop, change


class TestRaising:
    async def test_from_the_report_to_the_rating_nothing_is_lost(self, shop: Workshop) -> None:
        picture = await shop.wang.sends_photo()
        order = await shop.raised(words="灯管闪", files=[picture], urgency="high", phone="0571-1")
        assert (order["state"], order["version"], order["allowed"]) == ("submitted", 1, ["withdraw", "cancel"])

        await shop.lead.pulls(order, "accept")
        await shop.lead.pulls(order, "assign", assignee=shop.lamp.id)
        await shop.lamp.pulls(order, "set_out")
        await shop.lamp.pulls(order, "start")
        after = await shop.lamp.sends_photo("#FFFFFF")
        done = await shop.lamp.pulls(order, "finish", words="换了灯管", files=[after])
        assert (done["state"], done["words"], done["files"][0]["id"]) == ("done", "灯管闪", picture)
        assert [(note["kind"], note["files"][0]["id"]) for note in done["notes"]] == [("after", after)]
        await shop.wang.pulls(order, "confirm")
        rated = await shop.wang.pulls(order, "rate", score=5)

        assert (rated["state"], rated["confirmed_by"], rated["ratings"][0]["score"]) == ("rated", "person", 5)
        assert [step["trigger"] for step in rated["history"]] == [
            *("raise", "accept", "assign", "set_out", "start", "finish", "confirm", "rate")
        ]
        assert rated["sla"]["state"] == "met"

    async def test_the_same_report_twice_is_one_order(self, shop: Workshop) -> None:
        body = {"words": "门锁坏", "category": shop.categories["door"], "client_id": str(uuid4())}
        first, again = await asyncio.gather(*(shop.wang.post("work_orders", **body) for _ in range(2)))

        assert sorted((first.status_code, again.status_code)) == [200, 201]
        assert first.json()["id"] == again.json()["id"]

    async def test_who_is_served_confirms_and_whoever_raised_it_does_not(self, shop: Workshop) -> None:
        order = await shop.done(served=shop.zhou.id)

        assert (await shop.wang.pull(order, "confirm")).status_code == 403
        assert "confirm" not in (await shop.wang.sees(order))["allowed"]
        assert (await shop.zhou.pulls(order, "confirm"))["state"] == "confirmed"

    async def test_it_is_nobody_else_s_business(self, shop: Workshop) -> None:
        order = await shop.raised()

        assert (await shop.zhou.http.get(f"/v1/work_orders/{order['id']}")).status_code == 403
        assert (await shop.stranger.pull(order, "withdraw")).status_code == 403
        listed = (await shop.zhou.http.get("/v1/work_orders")).json()
        assert listed == {"data": [], "has_more": False}
        assert len((await shop.lead.http.get("/v1/work_orders?stage=open")).json()["data"]) == 1

    async def test_a_wrong_file_leaves_nothing_and_says_why(self, shop: Workshop) -> None:
        svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        refused = await shop.wang.http.post("/v1/files", content=svg)
        assert (refused.status_code, refused.json()["code"]) == (415, "FILE_KIND_NOT_TAKEN")
        order = await shop.wang.post(
            "work_orders", words="灯", files=[f"file_{'0' * 32}"], category=shop.categories["lamp"]
        )
        assert order.status_code == 404
        assert (await shop.wang.http.get("/v1/work_orders?mine=raised")).json()["data"] == []

    @pytest.mark.parametrize(
        "bad",
        [
            {"preferred_from": "2026-11-24T02:00:00Z", "preferred_until": "2026-11-24T01:00:00Z"},
            {"preferred_from": "0001-01-01T00:00:00+14:00"},
            {"words": "a\x00b"},
            {"words": " "},
            {"urgency": "now"},
            {"colour": "red"},
        ],
    )
    async def test_what_makes_no_sense_is_malformed(self, shop: Workshop, bad: dict[str, str]) -> None:
        answer = await shop.wang.post("work_orders", **{"words": "灯", "category": shop.categories["lamp"], **bad})
        assert (answer.status_code, answer.json()["code"]) == (422, "MALFORMED")


class TestRaces:
    async def test_of_two_claims_at_once_one_has_it_and_the_other_is_told_who(self, shop: Workshop) -> None:
        order = await shop.wang.raises(shop.categories["door"], place=shop.place("office"))
        assert order["state"] == "accepted"

        answers = await asyncio.gather(*(who.pull(order, "claim") for who in (shop.lamp, shop.pipe)))

        won, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert (won.status_code, lost.status_code, lost.json()["code"]) == (200, 409, "STATE_CONFLICT")
        assert lost.json()["data"]["taken_by"]["id"] == won.json()["assignee"]["id"]

    async def test_two_confirmations_at_once_are_one(self, shop: Workshop) -> None:
        order = await shop.done()
        answers = await asyncio.gather(*(shop.wang.pull(order, "confirm") for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 409]

    async def test_who_looked_at_an_older_version_is_told(self, shop: Workshop) -> None:
        order = await shop.assigned()
        refused = await shop.lamp.pull(order, "start", version=1)
        assert (refused.status_code, refused.json()["data"]["version"]) == (409, 3)
        assert "start" in refused.json()["data"]["allowed"]


class TestDispatch:
    async def test_the_rule_sends_whoever_can(self, shop: Workshop) -> None:
        order = await shop.wang.raises(shop.categories["pipe"], place=shop.place("office"))
        assert (order["state"], order["assignee"]["id"]) == ("assigned", shop.pipe.id)

    async def test_what_is_declined_goes_back_is_counted_and_not_offered_again_at_once(self, shop: Workshop) -> None:
        order = await shop.wang.raises(shop.categories["pipe"], place=shop.place("office"))
        assert (await shop.pipe.pull(order, "decline")).json()["code"] == "WORDS_REQUIRED"

        declined = await shop.pipe.pulls(order, "decline", words="在外地")

        assert (declined["state"], declined["declines"], declined["assignee"]) == ("accepted", 1, None)
        (first, *_) = (await shop.lead.http.get(f"/v1/work_orders/{order['id']}/candidates")).json()
        assert not first["fits"]
        await shop.wait(timedelta(minutes=5))
        assert (await shop.lead.sees(order))["state"] == "accepted"
        await shop.wait(timedelta(hours=4, minutes=10))
        assert (await shop.lead.sees(order))["assignee"]["id"] == shop.pipe.id

    async def test_outside_of_office_hours_only_who_is_on_duty_is_sent(self, shop: Workshop) -> None:
        await shop.wait(timedelta(hours=12))
        order = await shop.wang.raises(shop.categories["pipe"], place=shop.place("office"))
        assert (order["state"], order["assignee"]) == ("accepted", None)

    async def test_without_the_skill_nobody_claims(self, shop: Workshop) -> None:
        order = await shop.raised()
        await shop.lead.pulls(order, "accept")
        refused = await shop.pipe.pull(order, "claim")
        assert (refused.status_code, refused.json()["data"]["reasons"]) == (409, ["skill"])


class TestWork:
    async def test_required_lines_are_ticked_before_it_is_done(self, shop: Workshop) -> None:
        order = await shop.wang.raises(shop.categories["lift"], place=shop.place("office"))
        await shop.lead.pulls(order, "accept")
        await shop.lead.pulls(order, "assign", assignee=shop.lamp.id)
        await shop.lamp.pulls(order, "start")
        refused = await shop.lamp.pull(order, "finish")
        assert (refused.status_code, refused.json()["data"]["missing"]) == (409, [1])

        ticked = await shop.lamp.http.put(f"/v1/work_orders/{order['id']}/checks/1", json={})

        assert ticked.json()["checklist"][0]["ticked_by"]["id"] == shop.lamp.id
        assert (await shop.lamp.pulls(order, "finish"))["state"] == "done"

    async def test_a_hold_names_its_cause_and_stops_the_clock(self, shop: Workshop) -> None:
        order = await shop.assigned()
        await shop.lamp.pulls(order, "start")
        assert (await shop.lamp.pull(order, "hold")).status_code == 422

        held = await shop.lamp.pulls(order, "hold", cause="parts")

        assert (held["hold"]["cause"], held["sla"]["state"]) == ("parts", "paused")
        resumed = await shop.lead.pulls(order, "resume")
        assert (resumed["state"], resumed["hold"], resumed["sla"]["state"]) == ("in_progress", None, "ok")

    async def test_disputed_begins_the_next_round(self, shop: Workshop) -> None:
        order = await shop.done()
        assert (await shop.wang.pull(order, "dispute")).json()["code"] == "WORDS_REQUIRED"
        disputed = await shop.wang.pulls(order, "dispute", words="还是闪")
        assert (disputed["state"], disputed["round"], disputed["sla"]["round"]) == ("disputed", 1, 2)

        again = await shop.lamp.pulls(order, "start")

        assert (again["state"], again["round"]) == ("in_progress", 2)
        await shop.lamp.pulls(order, "finish")
        assert (await shop.wang.pulls(order, "confirm"))["state"] == "confirmed"

    async def test_silence_confirms_as_the_system_and_is_no_satisfaction(self, shop: Workshop) -> None:
        order = await shop.done()
        await shop.wait(timedelta(days=2))
        assert (await shop.wang.sees(order))["state"] == "done"

        await shop.wait(timedelta(days=2))

        silent = await shop.wang.sees(order)
        assert (silent["state"], silent["confirmed_by"], silent["ratings"]) == ("confirmed", "system", [])
        assert silent["history"][-1]["actor"] == "system"


class TestRating:
    async def test_a_low_score_says_why_is_answered_and_may_be_given_once_more(self, shop: Workshop) -> None:
        order = await shop.confirmed()
        assert (await shop.wang.pull(order, "rate", score=2)).json()["code"] == "WORDS_REQUIRED"
        low = await shop.wang.pulls(order, "rate", score=1, words="太慢")
        assert low["state"] == "follow_up"
        assert "answer" in (await shop.lead.sees(order))["allowed"]

        answered = await shop.lead.pulls(order, "answer", words="已加派人手")
        second = await shop.wang.pulls(order, "rate", score=4)

        assert (answered["state"], second["state"]) == ("answered", "rated")
        assert [(rating["score"], rating["is_second"]) for rating in second["ratings"]] == [(1, False), (4, True)]
        assert second["ratings"][0]["answer"] == "已加派人手"

    async def test_it_may_be_changed_for_twelve_hours_and_given_for_seven_days(self, shop: Workshop) -> None:
        order, late = await shop.confirmed(), await shop.confirmed()
        await shop.wang.pulls(order, "rate", score=5)
        changed = await shop.wang.pulls(order, "rate", score=4)
        assert [(rating["score"], rating["edited_at"] is None) for rating in changed["ratings"]] == [(4, False)]

        await shop.wait(timedelta(hours=13))
        assert (await shop.wang.pull(order, "rate", score=3)).json()["code"] == "ORDER_RATED_TOO_LATE"
        assert "rate" not in (await shop.wang.sees(order))["allowed"]
        await shop.wait(timedelta(days=7))
        assert (await shop.wang.pull(late, "rate", score=5)).json()["code"] == "ORDER_RATED_TOO_LATE"

    async def test_neither_handlers_nor_their_leads_rate(self, shop: Workshop) -> None:
        orders = []
        for who in (shop.lamp, shop.lead):
            order = await who.raises(shop.categories["lamp"], place=shop.place("office"))
            for puller, trigger in (
                (shop.lead, "accept"),
                (shop.lead, "assign"),
                (shop.lamp, "start"),
                (shop.lamp, "finish"),
            ):
                await puller.pulls(order, trigger, **({"assignee": shop.lamp.id} if trigger == "assign" else {}))
            orders.append((who, order))
        await shop.wait(timedelta(days=4))
        for who, order in orders:
            await shop.signs_in_again(who)
            assert (await who.sees(order))["confirmed_by"] == "system"
            refused = await who.pull(order, "rate", score=5)
            assert (refused.status_code, refused.json()["code"]) == (403, "RATER_INVOLVED")


class TestMerging:
    async def test_twins_are_shown_and_merged_with_both_raisers(self, shop: Workshop) -> None:
        first = await shop.raised(words="灯不亮")
        second = await shop.zhou.raises(
            shop.categories["lamp"],
            place=shop.place("office"),
            words="黑的",
            files=[await shop.zhou.sends_photo()],
            urgency="urgent",
        )
        assert [twin["id"] for twin in (await shop.lead.sees(first))["duplicates"]] == [second["id"]]

        merged = await shop.lead.pulls(second, "merge", into=first["id"])

        assert (merged["state"], merged["merged_into"]) == ("merged", first["id"])
        kept = await shop.zhou.sees(first)
        assert (kept["version"], kept["merged"][0]["words"], len(kept["merged"][0]["files"])) == (1, "黑的", 1)
        assert (kept["urgency"], kept["sla"]["due_at"] < first["sla"]["due_at"]) == ("urgent", True)
        assert {raiser["id"] for raiser in kept["raisers"]} == {shop.wang.id, shop.zhou.id}
        told = [event for event in await shop.told("work_order.changed") if event["trigger"] == "absorb"]
        assert set(told[0]["people"]) == {shop.wang.id, shop.zhou.id}
        for trigger, more in (("accept", {}), ("assign", {"assignee": shop.lamp.id})):
            await shop.lead.pulls(first, trigger, **more)
        await shop.lamp.pulls(first, "start")
        await shop.lamp.pulls(first, "finish")
        assert (await shop.zhou.pulls(first, "confirm"))["state"] == "confirmed"

    async def test_me_too_joins_at_once(self, shop: Workshop) -> None:
        first = await shop.raised()
        query = f"place={shop.place('office')}&category={shop.categories['lamp']}"
        (twin,) = (await shop.zhou.http.get(f"/v1/work_orders/duplicates?{query}")).json()
        joined = await shop.zhou.raises(shop.categories["lamp"], place=shop.place("office"), same_as=twin["id"])
        assert (joined["state"], joined["merged_into"]) == ("merged", first["id"])

    @pytest.mark.parametrize("itself", [True, False])
    async def test_into_itself_or_what_is_over_nothing_is_merged(self, shop: Workshop, *, itself: bool) -> None:
        order = await shop.raised()
        other = order if itself else await shop.done()
        assert (await shop.lead.pull(order, "merge", into=other["id"])).json()["code"] == "ALREADY_MERGED"


class TestProblems:
    async def test_many_of_one_kind_open_a_problem_that_links_them(self, shop: Workshop) -> None:
        for place in ("office", "lobby", "office"):
            await shop.wang.raises(shop.categories["pipe"], place=shop.place(place))
        await jobs.follow_problems(shop.db)
        await shop.zhou.raises(shop.categories["pipe"], place=shop.place("lobby"))
        await jobs.follow_problems(shop.db)

        (problem,) = (await shop.lead.http.get("/v1/repair_problems")).json()["data"]
        assert (problem["state"], problem["orders"], problem["place_text"]) == ("open", 4, "院区 · 一号楼")
        assert (await shop.pipe.post(f"repair_problems/{problem['id']}/identify", words="水压")).status_code == 403
        found = (await shop.lead.post(f"repair_problems/{problem['id']}/identify", words="水压过高")).json()
        assert (found["state"], found["cause"], found["allowed"]) == ("identified", "水压过高", ["solve", "dismiss"])
        refused = await shop.lead.post(f"repair_problems/{problem['id']}/identify", words="再来")
        assert (refused.status_code, refused.json()["data"]["allowed"]) == (409, ["solve", "dismiss"])

    async def test_the_lead_opens_one_links_what_comes_of_it_and_closes_it(self, shop: Workshop) -> None:
        first, second = await shop.raised(), await shop.wang.raises(shop.categories["door"], place=shop.place("lobby"))
        assert (await shop.lamp.post("repair_problems", order=first["id"])).status_code == 403
        opened = await shop.lead.post("repair_problems", order=first["id"])
        assert opened.status_code == 201, opened.text
        problem = opened.json()
        assert (problem["state"], problem["orders"], problem["linked"][0]["id"]) == ("open", 1, first["id"])
        assert (await shop.lead.post("repair_problems", order=first["id"])).json()["id"] == problem["id"]

        path = f"repair_problems/{problem['id']}/orders"
        linked = (await shop.lead.post(path, order=second["id"])).json()
        assert [order["id"] for order in linked["linked"]] == [second["id"], first["id"]]
        assert (await shop.lead.http.delete(f"/v1/{path}/{first['id']}")).json()["orders"] == 1
        assert (await shop.lead.sees(second))["problem"] == problem["id"]

        await shop.lead.post(f"repair_problems/{problem['id']}/solve", words="换了配电箱")
        closed = await shop.lead.post(path, order=first["id"])
        assert (closed.status_code, closed.json()["data"]["allowed"]) == (409, [])

    async def test_one_of_another_region_is_nobody_s_to_link(self, shop: Workshop) -> None:
        problem = (await shop.lead.post("repair_problems", order=(await shop.raised())["id"])).json()
        elsewhere = await shop.stranger.raises(shop.categories["lamp"])
        answer = await shop.lead.post(f"repair_problems/{problem['id']}/orders", order=elsewhere["id"])
        assert answer.status_code == 404


class TestTheDeskOfCalls:
    async def test_duty_staff_see_the_board_of_their_region_and_change_nothing(self, shop: Workshop) -> None:
        order = await shop.raised()
        person = await shop.house.person("值班员", Role.DUTY_STAFF, Place(region_id=shop.house.city))
        shop.guest.headers["Authorization"] = f"Bearer {await shop.house.token(person)}"
        duty = Somebody(person, shop.guest)

        (desk,) = (await duty.http.get("/v1/repair_desks")).json()
        board = (await duty.http.get(f"/v1/repair_desks/{desk['id']}")).json()
        assert [card["id"] for card in board["orders"]] == [order["id"]]
        seen = await duty.sees(order)
        assert (seen["allowed"], seen["phone"]) == ([], None)
        assert (await duty.pull(order, "accept")).status_code == 403
        other = f"repairs-{public_id('reg', shop.house.other_city)}"
        assert (await duty.http.get(f"/v1/repair_desks/{other}")).status_code == 403


class TestSync:
    async def test_a_phone_that_syncs_twice_changes_things_once(self, shop: Workshop) -> None:
        order = await shop.assigned()
        steps = [
            change("trigger", 3, trigger="start"),
            change("note", 4, body={"words": "换管", "kind": "after"}),
            change("labour", 4, body={"started_at": "2026-11-23T01:00:00Z", "minutes": 20}),
            change("trigger", 4, trigger="finish"),
        ]
        first, again = await shop.lamp.syncs(order, *steps), await shop.lamp.syncs(order, *steps)

        assert [result["status"] for result in first["results"]] == ["done"] * 4
        assert [result["status"] for result in again["results"]] == ["repeated"] * 4
        assert (again["order"]["state"], again["order"]["version"]) == ("done", 5)
        assert (len(again["order"]["notes"]), len(again["order"]["labour"])) == (1, 1)

    async def test_two_phones_keep_both_notes_and_the_later_one_is_told_why(self, shop: Workshop) -> None:
        order = await shop.assigned()
        pictures = [await shop.lamp.sends_photo(colour) for colour in ("#111111", "#222222")]
        one = [change("trigger", 3, trigger="start"), change("note", 4, body={"words": "甲", "files": pictures[:1]})]
        other = [
            change("trigger", 3, trigger="set_out"),
            change("note", 4, body={"words": "乙", "files": pictures[1:]}),
        ]
        await shop.lamp.syncs(order, *one)

        late = await shop.lamp.syncs(order, *other)

        refused, kept = late["results"]
        assert (refused["status"], refused["code"], refused["state"]) == ("refused", "STATE_CONFLICT", "in_progress")
        assert refused["message"]
        assert refused["data"]["taken_by"]["id"] == shop.lamp.id
        assert kept["status"] == "done"
        assert {note["words"]: len(note["files"]) for note in late["order"]["notes"]} == {"甲": 1, "乙": 1}
        assert (await shop.lamp.syncs(order, *other))["results"][0]["status"] == "refused"

    async def test_what_was_seen_is_kept_though_the_order_was_called_off_meanwhile(self, shop: Workshop) -> None:
        order = await shop.assigned()
        picture = await shop.lamp.sends_photo()
        await shop.lead.pulls(order, "cancel", words="整层停用")
        late = await shop.lamp.syncs(
            order,
            change("trigger", 3, trigger="start"),
            change("note", 4, body={"words": "灯座烧了", "files": [picture]}),
        )
        assert [result["status"] for result in late["results"]] == ["refused", "done"]
        assert [(note["words"], len(note["files"])) for note in late["order"]["notes"]] == [("灯座烧了", 1)]
        assert (await shop.wang.post(f"work_orders/{order['id']}/notes", words="晚了")).status_code == 409

    async def test_one_bad_change_does_not_undo_the_others(self, shop: Workshop) -> None:
        order = await shop.assigned()
        steps = [
            change("trigger", 3, trigger="start"),
            change("note", 4, body={"colour": "red"}),
            change("trigger", 4, trigger="hold", body={"cause": "parts"}),
        ]
        results = (await shop.lamp.syncs(order, *steps))["results"]
        assert [(result["status"], result["code"]) for result in results] == [
            *(("done", None), ("refused", "MALFORMED"), ("done", None))
        ]


class TestDesk:
    async def test_the_board_is_what_its_schema_says_and_for_staff(self, shop: Workshop) -> None:
        order = await shop.assigned()
        await shop.confirmed()
        (desk,) = (await shop.lamp.http.get("/v1/repair_desks")).json()

        board = RepairBoardView.model_validate((await shop.lamp.http.get(f"/v1/repair_desks/{desk['id']}")).json())

        assert [(card.id, card.state, card.assignee_name, card.sla) for card in board.orders] == [
            (order["id"], "assigned", "灯师傅", "ok")
        ]
        assert (await shop.wang.http.get(f"/v1/repair_desks/{desk['id']}")).status_code == 403
