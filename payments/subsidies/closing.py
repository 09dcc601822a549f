"""The lots of an account that is closed: what is left of them goes back to the units at once, and never to the person."""

from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from payments import queries
from payments.ledger import post_lines
from payments.lines import Line
from payments.models import Holder
from payments.subsidies.expiry import take_back
from payments.subsidies.unit_money import lock_accounts_of


async def return_lots(session: AsyncSession, holder: Holder) -> int:
    """End every lot of a locked holder; returns how much went back. Nothing of it may be held."""
    lots = await queries.lots_of(session, holder.bucket, holder.id)
    sources = await lock_accounts_of(session, [lot for lot in lots if lot.balance_fen])
    returned_fen = 0
    lines: list[Line] = []
    for lot in lots:
        assert not lot.held_fen, "an account with an open hold is not closed"
        lot.expired_at = clock.now()
        if lot.balance_fen:
            returned_fen += lot.balance_fen
            lines += await take_back(session, lot, sources[lot.unit_id, lot.funded_by], lot.balance_fen, "lot_return")
    await session.flush()
    await post_lines(session, lines)
    return returned_fen
