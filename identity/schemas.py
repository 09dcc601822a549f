"""The wire format of identity. Every text has a bound and no control characters, so that the database never says no.

The kinds of text first, which the others use too; what getting in and places say is in getting_in_schemas.py and place_schemas.py.
"""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from identity.kinds import GRANTED_ROLES, PersonClass, Role, TerminalMode
from kernel.clock import rfc3339

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_PRINTABLE)]
Code = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
PublicId = Annotated[str, StringConstraints(pattern=r"^[a-z]{3}_[0-9a-f]{32}$", max_length=36)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=_PRINTABLE)]
Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9][0-9 -]{4,19}$")]
# One plain address, nothing that a header could be bent with; whether it exists the letter shows.
EMAIL_LENGTH_MAX: Final = 254
EMAIL_SHAPE: Final = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9][A-Za-z0-9.-]*"
Email = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=EMAIL_LENGTH_MAX, pattern=rf"^{EMAIL_SHAPE}$")
]
StaffNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,31}$")]
Username = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_PRINTABLE)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# Six digits, or a recovery code.
TypedCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z -]{4,30}$")]
ActivationText = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z -]{3,60}$")]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,63}$")]
Language = Annotated[str, StringConstraints(pattern=r"^(zh|en)$")]
Instant = Annotated[
    datetime, PlainSerializer(rfc3339), WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization")
]


def _within_reason(day: date) -> date:
    if not 1900 <= day.year <= 2200:
        raise ValueError("a day between 1900 and 2200")
    return day


Day = Annotated[date, AfterValidator(_within_reason)]


class Wire(BaseModel):
    """What is sent to us: unknown fields are a mistake that is told, not dropped."""

    model_config = ConfigDict(extra="forbid")


# ---- who is signed in


class NamedPerson(BaseModel):
    id: str
    name: str


class NamedPlace(BaseModel):
    """An organisation, site or region by id and names."""

    id: str
    name_zh: str
    name_en: str


class Grant(BaseModel):
    """A role and the one place where it counts; all three null: everywhere."""

    id: str | None = None
    role: Role
    organisation: str | None
    site: str | None
    region: str | None


class Me(BaseModel):
    """Who is signed in. `class` is what they are to their organisation today; null where they belong nowhere."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    id: str
    name: str
    person_class: PersonClass | None = Field(alias="class")
    organisation: NamedPlace | None
    unit: NamedPlace | None
    region: NamedPlace | None
    roles: list[str]
    grants: list[Grant]
    language: str


class MeChange(Wire):
    language: Language


# ---- files


class FileView(BaseModel):
    """A picture or a voice note that was taken in; `GET /v1/files/{id}` gives the bytes."""

    id: str
    kind: str
    media_type: str
    size_bytes: int
    width: int | None
    height: int | None
    created_at: Instant


# ---- people


class NewPersonBody(Wire):
    name: Name
    organisation: PublicId
    person_class: PersonClass = PersonClass.STAFF
    valid_from: Day
    valid_until: Day | None = None
    staff_number: StaffNumber | None = None
    phone: Phone | None = None
    email: Email | None = None
    language: Language = "zh"


class PersonChange(Wire):
    name: Name | None = None
    staff_number: StaffNumber | None = None
    phone: Phone | None = None
    email: Email | None = None
    language: Language | None = None


class MembershipChange(Wire):
    """From `valid_from` on; `organisation` null: belongs nowhere any more."""

    organisation: PublicId | None
    person_class: PersonClass = PersonClass.STAFF
    valid_from: Day
    valid_until: Day | None = None


class MembershipInfo(BaseModel):
    organisation: NamedPlace
    person_class: PersonClass
    valid_from: date
    valid_until: date | None


class PersonView(BaseModel):
    """`class` and `organisation` are of today. `triggers` are what may be done with their status."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    id: str
    name: str
    pinyin: str
    staff_number: str | None
    phone: str | None
    email: str | None
    username: str | None
    status: str
    triggers: list[str]
    language: str
    person_class: PersonClass | None = Field(alias="class")
    organisation: NamedPlace | None
    created_at: Instant


class PersonDetail(PersonView):
    memberships: list[MembershipInfo]


class NewGrant(Wire):
    role: Annotated[Role, Field(json_schema_extra={"enum": [str(role) for role in GRANTED_ROLES]})]
    organisation: PublicId | None = None
    site: PublicId | None = None
    region: PublicId | None = None
    effective_from: Annotated[Day | None, Field(description="In force from this day on; null: once approved.")] = None
    reason: Sentence = ""


class GrantEnd(Wire):
    effective_from: Annotated[Day | None, Field(description="Ended from this day on; null: once approved.")] = None
    reason: Sentence = ""


class PreviewPlace(BaseModel):
    kind: Literal["everywhere", "region", "organisation", "site"]
    id: str | None
    name_zh: str | None
    name_en: str | None


class HeldRole(BaseModel):
    role: Role
    place: PreviewPlace


class Reach(BaseModel):
    """How many lie within a role's place; people by today's memberships."""

    organisations: int
    sites: int
    people: int


class RoleChangePreview(BaseModel):
    """Who and what a change of roles changes."""

    action: Literal["grant", "revoke"]
    person: NamedPerson
    role: Role
    place: PreviewPlace
    effective_from: date | None
    before: list[HeldRole]
    after: list[HeldRole]
    reach: Reach


class GrantView(Grant):
    granted_by: str | None
    granted_at: Instant
    revoked_by: str | None
    revoked_at: Instant | None
    # The day from which it counts no longer: an end that was approved and is still to come.
    ends_on: date | None


class GrantAnswer(BaseModel):
    """`pending`, with the approval that a second person decides on."""

    status: str
    approval: str | None = None


# ---- terminals


class NewTerminal(Wire):
    site: PublicId
    name: Name
    modes: Annotated[list[TerminalMode], Field(min_length=1, max_length=4)]
    serial: StaffNumber | None = None


class TerminalChange(Wire):
    name: Name | None = None
    modes: Annotated[list[TerminalMode], Field(min_length=1, max_length=4)] | None = None
    serial: StaffNumber | None = None


class PairingCodeView(BaseModel):
    """Shown this once."""

    code: str
    expires_at: Instant


class TerminalView(BaseModel):
    """A till and how it is. `triggers` are what may be done with its status."""

    id: str
    site: str
    name: str
    serial: str | None
    status: str
    triggers: list[str]
    modes: list[str]
    seq_epoch: int
    configuration_version: int
    online: bool
    last_seen_at: Instant | None
    rotation_due: bool
    pairing_expires_at: Instant | None
    health: dict[str, Any]
    created_at: Instant


class NewTerminalAnswer(BaseModel):
    terminal: TerminalView
    pairing: PairingCodeView


class Enrolment(Wire):
    pairing_code: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z -]{6,10}[0-9A-Za-z]$")]


class EnrolledTerminal(BaseModel):
    """The token is shown this once; the rest is as in `GET /v1/terminals/me`, with the neighbours' shares beside it."""

    model_config = ConfigDict(extra="allow")

    id: str
    token: str
    seq_epoch: int


class TerminalConfiguration(BaseModel):
    """All that a till needs to work; prices, periods, menus and `next_seq` stand beside these."""

    model_config = ConfigDict(extra="allow")

    id: str
    name: str
    status: str
    modes: list[str]
    seq_epoch: int
    configuration_version: int
    server_time: str


class NextToken(BaseModel):
    token: str


class Heartbeat(Wire):
    """How a till is; all of it optional."""

    program_version: Annotated[str, StringConstraints(max_length=40, pattern=_PRINTABLE)] | None = None
    configuration_version: Annotated[int, Field(ge=0, le=2**53)] | None = None
    offline_queue: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    scanner: bool | None = None
    battery_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    clock_offset_ms: Annotated[int, Field(ge=-(2**53), le=2**53)] | None = None


class HeartbeatAnswer(BaseModel):
    """Where `configuration_version` differs from the till's, it fetches its configuration again."""

    status: str
    configuration_version: int
    rotate_token: bool
    server_time: str


# ---- approvals


class Decision(Wire):
    note: Sentence | None = None


class ApprovalView(BaseModel):
    id: str
    kind: str
    subject: str
    subject_name: Annotated[str | None, Field(description="The name, where the subject is a person.")]
    payload: dict[str, Any]
    reason: str
    status: str
    may_decide: bool
    may_withdraw: bool
    requested_by: NamedPerson
    requested_at: Instant
    expires_at: Instant
    decided_by: NamedPerson | None
    decided_at: Instant | None
    decision_note: str | None


# ---- import


class BadCell(BaseModel):
    """Which cell is wrong and why; row 1 is the header. `cell` is its place as spreadsheets name it (`B7`)."""

    row: int
    column: str
    cell: str | None
    value: str
    reason_zh: str
    reason_en: str


class ImportedRow(BaseModel):
    """`row` null: somebody whom a complete list does not name any more."""

    row: int | None
    key: str
    action: str
    fields: list[str]


class ImportReport(BaseModel):
    """What a table would do (dry run) or did. With bad cells nothing is imported; the first 200 are named here,
    and the first 1,000 changes."""

    dry_run: bool
    rows: int
    created: int
    updated: int
    left: int
    unchanged: int
    bad_cells_total: int
    bad_cells: list[BadCell]
    changes: list[ImportedRow]
