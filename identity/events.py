"""What identity tells: closed models, each with its audience. Ids are public ones (`per_...`)."""

from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

from kernel.events import Delivery, Event
from kernel.ids import public_id


def optional_id(prefix: str, identifier: UUID | None) -> str | None:
    """The public form of an id that may be absent."""
    return None if identifier is None else public_id(prefix, identifier)


class PersonJoined(Event, frozen=True, kw_only=True):
    """Somebody was opened and belongs to an organisation from a day on. For handlers: payments opens a holder."""

    type: ClassVar[str] = "person.joined"

    person: str
    organisation: str
    unit: str | None
    region: str
    person_class: str
    valid_from: str

    def audience(self) -> Sequence[Delivery]:
        return ()


class MembershipChanged(Event, frozen=True, kw_only=True):
    """From a day on somebody belongs elsewhere, as something else, or nowhere (`organisation` is null). For handlers."""

    type: ClassVar[str] = "membership.changed"

    person: str
    organisation: str | None
    unit: str | None
    region: str | None
    person_class: str | None
    valid_from: str

    def audience(self) -> Sequence[Delivery]:
        return ()


class PersonStatusChanged(Event, frozen=True, kw_only=True):
    """Somebody was suspended, came back, or left. For handlers: what they have open is theirs to see to."""

    type: ClassVar[str] = "person.status_changed"

    person: str
    status: str

    def audience(self) -> Sequence[Delivery]:
        return ()


class RolesChanged(Event, frozen=True, kw_only=True):
    """A role was granted or taken away. For handlers: open sockets check again what they may hear."""

    type: ClassVar[str] = "roles.changed"

    person: str
    role: str
    granted: bool

    def audience(self) -> Sequence[Delivery]:
        return ()


class SessionEnded(Event, frozen=True, kw_only=True):
    """Sign-ins of a person ended before their time. For handlers: sockets opened with them are closed."""

    type: ClassVar[str] = "session.ended"

    person: str
    sessions: list[str]

    def audience(self) -> Sequence[Delivery]:
        return ()


class PlacesChanged(Event, frozen=True, kw_only=True):
    """A region, organisation or site was opened, edited or moved. For handlers."""

    type: ClassVar[str] = "places.changed"

    kind: str
    place: str
    # An organisation that hangs or is at home elsewhere now: other units may pay for its people, in other books.
    moved: bool = False

    def audience(self) -> Sequence[Delivery]:
        return ()


class TerminalChanged(Event, frozen=True, kw_only=True):
    """A till was enrolled, disabled, enabled, revoked or edited; its canteen's board shows it."""

    type: ClassVar[str] = "terminal.changed"

    terminal: str
    site: str
    name: str
    status: str
    trigger: str
    configuration_version: int

    def audience(self) -> Sequence[Delivery]:
        shown: dict[str, Any] = {"terminal": self.terminal, "name": self.name, "status": self.status}
        # A canteen's id is its site's, and its channel is named by the canteen's prefix.
        return (Delivery(f"canteen:can_{self.site.removeprefix('sit_')}", shown),)


class ApprovalRequested(Event, frozen=True, kw_only=True):
    """Somebody asked for what a second person must decide. For handlers."""

    type: ClassVar[str] = "approval.requested"

    approval: str
    kind: str
    subject: str
    requested_by: str

    def audience(self) -> Sequence[Delivery]:
        return ()


class ApprovalDecided(Event, frozen=True, kw_only=True):
    """It was approved, rejected, withdrawn, or ran out of time; who asked is told."""

    type: ClassVar[str] = "approval.decided"

    approval: str
    kind: str
    subject: str
    status: str
    requested_by: str

    def audience(self) -> Sequence[Delivery]:
        shown = {"approval": self.approval, "kind": self.kind, "status": self.status}
        return (Delivery(f"person:{self.requested_by}", shown),)
