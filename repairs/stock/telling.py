"""What a work order cost, in plain words: its lines, who bears them, and what was charged or given back."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from kernel.money import format_yuan
from payments.api import Chapter, Language, Speaker
from repairs.orders.queries import get_order
from repairs.stock import views
from repairs.stock.schemas import CostLineView

_MINUTES: Final = ("分钟", "minutes")


async def tell_costs(session: AsyncSession, order_id: UUID, language: Language) -> list[Chapter]:
    """One chapter; none where it took nothing and nobody wrote down any time."""
    say = Speaker(language)
    sheet = await views.cost_sheet(session, await get_order(session, order_id), may_charge=False)
    if not sheet.lines:
        return []
    total = format_yuan(sheet.total_fen)
    sentences = [*(_tell_line(line, say) for line in sheet.lines), say(f"共 {total} 元。", f"Together {total} yuan.")]
    if sheet.payer_name is not None:
        sentences.append(say(f"由 {sheet.payer_name} 承担。", f"{sheet.payer_name} bears it."))
    if sheet.charge is not None:
        yuan = format_yuan(sheet.charged_fen)
        sentences.append(say(f"已由 {sheet.charge} 入账 {yuan} 元。", f"{yuan} yuan were charged by {sheet.charge}."))
    if sheet.refunded_fen:
        yuan = format_yuan(sheet.refunded_fen)
        sentences.append(say(f"其中 {yuan} 元曾经退回。", f"{yuan} yuan had been given back before."))
    if sheet.refused_code is not None and sheet.charge is None:
        code = sheet.refused_code
        sentences.append(say(f"上次入账未成功: {code}。", f"The last try to charge it came to nothing: {code}."))
    return [Chapter(say("费用", "What it cost"), sentences)]


def _tell_line(line: CostLineView, say: Speaker) -> str:
    unit = say(*_MINUTES) if line.kind == "labour" else line.unit
    name = say("工时", "work") if line.kind == "labour" else line.name
    amount = format_yuan(line.amount_fen)
    return say(
        f"{name} {line.quantity} {unit}, {amount} 元 ({line.who})",
        f"{name}, {line.quantity} {unit}: {amount} yuan ({line.who})",
    )
