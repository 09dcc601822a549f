"""Four weeks of repairs that are over, so that figures have something to say: one on each working day and some more, told by the
services.

The dice are thrown in one order whatever the day is, so that the same repairs come out; only their dates move along.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import principal_of, today
from kernel import clock, timers
from kernel.db import Database
from kernel.ids import public_id
from repairs.orders import jobs, notes, queries, schemas, service
from repairs.orders.models import WorkOrder
from repairs.orders.parties import Actor, actor_of
from repairs.orders.raising import raise_by_request
from repairs.stock import queries as stock_queries
from repairs.stock import schemas as stock_schemas
from repairs.stock import service as stock

# Before the day on which the office's people were hired nothing was repaired; the last days have stories of their own.
HIRED_DAYS_AGO: Final = 27
_LAST_DAYS_AGO: Final = 7
_SEED: Final = 20_261_101
_NAMES: Final = UUID("0c0f2f4a-7a5e-4e3f-8f52-5d2f8a0b8c11")
_ZONE: Final = ZoneInfo("Asia/Shanghai")
# Kind, place, words, and whose work it is.
_BROKEN: Final = (
    ("lamp", "U1-2-1-1", "顶灯有一半不亮", "third"),
    ("door", "U1-1-2-1", "闭门器漏油", "tech"),
    ("network", "U1-3-2-1", "无线信号时断时续", "tech"),
    ("drain", "U1-1-1-2", "水池下水很慢", "second"),
    ("hvac", "U1-2-2-2", "空调滴水", "third"),
    ("door", "U1-2-3-1", "柜门合页脱落", "second"),
    ("lamp", "U1-3-1-2", "走廊灯闪烁", "third"),
    ("socket", "U1-1-4-1", "插座松动发热", "third"),
    ("hvac", "U1-3-2-2", "暖气不热", "third"),
    ("network", "U1-1-3-1", "电话没有声音", "tech"),
    ("drain", "U1-2-3-2", "卫生间地漏堵塞", "second"),
    ("other", "U1-2-2-1", "白板需要重新固定", "second"),
    ("lamp", "U1-2-3-1", "台灯插口接触不良", "third"),
    ("door", "U1-3-1-1", "门把手松脱", "tech"),
    ("hvac", "U1-1-3-2", "空调噪声很大", "third"),
    ("network", "U1-2-1-2", "会议室投影无信号", "tech"),
    ("drain", "U1-3-2-1", "洗手池渗水", "second"),
)
# What is used up: code, name, price, how many there are, and below how many more should be bought.
_PARTS: Final = {
    "lamp": ("T8-18", "LED 灯管", 1_850, 24, 6),
    "drain": ("RG-50", "下水软管", 2_600, 8, 4),
    "door": ("MB-01", "闭门器", 6_800, 5, 4),
}
_HOUR_FEN: Final = 4_800
_PRAISE: Final = ("师傅很细心", "来得快，修得好", "", "", "顺便把旁边的也看了")
_BLAME: Final = ("等了两天才来", "修完没有清理现场")


@dataclass(frozen=True, slots=True)
class _Past:
    """One repair: minutes until each step, and what came of it."""

    number: int
    at: datetime
    kind: str
    place: str
    words: str
    by: str
    answered: int
    came: int
    took: int
    end: str
    score: int

    @property
    def waits_for_parts(self) -> bool:
        return self.number % 11 == 4

    @property
    def is_given_back(self) -> bool:
        return self.number % 13 == 6


def _days(until: date) -> Iterator[date]:
    for ago in range(HIRED_DAYS_AGO - 1, _LAST_DAYS_AGO - 1, -1):
        day = until - timedelta(days=ago)
        if day.weekday() < 5:
            yield day


def _pasts(until: date) -> Iterator[_Past]:
    dice = random.Random(_SEED)  # noqa: S311  a repeatable play, no secret
    instants = (
        datetime.combine(day, time(hour), _ZONE) + timedelta(minutes=dice.randrange(90))
        for number, day in enumerate(_days(until))
        for hour in ((9, 14) if number % 4 == 1 else (9,))
    )
    for number, at in enumerate(instants):
        kind, place, words, by = _BROKEN[number % len(_BROKEN)]
        is_slow = dice.random() < 0.2
        yield _Past(
            number=number,
            at=at,
            kind=kind,
            place=place,
            words=words,
            by=by,
            answered=dice.randrange(150, 240) if is_slow else dice.randrange(4, 50),
            came=dice.choice((60, 300, 1_440)) if is_slow else dice.randrange(10, 90),
            took=dice.choice((25, 40, 60, 95, 150, 240)) + (dice.choice((1_440, 4_320)) if dice.random() < 0.2 else 0),
            end=dice.choices(("rated", "confirmed", "silence", "disputed"), (48, 18, 28, 6))[0],
            score=dice.choices((5, 4, 3, 2), (9, 6, 2, 2))[0],
        )


@dataclass(frozen=True, slots=True)
class Workshop:
    """Whoever works there, and what kinds and places are called."""

    crew: Mapping[str, UUID]
    raisers: list[UUID]
    kinds: Mapping[str, str]
    spots: Mapping[str, str]
    # The store and the part of a kind.
    parts: Mapping[str, tuple[str, str]]


async def fill_the_cupboard(db: Database, lead_id: UUID, region_id: UUID) -> dict[str, tuple[str, str]]:
    """Parts and what an hour costs, before the first repair."""
    region = public_id("reg", region_id)
    async with db.session() as session:
        lead = await principal_of(session, lead_id, today())
        rate = stock_schemas.RateBody(
            region=region, hour_fen=_HOUR_FEN, effective_from=clock.now().astimezone(_ZONE).date()
        )
        await stock.set_rate(session, lead, rate)
        wanted = stock_schemas.StoreBody(region=region, name="一号楼配件柜")
        store = await stock.open_store(session, lead, wanted)
        found: dict[str, tuple[str, str]] = {}
        for kind, (code, name, unit_cost_fen, quantity, minimum) in _PARTS.items():
            body = stock_schemas.NewPartBody(
                client_id=uuid5(_NAMES, code),
                code=code,
                name=name,
                unit_cost_fen=unit_cost_fen,
                quantity=quantity,
                minimum=minimum,
            )
            part = await stock.open_part(session, lead, store.id, body)
            found[kind] = public_id(stock_queries.STORE, store.id), public_id(stock_queries.PART, part.id)
        return found


async def remember_repairs(db: Database, shop: Workshop) -> None:
    """All of them, the oldest first."""
    now = clock.now()
    async with db.session() as session:
        people = {*shop.crew.values(), *shop.raisers}
        actors = {person: actor_of(await principal_of(session, person, today())) for person in people}
    for past in _pasts(now.astimezone(_ZONE).date()):
        with clock.frozen(past.at):
            await _Telling(db, shop, actors, past).tell(now)


class _Telling:
    """One of them, step by step."""

    def __init__(self, db: Database, shop: Workshop, actors: Mapping[UUID, Actor], past: _Past) -> None:
        self._db, self._shop, self._past = db, shop, past
        self._lead, self._worker = actors[shop.crew["lead"]], actors[shop.crew[past.by]]
        self._raiser = actors[shop.raisers[past.number % len(shop.raisers)]]

    async def tell(self, now: datetime) -> None:
        past = self._past
        async with self._db.session() as session:
            order = await self._raise(session)
            await self._send(session, order)
            await self._work(session, order)
            if past.end == "disputed":
                await self._pull(session, order, self._raiser, "dispute", words="过了一天又坏了")
                await self._pull(session, order, self._worker, "start")
                _wait(60)
                await self._finish(session, order)
            due_at = order.confirm_due_at
            if past.end != "silence":
                _wait(30)
                await self._pull(session, order, self._raiser, "confirm")
            if past.end == "rated":
                await self._rate(session, order)
        if past.end == "silence" and due_at is not None and due_at < now:
            # What has not struck yet strikes when its day comes.
            clock.advance(due_at - clock.now())
            await timers.fire_due(self._db, jobs.TIMERS)

    async def _raise(self, session: AsyncSession) -> WorkOrder:
        wanted = schemas.WorkOrderRequest(
            client_id=uuid5(_NAMES, str(self._past.number)),
            category=self._shop.kinds[self._past.kind],
            place=self._shop.spots[self._past.place],
            words=self._past.words,
        )
        return (await raise_by_request(session, self._raiser, wanted)).order

    async def _send(self, session: AsyncSession, order: WorkOrder) -> None:
        assignee = public_id("per", self._shop.crew[self._past.by])
        _wait(self._past.answered)
        # What is claimed from a pool is accepted by itself.
        if order.state == "submitted":
            await self._pull(session, order, self._lead, "accept")
        await self._pull(session, order, self._lead, "assign", assignee=assignee)
        if self._past.is_given_back:
            await self._pull(session, order, self._worker, "decline", words="手上还有急活")
            await self._pull(session, order, self._lead, "assign", assignee=assignee)

    async def _work(self, session: AsyncSession, order: WorkOrder) -> None:
        _wait(self._past.came)
        await self._pull(session, order, self._worker, "start")
        await self._take_part(session, order)
        if self._past.waits_for_parts:
            await self._pull(session, order, self._worker, "hold", cause="parts", words="等配件")
            _wait(1_440)
            await self._pull(session, order, self._worker, "resume")
        _wait(self._past.took)
        await self._finish(session, order)

    async def _take_part(self, session: AsyncSession, order: WorkOrder) -> None:
        if self._past.kind not in self._shop.parts:
            return
        assert self._worker.person is not None, "whoever repairs has signed in"
        store, part = self._shop.parts[self._past.kind]
        body = stock_schemas.OrderPartBody(
            client_id=uuid5(_NAMES, f"part {self._past.number}"), store=store, part=part, quantity=1
        )
        await stock.take_for_order(session, self._worker.person, order.id, body)

    async def _finish(self, session: AsyncSession, order: WorkOrder) -> None:
        for check in await queries.checks_of(session, order.id):
            await notes.tick(session, self._worker, order, check.ordinal, schemas.CheckBody())
        minutes = min(self._past.took, 240)
        spent = schemas.LabourBody(started_at=clock.now() - timedelta(minutes=minutes), minutes=minutes)
        await notes.enter_labour(session, self._worker, order, spent)
        await self._pull(session, order, self._worker, "finish", words="已修复")

    async def _pull(self, session: AsyncSession, order: WorkOrder, who: Actor, trigger: str, **body: object) -> None:
        await service.pull(session, who, order.id, trigger, schemas.OrderTriggerBody.model_validate(body))

    async def _rate(self, session: AsyncSession, order: WorkOrder) -> None:
        past = self._past
        said = _BLAME[past.number % len(_BLAME)] if past.score <= 2 else _PRAISE[past.number % len(_PRAISE)]
        await self._pull(session, order, self._raiser, "rate", score=past.score, words=said)
        if past.score <= 2:
            _wait(120)
            await self._pull(session, order, self._lead, "answer", words="已了解情况，会改进派单")


def _wait(minutes: int) -> None:
    clock.advance(timedelta(minutes=minutes))
