"""The front door of meetings: what another domain implements, and what the assembly needs.

A domain whose things a meeting may hold implements `MeetingLine` (with types of its own that look the same: neighbours do
not know each other) and is registered in app/wiring.py by `register_meeting_line`. `OWN_LINES` are booking's.
"""

from typing import Final

from booking.meetings.bookable_lines import BadgesLine, CarLine, RoomsLine, VenueLine
from booking.meetings.channels import MEETING_CHANNEL
from booking.meetings.lines import MeetingLine, register_meeting_line

OWN_LINES: Final[tuple[MeetingLine, ...]] = (VenueLine(), RoomsLine(), CarLine(), BadgesLine())

__all__ = ["MEETING_CHANNEL", "OWN_LINES", "MeetingLine", "register_meeting_line"]
