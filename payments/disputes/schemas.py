"""Wire forms of disputes."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

Reason = Literal[
    "duplicate", "wrong_amount", "not_me", "wrong_unit", "late_offline", "location_mismatch", "missing_subsidy"
]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
AmountFen = Annotated[int, Field(ge=1, le=1_000_000)]
Trigger = Literal["accept", "reject", "withdraw", "escalate", "uphold", "dismiss"]


class DisputeRequest(BaseModel):
    """What is wrong with a payment. Without an amount it is about the whole of it."""

    reason: Reason
    words: Words
    amount_fen: AmountFen | None = None


class DisputeAnswer(BaseModel):
    """Words to a trigger. `amount_fen` is what comes back, on accept and uphold; `version` is the one that was looked at."""

    words: Words | None = None
    amount_fen: AmountFen | None = None
    version: int | None = Field(default=None, ge=1)


class DisputeClock(BaseModel):
    """Whose turn it is and until when."""

    turn: Literal["canteen", "payer", "region"]
    due_at: str
    work_days: int
    is_late: bool


class DisputeStepView(BaseModel):
    """One step, in order."""

    trigger: str
    state: str
    side: str
    words: str
    amount_fen: int | None
    at: str


class DisputedPayment(BaseModel):
    """The payment that it is about; the person stays masked."""

    id: str
    amount_fen: int
    refunded_fen: int
    status: str
    payer_label: str
    canteen: str
    canteen_name: str
    meal: str | None
    business_date: str
    paid_at: str


class DisputeView(BaseModel):
    """A dispute, with the triggers that its reader may pull."""

    id: str
    reason: Reason
    words: str
    claimed_fen: int | None
    state: str
    version: int
    allowed: list[Trigger]
    clock: DisputeClock | None
    payment: DisputedPayment
    # What would come back if nobody named another sum.
    suggested_fen: int
    granted_fen: int | None
    refund: str | None
    # It was paid out of a subsidy lot instead of cash.
    paid_by_subsidy: bool
    suspended_fen: int
    steps: list[DisputeStepView]
    opened_at: str
    changed_at: str
