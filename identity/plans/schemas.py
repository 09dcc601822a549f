"""Wire forms of plans and ways. Positions are parts of the picture: 0 is its left and its upper edge."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from identity.schemas import PublicId

# `plan_...` and `file_...` are longer than the ids of identity.
PlanId = Annotated[str, StringConstraints(max_length=40, pattern=r"^plan_[0-9a-f]{32}$")]
FileId = Annotated[str, StringConstraints(max_length=40, pattern=r"^file_[0-9a-f]{32}$")]
PointKind = Literal["way", "door", "stairs", "lift"]
Key = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_.:-]+$")]
Label = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80, pattern=r"^[^\x00-\x1f]*$")]
Part = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
MetresWide = Annotated[float, Field(ge=1, le=10_000, allow_inf_nan=False, description="Of the whole picture.")]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewPlan(_Wire):
    """A picture (sent to /v1/files before) of a place."""

    place: PublicId
    file: FileId
    metres_wide: MetresWide


class PlanChange(_Wire):
    """Another picture, or how wide it is; what is drawn on it stays where it is."""

    file: FileId | None = None
    metres_wide: MetresWide | None = None


class NewPoint(_Wire):
    """A point with its key keeps being the same point."""

    key: Key
    x: Part
    y: Part
    kind: PointKind = "way"
    place: PublicId | None = Field(default=None, description="Of which place it is: a room's door.")
    label: Label = ""


class NewEdge(_Wire):
    """Between two points of this plan; how far it is follows from the picture."""

    start: Key
    end: Key
    step_free: bool = True


class NewLink(_Wire):
    """To a point of another plan: stairs, a lift, a door to the yard."""

    start: Key
    plan: PlanId
    end: Key
    metres: float = Field(
        ge=0, le=10_000, allow_inf_nan=False, description="As long as it takes, stairs told in metres."
    )
    step_free: bool = True


class NewGraph(_Wire):
    """All that is drawn on a plan, in place of what was. `version` is the one that was looked at."""

    version: int = Field(ge=1)
    points: list[NewPoint] = Field(max_length=2000)
    edges: list[NewEdge] = Field(max_length=6000)
    links: list[NewLink] = Field(default_factory=list, max_length=200)


class PointView(BaseModel):
    key: str
    x: float
    y: float
    kind: str
    place: str | None
    label: str


class EdgeView(BaseModel):
    start: str
    end: str
    metres: float
    step_free: bool


class LinkView(EdgeView):
    """`end` is the key of a point of `plan`."""

    plan: str


class PlanView(BaseModel):
    """A plan; its picture is at /v1/files/{file}."""

    id: str
    place: str
    place_name_zh: str
    place_name_en: str
    file: str
    width: int
    height: int
    metres_wide: float
    version: int
    active: bool


class DrawnPlan(PlanView):
    """With all that is drawn on it."""

    points: list[PointView]
    edges: list[EdgeView]
    links: list[LinkView]


class Plans(BaseModel):
    data: list[PlanView]


class WayLegView(BaseModel):
    """A part of a way on one plan."""

    plan: PlanView
    points: list[PointView]


class WayView(BaseModel):
    """How to walk from one place to another."""

    metres: int
    minutes: int
    legs: list[WayLegView]
