"""Wire forms of the counter: cashiers, shifts, hand-over sheets, printers."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from canteen.schemas import Instant, Wire

Pin = Annotated[str, Field(pattern=r"^[0-9]{6,8}$", description="6 to 8 digits")]
PersonId = Annotated[str, Field(pattern=r"^per_[0-9a-f]{32}$", max_length=36)]


class NewPin(Wire):
    pin: Pin


class Signature(Wire):
    """Who signs at the till. Without a name: the cashier of the open shift."""

    pin: str = Field(min_length=1, max_length=20)
    person: PersonId | None = None


class NewShift(Wire):
    person: PersonId
    pin: str = Field(min_length=1, max_length=20)


class TillWorkerView(BaseModel):
    """Somebody who may work at a canteen's tills."""

    person: str
    name: str
    is_supervisor: bool
    has_pin: bool


class PinState(BaseModel):
    person: str
    has_pin: bool


class PurseSum(BaseModel):
    purse: Literal["subsidy", "cash", "official", "alipay"]
    sales_fen: int
    returned_fen: int
    net_fen: int


class MealSum(BaseModel):
    business_date: date
    meal: str
    count: int
    amount_fen: int


class CountedSum(BaseModel):
    count: int
    amount_fen: int


class RefusalCount(BaseModel):
    code: str
    count: int


class LedgerSums(BaseModel):
    """The same from the ledger's own lines."""

    sales_fen: int
    returned_fen: int


class SheetView(BaseModel):
    """A hand-over sheet. `ties`: the payments and the ledger's lines say the same."""

    count: int
    sales_fen: int
    returned_fen: int
    net_fen: int
    purses: list[PurseSum]
    meals: list[MealSum]
    guests: CountedSum
    voids: CountedSum
    refunds: CountedSum
    refusals: list[RefusalCount]
    ledger: LedgerSums
    ties: bool


class SignedReturn(BaseModel):
    """A void or refund of a shift, and who signed for it."""

    id: str
    payment: str
    kind: Literal["void", "refund"]
    amount_fen: int
    signed_by: str
    signed_by_name: str
    recorded_at: Instant


class ShiftLine(BaseModel):
    """A shift in a list."""

    id: str
    canteen: str
    terminal: str
    terminal_name: str
    cashier: str
    cashier_name: str
    state: Literal["open", "handed_over"]
    allowed: list[str]
    business_date: date
    opened_at: Instant
    handed_over_at: Instant | None
    handed_over_by: str | None
    handed_over_by_name: str | None
    return_count: int
    sheet: SheetView | None


class ShiftView(ShiftLine):
    """A shift with its sheet; while it is open, the sheet as it stands now."""

    sheet: SheetView
    returns: list[SignedReturn]


class TillShift(BaseModel):
    """What is open at the calling till."""

    shift: ShiftLine | None


class LegSum(BaseModel):
    purse: str
    amount_fen: int


class ShiftSale(BaseModel):
    """A payment of a shift. Nobody's name: what a person eats is nobody's business at the counter."""

    id: str
    amount_fen: int
    refunded_fen: int
    status: str
    legs: list[LegSum]
    meal: str | None
    recorded_at: Instant


class PrinterChange(Wire):
    """`address: null` takes the printer away."""

    address: Annotated[str, Field(max_length=300)] | None
    columns: int = Field(default=32, ge=24, le=64)


class PrinterView(BaseModel):
    terminal: str
    address: str | None
    columns: int


class Printed(BaseModel):
    printed: bool
