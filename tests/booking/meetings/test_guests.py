"""Guests: out of a sheet, counted to the kitchen, shown their guide, written to once, and counted at the doors."""

import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from openpyxl import load_workbook
from PIL import Image

from booking.meetings.jobs import forget_phones
from identity.api import place_summary
from identity.plans import service as plans
from identity.plans.schemas import NewEdge, NewGraph, NewPlan, NewPoint
from kernel import mail, outbox
from kernel.files import take_file
from kernel.ids import parse_public_id, public_id
from kernel.settings import get_settings
from tests.booking.conftest import instant
from tests.booking.meetings.conftest import Campus, Json, told
from tests.mailbox import Mailbox, mailbox
from tests.pdf import words_of

PASTED = "姓名\t单位\t邮箱\t饮食\n张伟\t财政局\tzhang@example.cn\t清真、少盐\n李娜\t教育局\t\t素食\n"


async def paste(campus: Campus, meeting: Json, text: str, **query: Any) -> httpx.Response:
    return await campus.wang.http.post(
        f"/v1/meetings/{meeting['id']}/guests/import",
        params=query,
        content=text.encode(),
        headers={"Content-Type": "text/csv"},
    )


class TestTheList:
    async def test_pasted_rows_are_shown_first_and_taken_then(self, campus: Campus) -> None:
        meeting = await campus.wang.holds(campus.hall())

        seen = told(await paste(campus, meeting, PASTED, dry_run=True))
        assert [(row["change"], row["guest"]["name"], row["guest"]["diet"]) for row in seen["rows"]] == [
            ("new", "张伟", ["halal", "low_salt"]),
            ("new", "李娜", ["vegetarian"]),
        ]
        assert (await campus.wang.sees(meeting))["guests"] == 0

        told(await paste(campus, meeting, PASTED))
        again = told(await paste(campus, meeting, PASTED.replace("教育局", "民政局"), dry_run=True))

        assert [row["change"] for row in again["rows"]] == ["same", "changed"]
        assert (await campus.wang.sees(meeting))["needs"] == {"halal": 1, "low_salt": 1, "vegetarian": 1}

    async def test_every_bad_cell_is_named_and_nothing_is_taken(self, campus: Campus) -> None:
        meeting = await campus.wang.holds(campus.hall())
        spoilt = PASTED.replace("zhang@example.cn", "zhang").replace("素食", "生鱼") + "张伟\t\t\t\n"

        refused = told(await paste(campus, meeting, spoilt), 422)

        assert refused["code"] == "GUESTS_HAVE_BAD_CELLS"
        assert [cell["cell"] for cell in refused["data"]["bad_cells"]] == ["C2", "D3"]
        assert (await campus.wang.sees(meeting))["guests"] == 0

    async def test_the_template_is_read_back(self, campus: Campus) -> None:
        meeting = await campus.wang.holds(campus.hall())
        answer = await campus.wang.http.get("/v1/meetings/guest_template.xlsx")
        book = load_workbook(io.BytesIO(answer.content))
        book.worksheets[0].append(["王强", "交通局"])
        filled = io.BytesIO()
        book.save(filled)

        url = f"/v1/meetings/{meeting['id']}/guests/import"
        taken = told(await campus.wang.http.post(url, content=filled.getvalue()))

        assert [row["guest"]["unit_name"] for row in taken["rows"]] == ["交通局"]

    async def test_the_kitchen_sees_covers_and_needs_and_nobody_s_name(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.meal(20))
        await campus.wang.invites(
            meeting, {"name": "张伟", "diet": ["halal"]}, {"name": "李娜", "diet": ["halal", "mild"]}
        )
        url = f"/v1/canteens/{campus.canteen}/covers"
        window = {"from": "2026-11-23", "until": "2026-11-23"}

        seen = told(await campus.kitchen.http.get(url, params=window))

        assert [(row["covers"], row["needs"], row["state"]) for row in seen["data"]] == [
            (20, {"halal": 2, "mild": 1}, "confirmed")
        ]
        assert seen["days"] == [{"business_date": "2026-11-23", "meal": "lunch", "capacity": 50, "taken": 20}]
        assert "张伟" not in str(seen)
        assert (await campus.wang.http.get(url, params=window)).status_code == 403

    async def test_badges_show_names(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall())
        await campus.wang.invites(meeting, {"name": "Alice Zhang", "unit_name": "Finance"})

        answer = await campus.wang.http.get(f"/v1/meetings/{meeting['id']}/badges.pdf")

        assert answer.headers["content-type"] == "application/pdf"
        assert "Alice Zhang" in words_of(answer.content)


class TestTheGuide:
    async def test_a_code_leads_to_agenda_places_and_contacts_without_a_sign_in(self, campus: Campus) -> None:
        meeting = await campus.wang.has(
            campus.hall(),
            campus.meal(20),
            campus.car(),
            agenda=[{"starts_at": instant(1), "ends_at": instant(2), "title": "致辞", "speaker": "王主任", "line": 0}],
            contacts=[{"name": "王芳", "phone": "13800000000", "role": "会务"}],
        )
        (guest,) = await campus.wang.invites(meeting, {"name": "张伟"})
        assert campus.guide is not None

        plain = told(await campus.guide.get(f"/v1/guides/{meeting['guide_code']}"))
        own = told(await campus.guide.get(f"/v1/guides/{guest['code']}"))

        assert (plain["agenda"][0]["title"], plain["contacts"][0]["phone"]) == ("致辞", "13800000000")
        assert plain["agenda"][0]["line"] == plain["lines"][0]["id"]
        assert plain["lines"][0]["places"][0]["place_name_zh"] == "一号楼 · 101室"
        assert plain["lines"][2]["places"][0]["driver_name"] == "老马"
        assert (plain["guest"], own["guest"]["name"]) == (None, "张伟")
        assert "<svg" in own["guest"]["code_svg"]
        assert (await campus.guide.get(f"/v1/guides/{guest['code'][:-8]}AAAAAAAA")).status_code == 404

    async def test_who_is_off_the_list_or_has_a_new_code_is_led_nowhere(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall())
        first, second = await campus.wang.invites(meeting, {"name": "张伟"}, {"name": "李娜"})
        url = f"/v1/meetings/{meeting['id']}/guests"
        assert (await campus.wang.http.delete(f"{url}/{first['id']}")).status_code == 204
        fresh = told(await campus.wang.http.post(f"{url}/{second['id']}/reissue"))
        assert campus.guide is not None

        answers = [
            await campus.guide.get(f"/v1/guides/{code}") for code in (first["code"], second["code"], fresh["code"])
        ]

        assert [answer.status_code for answer in answers] == [404, 404, 200]


@pytest.fixture
async def box(monkeypatch: pytest.MonkeyPatch) -> Any:
    async with mailbox(monkeypatch) as opened:
        yield opened


class TestLetters:
    async def test_changes_of_some_minutes_are_one_letter_each(self, campus: Campus, box: Mailbox) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.meal(20))
        await campus.wang.invites(
            meeting,
            {"name": "张伟", "email": "zhang@example.cn"},
            {"name": "Ann", "email": "ann@example.com", "language": "en"},
        )
        await self.deliver(campus, 0.1)
        assert sorted(letter["Subject"] for letter in box.letters) == ["Invitation: 年会", "会议邀请：年会"]
        assert "/guide/CE" in box.letters[0].get_content()
        box.letters.clear()

        lines = [line["id"] for line in meeting["lines"]]
        url = f"/v1/meetings/{meeting['id']}"
        told(await campus.wang.http.put(f"{url}/lines/{lines[0]}", json={"line": campus.hall(hours=3)}))
        told(await campus.wang.http.put(f"{url}/lines/{lines[1]}", json={"line": campus.meal(25)}))
        assert (await campus.wang.sees(meeting))["changes_waiting"] == 2
        await self.deliver(campus, 0.15)
        assert box.letters == []
        await self.deliver(campus, 0.3)

        assert sorted(letter["Subject"] for letter in box.letters) == ["Changes: 年会", "会议变更：年会"]
        assert box.letters[0].get_content().count("·") == 2
        assert (await campus.wang.sees(meeting))["changes_waiting"] == 0

    async def test_a_hall_that_the_office_closes_is_one_change_like_any_other(
        self, campus: Campus, box: Mailbox
    ) -> None:
        meeting = await campus.wang.has(campus.hall(0), campus.meal(20))
        await campus.wang.invites(meeting, {"name": "张伟", "email": "zhang@example.cn"})
        await self.deliver(campus, 0.1)
        box.letters.clear()
        closure = {"starts_at": instant(0.5), "ends_at": instant(8), "reason": "漏水检修", "override": True}
        url = f"/v1/bookables/{campus.halls[0]}/closures"

        told(await campus.office.http.post(url, json={**closure, "request_id": str(uuid4())}), 201)
        meal = meeting["lines"][1]["id"]
        await campus.wang.http.put(f"/v1/meetings/{meeting['id']}/lines/{meal}", json={"line": campus.meal(25)})

        seen = await campus.wang.sees(meeting)
        assert [(step["trigger"], "漏水检修" in step["words"]) for step in seen["steps"][-2:]] == [
            ("change", True),
            ("change", False),
        ]
        assert await self.told_of(campus, meeting) == ["hold", "confirm", "change", "change"]
        await self.deliver(campus, 0.3)
        (letter,) = box.letters
        assert letter["Subject"] == "会议变更：年会"
        assert letter.get_content().count("·") == 2
        assert "漏水检修" in letter.get_content()

    async def told_of(self, campus: Campus, meeting: Json) -> list[str]:
        """The triggers of which its organiser was told."""
        async with campus.db.session() as session:
            events = (await outbox.read_after(session, {}, types=["meeting.changed"])).events
        found = [stored.event for stored in events]
        assert all(f"person:{campus.wang.id}" in [to.channel for to in event.audience()] for event in found)
        return [str(event.data()["trigger"]) for event in found if event.data()["meeting"] == meeting["id"]]

    async def test_the_organiser_may_send_at_once_and_a_cancellation_goes_at_once(
        self, campus: Campus, box: Mailbox
    ) -> None:
        meeting = await campus.wang.has(campus.hall())
        await campus.wang.invites(meeting, {"name": "张伟", "email": "zhang@example.cn"}, {"name": "李娜"})

        assert await campus.wang.pulls(meeting, "notify") == {"letters": 1}
        assert await campus.wang.pulls(meeting, "notify") == {"letters": 0}
        await campus.wang.pulls(meeting, "cancel")
        await self.deliver(campus, 0.01)

        assert [letter["Subject"] for letter in box.letters] == ["会议邀请：年会", "会议变更：年会"]
        assert "会议取消" in box.letters[1].get_content()

    async def deliver(self, campus: Campus, hours: float) -> None:
        await campus.until(hours)
        while await mail.send_next(campus.db):
            pass


class TestArrivals:
    async def test_each_step_counts_a_guest_once_and_the_organiser_sees_it(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.meal(20))
        hall, lunch = meeting["lines"]
        zhang, li = await campus.wang.invites(meeting, {"name": "张伟"}, {"name": "李娜"})
        await campus.until(1)

        first = await campus.wang.scans(meeting, hall, zhang["code"], zhang["code"], li["code"], "NONSENSE")
        meal = await campus.wang.scans(meeting, lunch, zhang["code"])

        assert [result["outcome"] for result in first] == ["counted", "repeated", "counted", "refused"]
        assert (first[3]["reason"], meal[0]["outcome"]) == ("unknown_code", "counted")
        arrivals = told(await campus.wang.http.get(f"/v1/meetings/{meeting['id']}/arrivals"))
        assert [(line["counted"], line["expected"]) for line in arrivals["lines"]] == [(2, 2), (1, 2)]
        assert await self.told_on(campus, meeting) == [("张伟", 1), ("李娜", 2), ("张伟", 1)]

    async def test_what_is_uploaded_late_or_twice_counts_once(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall())
        (hall,) = meeting["lines"]
        (zhang,) = await campus.wang.invites(meeting, {"name": "张伟"})
        await campus.until(1)
        kept = {"code": zhang["code"], "line": hall["id"], "happened_at": instant(0.95)}
        upload = {"scans": [{**kept, "nonce": str(uuid4())} for _ in range(2)]}
        url = f"/v1/meetings/{meeting['id']}/scans"

        first, again = [told(await campus.wang.http.post(url, json=upload))["results"] for _ in range(2)]

        assert [result["outcome"] for result in first] == ["counted", "repeated"]
        assert again == first
        assert first[0]["counted_at"] == instant(0.95)

    async def test_a_day_may_count_once_and_a_door_each_time(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(scan_rule="always"), campus.hall(1, scan_rule="daily", hours=30))
        gate, daily = meeting["lines"]
        (zhang,) = await campus.wang.invites(meeting, {"name": "张伟"})
        await campus.until(1.5)
        assert [r["outcome"] for r in await campus.wang.scans(meeting, gate, zhang["code"], zhang["code"])] == [
            "counted"
        ] * 2
        assert [r["outcome"] for r in await campus.wang.scans(meeting, daily, zhang["code"], zhang["code"])] == [
            "counted",
            "repeated",
        ]
        await campus.until(25)

        assert [r["outcome"] for r in await campus.wang.scans(meeting, daily, zhang["code"])] == ["counted"]

    async def test_another_meeting_s_code_and_a_time_that_cannot_be_are_refused(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall())
        other = await campus.wang.has(campus.hall(1))
        (zhang,), (li,) = [await campus.wang.invites(each, {"name": "张伟"}) for each in (meeting, other)]
        await campus.until(1)

        (alien,) = await campus.wang.scans(meeting, meeting["lines"][0], li["code"])
        (future,) = await campus.wang.scans(meeting, meeting["lines"][0], zhang["code"], happened_at=instant(20))
        (guide,) = await campus.wang.scans(meeting, meeting["lines"][0], meeting["guide_code"])

        reasons = [result["reason"] for result in (alien, future, guide)]
        assert reasons == ["other_meeting", "not_yet_or_over", "unknown_code"]

    async def test_a_helper_scans_and_a_scanner_checks_without_a_network(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall())
        (zhang,) = await campus.wang.invites(meeting, {"name": "张伟"})
        url = f"/v1/meetings/{meeting['id']}"
        assert (await campus.zhou.http.get(f"{url}/scan_pack")).status_code == 404
        told(await campus.wang.http.patch(url, json={"helpers": [campus.zhou.id]}))

        pack = told(await campus.zhou.http.get(f"{url}/scan_pack"))

        block = base64.b32decode(zhang["code"] + "=" * (-len(zhang["code"]) % 8))
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(pack["public_key"]))
        key.verify(block[19:], pack["prefix"].encode() + block[:19])
        assert [guest["id"] for guest in pack["guests"]] == [f"mgt_{block[1:17].hex()}"]
        assert (await campus.zhou.http.get(f"{url}/guests")).status_code == 404
        await campus.until(1)
        assert [r["outcome"] for r in await campus.zhou.scans(meeting, meeting["lines"][0], zhang["code"])] == [
            "counted"
        ]

    async def told_on(self, campus: Campus, meeting: Json) -> list[tuple[str, int]]:
        async with campus.db.session() as session:
            from kernel.outbox import read_after

            read = await read_after(session, {}, types={"meeting.guest_arrived"})
        told_of = [stored.event.data() for stored in read.events if stored.event.type == "meeting.guest_arrived"]
        assert {event["meeting"] for event in told_of} == {meeting["id"]}
        return [(event["guest_name"], event["counted"]) for event in told_of]


class TestMoney:
    async def test_what_was_had_is_charged_once_to_the_unit(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.meal(20))
        (zhang,) = await campus.wang.invites(meeting, {"name": "张伟"})
        await campus.until(3)
        await campus.wang.scans(meeting, meeting["lines"][1], zhang["code"])
        await campus.until(4.5)

        assert (await campus.wang.pull(meeting, "settle")).status_code == 403
        settled = await campus.office.pulls(meeting, "settle")

        sheet = told(await campus.wang.http.get(f"/v1/meetings/{meeting['id']}/costs"))
        # The hall as it was asked for; one lunch of twenty, because one was scanned. The canteen is the unit's own house.
        assert [(line["had_quantity"], line["had_fen"]) for line in sheet["lines"]] == [(1, 20_000), (1, 4_000)]
        assert settled["charged_fen"] == sheet["charged_fen"] == 24_000
        assert (await campus.office.pull(meeting, "settle")).status_code == 409
        assert await self.charged(campus) == 24_000

        refunded = await campus.office.pulls(meeting, "refund", words="未使用")
        assert (refunded["state"], refunded["refunded_fen"]) == ("refunded", 24_000)
        assert await self.charged(campus) == 0

    async def test_the_office_knows_better_than_the_scans(self, campus: Campus) -> None:
        meeting = await campus.wang.has(campus.hall(), campus.sleep(2))
        await campus.until(27.5)

        had = [{"line": meeting["lines"][1]["id"], "quantity": 1}]
        settled = await campus.office.pulls(meeting, "settle", had=had)

        assert [line["had_fen"] for line in settled["lines"]] == [20_000, 30_000]

    async def test_cancelled_late_it_costs_what_the_region_says(self, campus: Campus) -> None:
        url = f"/v1/meeting_policies/{public_id('reg', campus.house.city)}"
        told(await campus.office.http.put(url, json={"free_cancel_hours": 12, "late_fee_percent": 25}))
        late = await campus.wang.has(campus.hall())
        early = await campus.wang.has(campus.hall(1, start=30))
        assert (late["cancel_fee_fen"], early["cancel_fee_fen"]) == (5_000, 0)

        cancelled = await campus.wang.pulls(late, "cancel")
        free = await campus.wang.pulls(early, "cancel")

        assert (cancelled["fee_fen"], cancelled["charged_fen"], free["charged_fen"]) == (5_000, 5_000, 0)
        assert await self.charged(campus) == 5_000
        assert await campus.holds_now() == 0

    async def charged(self, campus: Campus) -> int:
        """What stands on the unit's account for meetings, in the ledger."""
        connection = await campus.db.raw_connection()
        try:
            total: int = await connection.fetchval(
                "SELECT coalesce(sum(amount_fen - refunded_fen), 0)::bigint FROM service_charges WHERE kind = 'meeting'"
            )
            return total
        finally:
            await connection.close()


class TestForgetting:
    async def test_a_telephone_number_is_forgotten_some_weeks_after_the_meeting(self, campus: Campus) -> None:
        over = await campus.wang.has(campus.hall())
        ahead = await campus.wang.has(campus.hall(1, start=24 * 60), attendees=5)
        for meeting in (over, ahead):
            await campus.wang.invites(
                meeting, {"name": "张伟", "phone": "13800000000"}, {"name": "李娜", "phone": "13800000001"}
            )
        assert await self.phones(campus, over) == ["13800000000", "13800000001"]

        # Over at noon.
        await campus.until(4)
        await campus.until(24 * 30)
        assert await forget_phones(campus.db) == 0
        await campus.until(24 * 31)

        assert await forget_phones(campus.db) == 2
        assert await self.phones(campus, over) == ["", ""]
        assert await self.phones(campus, ahead) == ["13800000000", "13800000001"]

    async def test_so_is_that_of_somebody_who_was_taken_off_the_list(self, campus: Campus) -> None:
        ahead = await campus.wang.has(campus.hall(1, start=24 * 60))
        (guest,) = await campus.wang.invites(ahead, {"name": "张伟", "phone": "13800000000"})
        gone = await campus.wang.http.delete(f"/v1/meetings/{ahead['id']}/guests/{guest['id']}")
        assert gone.status_code == 204, gone.text

        await campus.until(24 * 31)

        assert await forget_phones(campus.db) == 1

    async def phones(self, campus: Campus, meeting: Json) -> list[str]:
        guests = told(await campus.wang.http.get(f"/v1/meetings/{meeting['id']}/guests"))["data"]
        return [guest["phone"] for guest in guests]


class TestWays:
    async def test_a_guest_is_led_over_the_plans_without_a_sign_in(self, campus: Campus, files: None) -> None:
        meeting = await campus.wang.has(campus.hall())
        (guest,) = await campus.wang.invites(meeting, {"name": "张伟"})
        room = meeting["lines"][0]["places"][0]["place"]
        assert campus.guide is not None
        url = f"/v1/guides/{guest['code']}/ways"
        assert (await campus.guide.get(url, params={"to": room})).json()["code"] == "NO_WAY"
        await self.draw(campus, room)

        way = told(await campus.guide.get(url, params={"to": room}))

        assert [point["label"] for point in way["legs"][0]["points"]] == ["大门", "门口"]
        assert (way["metres"], way["minutes"]) == (30, 1)
        picture = await campus.guide.get(way["legs"][0]["picture"])
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
        assert (way["legs"][0]["width"], way["legs"][0]["height"]) == (600, 300)
        elsewhere = f"pla_{uuid4().hex}"
        assert (await campus.guide.get(url, params={"to": elsewhere})).status_code == 404
        other = way["legs"][0]["picture"].replace(guest["code"], "A" * 133)
        assert (await campus.guide.get(other)).status_code == 404

    async def draw(self, campus: Campus, room: str) -> None:
        """The ground floor of the tower: from its door to the room, half across sixty metres."""
        buffer = io.BytesIO()
        Image.new("RGB", (600, 300), "white").save(buffer, "PNG")

        async def pieces() -> AsyncIterator[bytes]:
            yield buffer.getvalue()

        file = await take_file(campus.db, pieces(), owner="test")
        async with campus.db.session() as session:
            row = (await place_summary(session, [parse_public_id("pla", room)]))[parse_public_id("pla", room)]
            tower = public_id("pla", row.path[0])
            plan = await plans.open_plan(
                session, NewPlan(place=tower, file=public_id("file", file.id), metres_wide=60), actor="test"
            )
            points = [
                NewPoint(key="gate", x=0.25, y=0.5, kind="door", place=tower, label="大门"),
                NewPoint(key="room", x=0.75, y=0.5, kind="door", place=room, label="门口"),
            ]
            graph = NewGraph(version=1, points=points, edges=[NewEdge(start="gate", end="room")])
            await plans.draw(session, plan.id, graph, actor="test")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store of its own."""
    monkeypatch.setattr(get_settings(), "data_dir", tmp_path)
