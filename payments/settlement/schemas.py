"""What settlement takes and gives over HTTP."""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

PERIOD_PATTERN: Final = r"^20[0-9]{2}-(0[1-9]|1[0-2])$"
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"

Period = Annotated[str, Field(pattern=PERIOD_PATTERN, examples=["2026-11"])]
Text500 = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]
AmountFen = Annotated[int, Field(gt=0, le=10**15)]


class PlaceView(BaseModel):
    """A region, organisation or site, as it is named on a page."""

    id: str
    name_zh: str
    name_en: str


class OpenBody(BaseModel):
    """Which month of which region's book."""

    region: str = Field(max_length=80)
    period: Period


class CutOffBody(BaseModel):
    """`early`: cut off now although the month is not over; later sales are booked in the next one."""

    early: bool = False


class ConfirmBody(BaseModel):
    """Which statements; without a list, all that are the caller's to confirm."""

    statements: list[str] | None = Field(None, max_length=1000)


class DisputeBody(BaseModel):
    """A line of a statement, named by its day and kind, and how much of it is not agreed."""

    statement: str = Field(max_length=80)
    business_date: date
    line_kind: str = Field(max_length=80, pattern=_PRINTABLE)
    amount_fen: AmountFen
    reason: Text500


class DecideBody(BaseModel):
    """What was found out."""

    note: Text500


class PayBody(BaseModel):
    """What the bank has moved; without a list, everything that is still open."""

    instructions: list[str] | None = Field(None, max_length=10_000)
    bank_reference: str = Field(min_length=1, max_length=100, pattern=_PRINTABLE)


class FailBody(BaseModel):
    """Why the bank has refused it."""

    reason: Text500


class AdjustmentBody(BaseModel):
    """A voucher: either a payment to refund (`original` is its id, no accounts), or a sum between two accounts of the book."""

    original: str = Field(min_length=1, max_length=80, pattern=_PRINTABLE)
    reason: Text500
    amount_fen: AmountFen
    # `payable:<32 digits>`, as statements name accounts.
    debit: str | None = Field(None, max_length=80)
    credit: str | None = Field(None, max_length=80)


class ResolveBody(BaseModel):
    """What was found out about a late sale."""

    note: Text500


class ShareBody(BaseModel):
    """One part of a canteen's takings."""

    organisation: str = Field(max_length=80)
    weight: int = Field(gt=0, le=1_000_000)
    role: Literal["canteen", "operator"]


class SharesBody(BaseModel):
    """How a canteen's takings are shared from a month on; one part at least is the canteen's own."""

    from_period: Period
    shares: list[ShareBody] = Field(min_length=1, max_length=20)


class ShareView(BaseModel):
    """One part, as it stands."""

    from_period: str
    organisation: str
    weight: int
    role: str


class BankAccountBody(BaseModel):
    """Where a party's money is."""

    account_name: str = Field(min_length=1, max_length=140, pattern=_PRINTABLE)
    account_number: str = Field(min_length=4, max_length=34, pattern=r"^[0-9A-Za-z -]+$")
    bank_number: str = Field(pattern=r"^[0-9]{12}$", description="The bank's number in the interbank directory.")
    bank_name: str = Field(min_length=1, max_length=140, pattern=_PRINTABLE)


class BankAccountView(BankAccountBody):
    """The same, and whose it is."""

    party: str


class SettlementView(BaseModel):
    """One region's month, as a list shows it."""

    id: str
    region: PlaceView
    period: str
    state: str
    # What this person may press now.
    allowed: list[str]
    cut_off_at: str | None
    silence_ends_at: str | None
    line_count: int | None
    aggregates_hash: str | None
    clearing: str | None


class StepView(BaseModel):
    """A state that it came to."""

    trigger: str
    state: str
    actor: str
    by_silence: bool
    happened_at: str


class AccountTotalView(BaseModel):
    """What the month moved on all accounts of a kind."""

    account: str
    debit_fen: int
    credit_fen: int
    line_count: int


class StatementView(BaseModel):
    """What one party is told. `net_fen` + : the region owes the party."""

    id: str
    kind: str
    party: PlaceView
    state: str
    in_fen: int
    out_fen: int
    net_fen: int
    due_fen: int
    disputed_fen: int
    base_fen: int
    line_count: int
    sent_at: str | None
    confirmed_at: str | None
    # Whether it is the caller's to confirm.
    mine: bool


class LineView(BaseModel):
    """One line of a statement."""

    ordinal: int
    business_date: str
    kind: str
    amount_fen: int
    line_count: int
    is_late: bool
    counted: bool
    canteen: PlaceView | None
    base_fen: int | None


class MealView(BaseModel):
    """A payment under a statement's line: what and where, not who."""

    payment: str
    canteen: PlaceView
    business_date: str
    happened_at: str
    amount_fen: int
    subsidy_fen: int
    refunded_fen: int
    meal: str | None


class LineDisputeView(BaseModel):
    """A line that is not agreed."""

    id: str
    statement: str
    business_date: str
    line_kind: str
    amount_fen: int
    reason: str
    state: str
    opened_by: str
    opened_at: str
    note: str | None


class InstructionView(BaseModel):
    """One sum that a bank is to move."""

    id: str
    kind: str
    debtor: PlaceView
    creditor: PlaceView
    amount_fen: int
    reference: str
    end_to_end_id: str
    state: str
    issued_at: str
    paid_at: str | None
    bank_reference: str | None
    # Both parties' accounts are known.
    ready: bool


class AdjustmentView(BaseModel):
    """A voucher."""

    id: str
    original: str
    reason: str
    debit: str
    credit: str
    amount_fen: int
    state: str
    asked_by: str
    asked_at: str
    first_approver: str | None
    second_approver: str | None
    booked_in: str | None


class SettlementDetail(SettlementView):
    """The same with what its close found and what became of it; statements come page by page."""

    vector: dict[str, int] | None
    chain_heads: dict[str, str] | None
    steps: list[StepView]
    totals: list[AccountTotalView]
    statement_counts: dict[str, int]
    disputes: list[LineDisputeView]
    instructions: list[InstructionView]
    adjustments: list[AdjustmentView]


class OwedView(BaseModel):
    """The debtor owes the creditor."""

    debtor: PlaceView
    creditor: PlaceView
    amount_fen: int


class PositionView(BaseModel):
    """What a region receives (+) or pays (-) once debts are set against each other."""

    region: PlaceView
    net_fen: int


class PositionsView(BaseModel):
    """Who owes whom for a month, before netting and after."""

    period: str
    obligations: list[OwedView]
    positions: list[PositionView]
    transfers: list[OwedView]
    gross_fen: int
    moved_fen: int


class LateCaseView(BaseModel):
    """A sale that was booked more than seven days after its day."""

    id: str
    region: str
    period: str
    canteen: PlaceView
    business_date: str
    amount_fen: int
    state: str
    opened_at: str
    note: str | None
