"""The lunch itself: everybody comes when the plan says, in an open loop. A server that is slow makes nobody come later."""

import asyncio
import gc
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from app.lunch.installation import Installation
from app.lunch.listening import Ears
from app.lunch.phones import Phone
from app.lunch.plan import Size, Twist, Visit, Way
from app.lunch.sales import Sale, complaint_about
from app.lunch.tills import Till
from app.lunch.watch import Watch
from app.lunch.wire import Answer
from app.lunch.world import Say, World
from payments.credentials.pay_code_format import PREFIX, luhn_digit

# After the last guest: for answers that are late, for the last messages, and for the books' relay.
_PATIENCE_S: Final = 45.0
_LAST_WORD_S: Final = 20.0
_SAID_EVERY_S: Final = 5.0
_LOOKS_EVERY_S: Final = 0.1
# Sooner than this the same once more is a double tap.
_SOON_S: Final = 7.0
_AT_TILL: Final = "at the till"
# The last thing to do before the first phone is out.
_OPENS_IN_S: Final = 1.0


@dataclass(frozen=True)
class Fault:
    """A part that is killed at a moment of the lunch."""

    part: str
    at_s: float


@dataclass(frozen=True)
class Shown:
    """What is held to a till, and since when it is at hand."""

    body: dict[str, Any]
    at_s: float


@dataclass
class Lunch:
    """What happens, and what was written down of it. Seconds are those of the lunch; 0 is when the doors open."""

    world: World
    size: Size
    visits: list[Visit]
    faults: list[Fault]
    # Ours, where there is one: nobody else's parts are killed.
    installation: Installation | None
    watch: Watch
    say: Say
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    sales: list[Sale] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    killed: list[Fault] = field(default_factory=list)
    # When a phone asked for a code, and how long it waited.
    code_waits: list[tuple[float, float]] = field(default_factory=list)
    ended: str = "as planned"
    opened_at: float = 0.0

    def __post_init__(self) -> None:
        self.tills = [Till(self.world.address, card) for card in self.world.tills]
        self.phones = [Phone(self.world.address, card) for card in self.world.phones]
        self.ears = Ears(self.world.address, self.now_s)
        self._dice = random.Random(self.size.seed)  # noqa: S311  a repeatable play, no secret
        self._busy: set[asyncio.Task[None]] = set()

    def now_s(self) -> float:
        """Seconds since the doors opened."""
        return time.monotonic() - self.opened_at

    # ---- from the first phone to the last message

    async def play(self) -> None:
        """Until everybody has eaten and heard of it, Ctrl-C, or the hard limit."""
        await self._switch_on()
        opens_in_s = self.size.ahead_s + _OPENS_IN_S
        self.opened_at = time.monotonic() + opens_in_s
        limit_s = opens_in_s + self.size.seconds + _PATIENCE_S
        beside = [asyncio.create_task(work) for work in (self._tell(), self._break(), self.watch.run(self.now_s))]
        try:
            with _seldom_collecting():
                async with asyncio.timeout(limit_s):
                    await self._serve()
                    await self._until_told()
        except TimeoutError:
            self.ended = f"by its limit of {limit_s:.0f} s, with {len(self._busy)} people still waiting"
        finally:
            await _cancel(beside)
            for task in self._busy:
                task.cancel()
            await self._switch_off()

    async def _switch_on(self) -> None:
        self.say(f"· {len(self.tills)} tills report in, {len(self.phones)} phones open their line ...")
        for till in self.tills:
            await till.report()
        first_of_canteen = {till.canteen: till.token for till in reversed(self.world.tills)}
        await self.ears.open(
            [phone.token for phone in self.world.phones],
            [(token, canteen) for canteen, token in first_of_canteen.items()],
        )

    async def _switch_off(self) -> None:
        await self.ears.close()
        for till in self.tills:
            till.close()
        for phone in self.phones:
            phone.close()

    async def _serve(self) -> None:
        """Let everybody come at their time; then wait for those who are still at a till."""
        self.say(f"· The doors open: {len(self.visits)} people in {self.size.seconds} s ...")
        for visit in sorted(self.visits, key=_begins_s):
            wait_s = _begins_s(visit) - self.now_s()
            if wait_s > 0 and await self._stopped_within(wait_s):
                break
            task = asyncio.create_task(self._come(visit))
            self._busy.add(task)
            task.add_done_callback(self._gone)
        while self._busy and not await self._stopped_within(_LOOKS_EVERY_S):
            pass
        if self.stopping.is_set():
            self.ended = "by the keyboard"
            self._send_away()
            if self._busy:
                await asyncio.wait(self._busy, timeout=_LAST_WORD_S)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._busy.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.complaints.append(f"a visit ended with {error!r}")

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True

    def _send_away(self) -> None:
        """Who has not been at a till yet, goes; who is at one gets an answer."""
        for task in self._busy:
            if task.get_name() != _AT_TILL:
                task.cancel()

    async def _until_told(self) -> None:
        """The last messages may be some moments behind the last answers."""
        for _ in range(round(_LAST_WORD_S / _LOOKS_EVERY_S)):
            if not self._someone_untold():
                break
            await asyncio.sleep(_LOOKS_EVERY_S)
        # Whoever is told twice is told twice soon.
        await asyncio.sleep(5 * _LOOKS_EVERY_S)

    def _someone_untold(self) -> bool:
        phones, canteens = self.ears.phones.times, self.ears.canteens.times
        return any(s.is_paid and (s.payment not in phones or s.payment not in canteens) for s in self.sales)

    # ---- one visit

    async def _come(self, visit: Visit) -> None:
        shown = await self._show(visit)
        # Counted from the moment of the plan, unless one still stood there without a code: our own delay is no excuse.
        due_s = max(visit.at_s, shown.at_s)
        if (wait_s := visit.at_s - self.now_s()) > 0:
            await asyncio.sleep(wait_s)
        task = asyncio.current_task()
        assert task is not None
        task.set_name(_AT_TILL)
        sale = self._begin(visit, due_s, shown)
        if visit.twist is Twist.ASKED_AGAIN:
            await self._pay_and_ask_again(shown, sale)
            return
        await self._pay(shown, sale)
        while sale.showed_too_late:
            # Whoever has stood before a silent till for a minute takes the phone out again.
            shown = await self._show(visit)
            sale = self._begin(visit, shown.at_s, shown)
            await self._pay(shown, sale)
        if sale.is_paid:
            await self._come_again(visit, shown)

    async def _come_again(self, visit: Visit, shown: Shown) -> None:
        """What some do a moment later."""
        if visit.twist is Twist.USED_CODE:
            await self._pay(shown, self._begin(visit, self.now_s(), shown, is_second=True))
        if visit.twist is Twist.DOUBLE_TAP:
            fresh = await self._show(visit)
            second = self._begin(visit, fresh.at_s, fresh, is_second=True)
            await self._pay(fresh, second)
            # When the first answer took its time, the eight seconds are over.
            if not second.was_asked and second.is_paid and self._came_soon(visit, second):
                self.complaints.append(f"{second.payment}: a double tap was not asked about")

    def _came_soon(self, visit: Visit, second: Sale) -> bool:
        assert second.answered_s is not None
        return second.answered_s - visit.at_s < _SOON_S

    async def _show(self, visit: Visit) -> Shown:
        card = self.world.phones[visit.person].card
        if visit.way is Way.CARD and card is not None:
            return Shown({"credential": {"kind": "card", "value": card}}, self.now_s())
        if visit.twist is Twist.UNKNOWN_CODE:
            digits = PREFIX + "".join(self._dice.choices("0123456789", k=17))
            return Shown({"code": digits + luhn_digit(digits)}, self.now_s())
        if visit.way is Way.WALL:
            return Shown({}, self.now_s())
        asked_s = self.now_s()
        code = await self.phones[visit.person].fetch_code()
        self.code_waits.append((asked_s, self.now_s() - asked_s))
        return Shown({"code": code["text"] if visit.way is Way.TEXT else code["code"]}, self.now_s())

    def _begin(self, visit: Visit, due_s: float, shown: Shown, *, is_second: bool = False) -> Sale:
        sale = Sale(visit, is_second, due_s, shown.at_s)
        self.sales.append(sale)
        return sale

    async def _pay(self, shown: Shown, sale: Sale) -> None:
        visit = sale.visit
        wall_code = self.world.tills[visit.till].wall_code
        if visit.way is Way.WALL and wall_code is not None:
            answer = await self.phones[visit.person].scan(wall_code, sale)
        else:
            answer = await self.tills[visit.till].sell(shown.body, sale)
        self._judge(sale, answer)

    async def _pay_and_ask_again(self, shown: Shown, sale: Sale) -> None:
        first, again = await self.tills[sale.visit.till].sell_and_ask_again(shown.body, sale)
        self._judge(sale, first)
        if (again.status, again.body) != (first.status, first.body) or not again.replayed:
            self.complaints.append(f"{sale.payment}: asked again, the till got another answer")

    def _judge(self, sale: Sale, answer: Answer) -> None:
        body = sale.note(answer, self.now_s())
        complaint = complaint_about(sale, body)
        if complaint is not None:
            self.complaints.append(f"{sale.visit.way}, {sale.visit.twist}, at {sale.due_s:.1f} s: {complaint}")

    # ---- beside it

    async def _tell(self) -> None:
        """A line every few seconds."""
        while True:
            await asyncio.sleep(_SAID_EVERY_S)
            if self.now_s() < 0:
                self.say(f"  the doors open in {-self.now_s():.0f} s; {len(self.code_waits)} codes are on phones")
                continue
            answered = [sale for sale in self.sales if sale.answered_s is not None]
            paid = sum(sale.is_paid for sale in answered)
            self.say(
                f"  {self.now_s():5.0f} s: {paid} paid, {len(answered) - paid} refused, "
                f"{len(self.sales) - len(answered)} at a till, {len(self.ears.phones.times)} told"
            )

    async def _break(self) -> None:
        """Kill what is to be killed, at its moment."""
        for fault in sorted(self.faults, key=lambda each: each.at_s):
            await asyncio.sleep(max(0.0, fault.at_s - self.now_s()))
            at_s = self.now_s()
            if self.installation is not None and self.installation.kill(fault.part):
                self.killed.append(Fault(fault.part, at_s))
                self.say(f"! {at_s:5.1f} s: {fault.part} is killed")
            else:
                self.complaints.append(f"{fault.part} was not running when it was to be killed, at {at_s:.1f} s")


def _begins_s(visit: Visit) -> float:
    """A phone is out before its turn comes; a card is not."""
    needs_code = visit.way in (Way.CODE, Way.TEXT) and visit.twist is not Twist.UNKNOWN_CODE
    return visit.code_at_s if needs_code else visit.at_s


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A pause of ours would look like one of the server's."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


async def _cancel(tasks: Any) -> None:
    running = list(tasks)
    for task in running:
        task.cancel()
    for outcome in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
