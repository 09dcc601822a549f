"""Wire forms of covers."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from canteen.meals import Meal

CanteenId = Annotated[str, StringConstraints(max_length=80)]


class MealsWish(BaseModel):
    """So many covers at one meal of one day."""

    model_config = ConfigDict(extra="forbid")

    canteen: CanteenId
    business_date: Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 12, 31))]
    meal: Meal
    covers: int = Field(ge=1, le=5000)


class Capacities(BaseModel):
    """How many covers a kitchen makes for meetings, by meal; null: as many as it has seats."""

    model_config = ConfigDict(extra="forbid")

    breakfast: int | None = Field(default=None, ge=0, le=10_000)
    lunch: int | None = Field(default=None, ge=0, le=10_000)
    dinner: int | None = Field(default=None, ge=0, le=10_000)
    night: int | None = Field(default=None, ge=0, le=10_000)


class CoversView(BaseModel):
    """Some covers as the kitchen sees them: how many, when, and what they cannot eat. Nobody's name."""

    id: str
    business_date: date
    meal: str
    covers: int
    title: str
    needs: dict[str, int]
    state: str


class CoverDayView(BaseModel):
    """One meal of one day."""

    business_date: date
    meal: str
    capacity: int
    taken: int


class CoverList(BaseModel):
    """What the kitchen has to cook for meetings."""

    data: list[CoversView]
    days: list[CoverDayView]
