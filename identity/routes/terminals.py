"""`/v1/terminals`: the administrator's list of tills, and what a till itself calls."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from sqlalchemy.ext.asyncio import AsyncSession

from identity import lists, terminals
from identity.access import CurrentPerson, KnownTerminal, token_of
from identity.errors import AlreadyExists, PairingCodeUnknown
from identity.kinds import Role
from identity.lists import Slice
from identity.models import TerminalRow
from identity.principal import Principal, Terminal
from identity.routes.places import given, optional
from identity.schemas import (
    EnrolledTerminal,
    Enrolment,
    Heartbeat,
    HeartbeatAnswer,
    NewTerminal,
    NewTerminalAnswer,
    NextToken,
    PairingCodeView,
    PublicId,
    TerminalChange,
    TerminalConfiguration,
    TerminalView,
)
from identity.states import TERMINAL, allowed_triggers
from identity.terminals import PairingCode, health_of
from kernel import clock
from kernel.configuration import configuration_version
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, TooManyRequests, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id

router = APIRouter(tags=["terminals"])
READERS = (Role.SYSTEM_ADMIN, Role.SECURITY_ADMIN, Role.AUDIT_ADMIN, Role.CANTEEN_MANAGER)
_READ = raises(Unauthenticated, Forbidden, NotFound)
_WRITE = raises(Unauthenticated, Forbidden, NotFound, AlreadyExists, StateConflict)
_TILL = raises(Unauthenticated, StateConflict)


async def _reporting_terminal(request: Request, session: SessionDep) -> Terminal:
    return await terminals.greet_terminal(session, token_of(request))


# A till that reports in, disabled or not; a rotation's new token counts from here on.
ReportingTerminal = Annotated[Terminal, Depends(_reporting_terminal, scope="function")]


# ---- what a till calls


@router.post(
    "/v1/terminals/enrol", status_code=201, responses=raises(PairingCodeUnknown, StateConflict, TooManyRequests)
)
async def enrol(body: Enrolment, request: Request, db: DatabaseDep) -> EnrolledTerminal:
    """Pair a till: the code from the administrator's screen for a token. Each enrolment starts a new epoch."""
    address = request.client.host if request.client else "unknown"
    return EnrolledTerminal(**await terminals.enrol_terminal(db, body.pairing_code, address))


@router.get("/v1/terminals/me", responses=_TILL)
async def get_own_configuration(terminal: ReportingTerminal, session: SessionDep) -> TerminalConfiguration:
    """All that this till needs to work: configuration, prices, `next_seq`, `seq_epoch`, the server's time."""
    return TerminalConfiguration(**await terminals.configuration_of(session, terminal))


@router.post("/v1/terminals/me/heartbeat", responses=_TILL)
async def post_heartbeat(body: Heartbeat, terminal: ReportingTerminal, session: SessionDep) -> HeartbeatAnswer:
    """Say that the till is there and how it is, once a minute."""
    rotate = await terminals.note_heartbeat(session, terminal, body.model_dump(exclude_none=True))
    return HeartbeatAnswer(
        status=terminal.status,
        configuration_version=await configuration_version(session),
        rotate_token=rotate,
        server_time=clock.rfc3339(clock.now()),
    )


@router.post("/v1/terminals/me/token", status_code=201, responses=_TILL)
async def post_next_token(terminal: KnownTerminal, session: SessionDep) -> NextToken:
    """A new token. The old one counts until the new one is first used for `GET /v1/terminals/me` or a heartbeat."""
    return NextToken(token=await terminals.issue_next_token(session, terminal))


# ---- what an administrator calls


@router.get("/v1/terminals", responses=_READ)
async def get_terminals(
    person: CurrentPerson,
    session: SessionDep,
    site: PublicId | None = None,
    status: Literal["pairing", "active", "disabled", "revoked"] | None = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[TerminalView]:
    """Tills within the reader's reach, with their health."""
    if not person.holds(*READERS):
        raise Forbidden
    rows = await lists.list_terminals(
        session,
        Slice(limit, optional("ter", starting_after)),
        cover=person.cover_of(*READERS),
        site=optional("sit", site),
        status=status,
    )
    return page_of([_view(row) for row in rows], limit)


@router.post("/v1/terminals", status_code=201, responses=_WRITE)
async def post_terminal(body: NewTerminal, person: CurrentPerson, session: SessionDep) -> NewTerminalAnswer:
    """A new till of a site; the pairing code is shown this once."""
    site_id = parse_public_id("sit", body.site)
    person.require(Role.SYSTEM_ADMIN, site_id=site_id)
    fields = body.model_dump(exclude={"site"})
    terminal_id, code = await terminals.open_terminal(session, **fields, site_id=site_id, actor=person.actor)
    row = await terminals.lock_terminal(session, terminal_id)
    return NewTerminalAnswer(terminal=_view(row), pairing=_pairing(code))


@router.get("/v1/terminals/{terminal}", responses=_READ)
async def get_terminal(terminal: PublicId, person: CurrentPerson, session: SessionDep) -> TerminalView:
    return _view(await _within_reach(session, person, terminal, *READERS))


@router.patch("/v1/terminals/{terminal}", responses=_WRITE)
async def patch_terminal(
    terminal: PublicId, body: TerminalChange, person: CurrentPerson, session: SessionDep
) -> TerminalView:
    row = await _within_reach(session, person, terminal, Role.SYSTEM_ADMIN)
    await terminals.edit_terminal(session, row.id, given(body, "name", "modes", "serial"), actor=person.actor)
    return _view(row)


@router.post("/v1/terminals/{terminal}/issue_code", status_code=201, responses=_WRITE)
async def post_pairing_code(terminal: PublicId, person: CurrentPerson, session: SessionDep) -> PairingCodeView:
    """A new pairing code, also for a till whose storage was wiped: it keeps its id and starts a new epoch."""
    row = await _within_reach(session, person, terminal, Role.SYSTEM_ADMIN)
    return _pairing(await terminals.issue_pairing_code(session, row.id, actor=person.actor))


_ACTS: dict[str, Any] = {
    "disable": terminals.disable_terminal,
    "enable": terminals.enable_terminal,
    "revoke": terminals.revoke_terminal,
    "rotate_token": terminals.ask_for_rotation,
}


@router.post("/v1/terminals/{terminal}/{trigger}", responses=_WRITE)
async def post_trigger(
    terminal: PublicId,
    trigger: Annotated[Literal["disable", "enable", "revoke", "rotate_token"], Path()],
    person: CurrentPerson,
    session: SessionDep,
) -> TerminalView:
    """Out of service, back, for good, or: change your token. It counts at the till's next request."""
    row = await _within_reach(session, person, terminal, Role.SYSTEM_ADMIN)
    await _ACTS[trigger](session, row.id, actor=person.actor)
    return _view(row)


# ---- in common


async def _within_reach(session: AsyncSession, person: Principal, terminal: str, *may: Role) -> TerminalRow:
    if not person.holds(*may):
        raise Forbidden(roles=[str(role) for role in may])
    terminal_id: UUID = parse_public_id("ter", terminal)
    row = await session.get(TerminalRow, terminal_id)
    if row is None:
        raise NotFound(what="ter", id=terminal)
    person.require(*may, site_id=row.site_id)
    return row


def _pairing(code: PairingCode) -> PairingCodeView:
    return PairingCodeView(code=code.code, expires_at=code.expires_at)


def _view(row: TerminalRow) -> TerminalView:
    how = health_of(row)
    return TerminalView(
        id=public_id("ter", row.id),
        site=public_id("sit", row.site_id),
        name=row.name,
        serial=row.serial,
        status=row.status,
        triggers=[trigger for trigger in allowed_triggers(TERMINAL, row.status) if trigger != "enrol"],
        modes=row.modes,
        seq_epoch=row.epoch,
        configuration_version=row.configuration_version,
        online=how.online,
        last_seen_at=row.last_seen_at,
        rotation_due=row.rotation_due,
        pairing_expires_at=row.pairing_expires_at,
        health=row.health,
        created_at=row.created_at,
    )
