"""Who comes when, pays how, and what goes wrong on purpose. Pure: the same size and seed give the same lunch."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import Final, TypeVar

from app.problems import LunchRefused
from kernel.money import AMOUNT_FEN_MAX

T = TypeVar("T")

# Arrivals in bins of five minutes from 11:00, in ten thousandths: nearly a fifth of a lunch comes within five minutes.
ARRIVALS: Final = (
    *(100, 100, 200, 300, 500, 800, 1800, 1600, 1300, 1000, 800, 500),
    *(300, 200, 150, 100, 80, 60, 50, 30, 10, 10, 5, 5),
)
PEAK_BIN: Final = ARRIVALS.index(max(ARRIVALS))

SECONDS_MAX: Final = 3600
PEAK_MAX: Final = 2000
HOLDERS_MAX: Final = 20_000
TERMINALS_MAX: Final = 400
# More would empty the purses: what is refused here is refused on purpose.
VISITS_OF_A_HOLDER_MAX: Final = 10
# In a queue the phone is taken out some seconds before it is one's turn. A code lives for a minute.
_AHEAD_S: Final = (1.0, 15.0)


class Way(StrEnum):
    """What a meal is paid with."""

    CODE = "pay_code"
    TEXT = "pay_code_220"  # a till that reads all 220 digits
    CARD = "card"
    WALL = "wall_code"


class Twist(StrEnum):
    """What is unusual about a visit; each has one right answer."""

    NONE = "none"
    USED_CODE = "used_code"  # a picture of a code that has been paid with
    UNKNOWN_CODE = "unknown_code"
    NO_FUNDS = "no_funds"
    LOST_CARD = "lost_card"
    DOUBLE_TAP = "double_tap"  # asked about, and confirmed
    ASKED_AGAIN = "asked_again"  # the till repeats what was answered, with its key


# Of ten thousand visits. What is left pays with a code of 20 digits.
_WAYS: Final = {Way.TEXT: 800, Way.CARD: 800, Way.WALL: 400}
_TWISTS: Final = {
    Twist.USED_CODE: 60,
    Twist.UNKNOWN_CODE: 20,
    Twist.NO_FUNDS: 60,
    Twist.LOST_CARD: 40,
    Twist.DOUBLE_TAP: 50,
    Twist.ASKED_AGAIN: 100,
}


@dataclass(frozen=True)
class Size:
    """How much of a lunch."""

    seconds: int = 60
    peak: int = 100
    holders: int = 500
    terminals: int = 40
    seed: int = 1

    def check(self) -> None:
        """Refuse what makes no sense, or would empty the purses."""
        bounds = (
            ("--seconds", self.seconds, 2, SECONDS_MAX),
            ("--peak", self.peak, 1, PEAK_MAX),
            ("--holders", self.holders, 10, HOLDERS_MAX),
            ("--terminals", self.terminals, 1, TERMINALS_MAX),
        )
        for name, value, least, most in bounds:
            if not least <= value <= most:
                raise LunchRefused(f"{name} {value}: {least} to {most}.")
        if self.visits > self.holders * VISITS_OF_A_HOLDER_MAX:
            needed = -(-self.visits // VISITS_OF_A_HOLDER_MAX)
            raise LunchRefused(
                f"{self.visits} visits of {self.holders} people would empty their purses: "
                f"at least {needed} people, a lower --peak, or fewer --seconds."
            )

    @property
    def bin_s(self) -> float:
        """How long five minutes take."""
        return self.seconds / len(ARRIVALS)

    @property
    def visits(self) -> int:
        """As many as make the fullest bin as full as the peak says."""
        return max(len(Twist), round(self.peak * self.bin_s * sum(ARRIVALS) / max(ARRIVALS)))

    @property
    def ahead_s(self) -> float:
        """How long before their turn the first phones are out; in a short lunch queues are short."""
        return min(_AHEAD_S[1], max(2 * _AHEAD_S[0], self.seconds / 4))

    @property
    def peak_begins_s(self) -> float:
        """When the fullest bin begins."""
        return PEAK_BIN * self.bin_s


@dataclass
class Visit:
    """Somebody at a till."""

    at_s: float
    person: int
    till: int
    way: Way
    twist: Twist
    # Keyed in by the cashier; None is the meal's price.
    amount_fen: int | None
    # When the phone asks for its code.
    code_at_s: float


@dataclass(frozen=True)
class Guests:
    """Who there is, as far as a plan needs it: the till numbers at hand for each person, and who has which card."""

    tills_near: Sequence[Sequence[int]]
    with_card: Sequence[int]
    with_lost_card: Sequence[int]
    has_wall_codes: bool = True


@dataclass
class _Dealer:
    """Deals everybody in turn, so that nobody comes much more often than others."""

    dice: random.Random
    everybody: Sequence[int]
    _left: list[int] = field(default_factory=list)

    def next(self) -> int:
        """The next one; all over again after the last."""
        if not self._left:
            self._left = list(self.everybody)
            self.dice.shuffle(self._left)
        return self._left.pop()


def plan_lunch(size: Size, guests: Guests) -> list[Visit]:
    """All visits, in order of their time."""
    dice = random.Random(size.seed)  # noqa: S311  a repeatable play, no secret
    moments = list(_moments(size, dice))
    twists = _spread(dice, len(moments), _TWISTS, Twist.NONE)
    ways = _spread(dice, len(moments), _WAYS, Way.CODE)
    anybody = [n for n in range(len(guests.tills_near)) if n not in set(guests.with_lost_card)]
    dealers = {
        "anybody": _Dealer(dice, anybody),
        "card": _Dealer(dice, guests.with_card),
        "lost": _Dealer(dice, guests.with_lost_card),
    }
    # A bare card pays no more than one meal.
    cards_left = len(guests.with_card)
    visits = []
    for at_s, twist, way in zip(moments, twists, ways, strict=True):
        fits = _fit(twist, way, guests, has_card_left=cards_left > 0)
        who = _who(*fits)
        cards_left -= who == "card"
        person = dealers[who].next()
        code_at_s = at_s - dice.uniform(_AHEAD_S[0], size.ahead_s)
        visits.append(_visit(dice, at_s, code_at_s, person, guests.tills_near[person], *fits))
    return visits


def _moments(size: Size, dice: random.Random) -> Iterator[float]:
    """As many in each bin as the curve says, anywhere in it."""
    counts = _shares(size.visits, ARRIVALS)
    for number, count in enumerate(counts):
        yield from sorted((number + dice.random()) * size.bin_s for _ in range(count))


def _shares(whole: int, weights: Sequence[int]) -> list[int]:
    """Whole numbers in these proportions, which sum up to the whole."""
    bounds = [0]
    for weight in weights:
        bounds.append(bounds[-1] + weight)
    ends = [round(whole * bound / bounds[-1]) for bound in bounds]
    return [end - begin for begin, end in pairwise(ends)]


def _spread(dice: random.Random, count: int, of_ten_thousand: dict[T, int], usual: T) -> list[T]:
    """Each kind as often as it should be, once at least, at places drawn by lot."""
    found = [kind for kind, share in of_ten_thousand.items() for _ in range(max(1, round(count * share / 10_000)))]
    found = found[:count] + [usual] * (count - len(found))
    dice.shuffle(found)
    return found


def _fit(twist: Twist, way: Way, guests: Guests, *, has_card_left: bool) -> tuple[Twist, Way]:
    """What goes together, and what is there at all."""
    if twist is Twist.LOST_CARD:
        return (twist, Way.CARD) if guests.with_lost_card else (Twist.NONE, Way.CODE)
    if twist is not Twist.NONE:
        return twist, Way.CODE
    if (way is Way.CARD and not has_card_left) or (way is Way.WALL and not guests.has_wall_codes):
        return twist, Way.CODE
    return twist, way


def _who(twist: Twist, way: Way) -> str:
    if twist is Twist.LOST_CARD:
        return "lost"
    return "card" if way is Way.CARD else "anybody"


def _visit(
    dice: random.Random, at_s: float, code_at_s: float, person: int, tills: Sequence[int], twist: Twist, way: Way
) -> Visit:
    # Fixed-price tills know the price; others key in what stands on the tray. A double tap is one of the same amount.
    keyed = twist in (Twist.DOUBLE_TAP, Twist.NO_FUNDS) or (way is not Way.CARD and dice.random() < 0.3)
    amount_fen = 50 * dice.randint(16, 50) if keyed else None
    return Visit(
        at_s=at_s,
        person=person,
        till=dice.choice(tills),
        way=way,
        twist=twist,
        amount_fen=AMOUNT_FEN_MAX if twist is Twist.NO_FUNDS else amount_fen,
        code_at_s=code_at_s,
    )
