"""Who may see a team's rota, and who may change it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, Role
from kernel.errors import Forbidden
from realtime.duty.models import DutyMember, DutyTeam

# Of the region: they keep teams and rotas. A team's own leads keep its rota.
KEEPERS = (Role.SYSTEM_ADMIN, Role.DISPATCHER)


def is_keeper(actor: Principal, region_id: UUID) -> bool:
    """Whether somebody keeps the teams of a region."""
    return actor.may(*KEEPERS, region_id=region_id)


async def may_edit(session: AsyncSession, actor: Principal, team: DutyTeam) -> bool:
    """Whether somebody keeps a team's rota."""
    if is_keeper(actor, team.region_id):
        return True
    member = await session.get(DutyMember, (team.id, actor.person_id))
    return member is not None and member.is_lead


async def require_editor(session: AsyncSession, actor: Principal, team: DutyTeam) -> None:
    """Forbidden for everybody else."""
    if not await may_edit(session, actor, team):
        raise Forbidden(roles=[str(role) for role in KEEPERS])


async def require_reader(session: AsyncSession, actor: Principal, team: DutyTeam) -> None:
    """Keepers, those on duty in the region, and the team's own people."""
    if actor.may(*KEEPERS, Role.DUTY_STAFF, region_id=team.region_id):
        return
    if await session.get(DutyMember, (team.id, actor.person_id)) is None:
        raise Forbidden


async def require_member(session: AsyncSession, actor: Principal, team_id: UUID) -> DutyMember:
    """Forbidden for whoever does not belong to the team."""
    member = await session.get(DutyMember, (team_id, actor.person_id))
    if member is None:
        raise Forbidden
    return member
