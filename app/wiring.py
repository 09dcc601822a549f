"""Who is connected with whom: the one place where domains meet.

* ROUTERS: the HTTP addresses of each domain.
* WEB_PARTS: what a web process opens at its start and closes at its end (the posting committer, the socket hub, ...).
* CHANNEL_POLICIES: who may hear what on the sockets; `me` is everybody's own and stands in no list.
* TIMER_HANDLERS: what happens when a durable timer of a kind is due.
* LOOPS: what the worker runs for ever (the relay, timers, handlers, the sealer, ...).

A domain never imports another to be told of something; it is listed here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

import booking.calendar_routes
import booking.meetings.routes
import booking.office_routes
import booking.routes
import canteen.covers.routes
import canteen.routes
import canteen.shift_routes
import identity.plans.routes
import identity.routes
import payments.account_routes
import payments.charges.routes
import payments.disputes.routes
import payments.gateways.channel_routes
import payments.reconciliation.routes
import payments.routes
import payments.settlement.exchange.routes
import payments.settlement.routes
import payments.settlement.statements.routes
import payments.settlement.vouchers.routes
import payments.stripe_door.routes
import payments.subsidies.routes
import payments.wall_codes.place_code_routes
import payments.withdrawals.routes
import realtime.audio.routes
import realtime.calls.routes
import realtime.duty.routes
import realtime.reaching.routes
import realtime.routes
import repairs.assets.routes
import repairs.orders.form_routes
import repairs.orders.routes
import repairs.sla.routes
import repairs.statistics.routes
import repairs.stock.routes
import repairs.suggestions.routes
from app import demo
from app.invariants import INVARIANTS
from app.request_metrics import sampling
from app.services import Services
from booking import jobs as booking_jobs
from booking.channels import BOOKABLE_CHANNEL, DESK_OF_BOOKINGS
from booking.hand_over import BookingOfCall
from booking.meetings import api as meetings
from booking.meetings import jobs as meetings_jobs
from canteen import jobs as canteen_jobs
from canteen.api import (
    CANTEEN_CHANNEL,
    CanteenCounter,
    CanteenPricing,
    MeetingMeals,
    configuration_for_till,
    handed_over_totals,
    next_meal_of_unit,
    unit_share_of_lunch,
)
from identity import jobs as identity_jobs
from identity.api import Role, Terminal, may_read_plan, register_terminal_configuration
from identity.events import ApprovalDecided
from kernel import audit_log, calendar, files, mail, timers
from kernel.db import Database
from kernel.files import register_file_reader
from kernel.handlers import run_handler
from payments import jobs as payments_jobs
from payments.api import (
    PaymentsEndpoint,
    Posting,
    next_seq,
    register_lunch_share,
    register_meal_calendar,
    register_shift_totals,
)
from payments.channels.registry import open_channels
from payments.disputes.handlers import follow_vouchers
from payments.gateways import looks
from payments.handlers import FOLLOWED as FOLLOWED_OF_PEOPLE
from payments.handlers import follow_people
from payments.reconciliation import jobs as reconciliation_jobs
from payments.settlement import jobs as settlement_jobs
from payments.settlement.handlers import follow_approvals as follow_adjustment_approvals
from payments.stripe_door import jobs as stripe_door_jobs
from payments.stripe_door.api import Confirmations, KeyCache, MerchantPricing, StripeDoor
from payments.subsidies import warnings as subsidy_warnings
from payments.withdrawals.handlers import follow_approvals
from realtime import jobs as realtime_jobs
from realtime.api import ChannelPolicy, Hub, desk_policy, region_policy
from realtime.audio.switchboard import Switchboard, Talkers
from realtime.calls import api as calls
from realtime.calls import jobs as calls_jobs
from realtime.duty import jobs as duty_jobs
from realtime.reaching import jobs as reaching_jobs
from repairs.orders import api as work_orders
from repairs.orders import jobs as work_order_jobs
from repairs.sla import jobs as sla_jobs
from repairs.stock.handlers import FOLLOWED as FOLLOWED_OF_ORDERS
from repairs.stock.handlers import follow_orders

# A part of the web process: opened in this order, closed in reverse; it may put itself into `app.state`.
WebPart = Callable[[FastAPI, Services], AbstractAsyncContextManager[None]]


@dataclass(frozen=True)
class Loop:
    """One background task of the worker: runs until it is cancelled; if it fails, it is started again."""

    name: str
    run: Callable[[Services], Awaitable[None]]


ROUTERS: Final[tuple[APIRouter, ...]] = (
    # Before identity, whose triggers of a terminal would take in `/terminals/me/shift`.
    canteen.shift_routes.router,
    identity.routes.router,
    identity.plans.routes.router,
    payments.routes.router,
    payments.stripe_door.routes.router,
    payments.account_routes.router,
    payments.gateways.channel_routes.router,
    payments.reconciliation.routes.router,
    payments.disputes.routes.router,
    payments.withdrawals.routes.router,
    payments.charges.routes.router,
    payments.settlement.routes.router,
    payments.settlement.statements.routes.router,
    payments.settlement.vouchers.routes.router,
    payments.settlement.exchange.routes.router,
    payments.wall_codes.place_code_routes.router,
    payments.subsidies.routes.router,
    canteen.routes.router,
    canteen.covers.routes.router,
    repairs.sla.routes.router,
    repairs.statistics.routes.router,
    repairs.stock.routes.router,
    repairs.suggestions.routes.router,
    repairs.assets.routes.router,
    repairs.orders.form_routes.router,
    # Behind the other folders of repairs: its triggers of an order take in all that stands below an order.
    repairs.orders.routes.router,
    booking.calendar_routes.router,
    booking.office_routes.router,
    booking.routes.router,
    booking.meetings.routes.router,
    realtime.duty.routes.router,
    realtime.reaching.routes.router,
    realtime.routes.router,
    realtime.audio.routes.router,
    realtime.calls.routes.router,
    demo.router,
)


async def _sequence_for_till(session: AsyncSession, terminal: Terminal) -> dict[str, Any]:
    return {"next_seq": await next_seq(session, terminal.id, terminal.epoch)}


# What a till is told beside identity's own part.
register_terminal_configuration(configuration_for_till)
register_terminal_configuration(_sequence_for_till)

# Which meal a voucher is for.
register_meal_calendar(next_meal_of_unit)

# A plan hangs on the wall.
register_file_reader("plan", may_read_plan)
# Who may see the pictures of a call and of its messages.
register_file_reader("call", calls.may_read_files)
register_file_reader("cmsg", calls.may_read_files)

# Of a work order and of its notes.
register_file_reader("wo", work_orders.may_read_files)
register_file_reader("won", work_orders.may_read_files)

# What a call may become elsewhere.
calls.register_hand_over_target(work_orders.RepairOfCall())
calls.register_hand_over_target(BookingOfCall())

# What a unit bears of a lunch, for a forecast.
register_lunch_share(unit_share_of_lunch)

# What the cashiers have handed over, for the tills' reconciliation.
register_shift_totals(handed_over_totals)

# What a meeting may hold, in one transaction with it.
for line in (*meetings.OWN_LINES, MeetingMeals()):
    meetings.register_meeting_line(line)

CHANNEL_POLICIES: Final[tuple[ChannelPolicy, ...]] = (
    CANTEEN_CHANNEL,
    region_policy("region", Role.CANTEEN_MANAGER, Role.FINANCE, Role.SYSTEM_ADMIN),
    calls.CALL_CHANNEL,
    meetings.MEETING_CHANNEL,
    BOOKABLE_CHANNEL,
    # One service of the desks after the other: `desk:<service>-<id>`.
    desk_policy(calls.DESK_OF_CALLS, DESK_OF_BOOKINGS, work_orders.DESK_OF_REPAIRS),
)

# Who may talk in what: the lines of the switchboard.
TALKERS: Final[Mapping[str, Talkers]] = {"call": calls.who_may_talk}

TIMER_HANDLERS: Final[timers.Handlers] = {
    **identity_jobs.TIMERS,
    **payments_jobs.TIMERS,
    **settlement_jobs.TIMERS,
    **booking_jobs.TIMERS,
    **meetings_jobs.TIMERS,
    **calls_jobs.TIMERS,
    **work_order_jobs.TIMERS,
    **sla_jobs.TIMERS,
}


@asynccontextmanager
async def _hub(app: FastAPI, services: Services) -> AsyncIterator[None]:
    async with Hub(services.database, services.valkey, CHANNEL_POLICIES).running() as hub:
        app.state.hub = hub
        yield


@asynccontextmanager
async def _switchboard(app: FastAPI, services: Services) -> AsyncIterator[None]:
    async with Switchboard(services.database, services.valkey, TALKERS).running() as switchboard:
        app.state.switchboard = switchboard
        yield


@asynccontextmanager
async def _desk_queues(app: FastAPI, services: Services) -> AsyncIterator[None]:
    app.state.desk_queues = calls.DeskQueues(services.valkey)
    yield


@asynccontextmanager
async def _posting(app: FastAPI, services: Services) -> AsyncIterator[None]:
    """This process's posting lane, and the tills' endpoint in front of it. A meal's price is the canteens' business."""
    settings, rule, terminals = services.settings, MerchantPricing(CanteenPricing()), KeyCache()
    posting = Posting(
        services.database,
        rule,
        terminals,
        batch_max=settings.posting_batch_max,
        queue_max=settings.posting_queue_max,
        lanes=settings.posting_lanes,
    )
    app.state.posting_rule = rule
    app.state.posting = posting
    app.state.counter_rule = CanteenCounter()
    await posting.start()
    app.state.payments_endpoint = PaymentsEndpoint(services.database, posting, terminals)
    confirmations = Confirmations(services.database, posting)
    confirmations.start()
    app.state.stripe_door = StripeDoor(services.database, confirmations, terminals, rule)
    try:
        yield
    finally:
        await confirmations.stop()
        await posting.stop()


@asynccontextmanager
async def _channels(app: FastAPI, services: Services) -> AsyncIterator[None]:
    """The gateways that are set up; their threads end with this process."""
    app.state.channels = open_channels(services.settings)
    try:
        yield
    finally:
        for channel in app.state.channels.values():
            channel.close_client()


WEB_PARTS: Final[tuple[WebPart, ...]] = (_hub, _switchboard, _desk_queues, _channels, _posting, sampling)


def _every(seconds: float, step: Callable[[Database], Awaitable[object]]) -> Callable[[Services], Awaitable[None]]:
    """A loop that takes one step again and again."""

    async def run(services: Services) -> None:
        while True:
            await step(services.database)
            await asyncio.sleep(seconds)

    return run


async def _follow_adjustments(db: Database) -> None:
    while await run_handler(db, "settlement.follow_approvals", follow_adjustment_approvals, types=(ApprovalDecided,)):
        pass


async def _follow_orders(db: Database) -> None:
    while await run_handler(db, "repairs.follow_orders", follow_orders, types=FOLLOWED_OF_ORDERS):
        pass


async def _follow_people(db: Database) -> None:
    while await run_handler(db, "payments.follow_people", follow_people, types=FOLLOWED_OF_PEOPLE):
        pass


async def _follow_vouchers(db: Database) -> None:
    while await run_handler(db, "payments.follow_vouchers", follow_vouchers, types=(ApprovalDecided,)):
        pass


async def _follow_withdrawals(db: Database) -> None:
    while await run_handler(db, "payments.follow_withdrawals", follow_approvals, types=(ApprovalDecided,)):
        pass


LOOPS: Final[tuple[Loop, ...]] = (
    Loop("relay", lambda s: realtime_jobs.relay_events(s.database, s.valkey)),
    Loop("boards", lambda s: realtime_jobs.send_boards(s.database, s.valkey, CHANNEL_POLICIES)),
    Loop("canteen takings", lambda s: canteen_jobs.keep_boards(s.database)),
    Loop("canteen menus", lambda s: canteen_jobs.keep_menus_near(s.database)),
    Loop("channel days", lambda s: realtime_jobs.keep_channel_days(s.database)),
    Loop("payments looks", lambda s: looks.look_for_ever(s.database, open_channels(s.settings))),
    Loop("payments follow people", _every(1, _follow_people)),
    Loop("payments follow vouchers", _every(2, _follow_vouchers)),
    Loop("payments follow withdrawals", _every(2, _follow_withdrawals)),
    Loop("settlement follow adjustments", _every(2, _follow_adjustments)),
    Loop("settlement months", _every(300, settlement_jobs.keep_settlements)),
    Loop("payments partitions", _every(3600, payments_jobs.keep_partitions)),
    Loop("payments checkpoints", _every(30, payments_jobs.fold_account_deltas)),
    Loop("payments lots", _every(60, payments_jobs.expire_due_lots)),
    Loop("payments warnings", _every(60, subsidy_warnings.warn_due)),
    Loop("payments forgets", _every(600, payments_jobs.forget_old_requests)),
    Loop(
        "payments reconciliation",
        lambda s: reconciliation_jobs.reconcile_for_ever(s.database, open_channels(s.settings)),
    ),
    Loop("payments audit", lambda s: payments_jobs.audit_every_night(s.database, INVARIANTS)),
    Loop("door webhooks", lambda s: stripe_door_jobs.deliver_webhooks(s.database)),
    Loop("door reversals", _every(1, stripe_door_jobs.hear_of_reversals)),
    Loop("door forgets", _every(600, stripe_door_jobs.forget_old)),
    Loop("work calendar", lambda s: calendar.keep_calendar(s.database)),
    Loop("timers", lambda s: timers.fire_for_ever(s.database, TIMER_HANDLERS)),
    Loop("repair promises", _every(30, sla_jobs.recount_clocks)),
    Loop("repair times", _every(600, sla_jobs.note_times)),
    Loop("repair costs", _every(1, _follow_orders)),
    Loop("repair problems", _every(1, work_order_jobs.follow_problems)),
    Loop("repair forgets", _every(3600, work_order_jobs.forget_changes)),
    Loop("meeting guests", _every(3600, meetings_jobs.forget_phones)),
    Loop("repair guests", _every(3600, work_order_jobs.forget_phones)),
    Loop("calls watchdog", lambda s: calls_jobs.watch_clocks(s.database)),
    Loop("calls desks", lambda s: calls_jobs.keep_desks(s.database, s.valkey)),
    Loop("calls presence", _every(2, calls_jobs.sweep_presence)),
    Loop("identity forgets", lambda s: identity_jobs.forget_for_ever(s.database)),
    Loop("files forgets", _every(3600, files.forget_unused_files)),
    Loop("mail", lambda s: mail.send_for_ever(s.database)),
    Loop("duty", lambda s: duty_jobs.keep_rota(s.database)),
    Loop("duty coverage", lambda s: duty_jobs.look_ahead_for_ever(s.database)),
    Loop("duty forgets", _every(3600, duty_jobs.forget_old)),
    Loop("reaching", lambda s: reaching_jobs.send_for_ever(s.database)),
    Loop("reaching letters", lambda s: reaching_jobs.follow_letters_for_ever(s.database)),
    Loop("reaching forgets", _every(3600, reaching_jobs.forget_old)),
    Loop("mail forgets", _every(3600, mail.forget_old_mails)),
    Loop("audit seals", lambda s: audit_log.seal_for_ever(s.database)),
)
