"""A process that dies between the lines of a meeting: it holds what comes before a line, says so, and waits to be killed.

Run by test_integrity.py as `python -m tests.booking.meetings.half_a_meeting URL PERSON INSTANT BODY`.
"""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from booking.meetings import service
from booking.meetings.api import OWN_LINES, register_meeting_line
from booking.meetings.bookable_lines import BadgesLine
from booking.meetings.lines import Held, Wish
from booking.meetings.schemas import NewMeeting
from canteen.api import MeetingMeals
from identity.api import principal_of, today
from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError


class Waiting(BadgesLine):
    """Comes after meals and before rooms and halls, and never goes on."""

    kind: ClassVar[str] = "never"

    async def hold(
        self, session: AsyncSession, wishes: Sequence[Wish], _state: str
    ) -> Mapping[UUID, Held | GuanjiaError]:
        sys.stdout.write("half\n")
        sys.stdout.flush()
        await asyncio.sleep(3600)
        return {}

    def read(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        return dict(wanted)


async def run(url: str, person: str, at: str, body: str) -> None:
    for line in (*OWN_LINES, MeetingMeals(), Waiting()):
        register_meeting_line(line)
    database = Database(url)
    with clock.frozen(datetime.fromisoformat(at)):
        async with database.session() as session:
            organiser = await principal_of(session, UUID(person), today())
            await service.hold_meeting(session, organiser, NewMeeting.model_validate_json(body))


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
