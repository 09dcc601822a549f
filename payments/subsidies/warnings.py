"""Whoever is going to lose something is told seven, three and one days ahead, each exactly once.

That somebody was told is a row with the day and the step in its key, written together with the event: a worker that is
killed has either told and noted it, or neither. Who was not told on the very day, because nothing ran or the lot is
younger, is told at the next look, with the days that are left then.
"""

from collections.abc import Sequence
from datetime import date, time, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.calendar import load_calendar
from kernel.db import Database
from kernel.ids import public_id
from kernel.outbox import publish
from kernel.settings import get_settings
from payments.events import SubsidyExpiring
from payments.models import Holder
from payments.subsidies.expiry import today
from payments.subsidies.forecast import WARN_DAYS, Forecast, sentences, step_of
from payments.subsidies.mine import forecast_of, lots_of
from payments.subsidies.models import SubsidyWarning

# Nobody's phone rings before.
FROM: Final = time(8)
_BATCH: Final = 200

_TO_WARN: Final = text("""
    SELECT DISTINCT l.bucket, l.holder_id, l.expires_on
      FROM subsidy_lots l
      JOIN unnest(CAST(:days AS date[]), CAST(:steps AS smallint[])) AS s (day, step) ON s.day = l.expires_on
     WHERE l.expired_at IS NULL AND l.balance_fen > l.held_fen
       AND NOT EXISTS (SELECT FROM subsidy_warnings w
                        WHERE w.bucket = l.bucket AND w.holder_id = l.holder_id AND w.expires_on = l.expires_on
                          AND w.days_ahead <= s.step)
     LIMIT :limit
""")


class Ending(NamedTuple):
    """Whose lots end, and when."""

    bucket: int
    holder_id: UUID
    expires_on: date


async def warn_due(db: Database) -> int:
    """Tell everybody who is to be told now, in short transactions; returns how many were."""
    if clock.now().astimezone(get_settings().zone).time() < FROM:
        return 0
    told = 0
    while True:
        async with db.session() as session:
            batch = await warn_some(session)
        told += batch
        if not batch:
            return told


async def warn_some(session: AsyncSession, limit: int = _BATCH) -> int:
    """One transaction's share of it."""
    ahead = range(max(WARN_DAYS) + 1)
    days = [today() + timedelta(days=n) for n in ahead]
    steps = [step_of(n) for n in ahead]
    rows = await session.execute(_TO_WARN, {"days": days, "steps": steps, "limit": limit})
    due = [Ending(*row) for row in rows]
    if not due:
        return 0
    await _warn(session, due)
    return len(due)


async def _warn(session: AsyncSession, due: Sequence[Ending]) -> None:
    calendar = await load_calendar(session, get_settings().zone)
    for bucket, holder_id, expires_on in due:
        holder = await session.get(Holder, (bucket, holder_id))
        assert holder is not None, "a lot has a holder"
        told = await forecast_of(session, holder, await lots_of(session, holder), expires_on, calendar)
        # What an instant ago was there may have been eaten since: of nothing nobody is warned.
        if not told.amount_fen or not await _note(session, holder, told):
            continue
        zh, en = sentences(told)
        publish(
            session,
            SubsidyExpiring(
                happened_at=clock.rfc3339(clock.now()),
                person=public_id("per", holder.person_id),
                days=told.days,
                amount_fen=told.amount_fen,
                expires_on=expires_on.isoformat(),
                lunches=told.lunches,
                sentence_zh=zh,
                sentence_en=en,
            ),
        )


async def _note(session: AsyncSession, holder: Holder, told: Forecast) -> bool:
    """Whether nobody has told them before."""
    noted = await session.scalar(
        upsert(SubsidyWarning)
        .values(
            bucket=holder.bucket,
            holder_id=holder.id,
            expires_on=told.expires_on,
            days_ahead=step_of(told.days),
            amount_fen=told.amount_fen,
            warned_at=clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(SubsidyWarning.holder_id)
    )
    return noted is not None
