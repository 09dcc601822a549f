"""Codes scanned at the doors: one at a time with a network, or all of an hour when it is back.

A scan is known by the scanner's own nonce, so that an upload that is sent twice counts once. At each step a guest counts
once, once a day, or each time, by the line's rule; whichever upload comes first is the one that counts. What is uploaded
late happened when it happened: `happened_at` says so, within the life of the meeting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import queries, service
from booking.meetings.codes import GUEST_BLOCK, read_code
from booking.meetings.events import GuestArrived
from booking.meetings.models import Meeting, MeetingGuest, MeetingLineRow, MeetingScan
from booking.meetings.queries import GUEST, LINE, PREFIX
from booking.meetings.schemas import NewScan, ScanResult
from booking.meetings.states import FIRM
from identity.api import Principal
from kernel import clock
from kernel.errors import NotFound, StateConflict
from kernel.ids import public_id
from kernel.outbox import publish

# Doors open before it begins, and scanners come back from the cellar after it is over.
_EARLY: Final = timedelta(hours=12)
_LATE: Final = timedelta(days=2)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)


@dataclass(slots=True)
class _Desk:
    """What a batch is judged by; what counts is added as it goes."""

    meeting: Meeting
    lines: Mapping[str, MeetingLineRow]
    guests: Mapping[UUID, MeetingGuest]
    known: dict[UUID, MeetingScan]
    counted: set[tuple[UUID, UUID, str]]
    totals: dict[UUID, int]
    fresh: list[MeetingScan]
    actor: str


async def take_scans(
    session: AsyncSession, actor: Principal, meeting_id: UUID, scans: Sequence[NewScan]
) -> list[ScanResult]:
    """Each in order: counted, repeated or refused. Guests are locked in order of their ids."""
    meeting = await queries.get_meeting(session, meeting_id)
    if not service.sides_of(meeting, actor):
        raise NotFound(what="meeting")
    if meeting.state not in (*FIRM, "completed"):
        raise StateConflict(state=meeting.state, trigger="scan", allowed=[])
    blocks = [read_code(scan.code) for scan in scans]
    ids = {block.id for block in blocks if block is not None and block.kind == GUEST_BLOCK}
    guests = await queries.lock_guests(session, ids)
    rows = (await queries.lines_of(session, [meeting.id]))[meeting.id]
    desk = _Desk(
        meeting,
        {public_id(LINE, row.id): row for row in rows if row.state != "released" and row.kind != "badges"},
        guests,
        await queries.scans_by_nonce(session, meeting.id, [scan.nonce for scan in scans]),
        await queries.counted_of(session, ids),
        await queries.counted_by_line(session, [row.id for row in rows]),
        [],
        actor.actor,
    )
    results = [
        _judge(
            session,
            desk,
            scan,
            guests.get(block.id) if block is not None and block.kind == GUEST_BLOCK else None,
            block.issue if block is not None else 0,
        )
        for scan, block in zip(scans, blocks, strict=True)
    ]
    if desk.fresh:
        names = [column.key for column in MeetingScan.__table__.columns]
        await session.execute(insert(MeetingScan), [{name: getattr(row, name) for name in names} for row in desk.fresh])
    return results


def _judge(session: AsyncSession, desk: _Desk, scan: NewScan, guest: MeetingGuest | None, issue: int) -> ScanResult:
    known = desk.known.get(scan.nonce)
    if known is not None:
        return _told(known, desk.guests.get(known.guest_id))
    line = desk.lines.get(scan.line)
    reason = _reason_against(desk, scan, guest, issue, line)
    if reason is not None or guest is None or line is None:
        return ScanResult(
            nonce=scan.nonce, outcome="refused", reason=reason, guest=None, guest_name=None, counted_at=None
        )
    counted_for = _counted_for(line, scan, desk.meeting.zone)
    is_first = (line.id, guest.id, counted_for) not in desk.counted
    row = MeetingScan(
        meeting_id=desk.meeting.id,
        nonce=scan.nonce,
        guest_id=guest.id,
        line_id=line.id,
        outcome="counted" if is_first else "repeated",
        counted_for=counted_for,
        actor=desk.actor,
        happened_at=scan.happened_at,
        recorded_at=clock.now(),
    )
    desk.fresh.append(row)
    desk.known[scan.nonce] = row
    if is_first:
        _count(session, desk, row, guest, line)
    return _told(row, guest)


def _reason_against(
    desk: _Desk, scan: NewScan, guest: MeetingGuest | None, issue: int, line: MeetingLineRow | None
) -> str | None:
    opens, closes = desk.meeting.starts_at - _EARLY, desk.meeting.ends_at + _LATE
    is_in_time = opens <= scan.happened_at <= min(closes, clock.now() + _CLOCKS_DIFFER)
    reasons = (
        (guest is None, "unknown_code"),
        (guest is not None and guest.meeting_id != desk.meeting.id, "other_meeting"),
        (guest is not None and guest.removed_at is not None, "removed"),
        (guest is not None and guest.code_issue != issue, "old_issue"),
        (line is None, "not_a_step"),
        (not is_in_time, "not_yet_or_over"),
    )
    return next((reason for holds, reason in reasons if holds), None)


def _counted_for(line: MeetingLineRow, scan: NewScan, zone: str) -> str:
    match line.scan_rule:
        case "daily":
            return clock.business_date(scan.happened_at, ZoneInfo(zone)).isoformat()
        case "always":
            return scan.nonce.hex
    return ""


def _count(session: AsyncSession, desk: _Desk, row: MeetingScan, guest: MeetingGuest, line: MeetingLineRow) -> None:
    came_before = any(key[:2] == (line.id, guest.id) for key in desk.counted)
    desk.counted.add((line.id, guest.id, row.counted_for))
    if not came_before:
        desk.totals[line.id] = desk.totals.get(line.id, 0) + 1
    publish(
        session,
        GuestArrived(
            happened_at=clock.rfc3339(row.recorded_at),
            meeting=public_id(PREFIX, desk.meeting.id),
            line=public_id(LINE, line.id),
            kind=line.kind,
            guest=public_id(GUEST, guest.id),
            guest_name=guest.name,
            counted_at=clock.rfc3339(row.happened_at),
            counted=desk.totals[line.id],
        ),
    )


def _told(row: MeetingScan, guest: MeetingGuest | None) -> ScanResult:
    return ScanResult.model_validate(
        {
            "nonce": row.nonce,
            "outcome": row.outcome,
            "reason": None,
            "guest": public_id(GUEST, row.guest_id),
            "guest_name": guest.name if guest is not None else None,
            "counted_at": clock.rfc3339(row.happened_at),
        }
    )
