"""Use cases of withdrawals: begin one, decide on a large one, cancel what was not decided, ask again."""

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import (
    Place,
    Principal,
    Role,
    membership_of,
    person_summary,
    register_executor,
    request_approval,
    today,
)
from kernel import clock
from kernel.errors import Forbidden, NotFound, StateConflict
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.settings import get_settings
from payments import holds, queries
from payments.errors import PaymentRefused
from payments.gateways import channel_orders
from payments.models import ChannelOrder, Holder
from payments.posting_rule import DenyCode, Refusal
from payments.states import allowed
from payments.withdrawals.errors import NameDiffers, NothingToWithdraw, StillHere, WithdrawalUnderWay
from payments.withdrawals.models import Withdrawal
from payments.withdrawals.outcome import move, tell
from payments.withdrawals.queries import find_under_way, get_withdrawal, lock_withdrawal
from payments.withdrawals.schemas import WithdrawalRequest
from payments.withdrawals.sending import Payee
from payments.withdrawals.states import WITHDRAWAL

APPROVAL_KIND: Final = "withdrawal"
# A hold must have an end; this one's is its outcome, which comes long before.
_HELD_FOR: Final = timedelta(days=3650)
_STATES_PAID_OUT: Final = frozenset({"active", "lost", "closed"})


async def start(
    session: AsyncSession, actor: Principal, person_id: UUID, wanted: WithdrawalRequest, *, key: str
) -> Withdrawal:
    """Hold all free cash of an account and send it to its owner; above the limit a second person is asked first."""
    holder = await queries.lock_person(session, person_id)
    await _refuse_to_start(session, actor, holder, wanted.name)
    existing = await find_under_way(session, holder.bucket, holder.id)
    if existing is not None:
        raise WithdrawalUnderWay(withdrawal=public_id("wdr", existing))
    amount_fen = await _free_cash(session, holder)
    payee = Payee(wanted.account, wanted.name)
    withdrawal = Withdrawal(
        bucket=holder.bucket,
        id=uuid7(holder.bucket),
        holder_id=holder.id,
        person_id=person_id,
        region_id=holder.region_id,
        channel=wanted.channel,
        sealed_payee=payee.sealed(),
        payee_hint=payee.hint,
        amount_fen=amount_fen,
        state="asked",
        hold_id=await holds.place_hold(
            session,
            person_id,
            amount_fen,
            reason="withdrawal",
            expires_at=clock.now() + _HELD_FOR,
            holder_states=_STATES_PAID_OUT,
        ),
        started_by=actor.person_id,
        returned_fen=0,
        opened_at=clock.now(),
        changed_at=clock.now(),
    )
    session.add(withdrawal)
    await session.flush()
    await tell(session, withdrawal, "ask", actor.actor)
    if amount_fen > get_settings().withdrawal_approval_above_fen:
        await _ask_for_approval(session, actor, withdrawal)
    else:
        await _send(session, withdrawal, actor.actor, key)
    return withdrawal


async def _refuse_to_start(session: AsyncSession, actor: Principal, holder: Holder, name: str) -> None:
    if actor.person_id != holder.person_id:
        actor.require(Role.FINANCE, organisation_id=holder.unit_id, region_id=holder.region_id)
    owner = (await person_summary(session, [holder.person_id])).get(holder.person_id)
    if owner is None or "".join(owner.name.split()) != "".join(name.split()):
        raise NameDiffers
    if actor.person_id != holder.person_id and owner.status != "left":
        await _refuse_for_those_here(session, holder.person_id)
    if holder.state not in _STATES_PAID_OUT:
        raise PaymentRefused(Refusal(DenyCode.FROZEN))


async def _refuse_for_those_here(session: AsyncSession, person_id: UUID) -> None:
    membership = await membership_of(session, person_id, today())
    if membership is not None and membership.unit_id is not None:
        raise StillHere


async def _free_cash(session: AsyncSession, holder: Holder) -> int:
    cash = (await queries.purses_of(session, holder.bucket, holder.id))["cash"]
    free_fen = cash.balance_fen - cash.held_fen
    if free_fen <= 0:
        raise NothingToWithdraw(cash_fen=cash.balance_fen, held_fen=cash.held_fen)
    return free_fen


async def _ask_for_approval(session: AsyncSession, actor: Principal, withdrawal: Withdrawal) -> None:
    identifier = public_id("wdr", withdrawal.id)
    owner = (await person_summary(session, [withdrawal.person_id]))[withdrawal.person_id]
    withdrawal.approval_id = await request_approval(
        session,
        kind=APPROVAL_KIND,
        subject=identifier,
        payload={
            "withdrawal": identifier,
            "person": public_id("per", withdrawal.person_id),
            "name": owner.name,
            "amount_fen": withdrawal.amount_fen,
            "to": withdrawal.payee_hint,
        },
        requested_by=actor.person_id,
        deciding_roles=[Role.FINANCE],
        reason=f"{withdrawal.channel} {withdrawal.payee_hint}",
        place=Place(region_id=withdrawal.region_id),
        beneficiary_id=withdrawal.person_id,
    )


async def _carry_out(session: AsyncSession, payload: dict[str, Any]) -> None:
    """What an approval does: the money, held since it was asked for, is sent."""
    withdrawal = await _lock(session, parse_public_id("wdr", payload["withdrawal"]))
    await move(session, withdrawal, "approve")
    await _write_order(session, withdrawal, key=public_id("wdr", withdrawal.id))


register_executor(APPROVAL_KIND, _carry_out)


async def _send(session: AsyncSession, withdrawal: Withdrawal, actor: str, key: str) -> None:
    await move(session, withdrawal, "approve", actor=actor)
    await _write_order(session, withdrawal, key=key)


async def _write_order(session: AsyncSession, withdrawal: Withdrawal, *, key: str) -> ChannelOrder:
    """The intent; the worker's next look sends it."""
    order = await channel_orders.write_order(
        session,
        order_id=withdrawal.id,
        channel=withdrawal.channel,
        purpose="withdrawal",
        holder_id=withdrawal.holder_id,
        region_id=withdrawal.region_id,
        caller=public_id("per", withdrawal.started_by),
        key=f"withdrawal:{key}",
        amount_fen=withdrawal.amount_fen,
        asking_for=timedelta(0),
    )
    order.look_due_at = clock.now()
    return order


async def decline(session: AsyncSession, withdrawal_id: UUID) -> None:
    """Nobody agreed: rejected, withdrawn or run out. The money is free again."""
    withdrawal = await _lock(session, withdrawal_id)
    if withdrawal.state == "asked":
        await holds.release_hold(session, withdrawal.hold_id)
        await move(session, withdrawal, "decline")


async def cancel(session: AsyncSession, actor: Principal, withdrawal_id: UUID) -> Withdrawal:
    """Who started it takes it back, while nobody has decided."""
    withdrawal = await _lock(session, withdrawal_id)
    if withdrawal.started_by != actor.person_id:
        raise Forbidden
    if (withdrawal.state, "cancel") not in WITHDRAWAL:
        raise StateConflict(state=withdrawal.state, trigger="cancel", allowed=_pressable(withdrawal))
    await holds.release_hold(session, withdrawal.hold_id)
    await move(session, withdrawal, "cancel", actor=actor.actor)
    return withdrawal


async def ask_again(session: AsyncSession, actor: Principal, withdrawal_id: UUID) -> Withdrawal:
    """The office has the gateway asked once more, where it has not said for long what became of it."""
    seen = await get_withdrawal(session, withdrawal_id)
    actor.require(Role.FINANCE, region_id=seen.region_id)
    withdrawal = await _lock(session, withdrawal_id)
    if withdrawal.state not in ("sending", "unknown"):
        raise StateConflict(state=withdrawal.state, trigger="ask", allowed=_pressable(withdrawal))
    order = await channel_orders.lock_order(session, withdrawal_id)
    order.look_due_at = clock.now()
    return withdrawal


def _pressable(withdrawal: Withdrawal) -> list[str]:
    return [trigger for trigger in allowed(WITHDRAWAL, withdrawal.state) if trigger == "cancel"]


def refuse_strangers(withdrawal: Withdrawal, reader: Principal) -> None:
    """It is seen by whose money it is, by who started it, and by the region's finance."""
    if reader.person_id not in (withdrawal.person_id, withdrawal.started_by) and not reader.may(
        Role.FINANCE, region_id=withdrawal.region_id
    ):
        raise NotFound(what="wdr", id=public_id("wdr", withdrawal.id))


async def _lock(session: AsyncSession, withdrawal_id: UUID) -> Withdrawal:
    seen = await get_withdrawal(session, withdrawal_id)
    await queries.lock_holder(session, seen.bucket, seen.holder_id)
    return await lock_withdrawal(session, withdrawal_id)
