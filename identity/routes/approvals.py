"""`/v1/approvals`: what waits for a second person."""

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy.ext.asyncio import AsyncSession

from identity import approvals
from identity.access import CurrentPerson
from identity.approvals import may_decide, status_now
from identity.errors import SamePerson
from identity.models import Approval
from identity.principal import Principal
from identity.queries import PersonSummary, person_summary
from identity.routes.places import optional
from identity.schemas import ApprovalView, Decision, NamedPerson, PublicId
from kernel.db import SessionDep
from kernel.errors import Forbidden, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, page_of, raises
from kernel.ids import parse_public_id, public_id

router = APIRouter(tags=["approvals"])
_DECIDE = raises(Unauthenticated, SamePerson, Forbidden, NotFound, StateConflict)
KindQuery = Annotated[str | None, Query(pattern=r"^[a-z_]{1,40}$", description="Only of this kind.")]
SubjectQuery = Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,60}$", description="Only about this.")]


@router.get("/v1/approvals", responses=raises(Unauthenticated, NotFound))
async def get_approvals(
    person: CurrentPerson,
    session: SessionDep,
    status: Literal["pending", "approved", "rejected", "withdrawn", "expired"] | None = None,
    kind: KindQuery = None,
    subject: SubjectQuery = None,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[ApprovalView]:
    """What this person asked for, may decide on or audits: what waits, and what was decided."""
    before = optional("apr", starting_after)
    rows = await approvals.list_approvals(
        session, person, status=status, kind=kind, subject=subject, before=before, limit=limit
    )
    return page_of(await _views(session, person, rows), limit)


@router.get("/v1/approvals/{approval}", responses=raises(Unauthenticated, NotFound))
async def get_approval(approval: PublicId, person: CurrentPerson, session: SessionDep) -> ApprovalView:
    row = await session.get(Approval, parse_public_id("apr", approval))
    if row is None or not approvals.may_see(person, row):
        raise NotFound(what="apr", id=approval)
    return (await _views(session, person, [row]))[0]


@router.post("/v1/approvals/{approval}/approve", responses=_DECIDE)
async def post_approve(
    approval: PublicId, person: CurrentPerson, session: SessionDep, body: Decision | None = None
) -> ApprovalView:
    """Decide for it; what was asked for is done in the same transaction."""
    note = body.note if body else None
    row = await approvals.approve(session, person, parse_public_id("apr", approval), note)
    return (await _views(session, person, [row]))[0]


@router.post("/v1/approvals/{approval}/reject", responses=_DECIDE)
async def post_reject(
    approval: PublicId, person: CurrentPerson, session: SessionDep, body: Decision | None = None
) -> ApprovalView:
    """Decide against it."""
    note = body.note if body else None
    row = await approvals.reject(session, person, parse_public_id("apr", approval), note)
    return (await _views(session, person, [row]))[0]


@router.post("/v1/approvals/{approval}/withdraw", responses=_DECIDE | {403: raises(Forbidden)[403]})
async def post_withdraw(approval: PublicId, person: CurrentPerson, session: SessionDep) -> ApprovalView:
    """Take back what one asked for."""
    row = await approvals.withdraw(session, person, parse_public_id("apr", approval))
    return (await _views(session, person, [row]))[0]


async def _views(session: AsyncSession, person: Principal, rows: Sequence[Approval]) -> list[ApprovalView]:
    ids = {row.requested_by for row in rows} | {row.decided_by for row in rows if row.decided_by}
    ids |= {parse_public_id("per", row.subject) for row in rows if row.subject.startswith("per_")}
    names = await person_summary(session, list(ids))
    return [_view(person, row, names) for row in rows]


def _view(person: Principal, row: Approval, names: dict[UUID, PersonSummary]) -> ApprovalView:
    def named(identifier: UUID) -> NamedPerson:
        summary = names[identifier]
        return NamedPerson(id=public_id("per", summary.id), name=summary.name)

    return ApprovalView(
        id=public_id("apr", row.id),
        kind=row.kind,
        subject=row.subject,
        subject_name=_subject_name(row, names),
        payload=row.payload,
        reason=row.reason,
        status=status_now(row),
        may_decide=may_decide(person, row),
        may_withdraw=row.requested_by == person.person_id and status_now(row) == "pending",
        requested_by=named(row.requested_by),
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        decided_by=named(row.decided_by) if row.decided_by else None,
        decided_at=row.decided_at,
        decision_note=row.decision_note,
    )


def _subject_name(row: Approval, names: dict[UUID, PersonSummary]) -> str | None:
    if not row.subject.startswith("per_"):
        return None
    summary = names.get(parse_public_id("per", row.subject))
    return summary.name if summary else None
