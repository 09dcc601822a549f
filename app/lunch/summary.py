"""What came of a lunch, in figures: counted once, for the page, the JSON file and the person at the keyboard."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, Final

from app.lunch.books import Books
from app.lunch.listening import Heard
from app.lunch.play import Lunch
from app.lunch.sales import Sale

GOAL_P99_MS: Final = 100.0
_SHOWN: Final = 10


@dataclass(frozen=True)
class Check:
    """Something that must hold, whatever the speed."""

    name_zh: str
    name: str
    ok: bool
    found: str


@dataclass(frozen=True)
class Quantiles:
    """Of latencies, in milliseconds."""

    p50: float
    p90: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Quantiles | None":
        """None of nothing."""
        ordered = sorted(seconds)
        if not ordered:
            return None
        found = [1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.9, 0.99)]
        return cls(*(round(each, 2) for each in (*found, 1000 * ordered[-1])))


@dataclass
class Summary:
    """All of it."""

    began_at: str
    ended: str
    size: dict[str, Any]
    machine: dict[str, Any]
    requests: int
    paid: int
    refused: dict[str, int]
    asked_whether_meant: int
    repeated_for_want_of_answer: int
    unanswered: int
    by_way: dict[str, int]
    peak_rate: float
    latency_ms: Quantiles | None
    latency_at_peak_ms: Quantiles | None
    code_ms: Quantiles | None
    told_ms: Quantiles | None
    told_payments: int
    reconnected: int
    faults: list[dict[str, Any]]
    # Processors busy and MiB held at most, by part.
    parts: dict[str, dict[str, float]]
    # What the supervisor told meanwhile: what ended, what is running again.
    supervisor: list[str]
    books: Books | None
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether everything that must hold does."""
        return all(check.ok for check in self.checks)

    def wire(self) -> dict[str, Any]:
        """As the JSON file has it."""
        peak = self.latency_at_peak_ms
        goal = {"p99_at_peak_ms": GOAL_P99_MS, "reached": peak is not None and peak.p99 <= GOAL_P99_MS}
        return {"passed": self.passed, "goal": goal, **asdict(self)}


def sum_up(lunch: Lunch, books: Books | None, began_at: str, machine: dict[str, Any]) -> Summary:
    """Count everything, and hold it against what must be."""
    sales, size = lunch.sales, lunch.size
    answered = [sale for sale in sales if sale.answered_s is not None]
    paid = [sale for sale in answered if sale.is_paid]
    begins_s, ends_s = size.peak_begins_s, size.peak_begins_s + size.bin_s
    at_peak = [sale for sale in answered if begins_s <= sale.due_s < ends_s]
    summary = Summary(
        began_at=began_at,
        ended=lunch.ended,
        size={**asdict(size), "visits": len(lunch.visits)},
        machine=machine,
        requests=len(sales),
        paid=len(paid),
        refused=dict(Counter(sale.code for sale in answered if not sale.is_paid).most_common()),
        asked_whether_meant=sum(sale.was_asked for sale in sales),
        repeated_for_want_of_answer=sum(max(0, sale.attempts - _expected_attempts(sale)) for sale in answered),
        unanswered=len(sales) - len(answered),
        by_way=dict(Counter(str(sale.visit.way) for sale in paid)),
        peak_rate=round(len(at_peak) / size.bin_s, 1),
        latency_ms=Quantiles.of(_latencies(answered)),
        latency_at_peak_ms=Quantiles.of(_latencies(at_peak)),
        code_ms=Quantiles.of(wait_s for _, wait_s in lunch.code_waits),
        told_ms=Quantiles.of(told for _, told in told_after(lunch)),
        told_payments=len(lunch.ears.phones.times),
        reconnected=lunch.ears.phones.reconnected + lunch.ears.canteens.reconnected,
        faults=[asdict(fault) for fault in lunch.killed],
        parts={part: _most(samples) for part, samples in lunch.watch.samples.items()},
        supervisor=lunch.installation.said() if lunch.installation is not None else [],
        books=books,
    )
    summary.checks = list(chain(_check_answers(lunch), _check_told(lunch, paid), _check_books(books, paid, lunch)))
    return summary


def told_after(lunch: Lunch) -> list[tuple[float, float]]:
    """When each payment was answered, and how long after the scan its payer's phone had it."""
    times = lunch.ears.phones.times
    return [
        (sale.due_s, times[sale.payment][0][1] - sale.due_s)
        for sale in lunch.sales
        if sale.is_paid and times.get(sale.payment)
    ]


def _most(samples: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    busy, held = max(sample[1] for sample in samples), max(sample[2] for sample in samples)
    return {"processors": round(busy, 2), "mib": round(held, 1)}


def _latencies(sales: Iterable[Sale]) -> list[float]:
    return [sale.latency_s for sale in sales if sale.latency_s is not None]


def _expected_attempts(sale: Sale) -> int:
    return 1 + sale.was_asked + (sale.visit.twist == "asked_again")


# ---- what must hold


def _check_answers(lunch: Lunch) -> Iterable[Check]:
    found = "; ".join(lunch.complaints[:_SHOWN]) or f"{len(lunch.sales)} requests"
    yield Check("每个应答都对", "Every answer is the right one", not lunch.complaints, found)
    paid = [sale.payment for sale in lunch.sales if sale.is_paid]
    yield Check(
        "每次付款一个编号", "Every payment has an id of its own", len(set(paid)) == len(paid), f"{len(set(paid))} ids"
    )
    if lunch.ended == "as planned":
        waiting = sum(sale.answered_s is None for sale in lunch.sales)
        yield Check("人人得到应答", "Everybody got an answer", waiting == 0, f"{waiting} are still waiting")


def _check_told(lunch: Lunch, paid: Sequence[Sale]) -> Iterable[Check]:
    phones, canteens = lunch.ears.phones, lunch.ears.canteens
    canteen_of = {
        canteen: n for n, canteen in enumerate(dict.fromkeys(reversed([t.canteen for t in lunch.world.tills])))
    }
    yield _told_once("手机各收到一次", "Every payer's phone was told once", phones, paid, lambda s: s.visit.person)
    yield _told_once(
        "食堂各收到一次",
        "Every canteen was told once",
        canteens,
        paid,
        lambda s: canteen_of[lunch.world.tills[s.visit.till].canteen],
    )
    gaps = phones.gaps + canteens.gaps
    yield Check(
        "消息序号不断不重", "No position is missing or repeated", not gaps, "; ".join(gaps[:_SHOWN]) or "no gap"
    )


def _told_once(name_zh: str, name: str, heard: Heard, paid: Sequence[Sale], listener: Any) -> Check:
    wrong = []
    for sale in paid:
        numbers = [number for number, _ in heard.times.get(sale.payment, [])]
        if numbers != [listener(sale)]:
            wrong.append(f"{sale.payment}: heard {len(numbers)} times")
    return Check(name_zh, name, not wrong, "; ".join(wrong[:_SHOWN]) or f"{len(paid)} payments")


def _check_books(books: Books | None, paid: Sequence[Sale], lunch: Lunch) -> Iterable[Check]:
    if books is None:
        return
    amount_fen = sum(sale.amount_fen for sale in paid)
    lost = books.lost + books.different
    yield Check(
        "应答过的付款都在账上",
        "Every acknowledged payment is there once",
        not lost,
        "; ".join(lost) or f"{len(paid)} payments",
    )
    yield Check(
        "账上没有无人知道的付款",
        "There is no payment that no till knows",
        not books.unknown,
        "; ".join(books.unknown) or f"{books.payments} payments",
    )
    tied = books.owed_fen == books.amount_fen and (amount_fen == books.amount_fen or lunch.ended != "as planned")
    yield Check(
        "总额与分录一致",
        "Tills, payments and ledger lines have one total",
        tied,
        f"tills {yuan(amount_fen)}, payments {yuan(books.amount_fen)}, owed to canteens {yuan(books.owed_fen)}",
    )
    yield Check(
        "所有不变量成立",
        "The audit is clean",
        not books.broken,
        "; ".join(books.broken) or f"{books.invariants} invariants hold",
    )


def yuan(amount_fen: int) -> str:
    """For people."""
    return f"{amount_fen // 100:,}.{amount_fen % 100:02d}"
