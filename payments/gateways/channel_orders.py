"""Orders at somebody else's gateway: written down before the gateway is asked, moved by its words, one step at a time.

Every function joins the caller's transaction. An order is locked after its holder and before the office's lane. What
a move means in money is `settling.py`; who brings the words is `hearing.py`.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock, timers
from kernel.errors import NotFound
from kernel.ids import bucket_of, parse_public_id, public_id, uuid7
from payments.channels.channel import Heard, Word
from payments.models import ChannelOrder, ChannelStep, DifferenceCase
from payments.states import CHANNEL_RANKS, hear

TIMER_KIND: Final = "payments.channel_look"
PREFIXES: Final = {"refund": "rfd", "withdrawal": "wdr", "top_up": "top", "guest_payment": "gst"}
# What nothing more is expected of.
SETTLED: Final = frozenset({"failed", "closed", "succeeded", "decided", "cancelled"})

# When the gateway is asked, in seconds after the order was written, if nothing settled it before; after the last time
# a person looks into it. A payer at a till stands there and waits, so that is asked often, for a minute.
TOP_UP_LOOKS_S: Final = (5, 15, 60, 300, 3600)
GUEST_LOOKS_S: Final = (*range(5, 60, 5), 60, 65, 75, 120, 360, 3660)
# Nobody stands there and waits, and money that is lost sight of is worth another day.
WITHDRAWAL_LOOKS_S: Final = (*TOP_UP_LOOKS_S, 24 * 3600)
LOOKS_S: Final = {
    "withdrawal": WITHDRAWAL_LOOKS_S,
    "refund": WITHDRAWAL_LOOKS_S,
    "top_up": TOP_UP_LOOKS_S,
    "guest_payment": GUEST_LOOKS_S,
}
LIFE: Final = {
    "withdrawal": timedelta(days=1),
    "refund": timedelta(days=1),
    "top_up": timedelta(minutes=5),
    "guest_payment": timedelta(seconds=60),
}


def order_name(order: ChannelOrder) -> str:
    """The name that the gateway knows it by, which is also its public id."""
    return public_id(PREFIXES[order.purpose], order.id)


def parse_order_name(name: str) -> UUID | None:
    """The inverse; None for a name that is none of ours."""
    for prefix in PREFIXES.values():
        try:
            return parse_public_id(prefix, name)
        except NotFound:
            continue
    return None


async def write_order(
    session: AsyncSession,
    *,
    order_id: UUID,
    channel: str,
    purpose: str,
    holder_id: UUID | None,
    region_id: UUID,
    caller: str,
    key: str,
    amount_fen: int,
    asking_for: timedelta,
) -> ChannelOrder:
    """The intent: from its commit on, whatever happens, somebody will look after it."""
    at = clock.now()
    order = ChannelOrder(
        bucket=bucket_of(order_id),
        id=order_id,
        channel=channel,
        purpose=purpose,
        holder_id=holder_id,
        region_id=region_id,
        caller=caller,
        key=key,
        amount_fen=amount_fen,
        state="written",
        step_count=0,
        asking_until=at + asking_for,
        looks=0,
        opened_at=at,
        expires_at=at + LIFE[purpose],
        changed_at=at,
    )
    session.add(order)
    _add_step(session, order, "write", "us")
    await session.flush()
    await schedule_look(session, order)
    return order


async def get_order(session: AsyncSession, order_id: UUID) -> ChannelOrder:
    """As it is now, unlocked; NotFound where there is none."""
    order = await session.get(ChannelOrder, (bucket_of(order_id), order_id), populate_existing=True)
    if order is None:
        raise NotFound(what="channel_order")
    return order


async def lock_order(session: AsyncSession, order_id: UUID) -> ChannelOrder:
    """The order, locked; its holder's lock is taken before."""
    order = await session.get(
        ChannelOrder, (bucket_of(order_id), order_id), populate_existing=True, with_for_update=True
    )
    if order is None:
        raise NotFound(what="channel_order")
    return order


def weigh(order: ChannelOrder, heard: Heard) -> Word:
    """A word with its amount: paid, and not what was asked for, is a difference."""
    if heard.word is Word.PAY and heard.amount_fen != order.amount_fen:
        return Word.DIFFER
    return heard.word


async def move(session: AsyncSession, order: ChannelOrder, word: str, source: str) -> bool:
    """Let a word move a locked order; whether it did."""
    state = hear(order.state, word)
    if state == order.state:
        return False
    assert CHANNEL_RANKS[state] > CHANNEL_RANKS[order.state], "what is known of an order never becomes less"
    order.state, order.changed_at = state, clock.now()
    _add_step(session, order, word, source)
    if state in ("succeeded", "decided", "cancelled", "failed"):
        order.look_due_at = None
        await timers.cancel(session, TIMER_KIND, order_name(order))
    return True


def _add_step(session: AsyncSession, order: ChannelOrder, word: str, source: str) -> None:
    session.add(
        ChannelStep(
            bucket=order.bucket,
            order_id=order.id,
            ordinal=order.step_count,
            word=str(word),
            state=order.state,
            rank=CHANNEL_RANKS[order.state],
            source=source,
            recorded_at=clock.now(),
        )
    )
    order.step_count += 1


async def schedule_look(session: AsyncSession, order: ChannelOrder) -> bool:
    """Set the clock for the next look; False where there was the last one already."""
    looks_s = LOOKS_S[order.purpose]
    if order.looks >= len(looks_s):
        return False
    due_at: datetime = order.opened_at + timedelta(seconds=looks_s[order.looks])
    await timers.schedule(session, TIMER_KIND, order_name(order), due_at)
    return True


async def open_case(
    session: AsyncSession,
    kind: str,
    *,
    channel: str,
    name: str,
    order_id: UUID | None = None,
    expected_fen: int | None = None,
    confirmed_fen: int | None = None,
) -> None:
    """Put a difference before a person; the same one told again is the same case."""
    await session.execute(
        insert(DifferenceCase)
        .values(
            id=uuid7(),
            channel=channel,
            order_name=name,
            order_id=order_id,
            kind=kind,
            expected_fen=expected_fen,
            confirmed_fen=confirmed_fen,
            opened_at=clock.now(),
        )
        .on_conflict_do_nothing()
    )


async def resolve_cases(session: AsyncSession, order_id: UUID) -> None:
    """The gateway has said after all what became of it. That it refuses to give money back is no such word."""
    await session.execute(
        update(DifferenceCase)
        .where(
            DifferenceCase.order_id == order_id,
            DifferenceCase.resolved_at.is_(None),
            DifferenceCase.kind != "refund_refused",
        )
        .values(resolved_at=clock.now(), resolution="heard")
    )
