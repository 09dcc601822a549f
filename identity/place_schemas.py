"""What the wire says of places: regions, organisations, sites, and the tree of places below a site."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from identity.kinds import OrganisationKind, PlaceKind, SiteKind
from identity.schemas import Code, Instant, Name, PublicId, Wire, Zone


class NewRegion(Wire):
    code: Code
    name_zh: Name
    name_en: Name
    timezone: Zone = "Asia/Shanghai"
    parent: PublicId | None = None


class NewOrganisation(Wire):
    code: Code
    name_zh: Name
    name_en: Name
    kind: OrganisationKind
    home_region: PublicId
    parent: PublicId | None = None


class NewSite(Wire):
    code: Code
    name_zh: Name
    name_en: Name
    kind: SiteKind
    region: PublicId
    operator: PublicId


class PlaceChange(Wire):
    name_zh: Name | None = None
    name_en: Name | None = None


class SiteChange(PlaceChange):
    """Coordinates come together: a phone that pays at a wall code is compared with them."""

    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)


class NewTreePlace(Wire):
    """Below a place (`parent`) or as a root under a site. Without an English name the Chinese one stands for it."""

    code: Code
    kind: PlaceKind
    name_zh: Name
    name_en: Name | None = None
    site: PublicId | None = None
    parent: PublicId | None = None
    ordinal: Annotated[int, Field(ge=-1000, le=100_000)] | None = None
    plan_x: Annotated[float, Field(ge=0, le=1)] | None = None
    plan_y: Annotated[float, Field(ge=0, le=1)] | None = None
    open_to_strangers: bool = False

    @model_validator(mode="after")
    def _one_parent(self) -> Self:
        if (self.site is None) == (self.parent is None):
            raise ValueError("either parent or site is needed")
        if (self.plan_x is None) != (self.plan_y is None):
            raise ValueError("plan_x and plan_y come together")
        return self


class TreePlaceChange(PlaceChange):
    """Only what is sent changes; a place keeps its parent and its code."""

    ordinal: Annotated[int, Field(ge=-1000, le=100_000)] | None = None
    plan_x: Annotated[float, Field(ge=0, le=1)] | None = None
    plan_y: Annotated[float, Field(ge=0, le=1)] | None = None
    open_to_strangers: bool | None = None


class TreePlaceView(BaseModel):
    """A place of the tree. `full_name_*` say the way from the root; `path` holds the ids of that way, itself last."""

    id: str
    site: str
    region: str
    timezone: str
    parent: str | None
    path: list[str]
    kind: PlaceKind
    code: str
    name_zh: str
    name_en: str
    full_name_zh: str
    full_name_en: str
    ordinal: int | None
    plan_x: float | None
    plan_y: float | None
    open_to_strangers: bool
    active: bool
    label_issue: int
    children: int
    created_at: Instant


class PlaceChildren(BaseModel):
    """All that stands right below a place, in the order in which one walks."""

    data: list[TreePlaceView]


class ScannedPlace(BaseModel):
    """Where a label hangs, as also somebody may see it who is not signed in, where the place allows that."""

    id: str
    kind: PlaceKind
    name_zh: str
    name_en: str
    full_name_zh: str
    full_name_en: str
    open_to_strangers: bool


class PlaceMove(Wire):
    parent: PublicId


class OrganisationMove(Wire):
    """At least one of the two."""

    parent: PublicId | None = None
    home_region: PublicId | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.parent is None and self.home_region is None:
            raise ValueError("parent or home_region is needed")
        return self


class RegionView(BaseModel):
    id: str
    code: str
    name_zh: str
    name_en: str
    pinyin: str
    timezone: str
    parent: str | None
    created_at: Instant


class OrganisationView(BaseModel):
    id: str
    code: str
    name_zh: str
    name_en: str
    pinyin: str
    kind: OrganisationKind
    home_region: str
    parent: str | None
    created_at: Instant


class SiteView(BaseModel):
    id: str
    code: str
    name_zh: str
    name_en: str
    pinyin: str
    kind: SiteKind
    region: str
    operator: str
    latitude: float | None
    longitude: float | None
    created_at: Instant
