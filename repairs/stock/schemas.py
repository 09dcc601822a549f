"""Wire forms of stores, parts, rates and cost sheets."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

PublicId = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9._/-]+$")]
Unit = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10, pattern=r"^[^\x00]*$")]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=r"^[^\x00]*$")]
Quantity = Annotated[int, Field(ge=1, le=100_000)]
Counted = Annotated[int, Field(ge=0, le=1_000_000)]
# Ten thousand yuan for one part, or for an hour.
Fen = Annotated[int, Field(ge=0, le=1_000_000)]
MoveKind = Literal["received", "taken", "returned", "counted"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# ---- what people send


class StoreBody(_Body):
    """A cupboard."""

    region: PublicId
    place: PublicId | None = None
    name: Name


class NewPartBody(_Body):
    """A kind of part, and what lies there already."""

    client_id: UUID = Field(description="The first move's own name: sent twice, it is one.")
    code: Code
    name: Name
    unit: Unit = "个"
    unit_cost_fen: Fen
    quantity: Counted = 0
    minimum: Counted = 0


class ReceiveBody(_Body):
    """More of a part; with what one of these has cost, where that has changed."""

    client_id: UUID
    quantity: Quantity
    unit_cost_fen: Fen | None = None
    note: Note = ""


class CountBody(_Body):
    """What somebody has counted."""

    client_id: UUID
    quantity: Counted
    note: Note = ""


class OrderPartBody(_Body):
    """Parts for an order, or back from it."""

    client_id: UUID
    store: PublicId
    part: PublicId
    quantity: Quantity
    note: Note = ""


class RateBody(_Body):
    """What an hour costs in a region from a day on."""

    region: PublicId
    hour_fen: Fen
    effective_from: date


# ---- what they see


class StoreView(BaseModel):
    """A cupboard of parts."""

    id: str
    region: str
    place: str | None
    name: str
    is_closed: bool


class PartView(BaseModel):
    """A kind of part in a store."""

    id: str
    store: str
    code: str
    name: str
    unit: str
    unit_cost_fen: int
    quantity: int
    minimum: int
    is_low: bool


class MoveView(BaseModel):
    """Parts came in, went out, or were counted."""

    id: str
    kind: MoveKind
    part: str
    part_name: str
    quantity: int = Field(description="With its sign.")
    after: int
    unit_cost_fen: int
    order: str | None
    who: str
    note: str
    at: str


class RateView(BaseModel):
    """What an hour costs."""

    id: str
    region: str
    hour_fen: int
    effective_from: date
    created_by: str


class CostLineView(BaseModel):
    """One line: a part (a negative quantity came back), or minutes of work."""

    kind: Literal["part", "labour"]
    name: str
    quantity: int
    unit: str
    unit_cost_fen: int = Field(description="Of one part, or of an hour.")
    amount_fen: int
    who: str
    at: str


class CostSheetView(BaseModel):
    """What an order costs, who bears it, and what was charged."""

    order: str
    lines: list[CostLineView]
    parts_fen: int
    labour_fen: int
    total_fen: int
    payer: str | None = Field(description="The unit served (`org_...`); none: nobody can be charged.")
    payer_name: str | None
    charge: str | None = Field(description="The charge that stands.")
    charged_fen: int
    charged_at: str | None
    refunded_fen: int = Field(description="Of charges that were given back.")
    refused_code: str | None = Field(description="Why the last try to charge it came to nothing.")
    can_charge: bool
