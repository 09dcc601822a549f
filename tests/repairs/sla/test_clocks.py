"""An order's clock: it runs in the hours of its place, stands still for listed causes, goes on, and is told of once."""

from datetime import timedelta

import pytest

from kernel import clock
from kernel.calendar import edit_day
from kernel.ids import uuid7
from repairs.sla import api, jobs
from repairs.sla.kinds import PAUSE_CAUSES
from tests.repairs.sla.conftest import HOUR, Workshop, at, order_name


def _due(view: api.SlaView, milestone: str) -> str | None:
    return next(one.due_at for one in view.milestones if one.milestone == milestone)


class TestAnOrderInTime:
    async def test_it_is_due_in_the_working_time_of_its_place(self, workshop: Workshop) -> None:
        order = await workshop.raised("normal", at=at("2026-11-20T16:30"))
        view = await workshop.view(order)
        # Two hours from half past four on a Friday: Monday, when an hour of the morning is over.
        assert _due(view, "response") == clock.rfc3339(at("2026-11-23T09:30"))
        assert (view.state, view.next, view.zone, view.hours) == ("ok", "response", "Asia/Shanghai", "office")
        assert view.milestones[0].left_s == 1800

    async def test_what_is_urgent_is_due_at_night_too(self, workshop: Workshop) -> None:
        order = await workshop.raised("urgent", at=at("2026-11-22T23:50"))
        view = await workshop.view(order)
        assert (_due(view, "response"), view.hours) == (clock.rfc3339(at("2026-11-23T00:05")), "always")

    async def test_all_is_reached_in_time_and_nobody_is_told_anything(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            await api.reach_milestone(session, order, "response", clock.now() + HOUR / 2)
            await api.reach_milestone(session, order, "arrival", clock.now() + HOUR)
            await api.reach_milestone(session, order, "resolution", clock.now() + 2 * HOUR)
        assert await workshop.pass_until("2026-12-24T12:00") == 0
        view = await workshop.view(order)
        assert (view.state, [one.state for one in view.milestones]) == ("met", ["kept", "kept", "kept"])
        assert await workshop.told("sla.warned") == []

    async def test_who_is_done_had_answered_and_come(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            await api.reach_milestone(session, order, "resolution", clock.now() + HOUR / 4)
        assert (await workshop.view(order)).state == "met"


class TestWarningAndBreach:
    async def test_first_a_warning_then_the_breach_each_once_for_each_milestone(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        assert await workshop.pass_until("2026-11-23T09:47") == 0
        assert await workshop.pass_until("2026-11-23T09:48") == 1
        assert await workshop.told("sla.warned") == [(order_name(order), "response")]
        assert (await workshop.view(order)).state == "warned"
        await workshop.pass_until("2026-11-23T10:00")
        assert await workshop.told("sla.breached") == [(order_name(order), "response")]
        await workshop.pass_until("2026-12-01T12:00")
        everything = [(order_name(order), name) for name in ("response", "arrival", "resolution")]
        assert sorted(await workshop.told("sla.breached")) == sorted(everything)
        # The worker slept through both of the later ones' warnings: what is breached is not warned of any more.
        assert await workshop.told("sla.warned") == everything[:1]
        assert (await workshop.view(order)).state == "breached"

    async def test_whoever_leads_the_office_is_told_of_the_breach(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        await workshop.pass_until("2026-11-23T10:00")
        assert await workshop.leads_told() == [(order_name(order), [workshop.lead_name])]

    async def test_a_late_answer_is_told_even_where_the_clock_had_not_struck_yet(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            await api.reach_milestone(session, order, "response", clock.now() + 2 * HOUR)
        assert await workshop.told("sla.breached") == [(order_name(order), "response")]
        assert (await workshop.view(order)).milestones[0].state == "missed"

    async def test_an_answer_in_time_that_is_told_late_takes_the_breach_back(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        await workshop.pass_until("2026-11-23T11:30")
        async with workshop.db.session() as session:
            await api.reach_milestone(session, order, "response", at("2026-11-23T09:20"))
        assert (await workshop.view(order)).milestones[0].state == "kept"


class TestPauses:
    @pytest.mark.parametrize("cause", PAUSE_CAUSES)
    async def test_a_listed_cause_stops_the_clock_and_is_a_row(self, workshop: Workshop, cause: str) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            assert await api.pause_sla(session, order, cause, at("2026-11-23T09:30"))
        assert await workshop.pass_until("2026-11-25T10:00") == 0
        still = await workshop.view(order)
        assert (still.state, still.paused_cause, still.due_at, still.milestones[0].left_s) == (
            "paused",
            cause,
            None,
            1800,
        )
        async with workshop.db.session() as session:
            await api.resume_sla(session, order, at("2026-11-25T10:00"))
        going_on = await workshop.view(order)
        assert _due(going_on, "response") == clock.rfc3339(at("2026-11-25T10:30"))
        assert [(one.cause, one.counted_s) for one in going_on.pauses] == [(cause, (6 + 7) * 3600 + 5400)]

    async def test_another_cause_lets_it_run(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            assert not await api.pause_sla(session, order, "other", at("2026-11-23T09:30"))
        assert (await workshop.view(order)).pauses == []

    async def test_what_was_late_before_the_pause_stays_late(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        clock.advance(HOUR * 3 / 2)
        async with workshop.db.session() as session:
            await api.pause_sla(session, order, "parts", clock.now())
        assert await workshop.told("sla.breached") == [(order_name(order), "response")]
        assert (await workshop.view(order)).state == "breached"

    async def test_a_cancelled_order_owes_nothing(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            await api.stop_sla(session, order)
        assert await workshop.pass_until("2026-12-24T12:00") == 0
        assert (await workshop.view(order)).state == "stopped"

    async def test_an_order_without_a_clock_is_left_alone(self, workshop: Workshop) -> None:
        async with workshop.db.session() as session:
            await api.reach_milestone(session, uuid7(), "response", clock.now())
            assert not await api.pause_sla(session, uuid7(), "parts", clock.now())
            assert await api.sla_views(session, [uuid7()]) == {}


class TestReopening:
    async def test_the_last_promise_goes_on_where_it_stood(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            await api.reach_milestone(session, order, "resolution", at("2026-11-23T10:00"))
        clock.advance(timedelta(days=2))
        async with workshop.db.session() as session:
            await api.reopen_sla(session, order, at("2026-11-25T09:00"))
        view = await workshop.view(order)
        # Eight hours of work, one of them used.
        assert (view.round, view.next, view.due_at) == (2, "resolution", clock.rfc3339(at("2026-11-26T09:00")))
        assert view.milestones[2].first_reached_at == clock.rfc3339(at("2026-11-23T10:00"))
        await workshop.pass_until("2026-11-26T09:00")
        assert await workshop.told("sla.breached") == [(order_name(order), "resolution")]


class TestTheCalendar:
    async def test_a_year_that_nobody_entered_is_a_warning_and_counted_anew_when_it_is_there(
        self, workshop: Workshop
    ) -> None:
        clock.advance(at("2026-12-30T16:30") - clock.now())
        order = await workshop.raised("normal")
        view = await workshop.view(order)
        assert (view.warning, view.years_missing) == ("calendar_year_missing", [2027])
        async with workshop.db.session() as session:
            first = at("2027-01-01T00:00").astimezone(clock.now().tzinfo).date()
            for number in range(366):
                day = first + timedelta(days=number)
                weekend = day.weekday() >= 5
                await edit_day(session, day, "holiday" if number < 4 else "weekend" if weekend else "workday")
        before = _due(view, "resolution")
        assert await jobs.recount_clocks(workshop.db) == 1
        counted = await workshop.view(order)
        assert (counted.warning, _due(counted, "resolution") != before) == (None, True)
        assert await jobs.recount_clocks(workshop.db) == 0

    async def test_a_holiday_given_at_short_notice_moves_what_is_due_and_its_timer(self, workshop: Workshop) -> None:
        order = await workshop.raised("high")
        async with workshop.db.session() as session:
            await edit_day(session, at("2026-11-23T12:00").date(), "holiday", "停水")
        assert await jobs.recount_clocks(workshop.db) == 1
        assert await workshop.pass_until("2026-11-23T17:00") == 0
        await workshop.pass_until("2026-11-24T09:30")
        assert await workshop.told("sla.breached") == [(order_name(order), "response")]


class TestBriefs:
    async def test_a_card_says_the_same_as_the_whole(self, workshop: Workshop) -> None:
        orders = [await workshop.raised(urgency) for urgency in ("low", "normal", "high", "urgent")]
        async with workshop.db.session() as session:
            await api.pause_sla(session, orders[0], "parts", clock.now())
            await api.reach_milestone(session, orders[1], "resolution", clock.now())
        await workshop.pass_until("2026-11-23T09:50")
        async with workshop.db.session() as session:
            whole = await api.sla_views(session, orders)
            marks = await api.sla_marks(session, orders)
        assert {key: view.state for key, view in whole.items()} == {key: state for key, (state, _) in marks.items()}
        assert [marks[order][0] for order in orders] == ["paused", "met", "warned", "breached"]
        # Where a clock stands still or has ended, nothing is due.
        assert [marks[order][1] for order in orders] == [None, None, *(whole[order].due_at for order in orders[2:])]
