"""Wire forms of calls, policies, buttons and the desk."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Kind = Literal["lift", "medical", "security", "lost_property", "other"]
Trigger = Literal["acknowledge", "connect", "arrive", "release", "stay", "hand_over", "resolve", "cancel", "rate"]
Way = Literal["audio", "text", "on_the_way"]
ReachKind = Literal["dingtalk", "wecom", "sms", "voice", "mail", "web_push"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=r"^[^\x00]*$")]
SomeWords = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000, pattern=r"^[^\x00]*$")
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Device = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
PublicId = Annotated[str, StringConstraints(min_length=1, max_length=80)]
FileId = Annotated[str, StringConstraints(pattern=r"^file_[0-9a-f]{32}$", max_length=37)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


# ---- what callers and helpers send


class CallRequest(_Body):
    """One press. `client_id` is the press's own name: sent twice, it is one call. A wall button needs no body at all."""

    client_id: UUID | None = None
    kind: Kind | None = Field(default=None, description="A wall button's own kind, or `other`, where it is left out.")
    place_code: Annotated[
        str | None, Field(default=None, max_length=200, description="The text of a scanned label of a place.")
    ] = None
    place: Annotated[str | None, Field(default=None, max_length=80, description="A place's id (`pla_...`).")] = None
    words: Words = ""
    files: Annotated[list[FileId], Field(max_length=6)] = []


class TriggerBody(_Body):
    """What a trigger takes; each takes its own of these. `version` is the one that was looked at."""

    version: int | None = Field(default=None, ge=1)
    words: Words = ""
    device: Device | None = Field(default=None, description="acknowledge: the device on which the ring was answered.")
    way: Way | None = Field(default=None, description="connect: how.")
    eta_minutes: int | None = Field(
        default=None, ge=0, le=240, description="acknowledge, connect: who comes is there in so many minutes."
    )
    cause: Words = Field(default="", description="resolve, of a missed call: why nobody came.")
    team: PublicId | None = Field(default=None, description="hand_over: the team (`dty_...`) whose turn it is now.")
    target: PublicId | None = Field(default=None, description="hand_over: a trade of `GET /v1/calls/targets`.")
    rating: int | None = Field(default=None, ge=1, le=5, description="rate: 1 to 5.")


class ReceiptBody(_Body):
    """What became of a round on one device: `shown` is sent by a page that can be seen, and by no other."""

    device: Device
    ring_round: int = Field(ge=1)
    status: Literal["sent", "shown"]


class MessageBody(_Body):
    """Words to the other side; `client_id` makes a repeated one the same."""

    client_id: UUID | None = None
    words: Words = ""
    files: Annotated[list[FileId], Field(max_length=6)] = []


class PresenceBody(_Body):
    """This page is open at a desk: good for 30 s, to be said every 10 s. `leave` ends it at once."""

    device: Device
    leave: bool = False


# ---- what they see


class SomebodyView(BaseModel):
    """A person, by name."""

    id: str
    name: str


class CallerView(BaseModel):
    """Who called: a person, or a button on a wall. The telephone number is for those who come."""

    id: str
    name: str
    is_button: bool
    phone: str | None = None


class AttachedFile(BaseModel):
    """A picture or a voice note: `GET /v1/files/{id}`."""

    id: str
    kind: str
    media_type: str


class ProgressView(BaseModel):
    """How far the present ring has come: whose turn, on how many devices it was sent, shown, and how many were told outside."""

    people: int
    sent: int
    shown: int
    reached: int


class CallStepView(BaseModel):
    """One step of its life."""

    ordinal: int
    trigger: str
    state: str
    step: int
    loop: int
    actor: str
    actor_name: str | None
    words: str
    at: str


class CallView(BaseModel):
    """A call as its reader may see it, with the triggers that they may pull."""

    id: str
    client_id: str
    kind: Kind
    state: str
    version: int
    allowed: list[Trigger]
    region: str
    desk: str
    place: str | None
    place_text: str
    words: str
    files: list[AttachedFile]
    urgency: int
    # Of the frozen policy.
    step: int
    steps: int
    loop: int
    ring_round: int
    acks_needed: int
    is_flagged: bool
    caller: CallerView
    is_mine: bool
    acker: SomebodyView | None
    joined: list[SomebodyView]
    way: Way | None
    eta_minutes: int | None
    # "Still on it?" waits for an answer since then.
    asked_at: str | None
    handed_to: str | None
    cause: str
    rating: int | None
    rating_words: str
    progress: ProgressView
    # How many waiting calls the desk would take first; null where somebody has it.
    ahead: int | None
    due_at: str | None
    placed_at: str
    changed_at: str
    acknowledged_at: str | None
    missed_at: str | None
    ended_at: str | None
    # Only where one call is asked for.
    history: list[CallStepView] | None = None


class MessageView(BaseModel):
    """Words of one side."""

    id: str
    call: str
    author: SomebodyView
    side: Literal["caller", "staff"]
    words: str
    files: list[AttachedFile]
    at: str


class ReceiptView(BaseModel):
    """One device's part in a round, and whose it is."""

    ring_round: int
    step: int
    person: SomebodyView
    device: str | None
    status: Literal["rung", "sent", "shown", "acked"]
    # On so many ways outside of our pages.
    ways: int
    at: str


class TargetView(BaseModel):
    """What a call can be handed over to."""

    name: str
    name_zh: str
    name_en: str


class HelpKindView(BaseModel):
    """One kind of help, for the button's first question."""

    kind: Kind
    name_zh: str
    name_en: str


# ---- policies


class PolicyTarget(_Body):
    """Whom a step rings: `person` (per_...), `role` on duty, `team` (dty_...) on duty, or the public `screen`."""

    type: Literal["person", "role", "team", "screen"]
    id: PublicId | None = None
    role: Literal["duty_staff", "technician", "dispatcher", "canteen_manager"] | None = None


class PolicyStep(_Body):
    """Who rings, on which ways those are reached who have no page open, for how long, and how many have to come."""

    targets: Annotated[list[PolicyTarget], Field(min_length=1, max_length=20)]
    channels: list[ReachKind] | None = Field(default=None, description="Null: every way that leads there.")
    seconds: int = Field(default=15, ge=1, le=3600)
    acks_needed: int = Field(default=1, ge=1, le=10)


class PolicyBody(_Body):
    """A policy as it is written. The narrowest one counts: place before region, one kind before all, hours before always."""

    region: PublicId
    place: PublicId | None = None
    kind: Kind | None = None
    name: Name
    weekdays: Annotated[list[Annotated[int, Field(ge=1, le=7)]], Field(min_length=1, max_length=7)] = [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
    ]
    from_minute: int = Field(default=0, ge=0, le=1439, description="Local, from midnight; the same twice is all day.")
    until_minute: int = Field(default=0, ge=0, le=1439)
    steps: Annotated[list[PolicyStep], Field(min_length=1, max_length=20)]
    fallback: PolicyStep
    loops: int = Field(default=2, ge=0, le=20, description="How often the steps begin again before the call is missed.")
    version: int | None = Field(default=None, ge=1, description="On a change: the one that was looked at.")


class PolicyView(BaseModel):
    """A policy."""

    id: str
    region: str
    place: str | None
    kind: Kind | None
    name: str
    weekdays: list[int]
    from_minute: int
    until_minute: int
    steps: list[PolicyStep]
    fallback: PolicyStep
    loops: int
    version: int
    is_retired: bool
    changed_at: str


class PolicyPreviewStep(BaseModel):
    """Who a step would ring now."""

    seconds: int
    people: list[SomebodyView]
    screen: bool
    # Nobody: at this moment the step would ring an empty chair.
    is_empty: bool


class PolicyPreview(BaseModel):
    """What a call of this kind from this place would do now, step by step."""

    policy: str | None
    name: str
    steps: list[PolicyPreviewStep]
    fallback: PolicyPreviewStep


# ---- buttons


class ButtonBody(_Body):
    """A button to hang on a wall."""

    region: PublicId
    place: PublicId | None = None
    kind: Kind = "other"
    name: Name


class ButtonView(BaseModel):
    """A button; its token is shown once, where it is made."""

    id: str
    region: str
    place: str | None
    place_text: str
    kind: Kind
    name: str
    is_revoked: bool
    last_pressed_at: str | None
    created_at: str


class NewButtonView(ButtonView):
    """With its token: `Authorization: Bearer <token>` on `POST /v1/calls`."""

    token: str


# ---- the desk


class DeskView(BaseModel):
    """One desk that somebody may sit at: `desk:<id>` is its channel."""

    id: str
    channel: str
    region: str
    region_name_zh: str
    region_name_en: str


class PresentView(BaseModel):
    """Somebody whose page is open at the desk."""

    person: SomebodyView
    devices: int
    since: str


class WaitingView(BaseModel):
    """One place in the waiting queue."""

    call: str
    state: str
    kind: Kind
    place_text: str
    urgency: int
    placed_at: str


class AlarmView(BaseModel):
    """Something the watchdog has found: timers that lie, or calls without one."""

    name: Literal["timers_late", "calls_without_timer", "clock_stepped_back"]
    detail: str


class DeskBoard(BaseModel):
    """A desk's figures, and what the wall shows: no names."""

    waiting: int
    taken: int
    missed: int
    oldest_waiting_at: str | None
    present: int
    queue: list[WaitingView]
    alarms: list[AlarmView]


class DeskSnapshot(BaseModel):
    """The desk at a moment: read `position` first, then subscribe to its channel after it."""

    desk: DeskView
    position: int
    board: DeskBoard
    present: list[PresentView]


class DeskQueue(BaseModel):
    """The waiting queue in short, for walls and lamps that ask often: ids, the next one first, and how many are there."""

    calls: list[str]
    source: Literal["valkey", "database"]


class PresenceView(BaseModel):
    """For how long a lease is good, and when to renew it."""

    lease_s: int
    again_in_s: int
