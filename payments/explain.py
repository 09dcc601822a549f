"""One payment's life in plain words: price, purses, ledger, till and number, voids and refunds.

`tell_payment` makes the chapters of the payment itself; app/explain.py adds its disputes and who heard of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import site_summary
from kernel.events import StoredEvent, decode_events
from kernel.ids import public_id
from kernel.money import format_yuan
from kernel.outbox import OutboxRow
from kernel.settings import get_settings
from payments import queries
from payments.models import Holder, LedgerLine, Payment, Reversal, TerminalRequest

Language = Literal["zh", "en"]

_PURSES: Final = {
    "cash": ("现金钱包", "the cash purse"),
    "subsidy": ("补贴", "the subsidy lot"),
    "official": ("公务钱包", "the official purse"),
}
_STATUS: Final = {
    "succeeded": ("已支付", "paid"),
    "voided": ("已撤销", "voided"),
    "partially_refunded": ("部分退款", "refunded in part"),
    "refunded": ("已全额退款", "refunded in full"),
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """A heading and what is to be said under it."""

    title: str
    sentences: list[str]


async def tell_payment(session: AsyncSession, payment_id: UUID, language: Language) -> list[Chapter]:
    """The chapters of a payment's life; NotFound for a payment that does not exist."""
    payment = await queries.get_payment(session, payment_id)
    say = Speaker(language)
    chapters = [
        Chapter(say("付款", "Payment"), await _tell_sale(session, payment, say)),
        Chapter(say("为什么是这个价格", "Why this price"), [step[language] for step in payment.trace]),
        Chapter(say("从哪里扣款", "What paid for it"), _tell_legs(payment.legs, say)),
        Chapter(say("账本分录", "Ledger"), tell_lines(await queries.lines_of(session, payment.id), say)),
    ]
    for reversal in await queries.reversals_of(session, payment.id):
        title = say("撤销", "Void") if reversal.kind == "void" else say("退款", "Refund")
        lines = tell_lines(await queries.lines_of(session, reversal.id), say)
        chapters.append(Chapter(title, _tell_reversal(reversal, say) + lines))
    return chapters


async def events_of_payment(session: AsyncSession, payment_id: UUID) -> list[StoredEvent]:
    """What was told of a payment, and of its voids and refunds, in order of commit."""
    payment = await queries.get_payment(session, payment_id)
    name = public_id("pay", payment_id)
    rows = await session.execute(
        select(OutboxRow.lane, OutboxRow.n, OutboxRow.events)
        # The row was committed no earlier than the payment was recorded; before that there is nothing to search.
        .where(OutboxRow.recorded_at >= payment.recorded_at, OutboxRow.events.contains(name))
        .order_by(OutboxRow.recorded_at, OutboxRow.lane, OutboxRow.n)
    )
    told = [event for lane, n, column in rows for event in decode_events(lane, n, column)]
    return [stored for stored in told if getattr(stored.event, "payment", None) == name]


class Speaker:
    """Chooses one of two sentences."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, zh: str, en: str) -> str:
        return zh if self.language == "zh" else en


async def _tell_sale(session: AsyncSession, payment: Payment, say: Speaker) -> list[str]:
    holder = await session.get(Holder, (payment.bucket, payment.holder_id))
    site = (await site_summary(session, [payment.site_id])).get(payment.site_id)
    payer, yuan = holder.label if holder else "?", format_yuan(payment.amount_fen)
    place = say(site.name_zh, site.name_en) if site else public_id("can", payment.site_id)
    status = say(*_STATUS[payment.status])
    at, day = local_time(payment.happened_at), payment.business_date.isoformat()
    return [
        say(
            f"{public_id('pay', payment.id)}: {payer} 于 {at} 在 {place} 支付 {yuan} 元, 营业日 {day}, 现状态: {status}。",
            f"{public_id('pay', payment.id)}: {payer} paid {yuan} yuan at {place} on {at}, business day {day}; now {status}.",
        ),
        *_tell_credential(payment, say),
        *await _tell_till(session, payment, say),
    ]


_CREDENTIALS: Final = {
    "card": ("凭实体卡支付。", "Paid by card."),
    "staff_pin": ("凭工号和支付密码支付。", "Paid by staff number and PIN."),
    "wall_code": ("付款人扫收款码 {place_code} 支付。", "The payer scanned the wall code {place_code}."),
}


def _tell_credential(payment: Payment, say: Speaker) -> list[str]:
    """What it was paid with, where that was no pay code; and where the phone was certainly elsewhere, how far away."""
    context = payment.context
    if context.get("credential") not in _CREDENTIALS:
        return []
    sentences = [say(*_CREDENTIALS[context["credential"]]).format_map(context)]
    if context.get("far_m") is not None:
        km = f"{context['far_m'] / 1000:.1f}"
        sentences.append(say(f"付款手机在约 {km} 公里以外。", f"The phone that paid was about {km} km away."))
    return sentences


async def _tell_till(session: AsyncSession, payment: Payment, say: Speaker) -> list[str]:
    if payment.terminal_id is None or payment.seq is None:
        return []
    key = await session.scalar(
        select(TerminalRequest.key).where(
            TerminalRequest.terminal_id == payment.terminal_id,
            TerminalRequest.epoch == payment.epoch,
            TerminalRequest.seq == payment.seq,
        )
    )
    till = public_id("ter", payment.terminal_id)
    return [
        say(
            f"收款终端 {till}, 纪元 {payment.epoch}, 流水号 {payment.seq}, 幂等键 {key}。",
            f"Taken by till {till} in its epoch {payment.epoch} as number {payment.seq}, with the key {key}.",
        ),
        say(
            f"由通道 {payment.lane} 的第 {payment.n} 次提交写入, 记录于 {local_time(payment.recorded_at)}。",
            f"Written by commit {payment.n} of lane {payment.lane}, recorded on {local_time(payment.recorded_at)}.",
        ),
    ]


def _tell_legs(legs: Sequence[dict[str, Any]], say: Speaker) -> list[str]:
    sentences = []
    for leg in legs:
        zh, en = _PURSES[leg["purse"]]
        lot = f" {public_id('lot', UUID(leg['lot']))}" if leg["lot"] else ""
        yuan = format_yuan(leg["amount_fen"])
        sentences.append(say(f"{zh}{lot}: {yuan} 元", f"{yuan} yuan from {en}{lot}"))
    return sentences


def tell_lines(lines: Sequence[LedgerLine], say: Speaker) -> list[str]:
    """Each ledger line as a sentence."""
    return [
        say(
            f"地区 {line.region_id} 的账本: 借 {line.debit_kind}:{line.debit_owner}, "
            f"贷 {line.credit_kind}:{line.credit_owner}, {format_yuan(line.amount_fen)} 元",
            f"Book of region {line.region_id}: {format_yuan(line.amount_fen)} yuan, "
            f"debit {line.debit_kind}:{line.debit_owner}, credit {line.credit_kind}:{line.credit_owner}",
        )
        for line in lines
    ]


def _tell_reversal(reversal: Reversal, say: Speaker) -> list[str]:
    name = public_id("void" if reversal.kind == "void" else "ref", reversal.id)
    at, yuan = local_time(reversal.recorded_at), format_yuan(reversal.amount_fen)
    return [
        say(
            f"{name}: {reversal.actor} 于 {at} 退回 {yuan} 元, 原因: {reversal.reason}。",
            f"{name}: {reversal.actor} gave back {yuan} yuan on {at}; reason: {reversal.reason}.",
        ),
        *[say(f"退回 {leg}", f"Given back: {leg}") for leg in _tell_legs(reversal.legs, say)],
    ]


def local_time(at: datetime) -> str:
    """An instant as the house's clock shows it."""
    return f"{at.astimezone(get_settings().zone):%Y-%m-%d %H:%M:%S}"
