"""A withdrawal's wire form."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, person_summary
from kernel import clock
from kernel.ids import public_id
from payments.withdrawals import schemas
from payments.withdrawals.models import Withdrawal
from payments.withdrawals.states import WITHDRAWAL


async def views_of(
    session: AsyncSession, rows: Sequence[Withdrawal], reader: Principal
) -> list[schemas.WithdrawalView]:
    """Several at once, with the names of their owners."""
    people = await person_summary(session, [row.person_id for row in rows])
    return [
        schemas.WithdrawalView.model_validate(
            {
                "id": public_id("wdr", row.id),
                "person": public_id("per", row.person_id),
                "name": people[row.person_id].name if row.person_id in people else "",
                "channel": row.channel,
                "account_hint": row.payee_hint,
                "amount_fen": row.amount_fen,
                "state": row.state,
                "approval": public_id("apr", row.approval_id) if row.approval_id else None,
                "refusal": row.refusal,
                "returned_fen": row.returned_fen,
                "may_cancel": row.started_by == reader.person_id and (row.state, "cancel") in WITHDRAWAL,
                "opened_at": clock.rfc3339(row.opened_at),
                "changed_at": clock.rfc3339(row.changed_at),
            }
        )
        for row in rows
    ]
