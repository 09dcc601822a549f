"""Wire forms of withdrawals."""

from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints

Account = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=5, max_length=100, pattern=r"^[^\s\x00]+$")
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=r"^[^\x00]+$")]


class WithdrawalRequest(BaseModel):
    """All free cash, to this account. The name is asked of whoever starts it, and of the gateway once more."""

    channel: Literal["alipay"] = "alipay"
    account: Account
    name: Name


class WithdrawalTerms(BaseModel):
    """What would happen, before it is asked for: what is sent, what goes back to the unit, whether a second person decides."""

    channels: list[str]
    cash_fen: int
    subsidy_fen: int
    approval_above_fen: int
    allowed: bool


class WithdrawalView(BaseModel):
    """A withdrawal. `refusal` is the gateway's own code, where it refused."""

    id: str
    person: str
    name: str
    channel: str
    account_hint: str
    amount_fen: int
    state: Literal["asked", "sending", "unknown", "paid", "failed", "declined", "cancelled"]
    approval: str | None
    refusal: str | None
    returned_fen: int
    may_cancel: bool
    opened_at: str
    changed_at: str
