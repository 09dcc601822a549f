"""Requests and answers of reconciliation."""

from datetime import date
from typing import Any

from pydantic import BaseModel, Field

_TEXT = r"^[^\x00]*\S[^\x00]*$"


class ReconciliationRunRequest(BaseModel):
    """A day, and the levels to compare; all seven where none is named."""

    day: date
    levels: list[int] | None = Field(default=None, min_length=1, max_length=7)


class ReconciliationRunView(BaseModel):
    """One level, compared for one day."""

    id: str
    level: int
    day: date
    actor: str
    started_at: str
    finished_at: str
    compared: int
    found: int
    opened: int
    vanished: int
    figures: dict[str, int]


class ReconciliationRunsView(BaseModel):
    """What was just compared."""

    data: list[ReconciliationRunView]


class ReconciliationLevelView(BaseModel):
    """How a level stands: what is open, since when, and when it was last compared."""

    level: int
    open: int
    explained: int
    open_fen: int
    oldest_opened_at: str | None
    oldest_age_days: int | None
    last_run: ReconciliationRunView | None


class ReconciliationOverview(BaseModel):
    """All seven levels."""

    levels: list[ReconciliationLevelView]
    yesterday: date


class DifferenceOwnerView(BaseModel):
    """Whose business it is: a role at a place, and the person who took it on."""

    role: str
    region: str | None
    site: str | None
    unit: str | None
    person: str | None
    name: str | None


class ReconciliationDifferenceView(BaseModel):
    """One difference."""

    id: str
    level: int
    day: date
    kind: str
    reference: str
    expected_fen: int | None
    found_fen: int | None
    amount_fen: int
    detail: dict[str, Any]
    owner: DifferenceOwnerView
    state: str
    allowed: list[str]
    explanation: str | None
    opened_at: str
    age_days: int
    closed_by: str | None
    closed_by_name: str | None
    closed_reason: str | None
    closed_at: str | None


class DifferenceRemark(BaseModel):
    """Why it differs, or why it is closed."""

    text: str = Field(min_length=1, max_length=500, pattern=_TEXT)


class ChannelBillRequest(BaseModel):
    """Which bill to ask for now."""

    channel: str = Field(max_length=20)
    day: date


class ChannelBillView(BaseModel):
    """A gateway's bill of one day."""

    id: str
    channel: str
    day: date
    trade_count: int
    trade_fen: int
    refund_count: int
    refund_fen: int
    fee_fen: int
    net_fen: int
    sha256: str
    fetched_at: str
    paid_at: str | None


class BankStatementView(BaseModel):
    """A bank's statement."""

    id: str
    account: str
    region: str
    reference: str
    form: str
    first_day: date
    last_day: date
    opening_fen: int
    closing_fen: int
    line_count: int
    taken_at: str


class HrListView(BaseModel):
    """A unit's list of a month."""

    id: str
    unit: str
    month: str
    row_count: int
    taken_at: str
