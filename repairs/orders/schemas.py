"""Wire forms of work orders, categories, technicians and problems."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from repairs.sla.schemas import SlaState, SlaView

Urgency = Literal["low", "normal", "high", "urgent"]
Dispatch = Literal["automatic", "pool", "manual"]
HoldCause = Literal["waiting_requester", "parts", "contractor", "access", "out_of_hours", "other"]
NoteKind = Literal["note", "before", "after"]
State = Literal[
    "submitted",
    "accepted",
    "rejected",
    "merged",
    "withdrawn",
    "cancelled",
    "assigned",
    "en_route",
    "in_progress",
    "on_hold",
    "done",
    "confirmed",
    "disputed",
    "rated",
    "follow_up",
    "answered",
]
Trigger = Literal[
    "accept",
    "reject",
    "merge",
    "withdraw",
    "cancel",
    "assign",
    "claim",
    "set_out",
    "start",
    "decline",
    "hold",
    "finish",
    "resume",
    "confirm",
    "dispute",
    "rate",
    "answer",
]
GuestTrigger = Literal["withdraw", "cancel", "confirm", "dispute", "rate"]
ProblemTrigger = Literal["identify", "solve", "dismiss"]
Skill = Literal["electrical", "plumbing", "hvac", "it", "lift", "carpentry", "cleaning", "general"]

_NO_NUL = r"^[^\x00]*$"
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=_NO_NUL)]
SomeWords = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=_NO_NUL)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=_NO_NUL)]
ShortName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60, pattern=_NO_NUL)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, max_length=32, pattern=r"^[0-9+() -]*$")]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]
PublicId = Annotated[str, StringConstraints(min_length=1, max_length=80)]
FileId = Annotated[str, StringConstraints(pattern=r"^file_[0-9a-f]{32}$", max_length=37)]
# Inside of what a clock, a database and a calendar can all count.
Moment = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2200, 1, 1, tzinfo=UTC))]
Files = Annotated[list[FileId], Field(max_length=9)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# ---- what people send


class WorkOrderRequest(_Body):
    """A report. `client_id` is its own name: sent twice, it is one order. Where no place is named, the home region's office
    gets it; where no category is, it is `other`."""

    client_id: UUID | None = None
    category: PublicId | None = None
    place: PublicId | None = Field(default=None, description="A place's id (`pla_...`).")
    place_code: Annotated[str | None, StringConstraints(max_length=200)] = Field(
        default=None, description="The text of a scanned label, of a place or of an asset."
    )
    asset: PublicId | None = None
    words: SomeWords
    urgency: Urgency | None = None
    preferred_from: Moment | None = None
    preferred_until: Moment | None = None
    served: PublicId | None = Field(default=None, description="Who is served, if not whoever raises it (`per_...`).")
    phone: Phone = ""
    files: Files = []
    same_as: PublicId | None = Field(
        default=None, description="Me too: an order of `GET /v1/work_orders/duplicates` that this one becomes part of."
    )

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.preferred_from and self.preferred_until and self.preferred_from >= self.preferred_until:
            raise ValueError("preferred_until comes after preferred_from")
        return self


class GuestRequest(_Body):
    """A report by somebody who is not signed in, at a place that takes it."""

    client_id: UUID | None = None
    category: PublicId | None = None
    words: SomeWords
    urgency: Literal["low", "normal", "high"] | None = None
    name: ShortName = ""
    phone: Phone = ""
    files: Files = []


class OrderTriggerBody(_Body):
    """What a trigger takes; each takes its own of these. `version` is the one that was looked at; `client_id` the change's own
    name, so that it happens once."""

    client_id: UUID | None = None
    version: int | None = Field(default=None, ge=1)
    words: Words = ""
    assignee: PublicId | None = Field(default=None, description="assign: who; left out, the rule picks.")
    into: PublicId | None = Field(default=None, description="merge: the order that it becomes part of.")
    cause: HoldCause | None = Field(default=None, description="hold: why; `other` does not stop the clock.")
    until: Moment | None = Field(default=None, description="hold: when it is likely to go on.")
    score: int | None = Field(default=None, ge=1, le=5, description="rate: 1 to 5; 1 and 2 say why.")
    files: Files = []


class GuestTriggerBody(_Body):
    """What a guest's trigger takes."""

    client_id: UUID | None = None
    version: int | None = Field(default=None, ge=1)
    words: Words = ""
    score: int | None = Field(default=None, ge=1, le=5, description="rate: 1 to 5; 1 and 2 say why.")


class GuestNoteBody(_Body):
    """A guest's words to those who come."""

    client_id: UUID | None = None
    words: SomeWords


class NoteBody(_Body):
    """Words or pictures; `before` and `after` are pictures of the work. Public ones are seen by those it is for."""

    client_id: UUID | None = None
    kind: NoteKind = "note"
    words: Words = ""
    files: Files = []
    is_public: bool = True


class LabourBody(_Body):
    """Time that was spent on it."""

    client_id: UUID | None = None
    started_at: Moment
    minutes: int = Field(ge=1, le=1440)
    words: Words = ""


class CheckBody(_Body):
    """A line of the checklist."""

    client_id: UUID | None = None
    ticked: bool = True


class SyncStep(_Body):
    """One change that a phone has kept while it was without network. `base_version` is the version that it believed in when it
    was made, its own triggers before it counted."""

    client_id: UUID
    base_version: int = Field(ge=0)
    happened_at: Moment | None = None
    kind: Literal["trigger", "note", "check", "labour"]
    trigger: Trigger | None = None
    ordinal: int | None = Field(default=None, ge=1, le=200)
    body: dict[str, Any] = Field(default={}, description="The same body as that of the change's own address.")


class SyncBody(_Body):
    """What a phone brings along, in the order in which it happened."""

    steps: Annotated[list[SyncStep], Field(min_length=1, max_length=100)]


class CheckLine(_Body):
    """A line of a category's checklist."""

    zh: SomeWords
    en: Words = ""
    is_required: bool = True


class CategoryRequest(_Body):
    """A new kind of repair."""

    parent: PublicId | None = None
    code: Code
    name_zh: Name
    name_en: Name
    icon: ShortName = ""
    skill: Skill | None = None
    urgency: Urgency = "normal"
    dispatch: Dispatch = "manual"
    checklist: Annotated[list[CheckLine], Field(max_length=50)] = []
    problem_threshold: int = Field(default=5, ge=2, le=100)
    ordinal: int = Field(default=0, ge=0, le=10_000)


class CategoryChange(_Body):
    """What is to be different; `parent` null makes it a root."""

    parent: PublicId | None = None
    name_zh: Name | None = None
    name_en: Name | None = None
    icon: ShortName | None = None
    skill: Skill | None = None
    urgency: Urgency | None = None
    dispatch: Dispatch | None = None
    checklist: Annotated[list[CheckLine], Field(max_length=50)] | None = None
    problem_threshold: int | None = Field(default=None, ge=2, le=100)
    ordinal: int | None = Field(default=None, ge=0, le=10_000)


class TechnicianBody(_Body):
    """What somebody is sent: the role itself is granted elsewhere."""

    region: PublicId
    skills: Annotated[list[Skill], Field(max_length=20)]
    places: Annotated[list[PublicId], Field(max_length=100)] = []
    load_max: int = Field(default=5, ge=1, le=50)
    is_active: bool = True


class OneOrder(_Body):
    """An order, `wo_...`."""

    order: PublicId


class ProblemBody(_Body):
    """identify: the cause; solve: what was done; dismiss: why it is none."""

    words: SomeWords


# ---- what they see


class SomebodyView(BaseModel):
    """A person, by name."""

    id: str
    name: str


class ServedPersonView(BaseModel):
    """Somebody who may be named as the person served, and where they work, which tells two of one name apart."""

    id: str
    name: str
    organisation_name_zh: str | None
    organisation_name_en: str | None


class ServedPeople(BaseModel):
    """The few that fit."""

    data: list[ServedPersonView]


class PartyView(BaseModel):
    """Whose order it is."""

    id: str
    name: str
    is_guest: bool


class AttachedFile(BaseModel):
    """A picture or a voice note: `GET /v1/files/{id}`."""

    id: str
    kind: str
    media_type: str


class CategoryBrief(BaseModel):
    """A category on an order."""

    id: str
    name_zh: str
    name_en: str
    icon: str
    skill: str | None


class AssetBrief(BaseModel):
    """An asset on an order."""

    id: str
    name_zh: str
    name_en: str
    code: str


class HoldView(BaseModel):
    """Why nothing happens."""

    cause: HoldCause
    since: str
    until: str | None


class RatingView(BaseModel):
    """What one of those who were served thought of it, and the lead's answer."""

    who: str
    is_mine: bool
    is_second: bool
    score: int
    words: str
    rated_at: str
    edited_at: str | None
    answer: str
    answered_at: str | None


class OrderStepView(BaseModel):
    """One step of its life."""

    ordinal: int
    trigger: str
    state: str
    round: int
    actor: str
    actor_name: str | None
    words: str
    data: dict[str, Any]
    happened_at: str
    at: str


class NoteView(BaseModel):
    """Words or pictures at an order."""

    id: str
    kind: NoteKind
    words: str
    author: str
    author_name: str
    files: list[AttachedFile]
    is_public: bool
    at: str


class CheckView(BaseModel):
    """A line of the checklist."""

    ordinal: int
    zh: str
    en: str
    is_required: bool
    ticked_by: SomebodyView | None
    ticked_at: str | None


class LabourView(BaseModel):
    """Time that somebody has spent on it."""

    id: str
    person: SomebodyView
    started_at: str
    minutes: int
    words: str


class OrderBrief(BaseModel):
    """An order for who need not see all of it: likely the same thing, or part of a problem."""

    id: str
    category: CategoryBrief
    state: State
    place_text: str
    words: str
    raised_at: str
    raisers: int


class MergedView(BaseModel):
    """A report that became part of this one, as it was sent."""

    id: str
    raiser_name: str
    words: str
    files: list[AttachedFile]
    raised_at: str


class WorkOrderView(BaseModel):
    """A work order as its reader may see it, with the triggers that they may pull."""

    id: str
    client_id: str
    state: State
    version: int
    allowed: list[Trigger]
    region: str
    desk: str
    category: CategoryBrief
    place: str | None
    place_text: str
    asset: AssetBrief | None
    words: str
    urgency: Urgency
    preferred_from: str | None
    preferred_until: str | None
    raisers: list[PartyView]
    served: list[PartyView]
    is_mine: bool
    is_served: bool
    assignee: SomebodyView | None
    round: int
    declines: int
    hold: HoldView | None
    files: list[AttachedFile]
    merged_into: str | None
    problem: str | None
    call: str | None
    # Its clocks of service.
    sla: SlaView | None
    raised_at: str
    changed_at: str
    accepted_at: str | None
    started_at: str | None
    finished_at: str | None
    confirmed_at: str | None
    confirmed_by: Literal["person", "system"] | None
    confirm_due_at: str | None
    ended_at: str | None
    ratings: list[RatingView]
    # Only where one order is asked for.
    phone: str | None = None
    history: list[OrderStepView] | None = None
    notes: list[NoteView] | None = None
    checklist: list[CheckView] | None = None
    labour: list[LabourView] | None = None
    merged: list[MergedView] | None = None
    # Only for those at the desk.
    duplicates: list[OrderBrief] | None = None


class GuestOrderView(BaseModel):
    """What a guest sees of their order."""

    state: State
    version: int
    allowed: list[GuestTrigger]
    category: CategoryBrief
    place_text: str
    asset: AssetBrief | None
    words: str
    urgency: Urgency
    round: int
    assignee_name: str | None
    hold: HoldView | None
    files: list[AttachedFile]
    notes: list[NoteView]
    history: list[OrderStepView]
    ratings: list[RatingView]
    # Became part of another report of the same thing; this is that one.
    is_merged: bool
    raised_at: str
    changed_at: str
    finished_at: str | None
    confirmed_by: Literal["person", "system"] | None
    confirm_due_at: str | None
    ended_at: str | None


class GuestTicketView(BaseModel):
    """The ticket is said once: by it the guest follows, confirms and rates."""

    ticket: str
    order: GuestOrderView


class SyncResult(BaseModel):
    """What became of one change. `refused` says why; `repeated` had been done before."""

    client_id: UUID
    status: Literal["done", "repeated", "refused"]
    code: str | None = None
    message: str | None = None
    data: dict[str, Any] = {}
    state: str
    version: int
    allowed: list[str]


class SyncView(BaseModel):
    """An answer for each change, and the order as it is now."""

    results: list[SyncResult]
    order: WorkOrderView


class CandidateView(BaseModel):
    """Somebody to whom an order could go, the best first."""

    person: SomebodyView
    fits: bool
    # skill, area, load, shift, declined, inactive: what speaks against it.
    reasons: list[str]
    load: int
    load_max: int
    on_duty: bool
    declined: bool


class SkillView(BaseModel):
    """What one may be able to do."""

    code: Skill
    name_zh: str
    name_en: str


class CategoryView(BaseModel):
    """A kind of repair."""

    id: str
    parent: str | None
    code: str
    name_zh: str
    name_en: str
    icon: str
    skill: Skill | None
    urgency: Urgency
    dispatch: Dispatch
    checklist: list[CheckLine]
    problem_threshold: int
    ordinal: int
    is_retired: bool


class PlaceBrief(BaseModel):
    """A place, by name."""

    id: str
    name_zh: str
    name_en: str
    full_name_zh: str
    full_name_en: str


class FormView(BaseModel):
    """The form that a scan opens: where, what, and what is known to be broken there."""

    code: str
    place: PlaceBrief
    asset: AssetBrief | None
    category: str | None
    open_to_strangers: bool
    signed_in: bool
    categories: list[CategoryView]
    open: list[OrderBrief]


class TechnicianView(BaseModel):
    """What somebody is sent, and how much they have."""

    person: SomebodyView
    region: str
    skills: list[Skill]
    places: list[PlaceBrief]
    load: int
    load_max: int
    is_active: bool
    on_duty: bool
    declines_30d: int


class ProblemView(BaseModel):
    """Many of one kind."""

    id: str
    region: str
    category: CategoryBrief
    place_text: str
    state: Literal["open", "identified", "solved", "dismissed"]
    allowed: list[ProblemTrigger]
    orders: int
    cause: str
    words: str
    opened_at: str
    changed_at: str
    closed_at: str | None
    # Only where one is asked for.
    linked: list[OrderBrief] | None = None


class RepairDeskView(BaseModel):
    """A desk of repairs that I may sit at."""

    id: str
    channel: str
    region: str
    region_name_zh: str
    region_name_en: str


class Card(BaseModel):
    """An order on the board."""

    id: str
    state: State
    version: int
    urgency: Urgency
    category: str
    place_text: str
    words: str
    assignee: str | None
    assignee_name: str | None
    round: int
    declines: int
    hold_cause: HoldCause | None
    problem: str | None
    raised_at: str
    changed_at: str
    sla: SlaState | None
    due_at: str | None


class RepairBoardView(BaseModel):
    """A desk at a moment: subscribe to its channel after `position`."""

    desk: RepairDeskView
    position: int
    orders: list[Card]
