"""The only clock. Tests and demo seeding may move it; a served process never does.

Everything that asks for the time asks `now()`: a lint rule bans the standard library's clocks elsewhere. Times are
aware UTC datetimes inside and RFC 3339 with milliseconds and `Z` outside.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_BUSINESS_DAY_STARTS = timedelta(hours=2)


class _Offset:
    """How far the clock has been moved; one object so that moving it is visible in every module."""

    moved_by: timedelta = timedelta(0)
    frozen_at: datetime | None = None


def now() -> datetime:
    """The current instant, aware, in UTC."""
    if _Offset.frozen_at is not None:
        return _Offset.frozen_at
    return datetime.now(UTC) + _Offset.moved_by


@contextmanager
def frozen(at: datetime) -> Iterator[None]:
    """Hold the clock at one instant; `advance` still moves it."""
    before = _Offset.frozen_at
    _Offset.frozen_at = at.astimezone(UTC)
    try:
        yield
    finally:
        _Offset.frozen_at = before


@contextmanager
def travelled(by: timedelta) -> Iterator[None]:
    """Let the clock run, moved by a fixed span."""
    before = _Offset.moved_by
    _Offset.moved_by = before + by
    try:
        yield
    finally:
        _Offset.moved_by = before


def advance(by: timedelta) -> None:
    """Move the clock on, frozen or running. For tests and seeding only."""
    if _Offset.frozen_at is not None:
        _Offset.frozen_at += by
    else:
        _Offset.moved_by += by


def reset() -> None:
    """Back to the real time. Every test ends with this."""
    _Offset.moved_by = timedelta(0)
    _Offset.frozen_at = None


def rfc3339(at: datetime) -> str:
    """`2026-11-23T04:05:06.789Z`: the one form in which a time leaves the house."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    # Without its zone first: to write `+00:00` and cut it off again takes three times as long.
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def business_date(at: datetime, zone: ZoneInfo) -> date:
    """The day a sale belongs to: it ends at 02:00 local time, not at midnight."""
    return (at.astimezone(zone) - _BUSINESS_DAY_STARTS).date()
