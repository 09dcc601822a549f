"""Two-person approval, once for all domains: one person asks, another decides, and the deed is done in that decision.

A domain registers an executor for its kind; it runs in the approving transaction, so approval and deed are one commit.
The one who asked, and the one whom it would favour, never decide. What nobody decides on runs out.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, or_, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from identity.errors import SamePerson
from identity.events import ApprovalDecided, ApprovalRequested
from identity.kinds import Role
from identity.models import Approval
from identity.principal import EVERYWHERE, Place, Principal
from identity.states import APPROVAL, next_state
from kernel import audit_log, clock, timers
from kernel.errors import Forbidden, NotFound, StateConflict
from kernel.ids import public_id, uuid7
from kernel.outbox import publish

Executor = Callable[[AsyncSession, dict[str, Any]], Awaitable[None]]

EXPIRE_TIMER: Final = "approval.expire"
_VALID_FOR: Final = timedelta(days=7)
_executors: Final[dict[str, Executor]] = {}


def register_executor(kind: str, execute: Executor) -> None:
    """Say what an approval of this kind does. It re-checks its rules: days may lie between asking and deciding."""
    assert _executors.get(kind, execute) is execute, f"{kind} has an executor already"
    _executors[kind] = execute


async def request_approval(
    session: AsyncSession,
    *,
    kind: str,
    subject: str,
    payload: dict[str, Any],
    requested_by: UUID,
    deciding_roles: Sequence[Role | str],
    reason: str,
    place: Place = EVERYWHERE,
    beneficiary_id: UUID | None = None,
    valid_for: timedelta = _VALID_FOR,
) -> UUID:
    """Ask for what a second person must decide. `payload` is what the executor gets, as JSON; `place` where it counts."""
    assert kind in _executors, f"nobody would carry out {kind}"
    now = clock.now()
    approval = Approval(
        id=uuid7(),
        kind=kind,
        subject=subject,
        payload=payload,
        status="pending",
        deciding_roles=[str(role) for role in deciding_roles],
        organisation_id=place.organisation_id,
        site_id=place.site_id,
        region_id=place.region_id,
        requested_by=requested_by,
        beneficiary_id=beneficiary_id,
        reason=reason,
        requested_at=now,
        expires_at=now + valid_for,
    )
    session.add(approval)
    await session.flush()
    await timers.schedule(session, EXPIRE_TIMER, public_id("apr", approval.id), approval.expires_at)
    identifier, asker = public_id("apr", approval.id), public_id("per", requested_by)
    publish(
        session,
        ApprovalRequested(
            happened_at=clock.rfc3339(now), approval=identifier, kind=kind, subject=subject, requested_by=asker
        ),
    )
    await audit_log.record(
        session,
        actor=asker,
        action="approval.request",
        subject=identifier,
        data={"kind": kind, "subject": subject, "payload": payload, "reason": reason},
    )
    return approval.id


async def approve(session: AsyncSession, actor: Principal, approval_id: UUID, note: str | None = None) -> Approval:
    """Decide for it, and do it."""
    approval = await _lock_for_decision(session, actor, approval_id, "approve")
    await _decide(session, approval, "approve", actor, note)
    await _executors[approval.kind](session, approval.payload)
    return approval


async def reject(session: AsyncSession, actor: Principal, approval_id: UUID, note: str | None = None) -> Approval:
    """Decide against it."""
    approval = await _lock_for_decision(session, actor, approval_id, "reject")
    await _decide(session, approval, "reject", actor, note)
    return approval


async def withdraw(session: AsyncSession, actor: Principal, approval_id: UUID) -> Approval:
    """Who asked takes it back."""
    approval = await lock_approval(session, approval_id)
    if approval.requested_by != actor.person_id:
        raise Forbidden
    _refuse_expired(approval, "withdraw")
    await _decide(session, approval, "withdraw", actor, None)
    return approval


async def expire_approval(session: AsyncSession, approval_id: UUID) -> None:
    """Close what nobody decided on in time. Its timer calls this; until then it cannot be decided on either."""
    approval = await lock_approval(session, approval_id)
    if approval.status == "pending" and approval.expires_at <= clock.now():
        await _decide(session, approval, "expire", None, None)


async def _lock_for_decision(session: AsyncSession, actor: Principal, approval_id: UUID, trigger: str) -> Approval:
    approval = await lock_approval(session, approval_id)
    if not may_see(actor, approval):
        raise NotFound(what="apr", id=public_id("apr", approval_id))
    if not _decides(actor, approval) and actor.person_id != approval.requested_by:
        raise Forbidden(roles=approval.deciding_roles)
    if actor.person_id in (approval.requested_by, approval.beneficiary_id):
        raise SamePerson
    _refuse_expired(approval, trigger)
    return approval


async def lock_approval(session: AsyncSession, approval_id: UUID) -> Approval:
    """The row, locked; NotFound where there is none."""
    approval = await session.scalar(select(Approval).where(Approval.id == approval_id).with_for_update())
    if approval is None:
        raise NotFound(what="apr", id=public_id("apr", approval_id))
    return approval


def status_now(approval: Approval) -> str:
    """Its state by the clock: what ran out is expired, also before the timer has written it down."""
    overdue = approval.status == "pending" and approval.expires_at <= clock.now()
    return "expired" if overdue else approval.status


def _refuse_expired(approval: Approval, trigger: str) -> None:
    if status_now(approval) == "expired":
        raise StateConflict(state="expired", trigger=trigger, allowed=[])


async def _decide(
    session: AsyncSession, approval: Approval, trigger: str, actor: Principal | None, note: str | None
) -> None:
    approval.status = next_state(APPROVAL, approval.status, trigger)
    approval.decided_at, approval.decision_note = clock.now(), note
    approval.decided_by = actor.person_id if actor else None
    await session.flush()
    identifier = public_id("apr", approval.id)
    if trigger != "expire":
        await timers.cancel(session, EXPIRE_TIMER, identifier)
    publish(
        session,
        ApprovalDecided(
            happened_at=clock.rfc3339(approval.decided_at),
            approval=identifier,
            kind=approval.kind,
            subject=approval.subject,
            status=approval.status,
            requested_by=public_id("per", approval.requested_by),
        ),
    )
    await audit_log.record(
        session,
        actor=actor.actor if actor else "system",
        action=f"approval.{trigger}",
        subject=identifier,
        data={"kind": approval.kind, "subject": approval.subject, "note": note},
    )


# ---- who sees what


def may_see(actor: Principal, approval: Approval) -> bool:
    """Who asked, who holds a deciding role where it counts, and who audits there."""
    return approval.requested_by == actor.person_id or _reaches(
        actor, approval, *approval.deciding_roles, Role.AUDIT_ADMIN
    )


def _decides(actor: Principal, approval: Approval) -> bool:
    return _reaches(actor, approval, *approval.deciding_roles)


def _reaches(actor: Principal, approval: Approval, *roles: str) -> bool:
    return actor.may(
        *roles, organisation_id=approval.organisation_id, site_id=approval.site_id, region_id=approval.region_id
    )


def may_decide(actor: Principal, approval: Approval) -> bool:
    """Whether the buttons are this person's to press."""
    involved = actor.person_id in (approval.requested_by, approval.beneficiary_id)
    return status_now(approval) == "pending" and not involved and _decides(actor, approval)


def visible_to(actor: Principal) -> ColumnElement[bool]:
    """`may_see` as a WHERE."""
    by_grant = [
        and_(
            true() if grant.role == Role.AUDIT_ADMIN else Approval.deciding_roles.contains([str(grant.role)]),
            true()
            if grant.place.is_everywhere
            else or_(
                Approval.organisation_id.in_(grant.cover.organisations),
                Approval.site_id.in_(grant.cover.sites),
                Approval.region_id.in_(grant.cover.regions),
            ),
        )
        for grant in actor.roles
    ]
    return or_(Approval.requested_by == actor.person_id, false(), *by_grant)


async def pending_approvals(session: AsyncSession, subjects: Sequence[str]) -> dict[str, UUID]:
    """What waits for a second person, by its subject: for a domain that shows so beside the thing itself."""
    rows = await session.execute(
        select(Approval.subject, Approval.id)
        .where(Approval.subject.in_(subjects), Approval.status == "pending", Approval.expires_at > clock.now())
        .order_by(Approval.id)
    )
    return {row.subject: row.id for row in rows}


async def decider_of(session: AsyncSession, kind: str, subject: str) -> UUID:
    """Who approved the latest request of a kind for a subject: an executor asks, as the decision stands already."""
    found = await session.scalar(
        select(Approval.decided_by)
        .where(Approval.kind == kind, Approval.subject == subject, Approval.status == "approved")
        .order_by(Approval.id.desc())
        .limit(1)
    )
    if found is None:
        raise NotFound(what="apr", subject=subject)
    return found


async def list_approvals(
    session: AsyncSession,
    actor: Principal,
    *,
    status: str | None = None,
    before: UUID | None = None,
    limit: int,
    kind: str | None = None,
    subject: str | None = None,
) -> Sequence[Approval]:
    """What this person asked for, may decide or audits, newest first; one row more than the limit."""
    query = select(Approval).where(visible_to(actor)).order_by(Approval.id.desc()).limit(limit + 1)
    if kind is not None:
        query = query.where(Approval.kind == kind)
    if subject is not None:
        query = query.where(Approval.subject == subject)
    if status == "pending":
        query = query.where(Approval.status == "pending", Approval.expires_at > clock.now())
    elif status == "expired":
        overdue = and_(Approval.status == "pending", Approval.expires_at <= clock.now())
        query = query.where(or_(Approval.status == "expired", overdue))
    elif status is not None:
        query = query.where(Approval.status == status)
    if before is not None:
        query = query.where(Approval.id < before)
    return (await session.scalars(query)).all()
