"""What is promised: kept by administrators with days on which it counts, chosen by the nearest, never changed backwards."""

import httpx
from sqlalchemy import select

from identity.api import Role
from identity.principal import Place
from kernel import clock
from kernel.audit_log import AuditRow
from kernel.configuration import bump_configuration
from kernel.ids import public_id, uuid7
from repairs.sla.api import start_sla
from repairs.sla.models import SlaHours
from tests.repairs.sla.conftest import Workshop, at


def promise(workshop: Workshop, **changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "region": public_id("reg", workshop.house.city),
        "urgency": "normal",
        "response_s": 600,
        "arrival_s": 1200,
        "resolution_s": 3600,
        "effective_from": "2026-11-23",
    }
    return body | changes


async def response_due(workshop: Workshop, category: object = None) -> str | None:
    order = uuid7()
    async with workshop.db.session() as session:
        await start_sla(
            session,
            order,
            category_id=category,  # type: ignore[arg-type]  # an id or None
            urgency="normal",
            place_id=workshop.room,
            at=clock.now(),
        )
    return (await workshop.view(order)).milestones[0].due_at


class TestTargets:
    async def test_a_promise_counts_for_orders_from_its_first_day_on(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-23T11:00"))
        opened = await office.post("/v1/sla_targets", json=promise(workshop))
        assert opened.status_code == 201
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-23T09:10"))
        later = promise(workshop, effective_from="2026-11-25", response_s=1200)
        assert (await office.post("/v1/sla_targets", json=later)).status_code == 201
        listed = (await office.get("/v1/sla_targets")).json()["data"]
        spans = {(one["effective_from"], one["effective_until"]) for one in listed}
        assert spans == {("2026-11-25", None), ("2026-11-23", "2026-11-25")}
        clock.advance(at("2026-11-25T09:00") - clock.now())
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-25T09:20"))

    async def test_one_for_the_category_and_one_of_the_nearer_region_come_first(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        category = uuid7()
        everywhere = await workshop.house.person("总管", Role.SYSTEM_ADMIN)
        headers = {"Authorization": f"Bearer {await workshop.house.token(everywhere)}"}
        province = promise(workshop, region=public_id("reg", workshop.house.province), response_s=300)
        assert (await office.post("/v1/sla_targets", json=province, headers=headers)).status_code == 201
        assert await response_due(workshop, category) == clock.rfc3339(at("2026-11-23T09:05"))
        await office.post("/v1/sla_targets", json=promise(workshop))
        assert await response_due(workshop, category) == clock.rfc3339(at("2026-11-23T09:10"))
        narrow = promise(workshop, category=public_id("rcat", category), response_s=900)
        await office.post("/v1/sla_targets", json=narrow)
        assert await response_due(workshop, category) == clock.rfc3339(at("2026-11-23T09:15"))
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-23T09:10"))

    async def test_yesterday_is_not_changed_and_a_foreign_region_neither(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        past = await office.post("/v1/sla_targets", json=promise(workshop, effective_from="2026-11-22"))
        assert (past.status_code, past.json()["code"], past.json()["data"]) == (
            422,
            "SLA_TARGET_NOT_AHEAD",
            {"today": "2026-11-23"},
        )
        foreign = promise(workshop, region=public_id("reg", workshop.house.other_city))
        assert (await office.post("/v1/sla_targets", json=foreign)).status_code == 403
        mixed_up = promise(workshop, arrival_s=300)
        assert (await office.post("/v1/sla_targets", json=mixed_up)).status_code == 422

    async def test_a_retired_promise_counts_no_more_and_who_did_it_is_written_down(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        opened = (await office.post("/v1/sla_targets", json=promise(workshop))).json()
        retired = await office.post(f"/v1/sla_targets/{opened['id']}/retire")
        assert retired.json()["effective_until"] == "2026-11-23"
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-23T11:00"))
        async with workshop.db.session() as session:
            rows = await session.execute(
                select(AuditRow.actor, AuditRow.action).where(AuditRow.subject == opened["id"]).order_by(AuditRow.id)
            )
            assert [tuple(row) for row in rows] == [
                (workshop.lead_name, "sla.target.open"),
                (workshop.lead_name, "sla.target.retire"),
            ]


class TestHours:
    async def test_the_nearest_place_with_hours_of_its_own_counts(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        region, room = public_id("reg", workshop.house.city), public_id("pla", workshop.room)
        every_day = ["workday", "weekend", "holiday"]
        clock.advance(at("2026-11-22T20:00") - clock.now())
        wide = {"region": region, "days": every_day, "shifts": [["07:00", "21:00"]]}
        assert (await office.post("/v1/sla_hours", json=wide)).status_code == 201
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-23T08:00"))
        narrow = {"region": region, "place": room, "days": every_day, "shifts": [["00:00", "00:00"]]}
        opened = (await office.post("/v1/sla_hours", json=narrow)).json()
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-22T22:00"))
        preview = (await office.get(f"/v1/sla_targets/preview?place={room}")).json()
        assert (preview["hours"], preview["due"]["response"]) == ("own", clock.rfc3339(at("2026-11-22T22:00")))
        assert (await office.post(f"/v1/sla_hours/{opened['id']}/retire")).json()["is_retired"]
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-23T08:00"))

    async def test_hours_in_no_order_are_refused(self, workshop: Workshop, office: httpx.AsyncClient) -> None:
        region = public_id("reg", workshop.house.city)
        body = {"region": region, "days": ["workday"], "shifts": [["14:00", "18:00"], ["08:00", "15:00"]]}
        refused = await office.post("/v1/sla_hours", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "SLA_HOURS_UNSOUND")

    async def test_hours_of_a_minute_a_day_are_refused_and_orders_are_raised(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        region = public_id("reg", workshop.house.city)
        body = {"region": region, "days": ["workday"], "shifts": [["09:00", "09:01"]]}
        refused = await office.post("/v1/sla_hours", json=body, headers={"Accept-Language": "en"})
        assert (refused.status_code, refused.json()["code"]) == (422, "SLA_PROMISE_OUT_OF_REACH")
        assert refused.json()["data"] == {"hours": 80, "days_max": 730}
        assert (await office.get("/v1/sla_hours")).json()["data"] == []
        assert await response_due(workshop) == clock.rfc3339(at("2026-11-23T11:00"))

    async def test_hours_that_what_is_promised_above_needs_longer_are_refused(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        everywhere = await workshop.house.person("总管", Role.SYSTEM_ADMIN)
        headers = {"Authorization": f"Bearer {await workshop.house.token(everywhere)}"}
        long = promise(workshop, region=public_id("reg", workshop.house.province), resolution_s=90 * 86_400)
        assert (await office.post("/v1/sla_targets", json=long, headers=headers)).status_code == 201
        short_day = {
            "region": public_id("reg", workshop.house.city),
            "place": public_id("pla", workshop.room),
            "days": ["workday"],
            "shifts": [["09:00", "10:00"]],
        }
        refused = await office.post("/v1/sla_hours", json=short_day)
        assert (refused.status_code, refused.json()["code"]) == (422, "SLA_PROMISE_OUT_OF_REACH")
        assert refused.json()["data"]["hours"] == 90 * 24

    async def test_a_promise_that_hours_never_reach_is_refused(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        short_day = {
            "region": public_id("reg", workshop.house.city),
            "days": ["workday"],
            "shifts": [["09:00", "10:00"]],
        }
        assert (await office.post("/v1/sla_hours", json=short_day)).status_code == 201
        assert (await office.post("/v1/sla_targets", json=promise(workshop))).status_code == 201
        refused = await office.post("/v1/sla_targets", json=promise(workshop, resolution_s=90 * 86_400))
        assert (refused.status_code, refused.json()["code"]) == (422, "SLA_PROMISE_OUT_OF_REACH")
        always = promise(workshop, resolution_s=90 * 86_400, hours="always")
        assert (await office.post("/v1/sla_targets", json=always)).status_code == 201

    async def test_an_order_is_raised_though_days_were_edited_until_no_hour_is_left(self, workshop: Workshop) -> None:
        async with workshop.db.session() as session:
            session.add(
                SlaHours(
                    id=uuid7(),
                    region_id=workshop.house.city,
                    place_id=None,
                    days=["holiday"],
                    shifts=[["09:00", "09:01"]],
                    created_by="system",
                    created_at=clock.now(),
                )
            )
            await bump_configuration(session)
        order = await workshop.raised()
        view = await workshop.view(order)
        assert view.due_at is not None
        assert view.due_at > "2036"

    async def test_a_technician_reads_what_is_promised_and_changes_nothing(
        self, workshop: Workshop, office: httpx.AsyncClient
    ) -> None:
        technician = await workshop.house.person("孙师傅", Role.TECHNICIAN, Place(region_id=workshop.house.city))
        headers = {"Authorization": f"Bearer {await workshop.house.token(technician)}"}
        assert (await office.get("/v1/sla_targets", headers=headers)).status_code == 200
        assert (await office.post("/v1/sla_targets", json=promise(workshop), headers=headers)).status_code == 403
