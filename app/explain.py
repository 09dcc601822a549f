"""`guanjia explain pay_...` or `wo_...`: the life of one payment, or of one work order, in plain words, and who heard of it."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.db import Database
from kernel.errors import NotFound
from kernel.events import StoredEvent
from kernel.ids import parse_public_id
from kernel.settings import get_settings
from payments.api import Chapter, Language, events_of_payment, tell_payment
from payments.disputes.telling import tell_disputes
from realtime.api import deliveries_of
from repairs.orders.telling import events_of_order, tell_order
from repairs.stock.telling import tell_costs

commands = typer.Typer(no_args_is_help=True)
_console = Console()

IdArgument = Annotated[str, typer.Argument(help="The id of a payment, pay_..., or of a work order, wo_...")]
LanguageOption = Annotated[str, typer.Option("--lang", help="zh or en.")]


@commands.command("explain", rich_help_panel="Money")
def explain(identifier: IdArgument, language: LanguageOption = "zh") -> None:
    """Tell the life of a payment or a work order in plain words: what happened and why, what it cost, who heard of it."""
    if language not in ("zh", "en"):
        raise typer.BadParameter("--lang is zh or en")
    try:
        chapters = asyncio.run(_explain(identifier, "zh" if language == "zh" else "en"))
    except NotFound:
        _console.print(f"没有这笔付款或工单  There is no such payment or work order: {escape(identifier)}")
        raise typer.Exit(1) from None
    for chapter in chapters:
        _console.print(f"\n[bold]{escape(chapter.title)}")
        for sentence in chapter.sentences:
            _console.print(f"  {escape(sentence)}", soft_wrap=True, highlight=False)


async def _explain(identifier: str, language: Language) -> list[Chapter]:
    url = get_settings().database_url
    if url is None:
        _console.print("There is no database: start one with `guanjia run`, or set GUANJIA_DATABASE_URL.")
        raise typer.Exit(1)
    db = Database(url.get_secret_value())
    tell = explain_order if identifier.startswith("wo_") else explain_payment
    try:
        async with db.session() as session:
            return await tell(session, identifier, language)
    finally:
        await db.close()


async def explain_payment(session: AsyncSession, payment: str, language: Language) -> list[Chapter]:
    """Every chapter of a payment's life; NotFound for an id that names none."""
    payment_id = parse_public_id("pay", payment)
    return [
        *await tell_payment(session, payment_id, language),
        *await tell_disputes(session, payment_id, language),
        await _tell_hearers(session, await events_of_payment(session, payment_id), language),
    ]


async def explain_order(session: AsyncSession, order: str, language: Language) -> list[Chapter]:
    """Every chapter of a work order's life; NotFound for an id that names none."""
    order_id = parse_public_id("wo", order)
    return [
        *await tell_order(session, order_id, language),
        *await tell_costs(session, order_id, language),
        await _tell_hearers(session, await events_of_order(session, order_id), language),
    ]


async def _tell_hearers(session: AsyncSession, events: Sequence[StoredEvent], language: Language) -> Chapter:
    channels = sorted({delivery.channel for stored in events for delivery in stored.event.audience()})
    heard = await deliveries_of(session, channels, [stored.id for stored in events])
    sentences: list[str] = []
    for stored in events:
        sentences.append(f"{stored.id}  {stored.event.type}  {stored.event.happened_at}")
        for delivery in stored.event.audience():
            position = heard.get((stored.id, delivery.channel))
            sentences.append(f"  {_tell_delivery(delivery.channel, position, language)}")
    return Chapter("通知了谁" if language == "zh" else "Who heard of it", sentences)


def _tell_delivery(channel: str, position: int | None, language: Language) -> str:
    if position is None:
        return (
            f"{channel}: 尚未投递, 或已过保存期" if language == "zh" else f"{channel}: not delivered yet, or forgotten"
        )
    return f"{channel}: 第 {position} 号消息" if language == "zh" else f"{channel}: message {position}"
