"""Four weeks of payments on the lunch curve, posted through the very queue that serves the tills, while the clock travels.

Of a bin's diners each gets a fresh pay code, and the tills take them together at the end of the bin, as after a short
rush. The last day is told minute by minute, so that the live board has its curve.
"""

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from app.demo_data.kitchens import Kitchens, Till
from app.demo_data.people import Population, Resident
from app.demo_data.places import ACTOR, SHARED, USUAL_CANTEEN
from canteen.api import CanteenCounter, CanteenPricing
from kernel import clock
from kernel.calendar import day_type_of
from kernel.db import Database
from kernel.errors import GuanjiaError
from kernel.ids import parse_public_id
from payments.api import (
    PaymentRequest,
    Posting,
    TerminalCache,
    TillReturn,
    holder_keys,
    issue_pay_codes,
    queue_item,
    refund_payment,
    void_payment,
)

# Lunch arrivals in bins of five minutes from 11:00, in per mille.
LUNCH_CURVE: Final = (10, 10, 20, 30, 50, 80, 180, 160, 130, 100, 80, 50, 30, 20, 15, 10, 8, 6, 5, 3, 1, 1, 1, 1)
_BIN_MINUTES: Final = 5
_PAST_BIN_MINUTES: Final = 20


@dataclass(frozen=True, slots=True)
class MealPlan:
    """A meal of the history: its first minute, its curve, and how many of a hundred come."""

    name: str
    starts_minute: int
    curve: tuple[int, ...]
    come_on_workdays: int
    come_on_other_days: int


MEALS: Final = (
    MealPlan("breakfast", 425, (60, 90, 130, 160, 170, 140, 110, 80, 60), 14, 3),
    MealPlan("lunch", 660, LUNCH_CURVE, 55, 8),
    MealPlan("dinner", 1025, (60, 110, 150, 170, 160, 130, 100, 70, 50), 9, 5),
)


@dataclass(slots=True)
class Visit:
    """Somebody who is going to pay somewhere."""

    at: datetime
    person: Resident
    canteen: str
    amount_fen: int | None


@dataclass(slots=True)
class Tills:
    """The tills of the province with their sequence numbers."""

    by_canteen: dict[str, list[Till]]
    _turn: dict[str, "itertools.cycle[Till]"] = field(default_factory=dict)
    _seqs: defaultdict[UUID, "itertools.count[int]"] = field(
        default_factory=lambda: defaultdict(lambda: itertools.count(1))
    )

    def next(self, canteen: str) -> tuple[Till, int]:
        """The till whose turn it is, and its next number."""
        turn = self._turn.setdefault(canteen, itertools.cycle(self.by_canteen[canteen]))
        till = next(turn)
        return till, next(self._seqs[till.id])


class History:
    """Posts visits. Opened with `start`, closed with `stop`."""

    def __init__(
        self,
        db: Database,
        kitchens: Kitchens,
        zone: ZoneInfo,
        dice: random.Random,
        supervisor_id: UUID | None,
        *,
        usual_canteen: Mapping[str, str] = USUAL_CANTEEN,
        shared: Sequence[str] = SHARED,
        keys_begin: str = "demo",
    ) -> None:
        self._db = db
        self._zone = zone
        self._dice = dice
        self._usual_canteen = usual_canteen
        self._shared = shared
        self._keys_begin = keys_begin
        self._rule = CanteenPricing()
        self._counter = CanteenCounter()
        self._supervisor_id = supervisor_id
        self._terminals = TerminalCache()
        self._posting = Posting(db, self._rule, self._terminals)
        self._tills = Tills(kitchens.tills)
        self._keys: dict[UUID, tuple[int, UUID]] = {}
        self._number = itertools.count(1)

    async def start(self, population: Population) -> None:
        """Open the posting queue."""
        async with self._db.session() as session:
            self._keys = await holder_keys(session, [resident.id for resident in population.residents])
        await self._posting.start()

    async def stop(self) -> None:
        """Close it, and give the lane back."""
        await self._posting.stop()

    async def live_day(
        self, day: date, residents: list[Resident], until: datetime, *, bin_minutes: int = _PAST_BIN_MINUTES
    ) -> int:
        """Let a day pass, no further than `until`; returns the number of payments."""
        async with self._db.session() as session:
            is_workday = await day_type_of(session, day) == "workday"
        visits = [visit for visit in self._plan(day, residents, is_workday=is_workday) if visit.at < until]
        done = 0
        for bin_end, group in _bins(visits, timedelta(minutes=bin_minutes)):
            at = min(bin_end, until)
            if at > clock.now():
                clock.advance(at - clock.now())
            done += await self._pay(group)
        return done

    # ---- who comes

    def _plan(self, day: date, residents: list[Resident], *, is_workday: bool) -> list[Visit]:
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        visits = []
        for meal in MEALS:
            percent = meal.come_on_workdays if is_workday else meal.come_on_other_days
            for person in residents:
                canteen = self._choose_canteen(person, is_workday=is_workday)
                if self._dice.random() * 100 < percent:
                    minute = meal.starts_minute + self._draw_bin(meal) * _BIN_MINUTES
                    at = midnight + timedelta(minutes=minute, seconds=self._dice.randrange(_BIN_MINUTES * 60))
                    visits.append(Visit(at, person, canteen, self._draw_amount()))
        return sorted(visits, key=lambda visit: (visit.at, visit.person.id.int))

    def _choose_canteen(self, person: Resident, *, is_workday: bool) -> str:
        if not is_workday or self._dice.random() < 0.07:
            return self._dice.choice(self._shared)
        return self._usual_canteen[person.unit]

    def _draw_bin(self, meal: MealPlan) -> int:
        (chosen,) = self._dice.choices(range(len(meal.curve)), meal.curve)
        return chosen

    def _draw_amount(self) -> int | None:
        """Most pay the meal's price; some tills key in what stands on the tray."""
        return None if self._dice.random() < 0.8 else 50 * self._dice.randint(16, 50)

    # ---- paying

    async def _pay(self, visits: list[Visit]) -> int:
        paid = 0
        # Nobody pays twice in one rush; who would, waits for the next.
        for group in _one_visit_each(visits):
            answers = await self._post(group)
            paid += sum(answer is not None for answer in answers)
            for answer in answers:
                if answer is not None:
                    await self._sometimes_reverse(answer)
        return paid

    async def _post(self, visits: list[Visit]) -> list[dict[str, Any] | None]:
        async with self._db.session() as session:
            codes = await issue_pay_codes(session, [self._keys[visit.person.id] for visit in visits])
        items = []
        for visit, code in zip(visits, codes, strict=True):
            till, seq = self._tills.next(visit.canteen)
            terminal = self._terminals.by_id(till.id)
            assert terminal is not None, "posting has read the tills at its start"
            amount_fen = visit.amount_fen if "keyed" in till.modes else None
            body = PaymentRequest(seq=seq, code=code.code, amount_fen=amount_fen, happened_at=visit.at)
            key = f"{self._keys_begin}-{next(self._number)}"
            items.append(queue_item(terminal, key, body, request_id=f"req_{key}", language="zh"))
        results = await asyncio.gather(*(self._posting.submit(item) for item in items), return_exceptions=True)
        return [_answer_of(result) for result in results]

    async def _sometimes_reverse(self, answer: dict[str, Any]) -> None:
        """One in eighty is taken back at the till at once, one in ninety gets a part back at the counter."""
        draw = self._dice.random()
        payment_id = parse_public_id("pay", answer["id"])
        if draw < 1 / 80 and self._supervisor_id is not None:
            terminal = self._terminals.by_id(parse_public_id("ter", answer["terminal"]))
            assert terminal is not None
            async with self._db.session() as session:
                await self._counter.allow_return(session, terminal, "void", self._supervisor_id)
                voided = await void_payment(session, payment_id, terminal, site_label=self._rule.site_label)
                made = TillReturn(voided.id, payment_id, "void", voided.amount_fen)
                await self._counter.note_return(session, terminal, made, self._supervisor_id)
        elif 1 / 80 <= draw < 1 / 80 + 1 / 90:
            async with self._db.session() as session:
                await refund_payment(
                    session,
                    payment_id,
                    answer["amount_fen"] // 3,
                    "菜品有误",
                    actor=ACTOR,
                    site_label=self._rule.site_label,
                )


def _bins(visits: list[Visit], width: timedelta) -> Iterator[tuple[datetime, list[Visit]]]:
    """Visits put together by the end of their bin."""

    def end_of(visit: Visit) -> datetime:
        midnight = visit.at.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + ((visit.at - midnight) // width + 1) * width

    for end, group in itertools.groupby(visits, key=end_of):
        yield end, list(group)


def _one_visit_each(visits: list[Visit]) -> Iterator[list[Visit]]:
    waiting = visits
    while waiting:
        seen: set[UUID] = set()
        now: list[Visit] = []
        later: list[Visit] = []
        for visit in waiting:
            (later if visit.person.id in seen else now).append(visit)
            seen.add(visit.person.id)
        yield now
        waiting = later


def _answer_of(result: Any) -> dict[str, Any] | None:
    """The payment, or None where the rules refused it: an empty purse is a part of life. Anything else is a fault."""
    if isinstance(result, BaseException):
        if isinstance(result, GuanjiaError) and result.status in (402, 409):
            return None
        raise result
    body: dict[str, Any] = msgspec.json.decode(result.body)
    return body if result.status == 201 else None
