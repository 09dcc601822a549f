"""A dispute's wire form, as its reader may see it."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal
from kernel import clock
from kernel.ids import public_id
from payments.disputes import money, queries, schemas
from payments.disputes.deadlines import WORK_DAYS
from payments.disputes.models import Dispute, DisputeStep
from payments.disputes.service import sides_of
from payments.disputes.states import TURNS, allowed_to
from payments.models import Payment
from payments.posting_rule import PostingRule


async def views_of(
    session: AsyncSession, disputes: Sequence[Dispute], reader: Principal, rule: PostingRule
) -> list[schemas.DisputeView]:
    """Several at once, with their payments and steps."""
    steps = await queries.steps_of(session, [dispute.id for dispute in disputes])
    payments = await queries.payments_of(session, [dispute.payment_id for dispute in disputes])
    refunds = await queries.refunds_of(session, disputes)
    return [
        _view(dispute, payments[dispute.payment_id], refunds.get(dispute.id), steps[dispute.id], reader, rule)
        for dispute in disputes
    ]


def _view(
    dispute: Dispute,
    payment: Payment,
    refund_id: UUID | None,
    steps: Sequence[DisputeStep],
    reader: Principal,
    rule: PostingRule,
) -> schemas.DisputeView:
    return schemas.DisputeView.model_validate(
        {
            "id": public_id("dis", dispute.id),
            "reason": dispute.reason,
            "words": dispute.words,
            "claimed_fen": dispute.claimed_fen,
            "state": dispute.state,
            "version": dispute.version,
            "allowed": allowed_to(dispute.state, sides_of(dispute, reader)),
            "clock": _clock(dispute),
            "payment": _payment(dispute, payment, rule),
            "suggested_fen": money.suggested_fen(dispute, payment),
            "granted_fen": dispute.granted_fen,
            "refund": public_id("ref", refund_id) if refund_id else None,
            "paid_by_subsidy": dispute.charge_id is not None,
            "suspended_fen": dispute.suspended_fen,
            "steps": [_step(step) for step in steps],
            "opened_at": clock.rfc3339(dispute.opened_at),
            "changed_at": clock.rfc3339(dispute.changed_at),
        }
    )


def _clock(dispute: Dispute) -> dict[str, object] | None:
    if dispute.due_at is None:
        return None
    return {
        "turn": TURNS[dispute.state],
        "due_at": clock.rfc3339(dispute.due_at),
        "work_days": WORK_DAYS[dispute.state],
        "is_late": clock.now() > dispute.due_at,
    }


def _payment(dispute: Dispute, payment: Payment, rule: PostingRule) -> dict[str, object]:
    return {
        "id": public_id("pay", payment.id),
        "amount_fen": payment.amount_fen,
        "refunded_fen": payment.refunded_fen,
        "status": payment.status,
        "payer_label": dispute.payer_label,
        "canteen": public_id("can", payment.site_id),
        "canteen_name": rule.site_label(payment.site_id),
        "meal": payment.context.get("meal"),
        "business_date": payment.business_date.isoformat(),
        "paid_at": clock.rfc3339(payment.happened_at),
    }


def _step(step: DisputeStep) -> dict[str, object]:
    return {
        "trigger": step.trigger,
        "state": step.state,
        "side": step.side,
        "words": step.words,
        "amount_fen": step.amount_fen,
        "at": clock.rfc3339(step.recorded_at),
    }
