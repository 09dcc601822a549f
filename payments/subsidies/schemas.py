"""The wire format of subsidies."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from identity.api import BadCell, PersonClass
from kernel.money import AMOUNT_FEN_MAX

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
LIMIT_FEN_MAX = 10**13
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_PRINTABLE)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_PRINTABLE)]
UnitId = Annotated[str, StringConstraints(pattern=r"^org_[0-9a-f]{32}$", max_length=36)]
CanteenId = Annotated[str, StringConstraints(pattern=r"^can_[0-9a-f]{32}$", max_length=36)]
MonthText = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$"), Field(examples=["2026-11"])]
Tag = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,20}$")]
Day = Literal[
    "workday", "weekend", "holiday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
]


def _within_reason(day: date) -> date:
    if not 2000 <= day.year <= 2200:
        raise ValueError("a day between 2000 and 2200")
    return day


Date = Annotated[date, AfterValidator(_within_reason)]


class Wire(BaseModel):
    """What is sent to us: unknown fields are a mistake that is told, not dropped."""

    model_config = ConfigDict(extra="forbid")


class ScopeBody(Wire):
    """Where and when a lot may be spent; what is left out is not limited."""

    sites: list[CanteenId] | None = Field(default=None, min_length=1, max_length=200)
    meals: list[Tag] | None = Field(default=None, min_length=1, max_length=8)
    days: list[Day] | None = Field(default=None, min_length=1, max_length=10)

    def stored(self) -> dict[str, list[str]]:
        """As a column keeps it."""
        found: dict[str, list[str]] = self.model_dump(exclude_none=True)
        return found


class CarryOverBody(Wire):
    """What a holder keeps when a lot ends: up to a sum, or a share of the rest, whichever is less."""

    days: int = Field(ge=1, le=366)
    max_fen: int | None = Field(default=None, ge=1, le=AMOUNT_FEN_MAX, strict=True)
    percent: int | None = Field(default=None, ge=1, le=100, strict=True)

    @model_validator(mode="after")
    def _says_how_much(self) -> "CarryOverBody":
        if self.max_fen is None and self.percent is None:
            raise ValueError("a sum or a share is needed")
        return self


class RuleBody(Wire):
    """A schedule of a unit, as data."""

    unit: UnitId
    name: Name
    basis: Literal["ahead", "attended"] = Field(
        description="`ahead`: by work days, when the month begins; leave and field days are settled with the next month. "
        "`attended`: by the list of attendance, when the month is over."
    )
    day_fen: int = Field(ge=1, le=AMOUNT_FEN_MAX, strict=True, description="For a day")
    field_day_fen: int = Field(default=0, ge=0, le=AMOUNT_FEN_MAX, strict=True, description="For a day in the field")
    person_classes: list[PersonClass] = Field(min_length=1, max_length=10)
    prepare_on: int = Field(ge=1, le=28, description="Day of the month on which the batch is prepared")
    lot_days: int = Field(
        default=0,
        ge=0,
        le=366,
        description="How many days after the last one of the month it is for a lot can be spent",
    )
    scope: ScopeBody = ScopeBody()
    carry_over: CarryOverBody | None = None
    first_month: MonthText

    @model_validator(mode="after")
    def _lasts_beyond_its_run(self) -> "RuleBody":
        # What is paid in the month after must still be good then, and when the second person has looked at it.
        if self.basis == "attended" and self.lot_days < self.prepare_on + 3:
            raise ValueError(
                "lot_days: paid by attendance, a lot has to last into the month after, 3 days past the run"
            )
        return self


class RuleView(BaseModel):
    """A schedule."""

    id: str
    unit: str
    name: str
    basis: Literal["ahead", "attended"]
    day_fen: int
    field_day_fen: int
    person_classes: list[str]
    prepare_on: int
    lot_days: int
    scope: dict[str, list[str]]
    carry_over: CarryOverBody | None
    first_month: str
    state: Literal["active", "ended"]
    allowed: list[str] = Field(description="The triggers that this state allows")
    next_run_at: str | None = Field(description="When the worker prepares the next batch")
    last_month: str | None = Field(description="The last month for which there is a batch")


class MonthBody(Wire):
    """Which month."""

    month: MonthText
    without_list: bool = Field(
        default=False, description="Ahead only: nobody was on leave or in the field in the month before"
    )


class ReasonBody(Wire):
    """Why, for the one who decides."""

    reason: Reason


class NewBatch(Wire):
    """What a file's batch is for; sent as the query beside the file."""

    unit: UnitId
    name: Name
    expires_on: Date
    sites: list[CanteenId] = Field(default=[], max_length=200)
    meals: list[Tag] = Field(default=[], max_length=8)
    days: list[Day] = Field(default=[], max_length=10)
    carry_over_days: int | None = Field(default=None, ge=1, le=366)
    carry_over_max_fen: int | None = Field(default=None, ge=1, le=AMOUNT_FEN_MAX)
    carry_over_percent: int | None = Field(default=None, ge=1, le=100)
    dry_run: bool = Field(default=False, description="Say what would happen, and which cells are wrong; take nothing.")

    def scope(self) -> dict[str, list[str]]:
        """As a column keeps it."""
        named: dict[str, list[str]] = {"sites": self.sites, "meals": self.meals, "days": list(self.days)}
        return {dimension: values for dimension, values in named.items() if values}

    def carry_over(self) -> CarryOverBody | None:
        """As a body says it."""
        if self.carry_over_days is None:
            return None
        return CarryOverBody(
            days=self.carry_over_days, max_fen=self.carry_over_max_fen, percent=self.carry_over_percent
        )

    @model_validator(mode="after")
    def _carries_something(self) -> "NewBatch":
        self.carry_over()
        return self


class BatchRowView(BaseModel):
    """One person of a batch."""

    person: str
    staff_number: str | None
    name: str
    amount_fen: int
    days: str = Field(description="Days paid, as `21.5`; empty for a file's row")
    field_days: str
    leave_days: str
    deducted_fen: int
    still_to_deduct_fen: int
    note: str
    spent_fen: int | None = Field(description="Null until it is posted")
    returned_fen: int | None = Field(description="What a reversal gave back to the unit")


class ApprovalRef(BaseModel):
    """What waits for a second person."""

    id: str
    kind: str


class BatchView(BaseModel):
    """A batch."""

    id: str
    unit: str
    name: str
    rule: str | None
    month: str | None
    state: Literal["prepared", "posted", "reversed", "discarded"]
    allowed: list[str] = Field(description="The triggers that this state allows; posting and reversing take two people")
    amount_fen: int
    people: int
    expires_on: str
    scope: dict[str, list[str]]
    carry_over: CarryOverBody | None
    skipped: list[dict[str, str]] = Field(
        description="Who is not in it, and why: staff_number, name, reason_zh, reason_en"
    )
    prepared_at: str
    posted_at: str | None
    reversed_at: str | None
    waiting: str | None = Field(description="The approval that a second person has not decided on yet")


class BatchReport(BaseModel):
    """What a file would do (dry run) or did. With bad cells nothing is taken; the first 200 are named."""

    dry_run: bool
    rows: int
    amount_fen: int
    bad_cells_total: int
    bad_cells: list[BadCell]
    batch: str | None = Field(description="Null in a dry run")


class AttendanceReport(BaseModel):
    """What a list would do (dry run) or did."""

    dry_run: bool
    rows: int
    created: int
    updated: int
    unchanged: int
    bad_cells_total: int
    bad_cells: list[BadCell]


class AttendanceView(BaseModel):
    """A month's list."""

    unit: str
    month: str
    people: int
    attended_days: str
    leave_days: str
    field_days: str
    recorded_at: str


class ExpiringDay(BaseModel):
    """What ends on a day."""

    expires_on: str
    days: int
    amount_fen: int
    people: int


class ExpiringView(BaseModel):
    """What a unit's people are about to lose, day by day."""

    unit: str
    left_fen: int = Field(description="In all lots, whenever they end")
    data: list[ExpiringDay]


class TermsBody(Wire):
    """How a unit is going to pay."""

    unit: UnitId
    funded_by: Literal["unit_prefund", "unit_receivable"]
    limit_fen: int = Field(ge=0, le=LIMIT_FEN_MAX, strict=True, description="The most that a billed unit may owe")
    reason: Reason


class TermsEntry(BaseModel):
    """How a unit paid from an instant on."""

    funded_by: Literal["unit_prefund", "unit_receivable"]
    limit_fen: int
    reason: str
    since: str


class TermsView(BaseModel):
    """How a unit pays for its subsidies, with what it has and what it owes."""

    unit: str
    funded_by: Literal["unit_prefund", "unit_receivable"]
    limit_fen: int
    prefund_fen: int
    owed_fen: int = Field(description="Below zero where more came back than was open")
    history: list[TermsEntry]
    waiting: str | None = Field(description="The approval that a second person has not decided on yet")


class BillPaymentBody(Wire):
    """What a billed unit has paid."""

    amount_fen: int = Field(ge=1, le=LIMIT_FEN_MAX, strict=True)


class MyLot(BaseModel):
    """A lot of one's own."""

    id: str
    amount_fen: int
    expires_on: str
    days: int
    scope: dict[str, list[str]]
    canteens: list[dict[str, str]] = Field(description="The canteens of its scope by name: id, name_zh, name_en")
    carry_over: CarryOverBody | None


class ForecastView(BaseModel):
    """What is lost on a day, and how many lunches use it."""

    days: int
    expires_on: str
    amount_fen: int
    lunches: int | None
    lost_fen: int
    sentence_zh: str
    sentence_en: str


class MySubsidies(BaseModel):
    """One's own lots, and what of them is lost within a week."""

    lots: list[MyLot]
    lunch_share_fen: int | None = Field(description="What a lunch usually takes of it")
    forecast: ForecastView | None
