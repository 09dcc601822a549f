"""What a meeting may hold: one `MeetingLine` for each kind, by whichever domain it is.

A kind is registered in app/wiring.py. Everything it does happens in the caller's transaction, so that one commit holds a
whole meeting. Kinds know nothing of each other; that two meetings never wait for each other rests on this: `locks_of` names
what a wish will need, all names of a request are locked at once in their order (`lock_all`), and nothing else is waited for.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel.errors import GuanjiaError, Malformed

_LOCK_ALL: Final = text("""
    SELECT pg_advisory_xact_lock(key)
    FROM (SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(CAST(:names AS text[])) AS name ORDER BY key) AS k
""")
_TRY_LOCK_ALL: Final = text("""
    SELECT bool_and(pg_try_advisory_xact_lock(key))
    FROM (SELECT DISTINCT hashtextextended(name, 0) AS key FROM unnest(CAST(:names AS text[])) AS name ORDER BY key) AS k
""")


@dataclass(frozen=True, slots=True)
class Wish:
    """One line as it is asked for. `wanted` is what its kind has read."""

    line_id: UUID
    kind: str
    wanted: Mapping[str, Any]
    title: str
    organiser: Principal
    region_id: UUID
    zone: str
    meeting_id: UUID
    attendees: int
    scan_rule: str = "once"

    def as_request(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A line to send instead of this one."""
        return {"kind": self.kind, "title": self.title, "scan_rule": self.scan_rule, **wanted}


class Held(Protocol):
    """What holding a line has come to."""

    @property
    def refs(self) -> Sequence[UUID]:
        """The rows of its kind that hold it."""

    @property
    def starts_at(self) -> datetime | None:
        """From when it is used; None where it has no time."""

    @property
    def ends_at(self) -> datetime | None: ...

    @property
    def quantity(self) -> int:
        """How many are counted and paid: rooms times nights, covers, badges, else one."""

    @property
    def estimate_fen(self) -> int: ...

    @property
    def needs_approval(self) -> bool: ...


class Place(Protocol):
    """One thing that a line holds, as people look for it. `place_id` is in the tree of places."""

    @property
    def id(self) -> str:
        """Its public id."""

    @property
    def name_zh(self) -> str: ...

    @property
    def name_en(self) -> str: ...

    @property
    def place_id(self) -> UUID | None: ...

    @property
    def payee_id(self) -> UUID | None:
        """Who is paid where it stands at no place: a site or an organisation; None: nobody."""

    @property
    def cost_fen(self) -> int:
        """What was estimated for it."""

    @property
    def driver_id(self) -> UUID | None: ...

    @property
    def plate(self) -> str | None: ...

    @property
    def is_lost(self) -> bool:
        """It was held, and somebody with a better right has taken it away."""

    @property
    def menu(self) -> Sequence[tuple[str, str]]:
        """Dishes, in Chinese and in English."""


class MeetingLine(Protocol):
    """One kind of line. Refusals are returned, not raised: the caller tells all of them at once, and undoes everything."""

    @property
    def kind(self) -> str: ...

    @property
    def counts_guests(self) -> bool:
        """Whether what was had is how many guests came to it."""

    def read(self, wanted: Mapping[str, Any], /) -> dict[str, Any]:
        """What is wanted, checked and in the form in which it is kept; Malformed for anything else."""

    def moved(self, wanted: Mapping[str, Any], days: int, zone: str, /) -> dict[str, Any]:
        """The same so many days later, at the same time on the clock of the place."""

    def locks_of(self, wanted: Mapping[str, Any], region_id: UUID, /) -> Sequence[str]:
        """Names of what this competes for, now and when it is released."""

    async def hold(
        self, session: AsyncSession, wishes: Sequence[Wish], state: str, /
    ) -> Mapping[UUID, Held | GuanjiaError]:
        """Hold all of them, in order of their resources; by line, what it has come to or why it cannot be had. `state` is
        held, pending_approval or confirmed."""

    async def suggest(self, session: AsyncSession, wish: Wish, /) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """What could be had instead at this moment, best first: near, similar, day or fewer, and what to want."""

    async def move(
        self, session: AsyncSession, refs: Collection[UUID], trigger: str, actor: str, words: str, /
    ) -> None:
        """Follow the meeting's trigger: submit, confirm, approve, reject, cancel, expire, finish, end. `replace` lets go
        without offering it to anybody yet, and `offer` does that once the new line is held."""

    async def places_of(self, session: AsyncSession, refs: Collection[UUID], /) -> Mapping[UUID, Place]:
        """Each of them as people look for it."""

    async def note_needs(self, session: AsyncSession, refs: Collection[UUID], needs: Mapping[str, int], /) -> None:
        """What the guests cannot or will not eat, counted; for kinds that cook."""


@dataclass(frozen=True, slots=True)
class HeldLine:
    """`Held` as booking's own kinds return it."""

    refs: Sequence[UUID] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    quantity: int = 1
    estimate_fen: int = 0
    needs_approval: bool = False


@dataclass(frozen=True, slots=True)
class LinePlace:
    """`Place` as booking's own kinds return it."""

    id: str
    name_zh: str
    name_en: str
    place_id: UUID | None = None
    payee_id: UUID | None = None
    cost_fen: int = 0
    driver_id: UUID | None = None
    plate: str | None = None
    is_lost: bool = False
    menu: Sequence[tuple[str, str]] = field(default=())


_kinds: dict[str, MeetingLine] = {}


def register_meeting_line(line: MeetingLine) -> None:
    """From then on meetings may hold this kind. Called by app/wiring.py; a kind has one implementation."""
    _kinds[line.kind] = line


def kind_of(name: str) -> MeetingLine:
    """The implementation; Malformed for a kind that nobody has registered."""
    if name not in _kinds:
        raise Malformed(reason=f"a kind of line: {', '.join(sorted(_kinds))}", field="kind")
    return _kinds[name]


Competed = tuple[str, Mapping[str, Any], UUID]


def _names(competed: Iterable[Competed]) -> list[str]:
    """Of (kind, what is wanted, region)."""
    return sorted(
        {f"{kind}:{name}" for kind, wanted, region_id in competed for name in kind_of(kind).locks_of(wanted, region_id)}
    )


async def lock_all(session: AsyncSession, competed: Iterable[Competed]) -> None:
    """All that these lines compete for, in one order for everybody, until the transaction ends."""
    names = _names(competed)
    if names:
        await session.execute(_LOCK_ALL, {"names": names})


async def try_lock_all(session: AsyncSession, competed: Iterable[Competed]) -> bool:
    """The same without waiting; False where somebody has one of them."""
    names = _names(competed)
    return not names or bool(await session.scalar(_TRY_LOCK_ALL, {"names": names}))
