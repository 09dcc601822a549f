"""Use cases of a meeting: hold it, pull its triggers, let its clock strike, copy it to another day.

A request locks what it competes for in one order (`lines.lock_all`), holds all lines and writes the meeting in one
transaction. A trigger locks the meeting first and what its lines compete for afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.catalogue import OFFICE_ROLES
from booking.deadlines import HOLD_FOR
from booking.meetings import costs, letters, queries
from booking.meetings.errors import MeetingClash
from booking.meetings.events import MeetingChanged
from booking.meetings.holding import hold_all
from booking.meetings.lines import Held, Wish, kind_of, lock_all
from booking.meetings.models import Meeting, MeetingGuest, MeetingLineRow, MeetingStep
from booking.meetings.queries import LINE, PREFIX
from booking.meetings.schemas import (
    AgendaItem,
    LineRequest,
    MeetingAnswer,
    MeetingChange,
    MeetingCopy,
    NewMeeting,
)
from booking.meetings.states import MEETING, OPEN, allowed_to, may_pull, next_state
from identity.api import Principal, place_names, principal_of, today
from kernel import clock, timers
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish, savepoint

TIMER_KIND: Final = "meeting.clock"
_ENDING: Final = frozenset({"reject", "cancel", "expire", "finish", "end"})


# ---- a whole meeting at once


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for lines, read: which meeting, whose, where."""

    meeting_id: UUID
    organiser: Principal
    region_id: UUID
    zone: str
    attendees: int

    def wish(self, line: LineRequest, line_id: UUID | None = None, title: str = "") -> Wish:
        return Wish(
            line_id=line_id or uuid7(),
            kind=line.kind,
            wanted=kind_of(line.kind).read(line.own_fields()),
            title=line.title or title,
            organiser=self.organiser,
            region_id=self.region_id,
            zone=self.zone,
            meeting_id=self.meeting_id,
            attendees=self.attendees,
            scan_rule=line.scan_rule,
        )


async def hold_meeting(session: AsyncSession, actor: Principal, new: NewMeeting) -> tuple[Meeting, bool]:
    """Hold all lines for ten minutes, or none; False where this request was taken before."""
    known = await queries.find_request(session, actor.person_id, new.request_id)
    if known is not None:
        return known, False
    asked = await _asked(session, actor, new)
    return await _hold(session, asked, new, copied_from=None), True


async def _asked(session: AsyncSession, actor: Principal, new: NewMeeting) -> _Asked:
    region_id = parse_public_id("reg", new.region) if new.region else actor.region_id
    if region_id is None:
        raise Malformed(reason="a meeting takes place in a region", field="region")
    named = (await place_names(session, [region_id])).get(region_id)
    if named is None or named.region_id != region_id:
        raise NotFound(what="region")
    return _Asked(uuid7(), actor, region_id, named.timezone, new.attendees)


async def _hold(session: AsyncSession, asked: _Asked, new: NewMeeting, *, copied_from: UUID | None) -> Meeting:
    wishes = [asked.wish(line, title=new.title) for line in new.lines]
    held = await hold_all(session, wishes, "held", {wish.line_id: at for at, wish in enumerate(wishes)})
    rows = [line_row(wish, at, held[wish.line_id], "held") for at, wish in enumerate(wishes)]
    now = clock.now()
    starts_at, ends_at = span_of_lines(rows)
    estimate_fen = sum(row.estimate_fen for row in rows)
    meeting = Meeting(
        id=asked.meeting_id,
        region_id=asked.region_id,
        organiser_id=asked.organiser.person_id,
        unit_id=asked.organiser.unit_id,
        request_id=new.request_id,
        copied_from_id=copied_from,
        title=new.title,
        words=new.words,
        attendees=new.attendees,
        zone=asked.zone,
        starts_at=starts_at,
        ends_at=ends_at,
        agenda=agenda_of(new.agenda, [row.id for row in rows]),
        contacts=[contact.model_dump(mode="json") for contact in new.contacts],
        helper_ids=[],
        needs_approval=await costs.asks_office(session, asked.region_id, rows, estimate_fen),
        state="held",
        version=1,
        due_at=now + HOLD_FOR,
        estimate_fen=estimate_fen,
        fee_fen=0,
        created_at=now,
        changed_at=now,
    )
    session.add(meeting)
    await session.flush()
    session.add_all([*rows, _step_row(meeting, "hold", asked.organiser.actor, "")])
    await session.flush()
    await set_clock(session, meeting)
    publish(session, changed(meeting, "hold"))
    return meeting


def line_row(wish: Wish, ordinal: int, held: Held, state: str) -> MeetingLineRow:
    """A line that is held, as it is kept."""
    return MeetingLineRow(
        id=wish.line_id,
        meeting_id=wish.meeting_id,
        ordinal=ordinal,
        kind=wish.kind,
        title=wish.title,
        wanted=dict(wish.wanted),
        refs=list(held.refs),
        state=state,
        starts_at=held.starts_at,
        ends_at=held.ends_at,
        quantity=held.quantity,
        estimate_fen=held.estimate_fen,
        needs_approval=held.needs_approval,
        scan_rule=wish.scan_rule,
        had_quantity=None,
        had_fen=None,
    )


def span_of_lines(rows: Sequence[MeetingLineRow]) -> tuple[datetime, datetime]:
    """From the first begin to the last end of what has a time."""
    live = [row for row in rows if row.state != "released"]
    starts = [row.starts_at for row in live if row.starts_at is not None]
    ends = [row.ends_at for row in live if row.ends_at is not None]
    if not starts or not ends:
        raise Malformed(reason="a meeting has a time: a hall, rooms, a car or a meal", field="lines")
    return min(starts), max(ends)


def agenda_of(items: Sequence[AgendaItem], line_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """As it is kept: each point's line by its id, whether it was named so or by its place in the request."""
    known = {public_id(LINE, line_id) for line_id in line_ids}
    kept = []
    for item in items:
        line = item.line
        if isinstance(line, int):
            if not 0 <= line < len(line_ids):
                raise Malformed(reason="agenda: a line of this meeting", field="agenda")
            line = public_id(LINE, line_ids[line])
        elif line is not None and line not in known:
            raise Malformed(reason="agenda: a line of this meeting", field="agenda")
        kept.append({**item.model_dump(mode="json"), "line": line})
    return kept


async def quote(
    session: AsyncSession, actor: Principal, new: NewMeeting
) -> tuple[dict[int, MeetingLineRow], dict[int, dict[str, Any]], bool]:
    """What it would cost: it is held, looked at, and undone. By index of the line: the line, or its clash; and whether the
    office would have to decide."""
    asked = await _asked(session, actor, new)
    try:
        async with savepoint(session):
            await _try(session, asked, new)
    except _Undone as undone:
        return dict(enumerate(undone.rows)), {}, undone.asks
    except MeetingClash as clash:
        return {}, {each["line"]: each for each in clash.data["clashes"]}, False
    raise AssertionError("what is tried is always undone")


async def _try(session: AsyncSession, asked: _Asked, new: NewMeeting) -> None:
    wishes = [asked.wish(line, title=new.title) for line in new.lines]
    held = await hold_all(session, wishes, "held", {wish.line_id: at for at, wish in enumerate(wishes)})
    rows = [line_row(wish, at, held[wish.line_id], "held") for at, wish in enumerate(wishes)]
    estimate_fen = sum(row.estimate_fen for row in rows)
    raise _Undone(rows, await costs.asks_office(session, asked.region_id, rows, estimate_fen))


class _Undone(Exception):
    """Not a failure: what was tried is taken back."""

    def __init__(self, rows: list[MeetingLineRow], asks: bool) -> None:  # noqa: FBT001  carried, not decided upon
        super().__init__()
        self.rows, self.asks = rows, asks


# ---- copies


async def copy_meeting(
    session: AsyncSession, actor: Principal, meeting_id: UUID, copy: MeetingCopy
) -> tuple[Meeting, bool]:
    """The same on another day, held anew; agenda and guests come along. Whoever copies it organises the new one."""
    known = await queries.find_request(session, actor.person_id, copy.request_id)
    if known is not None:
        return known, False
    old = await queries.get_meeting(session, meeting_id)
    if not sides_of(old, actor):
        raise NotFound(what="meeting")
    rows = [row for row in (await queries.lines_of(session, [old.id]))[old.id] if row.state != "released"]
    rows = rows or (await queries.lines_of(session, [old.id]))[old.id]
    zone = ZoneInfo(old.zone)
    days = (copy.starts_on - old.starts_at.astimezone(zone).date()).days
    lines = copy.lines or [_request_of(row, days, old.zone) for row in rows]
    new = NewMeeting(
        request_id=copy.request_id,
        title=copy.title or old.title,
        attendees=old.attendees,
        region=public_id("reg", old.region_id),
        words=old.words,
        lines=lines,
        agenda=_agenda_later(old, rows if copy.lines is None else [], days),
        contacts=old.contacts,
    )
    meeting = await _hold(session, await _asked(session, actor, new), new, copied_from=old.id)
    await _copy_guests(session, old.id, meeting)
    return meeting, True


def _request_of(row: MeetingLineRow, days: int, zone: str) -> LineRequest:
    moved = kind_of(row.kind).moved(row.wanted, days, zone)
    return LineRequest.model_validate({"kind": row.kind, "title": row.title, "scan_rule": row.scan_rule, **moved})


def _agenda_later(old: Meeting, rows: Sequence[MeetingLineRow], days: int) -> list[AgendaItem]:
    zone = ZoneInfo(old.zone)
    at_index = {public_id(LINE, row.id): at for at, row in enumerate(rows)}

    def later(moment: str) -> datetime:
        return datetime.fromisoformat(moment).astimezone(zone) + timedelta(days=days)

    moved = [
        {**item, "starts_at": later(item["starts_at"]), "ends_at": later(item["ends_at"])}
        | {"line": at_index.get(item["line"])}
        for item in old.agenda
    ]
    try:
        return [AgendaItem.model_validate(item) for item in moved]
    except ValidationError:
        raise Malformed(reason="the agenda would lie too far away", field="starts_on") from None


async def _copy_guests(session: AsyncSession, old_id: UUID, meeting: Meeting) -> None:
    guests = await queries.guests_of(session, old_id)
    if not guests:
        return
    kept = ("ordinal", "name", "unit_name", "phone", "email", "language", "diet", "diet_words")
    await session.execute(
        insert(MeetingGuest),
        [
            {
                **{name: getattr(guest, name) for name in kept},
                "id": uuid7(),
                "meeting_id": meeting.id,
                "code_issue": 1,
                "told_at": None,
                "created_at": clock.now(),
                "removed_at": None,
            }
            for guest in guests
        ],
    )
    await note_needs(session, meeting)


async def note_needs(session: AsyncSession, meeting: Meeting) -> None:
    """Tell the kitchens of what the guests cannot or will not eat."""
    needs = (await queries.needs_of(session, [meeting.id]))[meeting.id]
    for row in (await queries.lines_of(session, [meeting.id]))[meeting.id]:
        if row.state != "released":
            await kind_of(row.kind).note_needs(session, row.refs, needs)


# ---- triggers


def sides_of(meeting: Meeting, reader: Principal) -> frozenset[str]:
    """Whose part somebody takes: organiser, helper (scans only), office, or none."""
    sides = set()
    if reader.person_id == meeting.organiser_id:
        sides.add("organiser")
    if reader.person_id in meeting.helper_ids:
        sides.add("helper")
    if reader.may(*OFFICE_ROLES, region_id=meeting.region_id):
        sides.add("office")
    return frozenset(sides)


async def lock_for(
    session: AsyncSession, actor: Principal, meeting_id: UUID, trigger: str, version: int | None
) -> Meeting:
    """The meeting, locked, where this person may pull the trigger and the state allows it."""
    meeting = await queries.lock_meeting(session, meeting_id)
    sides = sides_of(meeting, actor)
    if not sides:
        raise NotFound(what="meeting")
    if not may_pull(trigger, sides):
        raise Forbidden
    is_stale = version is not None and version != meeting.version
    if is_stale or (meeting.state, trigger) not in MEETING:
        raise StateConflict(
            state=meeting.state, trigger=trigger, allowed=allowed_to(meeting.state, sides), version=meeting.version
        )
    return meeting


async def pull(
    session: AsyncSession, actor: Principal, meeting_id: UUID, trigger: str, answer: MeetingAnswer
) -> Meeting:
    """Any trigger of a person's, as the table allows it."""
    meeting = await lock_for(session, actor, meeting_id, trigger, answer.version)
    if trigger == "reject" and not answer.words:
        raise Malformed(reason="who rejects says why", field="words")
    if trigger == "confirm" and meeting.needs_approval:
        trigger = "submit"
    if trigger == "cancel":
        await costs.charge_late_cancel(session, meeting, actor.actor)
    elif trigger == "settle":
        await costs.settle(session, meeting, answer.had, actor.actor)
    elif trigger == "refund":
        await costs.refund(session, meeting, actor.actor)
    await step(session, meeting, trigger, actor.actor, answer.words)
    return meeting


async def step(
    session: AsyncSession, meeting: Meeting, trigger: str, actor: str, words: str, *, is_striking: bool = False
) -> None:
    """One step of the table with all that follows: what its lines hold, its clock, its history, who is told."""
    was = meeting.state
    meeting.state = next_state(was, trigger)
    meeting.due_at = meeting.due_at if meeting.state == "held" else None
    if was in OPEN and trigger not in ("begin", "change"):
        await _move_lines(session, meeting, trigger, actor, words)
    await note(session, meeting, trigger, actor, words)
    await set_clock(session, meeting, is_striking=is_striking)
    await letters.follow(session, meeting, trigger, was)


async def note(session: AsyncSession, meeting: Meeting, trigger: str, actor: str, words: str) -> None:
    """Write a step down and tell of it."""
    meeting.version += 1
    meeting.changed_at = clock.now()
    session.add(_step_row(meeting, trigger, actor, words))
    await session.flush()
    publish(session, changed(meeting, trigger))


async def _move_lines(session: AsyncSession, meeting: Meeting, trigger: str, actor: str, words: str) -> None:
    rows = [row for row in (await queries.lines_of(session, [meeting.id]))[meeting.id] if row.state != "released"]
    if trigger in _ENDING:
        await lock_all(session, [(row.kind, row.wanted, meeting.region_id) for row in rows])
    for kind in sorted({row.kind for row in rows}):
        refs = [ref for row in rows if row.kind == kind for ref in row.refs]
        await kind_of(kind).move(session, refs, trigger, actor, words)
    for row in rows:
        if trigger in ("confirm", "approve"):
            row.state = "confirmed"
        elif trigger in ("reject", "cancel", "expire"):
            row.state = "released"
    await session.flush()


def _step_row(meeting: Meeting, trigger: str, actor: str, words: str) -> MeetingStep:
    return MeetingStep(
        meeting_id=meeting.id,
        version=meeting.version,
        trigger=trigger,
        state=meeting.state,
        actor=actor,
        words=words,
        recorded_at=meeting.changed_at,
    )


def changed(meeting: Meeting, trigger: str) -> MeetingChanged:
    """What is told of a meeting after a step."""
    return MeetingChanged(
        happened_at=clock.rfc3339(meeting.changed_at),
        meeting=public_id(PREFIX, meeting.id),
        region=public_id("reg", meeting.region_id),
        organiser=public_id("per", meeting.organiser_id),
        title=meeting.title,
        trigger=trigger,
        state=meeting.state,
        revision=meeting.version,
    )


# ---- the clock


def due_of(meeting: Meeting) -> tuple[datetime, str] | None:
    """When the clock strikes next, and which trigger it pulls; None where nothing happens without anybody."""
    match meeting.state:
        case "held":
            return (meeting.due_at, "expire") if meeting.due_at else None
        case "pending_approval":
            return meeting.starts_at, "expire"
        case "confirmed":
            return meeting.starts_at, "begin"
        case "in_progress":
            return meeting.ends_at, "end"
    return None


async def set_clock(session: AsyncSession, meeting: Meeting, *, is_striking: bool = False) -> None:
    """Set it for the state and times that a meeting has now; stop it where nothing is due.

    A timer that is being fired goes away by itself, and must not be cancelled by its own handler.
    """
    due, ref = due_of(meeting), public_id(PREFIX, meeting.id)
    if due is not None:
        await timers.schedule(session, TIMER_KIND, ref, due[0])
    elif not is_striking:
        await timers.cancel(session, TIMER_KIND, ref)


# ---- changes of the whole


async def change_meeting(session: AsyncSession, actor: Principal, meeting_id: UUID, change: MeetingChange) -> Meeting:
    """Its words, agenda, contacts and helpers; what its lines hold stays."""
    meeting = await lock_for(session, actor, meeting_id, "change", change.version)
    if change.title is not None:
        meeting.title = change.title
    if change.attendees is not None:
        meeting.attendees = change.attendees
    if change.words is not None:
        meeting.words = change.words
    if change.contacts is not None:
        meeting.contacts = [contact.model_dump(mode="json") for contact in change.contacts]
    if change.helpers is not None:
        meeting.helper_ids = [parse_public_id("per", helper) for helper in change.helpers]
    if change.agenda is not None:
        rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
        meeting.agenda = agenda_of(change.agenda, [row.id for row in rows])
    if change.model_fields_set & {"title", "words", "agenda"}:
        await letters.note_change(
            session, meeting, "会议信息或议程有更新", "The meeting's words or agenda have changed"
        )
    await step(session, meeting, "change", actor.actor, "")
    return meeting


async def organiser_of(session: AsyncSession, meeting: Meeting, actor: Principal) -> Principal:
    """By whose rights a line is held: the organiser's, also where the office does it for them."""
    if actor.person_id == meeting.organiser_id:
        return actor
    return await principal_of(session, meeting.organiser_id, today())


async def change_line(
    session: AsyncSession,
    actor: Principal,
    meeting_id: UUID,
    line_id: UUID | None,
    line: LineRequest,
    version: int | None,
) -> Meeting:
    """Another line, or a line another way: it alone is let go and held anew. Where that cannot be, everything is as before."""
    meeting = await lock_for(session, actor, meeting_id, "change", version)
    rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
    old = await _live_line(session, meeting, line_id) if line_id is not None else None
    asked = _Asked(
        meeting.id,
        await organiser_of(session, meeting, actor),
        meeting.region_id,
        meeting.zone,
        meeting.attendees,
    )
    wish = asked.wish(line, line_id, meeting.title)
    state = {"held": "held", "pending_approval": "pending_approval"}.get(meeting.state, "confirmed")
    replaced = [] if old is None else [(old.kind, old.wanted, meeting.region_id)]
    await lock_all(session, [*replaced, (wish.kind, wish.wanted, meeting.region_id)])
    if old is not None:
        await kind_of(old.kind).move(session, old.refs, "replace", actor.actor, "")
    told_as = len(rows) if line_id is None else public_id(LINE, line_id)
    held = (await hold_all(session, [wish], state, {wish.line_id: told_as}))[wish.line_id]
    if held.needs_approval and state == "confirmed" and "office" not in sides_of(meeting, actor):
        raise Forbidden(reason="the office decides on this; ask it to change the line")
    if old is not None:
        await kind_of(old.kind).move(session, old.refs, "offer", actor.actor, "")
    row = line_row(
        wish, len(rows) if old is None else old.ordinal, held, "confirmed" if state == "confirmed" else "held"
    )
    await session.merge(row)
    await session.flush()
    words = _words_of(wish)
    await letters.note_change(session, meeting, *words)
    await _sum_up(session, meeting, actor.actor, words[0])
    await note_needs(session, meeting)
    return meeting


async def remove_line(
    session: AsyncSession, actor: Principal, meeting_id: UUID, line_id: UUID, version: int | None
) -> Meeting:
    """It alone is let go; the others stay."""
    meeting = await lock_for(session, actor, meeting_id, "change", version)
    row = await _live_line(session, meeting, line_id)
    await lock_all(session, [(row.kind, row.wanted, meeting.region_id)])
    await kind_of(row.kind).move(session, row.refs, "cancel", actor.actor, "")
    row.state = "released"
    await session.flush()
    words = (f"取消：{row.title}", f"Cancelled: {row.title}")
    await letters.note_change(session, meeting, *words)
    await _sum_up(session, meeting, actor.actor, words[0])
    return meeting


async def _live_line(session: AsyncSession, meeting: Meeting, line_id: UUID) -> MeetingLineRow:
    row = await queries.get_line(session, meeting.id, line_id)
    if row.state == "released":
        raise NotFound(what="line")
    return row


def _words_of(wish: Wish) -> tuple[str, str]:
    return f"安排有变：{wish.title}", f"Changed: {wish.title}"


async def _sum_up(session: AsyncSession, meeting: Meeting, actor: str, words: str) -> None:
    """What a meeting is in all, after one of its lines has changed."""
    rows = [row for row in (await queries.lines_of(session, [meeting.id]))[meeting.id] if row.state != "released"]
    meeting.starts_at, meeting.ends_at = span_of_lines(rows)
    meeting.estimate_fen = sum(row.estimate_fen for row in rows)
    meeting.needs_approval = await costs.asks_office(session, meeting.region_id, rows, meeting.estimate_fen)
    await step(session, meeting, "change", actor, words)
