"""Wire forms of assets."""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_NO_NUL)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=_NO_NUL)]
AssetCode = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$")]
PublicId = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AssetRequest(_Body):
    """A machine or a fitting that is new in the register."""

    place: PublicId
    code: AssetCode
    name_zh: Name
    name_en: Name
    category: PublicId | None = None
    model: Short = ""
    serial: Short = ""
    installed_on: date | None = None


class AssetChange(_Body):
    """What is to be different."""

    place: PublicId | None = None
    name_zh: Name | None = None
    name_en: Name | None = None
    category: PublicId | None = None
    model: Short | None = None
    serial: Short | None = None
    installed_on: date | None = None


class AssetView(BaseModel):
    """A machine or a fitting, and where it stands."""

    id: str
    region: str
    place: str
    place_name_zh: str
    place_name_en: str
    code: str
    name_zh: str
    name_en: str
    category: str | None
    model: str
    serial: str
    installed_on: date | None
    label_issue: int
    # The letters of its label; only for those who print them.
    label: str | None
    is_retired: bool
    created_at: str
    changed_at: str
