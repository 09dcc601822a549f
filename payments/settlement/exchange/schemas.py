"""What the wire says of other installations and of their statements."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

RegionName = Annotated[str, StringConstraints(pattern=r"^reg_[0-9a-f]{32}$")]


class RootKeyView(BaseModel):
    """The public key that answers for everything this installation signs."""

    root_key: str = Field(description="32 bytes, base64.")


class PartnerPin(BaseModel):
    """Which root key another installation is known by."""

    model_config = ConfigDict(extra="forbid")

    region: RegionName = Field(description="Our row of the region whose books the other installation keeps.")
    root_key: str = Field(max_length=64, description="Its root key, base64, heard by another way than this file.")
    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")


class AskedPin(BaseModel):
    """A second person decides on it."""

    approval: str


class PartnerRegionView(BaseModel):
    """A region of another installation."""

    region: str
    code: str
    name_zh: str
    name_en: str
    root_key: str
    pinned_by: str
    pinned_at: str


class DifferenceView(BaseModel):
    """One transfer on which the two sides differ. Sums from our side: + is what they owe us."""

    kind: str = Field(description="missing_here, missing_there, amount, other_period, not_credible")
    transfer: str
    line: int | None = Field(description="The line of the file that begins it.")
    business_date: str
    ours_fen: int | None
    theirs_fen: int | None


class PartnerStatementView(BaseModel):
    """A statement that another installation has sent, and how it compares with our book."""

    id: str
    region: str
    partner: str
    period: str
    sha256: str
    final: bool
    ours_final: bool
    agreed: bool = Field(description="Both sides are cut off and differ on nothing: the month can be netted.")
    line_count: int
    booked_count: int
    booked_fen: int
    ours_fen: int
    theirs_fen: int
    difference_count: int
    differences: list[DifferenceView]
    received_by: str
    received_at: str
