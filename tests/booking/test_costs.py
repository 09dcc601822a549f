"""What a booking costs its unit: charged once when it stands, given back by the rules when it does not."""

from uuid import UUID

import pytest
from sqlalchemy import select

from kernel.ids import parse_public_id, public_id
from payments.charges.models import ServiceCharge
from tests.booking.conftest import Campus, Json, instant

# 100.00 an hour, by the university's site; free of charge until a day before, half of it later.
RATE: Json = {"rate_fen": 10_000, "rate_per": "hour", "free_cancel_hours": 24, "late_refund_percent": 50}


async def charges(campus: Campus) -> list[tuple[UUID, int, int]]:
    async with campus.db.session() as session:
        rows = await session.scalars(select(ServiceCharge).order_by(ServiceCharge.id))
        return [(row.reference, row.amount_fen, row.refunded_fen) for row in rows]


async def paid_hall(campus: Campus, **more: object) -> str:
    return await campus.open(unit=public_id("org", campus.house.university), window_days=90, **RATE, **more)


class TestACharge:
    async def test_comes_with_the_confirmation_and_only_once(self, campus: Campus) -> None:
        hall = await paid_hall(campus)
        held = await campus.wang.holds(hall, 1, 1.5)
        assert (held["cost_fen"], held["charged_fen"]) == (15_000, 0)
        assert await charges(campus) == []

        booked = await campus.wang.pulls(held, "confirm")
        assert (await campus.wang.pull(booked, "confirm")).status_code == 409

        assert booked["charged_fen"] == 15_000
        assert await charges(campus) == [(parse_public_id("bkg", held["id"]), 15_000, 0)]

    async def test_is_told_before_anything_is_held(self, campus: Campus) -> None:
        hall = await paid_hall(campus, needs_approval=True)
        body = {
            "bookable": hall,
            "starts_at": instant(49),
            "ends_at": instant(51),
            "title": "会",
            "request_id": "0192f0c0-0000-7000-8000-000000000001",
        }

        quote = (await campus.wang.http.post("/v1/bookings/quote", json=body)).json()

        assert (quote["cost_fen"], quote["needs_approval"]) == (20_000, True)
        assert quote["free_cancel_until"] == instant(25)
        assert (await campus.wang.http.get("/v1/bookings")).json()["data"] == []

    async def test_nobody_pays_themselves(self, campus: Campus) -> None:
        hall = await paid_hall(campus)
        assert (await campus.stranger.holds(hall, 1))["cost_fen"] == 0

    async def test_waits_for_the_office_where_it_decides(self, campus: Campus) -> None:
        hall = await paid_hall(campus, needs_approval=True)
        asked = await campus.wang.pulls(await campus.wang.holds(hall, 1), "confirm")
        assert await charges(campus) == []

        assert (await campus.office.pulls(asked, "approve"))["charged_fen"] == 10_000


class TestBack:
    @pytest.mark.parametrize(("start", "refund"), [(49, 10_000), (3, 5_000)])
    async def test_by_the_rules_when_its_organiser_cancels(self, campus: Campus, start: float, refund: int) -> None:
        hall = await paid_hall(campus)
        booked = await campus.wang.pulls(await campus.wang.holds(hall, start), "confirm")
        assert booked["refund_if_cancelled_fen"] == refund

        assert (await campus.wang.pulls(booked, "cancel"))["refunded_fen"] == refund
        assert [each[1:] for each in await charges(campus)] == [(10_000, refund)]

    async def test_all_of_it_when_the_office_takes_it_away(self, campus: Campus) -> None:
        hall = await paid_hall(campus)
        booked = await campus.wang.pulls(await campus.wang.holds(hall, 3), "confirm")

        assert (await campus.office.pulls(booked, "cancel"))["refunded_fen"] == 10_000

    async def test_nothing_for_who_does_not_come(self, campus: Campus) -> None:
        hall = await paid_hall(campus)
        booked = await campus.wang.pulls(await campus.wang.holds(hall, 1), "confirm")

        await campus.until(1.3)

        assert (await campus.wang.sees(booked))["state"] == "no_show"
        assert [each[1:] for each in await charges(campus)] == [(10_000, 0)]

    async def test_a_move_to_a_longer_time_is_charged_anew(self, campus: Campus) -> None:
        hall = await paid_hall(campus)
        booked = await campus.wang.pulls(await campus.wang.holds(hall, 3), "confirm")

        same = await campus.wang.pulls(booked, "move", starts_at=instant(5), ends_at=instant(6))
        longer = await campus.wang.pulls(same, "move", ends_at=instant(8))

        assert (longer["charged_fen"], longer["refunded_fen"]) == (30_000, 0)
        assert sorted(each[1:] for each in await charges(campus)) == [(10_000, 10_000), (30_000, 0)]
        await campus.office.pulls(longer, "cancel")
        assert sum(amount - back for _, amount, back in await charges(campus)) == 0
