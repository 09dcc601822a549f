"""How a unit pays for what it grants: ahead, or on a bill up to a limit. Changed by two people, with a history."""

from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Place, Principal, pending_approvals, register_executor, request_approval
from kernel import clock
from kernel.audit_log import record
from kernel.ids import parse_public_id, public_id, uuid7
from payments.models import FundingTerms
from payments.subsidies import queries, schemas
from payments.subsidies.batches import DECIDING
from payments.subsidies.errors import AwaitsApproval
from payments.subsidies.unit_money import RECEIVABLE, lock_account, terms_of

KIND: Final = "funding_terms"


def subject_of(unit_id: UUID) -> str:
    """What an approval of this kind is about."""
    return public_id("org", unit_id)


async def ask_for_terms(session: AsyncSession, person: Principal, body: schemas.TermsBody) -> UUID:
    """The first of two people; the id of the approval."""
    unit_id = parse_public_id("org", body.unit)
    region_id = await queries.region_of_unit(session, unit_id)
    waiting = (await pending_approvals(session, [subject_of(unit_id)])).get(subject_of(unit_id))
    if waiting is not None:
        raise AwaitsApproval(approval=public_id("apr", waiting))
    before = await terms_of(session, unit_id)
    return await request_approval(
        session,
        kind=KIND,
        subject=subject_of(unit_id),
        payload={
            "unit": body.unit,
            "funded_by": body.funded_by,
            "limit_fen": body.limit_fen,
            "before": {"funded_by": before.funded_by, "limit_fen": before.limit_fen},
            "reason": body.reason,
            "asked_by": person.actor,
        },
        requested_by=person.person_id,
        deciding_roles=DECIDING,
        reason=body.reason,
        place=Place(region_id=region_id),
    )


async def _carry_out(session: AsyncSession, payload: dict[str, Any]) -> None:
    """What an approval does: from now on grants are paid so. Lots that are there go back to where they came from."""
    unit_id = parse_public_id("org", payload["unit"])
    if payload["funded_by"] == RECEIVABLE:
        await lock_account(session, unit_id, RECEIVABLE)
    session.add(
        FundingTerms(
            id=uuid7(),
            unit_id=unit_id,
            funded_by=payload["funded_by"],
            limit_fen=payload["limit_fen"],
            asked_by=payload["asked_by"],
            reason=payload["reason"],
            recorded_at=clock.now(),
        )
    )
    await record(
        session,
        actor=payload["asked_by"],
        action="unit.funding_terms",
        subject=payload["unit"],
        data={"funded_by": payload["funded_by"], "limit_fen": payload["limit_fen"]},
    )


register_executor(KIND, _carry_out)
