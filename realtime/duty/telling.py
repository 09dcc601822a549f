"""What every use case of the rota does at its end: tell the desk and the people, and write it into the audit log."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import audit_log, clock
from kernel.ids import public_id
from kernel.outbox import publish
from realtime.duty.events import DutyChanged
from realtime.duty.models import DutyTeam

TEAM: Final = "dty"
ROTATION: Final = "dro"
OVERRIDE: Final = "dov"
SWAP: Final = "dsw"
NOTE: Final = "dno"
SHIFT: Final = "dsh"
WARNING: Final = "dwa"


def tell(session: AsyncSession, team: DutyTeam, what: str, people: Collection[UUID | None] = ()) -> None:
    """Whoever shows this team's rota reads it anew."""
    publish(
        session,
        DutyChanged(
            happened_at=clock.rfc3339(clock.now()),
            team=public_id(TEAM, team.id),
            region=public_id("reg", team.region_id),
            what=what,
            people=[public_id("per", person) for person in people if person is not None],
        ),
    )


async def note(session: AsyncSession, actor: str, action: str, subject: str, data: dict[str, Any]) -> None:
    """Who changed what of the rota."""
    await audit_log.record(session, actor=actor, action=f"duty.{action}", subject=subject, data=data)
