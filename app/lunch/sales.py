"""What is written down of each request, and what is expected of its answer."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from app.lunch.plan import Twist, Visit, Way
from app.lunch.wire import Answer

# What a till or a phone gets while the server is away or in a hurry: no answer yet, so it asks again with the same key.
NOT_YET: Final = frozenset({429, 502, 503})
# A minute, less the clocks' and the network's part of it.
_CODE_LIFE_S: Final = 58.0
_decode: Final = msgspec.json.Decoder()


@dataclass(slots=True)
class Sale:
    """One payment that was asked for, however often it was sent. Times in seconds of the lunch."""

    visit: Visit
    # A double tap's second, a used code's second.
    is_second: bool
    due_s: float
    shown_s: float
    answered_s: float | None = None
    status: int = 0
    code: str = ""
    payment: str = ""
    amount_fen: int = 0
    attempts: int = 0
    was_asked: bool = False
    key: str = ""

    @property
    def is_paid(self) -> bool:
        """Whether it was acknowledged."""
        return self.status == 201

    @property
    def latency_s(self) -> float | None:
        """From the moment it was this person's turn to scan."""
        return None if self.answered_s is None else self.answered_s - self.due_s

    @property
    def showed_too_late(self) -> bool:
        """Whether its code had run out by the time the till got through."""
        since_s = (self.answered_s or 0.0) - self.shown_s
        return self.code == "DENY_CODE_EXPIRED" and since_s > _CODE_LIFE_S

    def note(self, answer: Answer, at_s: float) -> dict[str, Any]:
        """Keep what the answer says; returns its body."""
        body: dict[str, Any] = _decode.decode(answer.body)
        self.answered_s, self.status = at_s, answer.status
        if answer.status == 201:
            self.payment, self.amount_fen = body["id"], body["amount_fen"]
        else:
            self.code = body.get("code", "")
        return body


_REFUSALS: Final = {
    Twist.UNKNOWN_CODE: frozenset({"DENY_CODE_UNKNOWN"}),
    Twist.NO_FUNDS: frozenset({"DENY_NO_FUNDS"}),
    Twist.LOST_CARD: frozenset({"DENY_LOST"}),
}


def right_refusals(sale: Sale) -> frozenset[str]:
    """What a sale may be refused with; empty where it must be paid."""
    if sale.visit.twist is Twist.USED_CODE and sale.is_second:
        return frozenset({"DENY_CODE_USED"})
    return _REFUSALS.get(sale.visit.twist, frozenset())


def complaint_about(sale: Sale, body: dict[str, Any]) -> str | None:
    """What is wrong with an answer."""
    refusals = right_refusals(sale)
    if sale.showed_too_late:
        return None
    if sale.status == 402:
        # Somebody's second lunch of this meal by a bare card: the card pays for one.
        expected = refusals | ({"DENY_AMOUNT_LIMIT"} if sale.visit.way is Way.CARD else frozenset())
        return None if sale.code in expected else f"refused with {sale.code}, expected {sorted(expected) or 'payment'}"
    if sale.status != 201:
        return f"answered {sale.status} {sale.code}"
    if refusals:
        return f"paid, though {sorted(refusals)} was due"
    return _wrong_payment(sale, body)


def _wrong_payment(sale: Sale, body: dict[str, Any]) -> str | None:
    asked_fen, paid_fen = sale.visit.amount_fen, body["amount_fen"]
    if asked_fen is not None and paid_fen != asked_fen:
        return f"{paid_fen} fen were taken instead of {asked_fen}"
    if sum(leg["amount_fen"] for leg in body["legs"]) != paid_fen:
        return f"the legs of {body['id']} do not sum up to {paid_fen} fen"
    if any(left < 0 for left in body["purses"].values()):
        return f"a purse is below nothing after {body['id']}"
    return None
