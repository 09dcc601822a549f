"""The disputes of a payment in plain words: what was said, whose turn it is, how it was answered, what became of the money."""

from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel import clock
from kernel.ids import public_id
from kernel.money import format_yuan
from payments.disputes import queries
from payments.disputes.deadlines import WORK_DAYS
from payments.disputes.models import Dispute, DisputeStep
from payments.disputes.states import TURNS
from payments.explain import Chapter, Language, Speaker, local_time, tell_lines
from payments.queries import lines_of

_REASONS: Final = {
    "duplicate": ("重复扣款", "charged twice"),
    "wrong_amount": ("金额不对", "wrong amount"),
    "not_me": ("不是本人消费", "it was not me"),
    "wrong_unit": ("扣错单位补贴", "wrong unit charged"),
    "late_offline": ("脱机补传有误", "late offline sale"),
    "location_mismatch": ("地点不符", "not there at the time"),
    "missing_subsidy": ("补贴没有扣到", "subsidy not used"),
}
_STATES: Final = {
    "open": ("等食堂答复", "the canteen is to answer"),
    "accepted": ("食堂已认可, 等两人批准调整凭证", "accepted; two people are to approve the adjustment voucher"),
    "rejected": ("食堂认为无误, 等本人决定", "rejected; the payer may take it to the region"),
    "withdrawn": ("已撤回", "taken back"),
    "escalated": ("等地区裁定", "the region is to decide"),
    "closed": ("已结束, 不退款", "over; nothing comes back"),
    "upheld": ("地区已支持, 等两人批准调整凭证", "upheld; two people are to approve the adjustment voucher"),
    "dismissed": ("地区维持原扣款", "dismissed by the region"),
    "returned": ("钱已退回", "the money is back"),
}
_SIDES: Final = {
    "canteen": ("食堂", "the canteen"),
    "payer": ("付款人", "the payer"),
    "region": ("地区", "the region"),
    "system": ("系统", "the system"),
}
_STEPS: Final = {
    "open": ("提出异议", "said that something is wrong"),
    "accept": ("认可", "accepted it"),
    "reject": ("认为无误", "saw nothing wrong"),
    "withdraw": ("撤回", "took it back"),
    "escalate": ("请地区裁定", "took it to the region"),
    "uphold": ("支持", "upheld it"),
    "dismiss": ("维持原扣款", "dismissed it"),
    "pass_on": ("因食堂逾期未答, 转地区裁定", "passed it on to the region, as no answer had come in time"),
    "lapse": ("因未再提出, 结束", "ended it, as it was not taken further"),
    "give_back": ("退回了钱", "gave the money back"),
    "refuse_voucher": ("因调整凭证未获批准, 退回处理", "turned it back, as its voucher was not approved"),
}


async def tell_disputes(session: AsyncSession, payment_id: UUID, language: Language) -> list[Chapter]:
    """A chapter for each time that somebody said of this payment that something is wrong, the first one first."""
    rows = await session.scalars(select(Dispute).where(Dispute.payment_id == payment_id).order_by(Dispute.id))
    disputes, say = rows.all(), Speaker(language)
    steps = await queries.steps_of(session, [dispute.id for dispute in disputes])
    refunds = await queries.refunds_of(session, disputes)
    return [
        Chapter(
            say(f"有问题: {_REASONS[dispute.reason][0]}", f"Something is wrong: {_REASONS[dispute.reason][1]}"),
            [
                _tell_claim(dispute, say),
                *_tell_clock(dispute, say),
                *(_tell_step(step, say) for step in steps[dispute.id]),
                *await _tell_money(session, dispute, refunds.get(dispute.id), say),
            ],
        )
        for dispute in disputes
    ]


def _tell_claim(dispute: Dispute, say: Speaker) -> str:
    name, at, state = public_id("dis", dispute.id), local_time(dispute.opened_at), say(*_STATES[dispute.state])
    yuan = None if dispute.claimed_fen is None else format_yuan(dispute.claimed_fen)
    about = (
        say(f"涉及 {yuan} 元", f"about {yuan} yuan of it") if yuan else say("涉及整笔付款", "about the whole payment")
    )
    return say(
        f"{name}: {dispute.payer_label} 于 {at} 提出异议, {about}。现状态: {state}。",
        f"{name}: disputed by {dispute.payer_label} on {at}, {about}. Now: {state}.",
    )


def _tell_clock(dispute: Dispute, say: Speaker) -> list[str]:
    """Whose turn it is and until when, if it is somebody's."""
    if dispute.due_at is None:
        return []
    days, until = WORK_DAYS[dispute.state], local_time(dispute.due_at)
    turn = say(*_SIDES[TURNS[dispute.state]])
    late = say(" 已逾期。", " That is past.") if clock.now() > dispute.due_at else ""
    return [
        say(
            f"轮到{turn}, {days} 个工作日, 到 {until}。{late}",
            f"It is {turn}'s turn, {days} work days, until {until}.{late}",
        )
    ]


def _tell_step(step: DisputeStep, say: Speaker) -> str:
    who, did = say(*_SIDES[step.side]), say(*_STEPS[step.trigger])
    yuan = (
        ""
        if step.amount_fen is None
        else say(f", {format_yuan(step.amount_fen)} 元", f", {format_yuan(step.amount_fen)} yuan")
    )
    words = "" if not step.words else say(f": “{step.words}”", f': "{step.words}"')
    return f"{local_time(step.recorded_at)}  {who}{say('', ' ')}{did}{yuan}{words}"


async def _tell_money(session: AsyncSession, dispute: Dispute, refund_id: UUID | None, say: Speaker) -> list[str]:
    sentences = []
    if dispute.suspended_fen:
        yuan = format_yuan(dispute.suspended_fen)
        sentences.append(
            say(
                f"{yuan} 元暂挂, 结清前不付给食堂。",
                f"{yuan} yuan are set aside and not paid to the canteen before this is settled.",
            )
        )
    if dispute.voucher_id is not None:
        voucher = public_id("adj", dispute.voucher_id)
        sentences.append(
            say(
                f"付款所在月份已锁账, 由两人批准的调整凭证 {voucher} 记账。",
                f"The month of the payment is locked: booked by the adjustment voucher {voucher}, which two people approve.",
            )
        )
    if refund_id is not None:
        refund, yuan = public_id("ref", refund_id), format_yuan(dispute.granted_fen or 0)
        sentences.append(say(f"{yuan} 元已由退款 {refund} 退回。", f"{yuan} yuan came back by the refund {refund}."))
    if dispute.charge_id is not None:
        sentences.append(say("改由补贴支付:", "A subsidy has paid instead:"))
        sentences += tell_lines(await lines_of(session, dispute.charge_id), say)
    return sentences
