"""The courier, in the worker: takes what is due, sends it outside of any transaction, writes down what came of it.

* At least once: a delivery is taken for a minute; if the worker dies, it is due again afterwards.
* Urgent first. A robot is asked at most twenty times in a minute; five of them are kept for what is urgent.
* What is refused for good is not tried again; all else is, ever more slowly, until nobody would want to hear it any more.
* Letters have a courier of their own (kernel/mail.py); here is only looked what became of them.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from prometheus_client import Counter as Metric
from py_vapid import Vapid02
from sqlalchemy import delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.db import Database
from kernel.ids import public_id
from kernel.outbox import publish
from kernel.outgoing import GuardedSender, Tried
from kernel.sealing import unseal
from kernel.settings import get_settings
from realtime.reaching import gateways, push, robots
from realtime.reaching.channels import address_of, secret_of
from realtime.reaching.devices import contact_address, push_key, signing_key, subscription_of
from realtime.reaching.events import DeliveryChanged
from realtime.reaching.kinds import GATEWAYS, KEPT_FOR_URGENT, ROBOT_PER_MINUTE, ROBOTS, Kind
from realtime.reaching.models import Delivery, DeliveryAttempt, PathProof, PushDevice, ReachChannel
from realtime.reaching.states import DELIVERY, next_state
from realtime.reaching.wire import Came, Message, Outcome, Request

log = structlog.get_logger(__name__)

DELIVERY_PREFIX: Final = "dlv"
LOOK_EVERY_S: Final = 0.3
AT_ONCE: Final = 32
# Longer than a sending can take.
TAKEN_FOR: Final = timedelta(seconds=60)
_URGENT_WAITS_S: Final = (1, 2, 5, 10, 20, 30)
_CALM_WAITS_S: Final = (10, 60, 300, 900, 3600)
_ONE_TAKES: Final = 4_204_231
_MINUTE: Final = timedelta(minutes=1)
_KEPT: Final = timedelta(days=30)
_SENT_BY_COURIER: Final = [kind.value for kind in Kind if kind is not Kind.MAIL]

_outcomes = Metric(
    "guanjia_reaching_total", "Messages to people with no page open, by way and outcome", ["kind", "outcome"]
)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One delivery that was taken, with all that sending it needs; nothing of it is read later."""

    delivery_id: UUID
    attempt: int
    kind: Kind
    message: Message
    address: str = ""
    secret: str = ""
    number: str = ""
    subscription: dict[str, Any] | None = None
    key: Vapid02 | None = None

    def request(self, now: datetime) -> Request:
        """The one POST that says it."""
        seconds, words = int(now.timestamp()), self.message.as_text(get_settings().public_url)
        if self.kind is Kind.DINGTALK:
            return robots.dingtalk_request(self.address, self.secret, self.message, words, seconds * 1000)
        if self.kind is Kind.WECOM:
            return robots.wecom_request(self.address, self.message, words)
        if self.kind is Kind.WEB_PUSH:
            assert self.subscription is not None, "a device has one"
            assert self.key is not None, "whoever packs for a device packs the key"
            return push.push_request(self.subscription, self.key, contact_address(), self.message, seconds)
        spoken = f"{self.message.title}。{self.message.body}" if self.kind is Kind.VOICE else words
        return gateways.gateway_request(
            self.address, self.secret, self.kind.value, self.number, self.message, spoken, seconds
        )

    def read(self, tried: Tried) -> Outcome:
        """What the answer means."""
        if self.kind is Kind.DINGTALK:
            return robots.read_dingtalk(tried)
        if self.kind is Kind.WECOM:
            return robots.read_wecom(tried)
        return push.read_push(tried) if self.kind is Kind.WEB_PUSH else gateways.read_gateway(tried)


def wait_after(attempt: int, *, is_urgent: bool) -> timedelta:
    """How long after the n-th vain try the next one is due."""
    waits = _URGENT_WAITS_S if is_urgent else _CALM_WAITS_S
    return timedelta(seconds=waits[min(attempt, len(waits)) - 1])


class Courier:
    """Sends until it is cancelled; what it had taken is due again a minute later."""

    def __init__(self, database: Database, sender: GuardedSender) -> None:
        self._database = database
        self._sender = sender
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """For ever."""
        try:
            while True:
                if not await self.step():
                    await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    async def step(self) -> int:
        """Take what is due, as far as there is room, and begin to send it; returns how many were taken."""
        free = AT_ONCE - len(self._under_way)
        if free <= 0:
            await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
            return 1
        async with self._database.session() as session:
            parcels = await take_due(session, free)
        for parcel in parcels:
            task = asyncio.create_task(self._send(parcel))
            self._under_way.add(task)
            task.add_done_callback(self._forget)
        return len(parcels)

    async def settle(self) -> None:
        """Until nothing is under way. For tests."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    def _forget(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("reaching.send_failed", exc_info=error)

    async def _send(self, parcel: Parcel) -> None:
        try:
            request = parcel.request(clock.now())
        except Exception as error:
            log.warning("reaching.not_written", kind=parcel.kind, exc_info=error)
            tried = Tried(0, None, type(error).__name__, "")
            outcome = Outcome(Came.REFUSED, error=f"it could not be written: {type(error).__name__}")
        else:
            tried = await self._sender.send(request.url, request.payload, request.headers)
            outcome = parcel.read(tried)
        async with self._database.session() as session:
            await note_outcome(session, parcel, tried, outcome)


# ---- taking


async def take_due(session: AsyncSession, free: int) -> list[Parcel]:
    """What may be sent now, taken for a minute. One taker at a time, so that the counts of the last minute are exact."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ONE_TAKES})
    now = clock.now()
    await _give_up(session, now)
    asked = await _asked_in_the_last_minute(session, now)
    full = [channel for channel, count in asked.items() if count >= ROBOT_PER_MINUTE]
    busy = [channel for channel, count in asked.items() if count >= ROBOT_PER_MINUTE - KEPT_FOR_URGENT]
    query = (
        select(Delivery)
        .where(
            Delivery.state == "pending",
            Delivery.due_at <= now,
            Delivery.kind.in_(_SENT_BY_COURIER),
            or_(Delivery.channel_id.is_(None), Delivery.channel_id.not_in(full)),
            or_(Delivery.is_urgent, Delivery.channel_id.is_(None), Delivery.channel_id.not_in(busy)),
        )
        .order_by(Delivery.is_urgent.desc(), Delivery.due_at, Delivery.id)
        .limit(free)
        .with_for_update(skip_locked=True)
    )
    due = [
        delivery
        for delivery in await session.scalars(query.execution_options(populate_existing=True))
        if _may_be_asked(delivery, asked)
    ]
    return await _pack(session, due, now)


def _may_be_asked(delivery: Delivery, asked: "Counter[UUID]") -> bool:
    if delivery.channel_id is None or Kind(delivery.kind) not in ROBOTS:
        return True
    room = ROBOT_PER_MINUTE if delivery.is_urgent else ROBOT_PER_MINUTE - KEPT_FOR_URGENT
    if asked[delivery.channel_id] >= room:
        return False
    asked[delivery.channel_id] += 1
    return True


async def _asked_in_the_last_minute(session: AsyncSession, now: datetime) -> "Counter[UUID]":
    rows = await session.execute(
        select(DeliveryAttempt.channel_id, func.count())
        .join(ReachChannel, ReachChannel.id == DeliveryAttempt.channel_id)
        .where(DeliveryAttempt.started_at > now - _MINUTE, ReachChannel.kind.in_(ROBOTS))
        .group_by(DeliveryAttempt.channel_id)
    )
    return Counter({channel: count for channel, count in rows if channel is not None})


async def _give_up(session: AsyncSession, now: datetime) -> None:
    """What nobody would want to hear any more."""
    late = await session.scalars(
        select(Delivery)
        .where(Delivery.state == "pending", Delivery.expires_at <= now, Delivery.due_at <= now)
        .limit(100)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    for delivery in late:
        await _finish(session, delivery, "give_up", delivery.last_error or "nobody took it in time")


async def _pack(session: AsyncSession, due: Sequence[Delivery], now: datetime) -> list[Parcel]:
    if not due:
        return []
    channels = {
        channel.id: channel
        for channel in await session.scalars(
            select(ReachChannel).where(ReachChannel.id.in_([d.channel_id for d in due if d.channel_id]))
        )
    }
    devices = {
        device.id: device
        for device in await session.scalars(
            select(PushDevice).where(PushDevice.id.in_([d.device_id for d in due if d.device_id]))
        )
    }
    key = signing_key(await push_key(session)) if devices else None
    parcels = []
    for delivery in due:
        parcel = _parcel(delivery, channels, devices, key)
        if parcel is None:
            await _finish(session, delivery, "refuse", "the channel or device is no more")
            continue
        delivery.attempts, delivery.due_at = parcel.attempt, now + TAKEN_FOR
        parcels.append(parcel)
        await session.execute(
            insert(DeliveryAttempt).values(
                delivery_id=delivery.id, attempt=parcel.attempt, channel_id=delivery.channel_id, started_at=now
            )
        )
    return parcels


def _parcel(
    delivery: Delivery, channels: dict[UUID, ReachChannel], devices: dict[UUID, PushDevice], key: Vapid02 | None
) -> Parcel | None:
    kind, attempt = Kind(delivery.kind), delivery.attempts + 1
    message = Message(
        public_id(DELIVERY_PREFIX, delivery.id),
        delivery.ref,
        delivery.title,
        delivery.body,
        delivery.link,
        delivery.language,
        delivery.is_urgent,
        int(delivery.expires_at.timestamp()),
    )
    if kind is Kind.WEB_PUSH:
        device = devices.get(delivery.device_id) if delivery.device_id else None
        if device is None:
            return None
        return Parcel(delivery.id, attempt, kind, message, subscription=subscription_of(device), key=key)
    channel = channels.get(delivery.channel_id) if delivery.channel_id else None
    if channel is None or channel.state != "enabled":
        return None
    number = unseal(delivery.sealed_number).decode() if delivery.sealed_number and kind in GATEWAYS else ""
    return Parcel(delivery.id, attempt, kind, message, address_of(channel), secret_of(channel), number)


# ---- what came of it


async def note_outcome(session: AsyncSession, parcel: Parcel, tried: Tried, outcome: Outcome) -> None:
    """Write down a try, and what is next for its delivery."""
    delivery = await session.scalar(
        select(Delivery)
        .where(Delivery.id == parcel.delivery_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    await session.execute(
        update(DeliveryAttempt)
        .where(DeliveryAttempt.delivery_id == parcel.delivery_id, DeliveryAttempt.attempt == parcel.attempt)
        .values(took_ms=tried.took_ms, status=tried.status, error=outcome.error)
    )
    if delivery is None or delivery.state != "pending":
        return
    if outcome.came is Came.SENT:
        delivery.receipt = outcome.receipt
        await _finish(session, delivery, "send", None)
    elif outcome.came is Came.LATER:
        wait = wait_after(parcel.attempt, is_urgent=delivery.is_urgent)
        delivery.due_at = clock.now() + max(wait, timedelta(seconds=outcome.wait_s or 0))
        delivery.last_error = outcome.error
        await note_proof(session, delivery.path, error=outcome.error)
    else:
        if outcome.came is Came.GONE and delivery.device_id is not None:
            await session.execute(delete(PushDevice).where(PushDevice.id == delivery.device_id))
        await _finish(session, delivery, "refuse", outcome.error)


async def _finish(session: AsyncSession, delivery: Delivery, trigger: str, error: str | None) -> None:
    delivery.state = next_state(DELIVERY, delivery.state, trigger)
    delivery.last_error = error
    delivery.sealed_number = None
    if trigger == "send":
        delivery.sent_at = clock.now()
    _outcomes.labels(delivery.kind, delivery.state).inc()
    await session.flush()
    await note_proof(session, delivery.path, error=error)
    tell(session, delivery, delivery.state)


async def note_proof(session: AsyncSession, path: str, *, error: str | None) -> None:
    """Something arrived on a way, or did not."""
    now = clock.now()
    values = {"proved_at": now, "error": None} if error is None else {"failed_at": now, "error": error[:500]}
    await session.execute(
        upsert(PathProof).values(path=path, **values).on_conflict_do_update(index_elements=["path"], set_=values)
    )


def tell(session: AsyncSession, delivery: Delivery, outcome: str) -> None:
    """Whoever wanted it said may want to know."""
    publish(
        session,
        DeliveryChanged(
            happened_at=clock.rfc3339(clock.now()),
            delivery=public_id(DELIVERY_PREFIX, delivery.id),
            ref=delivery.ref,
            kind=delivery.kind,
            person=public_id("per", delivery.person_id) if delivery.person_id else None,
            outcome=outcome,
            error=delivery.last_error,
        ),
    )


# ---- letters, and what is old


_LETTERS: Final = text("""
    SELECT d.id, m.sent_at, m.last_error, m.attempts
      FROM reach_deliveries d LEFT JOIN mails m ON m.id = d.mail_id
     WHERE d.state = 'pending' AND d.kind = 'mail' AND (m.sent_at IS NOT NULL OR m.attempts > d.attempts)
     LIMIT 100
""")


async def follow_letters(db: Database) -> int:
    """What became of letters; returns of how many there is news."""
    async with db.session() as session:
        news = (await session.execute(_LETTERS)).all()
        for row in news:
            delivery = await session.get_one(Delivery, row.id, with_for_update=True, populate_existing=True)
            if delivery.state != "pending":
                continue
            delivery.attempts = row.attempts
            if row.sent_at is not None:
                delivery.receipt = delivery.mail_id.hex if delivery.mail_id else None
                await _finish(session, delivery, "send", None)
            elif row.last_error is not None:
                delivery.last_error = row.last_error
                await note_proof(session, delivery.path, error=row.last_error)
    return len(news)


async def forget_old_deliveries(db: Database) -> None:
    """After a month, with their tries."""
    before = clock.now() - _KEPT
    async with db.session() as session:
        old = select(Delivery.id).where(Delivery.created_at < before, Delivery.state != "pending")
        await session.execute(delete(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(old)))
        await session.execute(delete(Delivery).where(Delivery.created_at < before, Delivery.state != "pending"))
