"""The wire format of identity. Every text has a bound and no control characters, so that the database never says no."""

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from identity.kinds import GRANTED_ROLES, OrganisationKind, PersonClass, PlaceKind, Role, SiteKind, TerminalMode
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


# ---- signing in


class SignIn(Wire):
    username: Username
    password: Secret


class SignedInPerson(BaseModel):
    id: str
    name: str
    roles: list[str]


class SignedIn(BaseModel):
    """`waits_for` null: signed in. Else the token opens nothing but the second half: a `code` from the authenticator,
    or the `enrolment` of one."""

    token: str
    expires_at: Instant
    person: SignedInPerson
    waits_for: Literal["code", "enrolment"] | None = None


class CampusOption(BaseModel):
    """The campus's own sign-in: what its button says, and where it leads (with `return_to`, a path of ours)."""

    name: str
    path: str


class SignInOptions(BaseModel):
    """How one may sign in beside a name and a password."""

    campus: CampusOption | None
    password_reset: bool = Field(description="Whether a forgotten password may be replaced by a link sent by mail")


class PendingToken(Wire):
    token: Token


class CodeForToken(Wire):
    token: Token
    code: TypedCode


class TypedSecondFactor(Wire):
    code: TypedCode


class OwnPassword(Wire):
    password: Secret


class EnrolmentView(BaseModel):
    """What the authenticator is told; shown once. It counts once a code from it has been typed in."""

    secret: str
    uri: str
    qr_svg: str


class RecoveryCodes(BaseModel):
    """Shown this once; each opens the door once."""

    recovery_codes: list[str]


class SignedInWithCodes(SignedIn):
    recovery_codes: list[str]


class SecondFactorView(BaseModel):
    enrolled: bool
    recovery_codes_left: int


# ---- activation slips


class NewSlips(Wire):
    """For these people, or for everybody below an organisation who has no password yet."""

    people: Annotated[list[PublicId], Field(min_length=1, max_length=500)] | None = None
    organisation: PublicId | None = None


class SlipView(BaseModel):
    """What is printed. The code is shown this once; `link` holds it too, and `qr_svg` is the link as a picture."""

    person: str
    name: str
    staff_number: str | None
    organisation_zh: str | None
    organisation_en: str | None
    username: str
    code: str
    link: str
    qr_svg: str
    expires_at: Instant


class Slips(BaseModel):
    """`more`: an organisation has more people without a password than are printed at once; ask again."""

    data: list[SlipView]
    more: bool


class ActivationCode(Wire):
    code: ActivationText


class ActivationUse(Wire):
    code: ActivationText
    password: Secret


class ActivationView(BaseModel):
    """Whose password a code is for; the name is masked."""

    name: str
    username: str
    expires_at: Instant


class ActivatedView(BaseModel):
    username: str


class PasswordChange(Wire):
    present: Secret
    new: Secret


class PasswordResetAsked(Wire):
    username: Username


class PasswordResetAnswer(BaseModel):
    """The same for a name that somebody has and for one that nobody has."""

    status: Literal["asked"] = "asked"


class MyEmail(BaseModel):
    """Where mail to oneself goes."""

    email: str | None


class EmailChange(Wire):
    """`present` is one's password: who finds a phone open must not turn its owner's mail to themselves."""

    email: Email | None
    present: Secret


class CredentialReset(Wire):
    reason: Sentence = ""


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


# ---- places


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


class FileView(BaseModel):
    """A picture or a voice note that was taken in; `GET /v1/files/{id}` gives the bytes."""

    id: str
    kind: str
    media_type: str
    size_bytes: int
    width: int | None
    height: int | None
    created_at: Instant


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
