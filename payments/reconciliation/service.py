"""What people do with differences: explain them, and close what another has explained."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Cover
from kernel import clock
from kernel.audit_log import record
from kernel.ids import public_id
from kernel.outbox import publish
from payments.reconciliation import queries
from payments.reconciliation.errors import OwnerCloses
from payments.reconciliation.events import DifferenceClosed
from payments.reconciliation.models import Difference
from payments.reconciliation.states import DIFFERENCE
from payments.states import next_state


async def explain_difference(
    session: AsyncSession, difference_id: UUID, explanation: str, *, person_id: UUID, cover: Cover | None
) -> Difference:
    """Say why it differs. Who does is its owner from then on."""
    row = await queries.lock_difference(session, difference_id, cover)
    row.state = next_state(DIFFERENCE, row.state, "explain")
    row.owner_id, row.explanation, row.explained_at = person_id, explanation, clock.now()
    await _audit(session, row, "explain", person_id, explanation)
    return row


async def close_difference(
    session: AsyncSession, difference_id: UUID, reason: str, *, person_id: UUID, cover: Cover | None
) -> Difference:
    """Close what somebody else has explained, for a reason."""
    row = await queries.lock_difference(session, difference_id, cover)
    state = next_state(DIFFERENCE, row.state, "close")
    if row.owner_id == person_id:
        raise OwnerCloses()
    assert row.owner_id is not None, "who explained it owns it"
    row.state, row.closed_by, row.closed_reason, row.closed_at = state, person_id, reason, clock.now()
    await _audit(session, row, "close", person_id, reason)
    publish(
        session,
        DifferenceClosed(
            happened_at=clock.rfc3339(row.closed_at),
            difference=public_id("rdf", row.id),
            level=row.level,
            owner=public_id("per", row.owner_id),
            reason=reason,
        ),
    )
    return row


async def _audit(session: AsyncSession, row: Difference, verb: str, person_id: UUID, text: str) -> None:
    await record(
        session,
        actor=public_id("per", person_id),
        action=f"difference.{verb}",
        subject=public_id("rdf", row.id),
        data={"level": row.level, "reference": row.reference, "text": text},
    )
