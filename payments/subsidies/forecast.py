"""What somebody is going to lose, and how many lunches use it: "you will lose 32.00 yuan in 3 days; two lunches use it".

Pure: lots, the share of a lunch that they pay, and the days on which a lunch can be eaten go in; a sentence comes out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from kernel.money import format_yuan

# So many days ahead somebody is told, each once.
WARN_DAYS: Final = (7, 3, 1)
LUNCH: Final = "lunch"

_ZH: Final = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十")
_EN: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


class LotLeft(NamedTuple):
    """What is left of a lot."""

    expires_on: date
    rest_fen: int
    scope: Mapping[str, Sequence[str]]


class LunchDay(NamedTuple):
    """A day on which a lunch can still be eaten, with the tags that a lot's days are matched against."""

    day: date
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What ends on a day. `lunches` use it, where `lost_fen` is 0; None where nobody knows what a lunch takes."""

    days: int
    expires_on: date
    amount_fen: int
    lunches: int | None
    lost_fen: int


@dataclass(slots=True)
class _Left:
    """A lot while its lunches are eaten in thought."""

    lot: LotLeft
    rest_fen: int


def step_of(days: int) -> int | None:
    """Which warning is due so many days ahead: the nearest one that is not over; None where it is too early."""
    return min((step for step in WARN_DAYS if step >= days), default=None) if days >= 0 else None


def usual_share(shares_fen: Sequence[int]) -> int | None:
    """What a lunch of this person usually takes from the subsidy: the share seen most often, of equals the larger."""
    seen = Counter(share for share in shares_fen if share > 0)
    return max(seen, key=lambda share: (seen[share], share)) if seen else None


def forecast(
    lots: Sequence[LotLeft], on: date, today: date, share_fen: int | None, lunch_days: Sequence[LunchDay]
) -> Forecast:
    """What ends on `on`, if every lunch until then is eaten. Lots are used in the order in which a payment uses them."""
    left = [_Left(lot, lot.rest_fen) for lot in sorted(lots, key=lambda lot: (lot.expires_on, lot.rest_fen))]
    ending_fen = sum(lot.rest_fen for lot in lots if lot.expires_on == on)
    if not share_fen:
        return Forecast((on - today).days, on, ending_fen, None, ending_fen)
    lunches = 0
    for each in lunch_days:
        if each.day > on or not _ending(left, on):
            break
        if _eat(left, each, share_fen):
            lunches += 1
    return Forecast((on - today).days, on, ending_fen, lunches, _ending(left, on))


def _ending(left: Sequence[_Left], on: date) -> int:
    return sum(each.rest_fen for each in left if each.lot.expires_on == on)


def _eat(left: Sequence[_Left], lunch: LunchDay, share_fen: int) -> bool:
    """Take one lunch's share from the lots that may pay it; whether it took anything."""
    wanted_fen = share_fen
    for each in left:
        if each.lot.expires_on >= lunch.day and pays_lunch(each.lot, lunch.tags):
            taken = min(each.rest_fen, wanted_fen)
            each.rest_fen -= taken
            wanted_fen -= taken
    return wanted_fen < share_fen


def pays_lunch(lot: LotLeft, tags: frozenset[str]) -> bool:
    """Whether a lot may pay a lunch on such a day, in whichever canteen."""
    meals, days = lot.scope.get("meals"), lot.scope.get("days")
    return (meals is None or LUNCH in meals) and (days is None or not tags.isdisjoint(days))


def sentences(told: Forecast) -> tuple[str, str]:
    """The forecast in Chinese and in English."""
    yuan = format_yuan(told.amount_fen)
    when_zh, when_en = _when(told.days)
    zh = f"{when_zh} {yuan} 元补贴到期"
    en = f"You will lose {yuan} yuan {when_en}"
    if told.lunches is None:
        return zh, en
    if told.lost_fen == 0:
        return f"{zh}；再吃{_count_zh(told.lunches)}顿午餐就用完", f"{en}; {_lunches_en(told.lunches)} it"
    lost = format_yuan(told.lost_fen)
    if told.lunches == 0:
        return f"{zh}；到期前没有可用的午餐", f"{en}; no lunch before that can use it"
    rest = (
        "the one lunch until then leaves"
        if told.lunches == 1
        else f"{_count_en(told.lunches)} lunches until then leave"
    )
    return f"{zh}；吃完到期前的{_count_zh(told.lunches)}顿午餐还剩 {lost} 元", f"{en}; {rest} {lost} of it"


def _when(days: int) -> tuple[str, str]:
    if days == 0:
        return "今天将有", "today"
    if days == 1:
        return "明天将有", "tomorrow"
    return f"{days} 天后将有", f"in {days} days"


def _count_zh(count: int) -> str:
    return _ZH[count] if count < len(_ZH) else f" {count} "


def _count_en(count: int) -> str:
    return _EN[count] if count < len(_EN) else str(count)


def _lunches_en(count: int) -> str:
    return f"{_count_en(count)} lunch uses" if count == 1 else f"{_count_en(count)} lunches use"
