"""Use cases of disputes: open one, pull its triggers, let its clock strike.

A trigger locks the dispute, then whatever money moves locks the holder; who acts on a version that is
no longer so, or comes second of two at once, is told what the state allows now.
"""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import AttemptPolicy, Principal, Role, count_attempt
from identity.errors import SamePerson
from kernel import audit_log, clock, timers
from kernel.errors import Forbidden, Malformed, StateConflict, TooManyRequests
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish, savepoint
from payments import queries as payment_queries
from payments.disputes import money, queries, vouchers
from payments.disputes.deadlines import TIMER_KIND, start_clock
from payments.disputes.errors import DisputeExists, DisputeTooLate, NothingToDispute
from payments.disputes.events import DisputeChanged
from payments.disputes.models import Dispute, DisputeStep
from payments.disputes.schemas import DisputeAnswer, DisputeRequest
from payments.disputes.states import DISPUTE, SIDES, allowed_to
from payments.models import Holder, Payment
from payments.posting_rule import PostingRule
from payments.states import next_state

DISPUTED_WITHIN: Final = timedelta(days=30)
# Who disputes everything that they eat is slowed down; nobody has ten real ones in an hour.
OPENING: Final = AttemptPolicy(10, timedelta(hours=1), timedelta(minutes=15), timedelta(hours=24))
_GRANTING: Final = ("accept", "uphold")
# What was set aside is the canteen's again from here on; a refund takes from there what it gives back.
_SETTLED: Final = ("withdrawn", "closed", "dismissed", "accepted", "upheld", "returned")


async def open_dispute(session: AsyncSession, actor: Principal, payment_id: UUID, wanted: DisputeRequest) -> Dispute:
    """Its payer says that something is wrong with a payment; the canteen's clock starts."""
    payment = await payment_queries.get_payment(session, payment_id)
    if payment.person_id != actor.person_id:
        raise Forbidden
    until = payment.recorded_at + DISPUTED_WITHIN
    if clock.now() > until:
        raise DisputeTooLate(until=clock.rfc3339(until))
    left_fen = money.left_fen(payment)
    if not left_fen:
        raise NothingToDispute
    if wanted.amount_fen is not None and wanted.amount_fen > left_fen:
        raise Malformed(reason="amount_fen is more than what is left of the payment", field="amount_fen")
    wait_s = await count_attempt(session, f"dispute:{actor.person_id}", OPENING)
    if wait_s:
        raise TooManyRequests(retry_after_s=wait_s)
    dispute = await _write(session, payment, await _label_of(session, payment), wanted)
    await money.suspend(session, dispute, payment)
    await start_clock(session, dispute)
    await _note(session, dispute, "open", "payer", actor.actor, wanted.words, wanted.amount_fen)
    return dispute


async def _write(session: AsyncSession, payment: Payment, label: str, wanted: DisputeRequest) -> Dispute:
    dispute = Dispute(
        id=uuid7(),
        payment_id=payment.id,
        person_id=payment.person_id,
        payer_label=label,
        site_id=payment.site_id,
        host_region_id=payment.host_region_id,
        reason=wanted.reason,
        words=wanted.words,
        claimed_fen=wanted.amount_fen,
        state="open",
        version=0,
        suspended_fen=0,
        opened_at=clock.now(),
        changed_at=clock.now(),
    )
    try:
        async with savepoint(session):
            session.add(dispute)
            await session.flush()
    except IntegrityError:
        existing = await queries.find_under_way(session, payment.id, wanted.reason)
        raise DisputeExists(dispute=public_id("dis", existing) if existing else None) from None
    return dispute


async def _label_of(session: AsyncSession, payment: Payment) -> str:
    holder = await session.get(Holder, (payment.bucket, payment.holder_id))
    return holder.label if holder is not None else "*"


# ---- the triggers of people


async def pull(
    session: AsyncSession, actor: Principal, dispute_id: UUID, trigger: str, answer: DisputeAnswer, rule: PostingRule
) -> Dispute:
    """Accept, reject, withdraw, escalate, uphold or dismiss; money comes back in this very transaction."""
    dispute = await queries.lock_dispute(session, dispute_id)
    refuse_strangers(dispute, actor)
    _refuse_wrong_side(dispute, actor, trigger)
    # Asked before the words: who comes too late hears that first.
    is_stale = answer.version is not None and answer.version != dispute.version
    if is_stale or (dispute.state, trigger) not in DISPUTE:
        raise _conflict(dispute, trigger, actor)
    words = _words_of(trigger, answer)
    granted_fen = await _granted_fen(session, dispute, trigger, answer)
    if SIDES[trigger] == "canteen":
        dispute.answered_by = actor.person_id
    await _move(session, dispute, trigger, actor.actor, words, granted_fen)
    if granted_fen is not None:
        await _grant(session, actor, dispute, granted_fen, rule)
    return dispute


async def _grant(
    session: AsyncSession, actor: Principal, dispute: Dispute, granted_fen: int, rule: PostingRule
) -> None:
    """The money is back now; where its month is locked, as soon as two people have approved the voucher."""
    dispute.granted_fen = granted_fen
    locked = await vouchers.locked_book_of(session, dispute)
    if locked is not None:
        dispute.voucher_id = await vouchers.ask(session, actor, dispute, locked)
        return
    returned = await money.give_back(session, dispute, granted_fen, actor=actor.actor, site_label=rule.site_label)
    dispute.refund_id, dispute.charge_id = returned.refund_id, returned.charge_id
    await _move(session, dispute, "give_back", "system", "", granted_fen)


async def hear_of_voucher(session: AsyncSession, voucher_id: UUID, *, is_booked: bool) -> None:
    """The adjustment voucher of a dispute was booked, and with it the refund; or somebody has refused it."""
    dispute_id = await queries.find_by_voucher(session, voucher_id)
    if dispute_id is None:
        return
    dispute = await queries.lock_dispute(session, dispute_id)
    trigger = "give_back" if is_booked else "refuse_voucher"
    if (dispute.state, trigger) in DISPUTE:
        await _move(session, dispute, trigger, "system", "", dispute.granted_fen)


def _words_of(trigger: str, answer: DisputeAnswer) -> str:
    if answer.words is None and trigger not in ("withdraw", "accept"):
        raise Malformed(reason="words are needed here", field="words")
    if answer.amount_fen is not None and trigger not in _GRANTING:
        raise Malformed(reason="only accept and uphold give an amount", field="amount_fen")
    return answer.words or ""


async def _granted_fen(session: AsyncSession, dispute: Dispute, trigger: str, answer: DisputeAnswer) -> int | None:
    if trigger not in _GRANTING:
        return None
    payment = await payment_queries.get_payment(session, dispute.payment_id)
    granted = answer.amount_fen or money.suggested_fen(dispute, payment)
    if not granted:
        raise NothingToDispute
    return granted


def sides_of(dispute: Dispute, actor: Principal) -> frozenset[str]:
    """On which sides somebody stands. Nobody answers their own, and who answered for the canteen decides no more."""
    if actor.person_id == dispute.person_id:
        return frozenset({"payer"})
    sides = set()
    where = {"site_id": dispute.site_id, "region_id": dispute.host_region_id}
    if actor.may(Role.CANTEEN_MANAGER, **where):
        sides.add("canteen")
    if actor.may(Role.FINANCE, region_id=dispute.host_region_id) and actor.person_id != dispute.answered_by:
        sides.add("region")
    return frozenset(sides)


def may_see(dispute: Dispute, actor: Principal) -> bool:
    """Its payer, who manages the canteen, and the region's finance."""
    where = {"site_id": dispute.site_id, "region_id": dispute.host_region_id}
    return actor.person_id == dispute.person_id or actor.may(Role.CANTEEN_MANAGER, Role.FINANCE, **where)


def refuse_strangers(dispute: Dispute, actor: Principal) -> None:
    """Forbidden for whom a dispute is no business of."""
    if not may_see(dispute, actor):
        raise Forbidden


def _refuse_wrong_side(dispute: Dispute, actor: Principal, trigger: str) -> None:
    side = SIDES[trigger]
    if side in sides_of(dispute, actor):
        return
    if actor.person_id in (dispute.person_id, dispute.answered_by) and side != "payer":
        raise SamePerson
    raise Forbidden


def _conflict(dispute: Dispute, trigger: str, actor: Principal) -> StateConflict:
    allowed = allowed_to(dispute.state, sides_of(dispute, actor))
    return StateConflict(state=dispute.state, trigger=trigger, allowed=allowed)


# ---- the clock


async def strike(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: remind the canteen, pass on what it left lying, or let a rejection stand."""
    dispute = await queries.lock_dispute(session, parse_public_id("dis", timer.ref))
    if dispute.due_at is None:
        return
    if clock.now() < dispute.due_at:
        await _remind(session, dispute)
    elif dispute.state == "open":
        await _move(session, dispute, "pass_on", "system", "", None, is_striking=True)
    elif dispute.state == "rejected":
        await _move(session, dispute, "lapse", "system", "", None, is_striking=True)
    else:
        await _remind(session, dispute)


async def _remind(session: AsyncSession, dispute: Dispute) -> None:
    """Whoever's turn it is hears of it once more; the canteen's clock then runs to its end."""
    dispute.reminded_at = clock.now()
    _tell(session, dispute, "remind")
    if dispute.due_at is not None and dispute.due_at > clock.now():
        await timers.schedule(session, TIMER_KIND, public_id("dis", dispute.id), dispute.due_at)


# ---- one step


async def _move(
    session: AsyncSession,
    dispute: Dispute,
    trigger: str,
    actor: str,
    words: str,
    amount_fen: int | None,
    *,
    is_striking: bool = False,
) -> None:
    state = next_state(DISPUTE, dispute.state, trigger)
    dispute.state, dispute.changed_at = state, clock.now()
    if state in _SETTLED:
        await money.release(session, dispute)
    await start_clock(session, dispute, is_striking=is_striking)
    await _note(session, dispute, trigger, SIDES[trigger], actor, words, amount_fen)


async def _note(
    session: AsyncSession, dispute: Dispute, trigger: str, side: str, actor: str, words: str, amount_fen: int | None
) -> None:
    session.add(
        DisputeStep(
            dispute_id=dispute.id,
            ordinal=dispute.version,
            trigger=trigger,
            state=dispute.state,
            side=side,
            actor=actor,
            words=words,
            amount_fen=amount_fen,
            recorded_at=clock.now(),
        )
    )
    dispute.version += 1
    await session.flush()
    _tell(session, dispute, trigger, amount_fen)
    await audit_log.record(
        session,
        actor=actor,
        action=f"dispute.{trigger}",
        subject=public_id("dis", dispute.id),
        data={"payment": public_id("pay", dispute.payment_id), "state": dispute.state, "amount_fen": amount_fen},
    )


def _tell(session: AsyncSession, dispute: Dispute, trigger: str, granted_fen: int | None = None) -> None:
    publish(
        session,
        DisputeChanged(
            happened_at=clock.rfc3339(clock.now()),
            dispute=public_id("dis", dispute.id),
            payment=public_id("pay", dispute.payment_id),
            person=public_id("per", dispute.person_id),
            canteen=public_id("can", dispute.site_id),
            reason=dispute.reason,
            trigger=trigger,
            state=dispute.state,
            granted_fen=granted_fen if trigger != "open" else None,
            due_at=clock.rfc3339(dispute.due_at) if dispute.due_at else None,
        ),
    )
