"""What a booking costs, and what comes back of it: pure functions, whole fen."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from booking.models import Bookable
from booking.spans import Span

_QUARTER: Final = timedelta(minutes=15)


def cost_of(bookable: Bookable, span: Span) -> int:
    """By its rate: for each quarter of an hour begun, for each night, or once. 0 where it costs nothing."""
    if bookable.rate_fen is None:
        return 0
    match bookable.rate_per:
        case "hour":
            quarters = -((span.start - span.end) // _QUARTER)
            return -(-bookable.rate_fen * quarters // 4)
        case "night":
            return bookable.rate_fen * nights_of(span, ZoneInfo(bookable.zone))
    return bookable.rate_fen


def nights_of(span: Span, zone: ZoneInfo) -> int:
    """How often midnight passes on the clock of the place; at least one."""
    days = span.end.astimezone(zone).date() - span.start.astimezone(zone).date()
    return max(days.days, 1)


def free_cancel_until(bookable: Bookable, span: Span) -> datetime:
    """Until when its organiser may cancel and get all of it back."""
    return span.start - timedelta(hours=bookable.free_cancel_hours)


def refund_of(bookable: Bookable, span: Span, charged_fen: int, at: datetime) -> int:
    """What comes back when its organiser cancels at this instant."""
    if at <= free_cancel_until(bookable, span):
        return charged_fen
    return charged_fen * bookable.late_refund_percent // 100
