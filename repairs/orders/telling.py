"""One work order's life in plain words: what was broken, who did what and when, what was promised, what those served thought.

`tell_order` makes the chapters of the order itself; repairs/stock/telling.py adds what it cost, app/explain.py who heard of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import person_summary
from kernel.events import StoredEvent, decode_events
from kernel.ids import parse_public_id, public_id
from kernel.outbox import OutboxRow
from payments.api import Chapter, Language, Speaker, local_time
from repairs.assets.api import assets_by_id
from repairs.orders import queries
from repairs.orders.models import WorkOrder, WorkOrderParty, WorkOrderRating, WorkOrderStep
from repairs.orders.views import GUEST_NAME
from repairs.sla.api import SlaView, sla_views
from repairs.sla.schemas import MilestoneView

_STATES: Final = {
    "submitted": ("等待受理", "waiting for the office"),
    "accepted": ("已受理, 等待派人", "accepted, nobody has it yet"),
    "rejected": ("未受理", "turned down"),
    "merged": ("已并入另一单", "part of another order"),
    "withdrawn": ("已撤回", "taken back"),
    "cancelled": ("已取消", "cancelled"),
    "assigned": ("已派人", "somebody has it"),
    "en_route": ("在路上", "somebody is on the way"),
    "in_progress": ("处理中", "being worked on"),
    "on_hold": ("暂停", "on hold"),
    "done": ("已修好, 等待确认", "done, to be confirmed"),
    "confirmed": ("已确认修好", "confirmed"),
    "disputed": ("有异议, 要再处理", "disputed, to be done again"),
    "rated": ("已评价", "rated"),
    "follow_up": ("低分, 等待回复", "a low score waits for an answer"),
    "answered": ("低分已回复", "the low score is answered"),
}
_STEPS: Final = {
    "raise": ("报修", "raised it"),
    "accept": ("受理", "accepted it"),
    "reject": ("不受理", "turned it down"),
    "merge": ("并入另一单", "merged it into another order"),
    "withdraw": ("撤回", "took it back"),
    "cancel": ("取消", "cancelled it"),
    "assign": ("派单", "assigned it"),
    "claim": ("接单", "claimed it"),
    "set_out": ("出发", "set out"),
    "start": ("开始处理", "began to work"),
    "decline": ("退单", "gave it back"),
    "hold": ("暂停", "put it on hold"),
    "resume": ("继续处理", "went on"),
    "finish": ("完成", "finished"),
    "confirm": ("确认修好", "confirmed that it is repaired"),
    "auto_confirm": ("因无人提出异议, 自动确认", "confirmed it, as nobody had objected"),
    "dispute": ("说没有修好", "said that it is not repaired"),
    "rate": ("评价", "rated it"),
    "follow_up": ("因分数低, 请负责人回复", "asked for an answer to the low score"),
    "answer": ("回复评价", "answered the rating"),
}
_URGENCIES: Final = {
    "low": ("不急", "low"),
    "normal": ("一般", "normal"),
    "high": ("较急", "high"),
    "urgent": ("紧急", "urgent"),
}
_CAUSES: Final = {
    "waiting_requester": ("等待报修人", "waiting for who raised it"),
    "parts": ("等待配件", "waiting for a part"),
    "contractor": ("等待外部单位", "waiting for a contractor"),
    "access": ("进不了门", "no way in"),
    "out_of_hours": ("非工作时间", "out of hours"),
    "other": ("其他原因", "another cause"),
    "done": ("完成后等待异议", "done, until it was disputed"),
}
_MILESTONES: Final = {
    "response": ("响应", "an answer"),
    "arrival": ("到场", "somebody there"),
    "resolution": ("修好", "repaired"),
}
_KEPT: Final = {
    "waiting": ("未到期", "not due yet"),
    "at_risk": ("快到期", "at risk"),
    "breached": ("已超时", "breached"),
    "kept": ("按时", "in time"),
    "missed": ("超时", "too late"),
    "stopped": ("不再计时", "no longer counted"),
}
_SYSTEM: Final = ("系统", "the system")


@dataclass(frozen=True, slots=True)
class _Teller:
    """Who is who, in one language."""

    say: Speaker
    names: Mapping[str, str]

    def who(self, key: str) -> str:
        return self.names.get(key) or (self.say(*_SYSTEM) if key == "system" else key)


async def tell_order(session: AsyncSession, order_id: UUID, language: Language) -> list[Chapter]:
    """The chapters of an order's life; NotFound for an order that does not exist."""
    order, say = await queries.get_order(session, order_id), Speaker(language)
    parties = (await queries.parties_of(session, [order_id])).get(order_id, [])
    steps = await queries.steps_of(session, order_id)
    teller = _Teller(say, await _names(session, parties, steps))
    clock = (await sla_views(session, [order_id])).get(order_id)
    ratings = (await queries.ratings_of(session, [order_id])).get(order_id, [])
    chapters = [
        Chapter(say("报修", "Work order"), await _tell_report(session, order, parties, teller)),
        Chapter(say("经过", "What happened"), [_tell_step(step, teller) for step in steps]),
        Chapter(say("时限", "What was promised"), _tell_clock(clock, say)),
        Chapter(say("处理", "The work"), await _tell_work(session, order, teller)),
        Chapter(say("评价", "What was thought of it"), [_tell_rating(rating, teller) for rating in ratings]),
    ]
    return [chapter for chapter in chapters if chapter.sentences]


async def events_of_order(session: AsyncSession, order_id: UUID) -> list[StoredEvent]:
    """What was told of an order, in order of commit."""
    order, name = await queries.get_order(session, order_id), public_id(queries.PREFIX, order_id)
    rows = await session.execute(
        select(OutboxRow.lane, OutboxRow.n, OutboxRow.events)
        # The row was committed no earlier than the order was raised; before that there is nothing to search.
        .where(OutboxRow.recorded_at >= order.raised_at, OutboxRow.events.contains(name))
        .order_by(OutboxRow.recorded_at, OutboxRow.lane, OutboxRow.n)
    )
    told = [event for lane, n, column in rows for event in decode_events(lane, n, column)]
    return [stored for stored in told if getattr(stored.event, "order", None) == name]


async def _names(
    session: AsyncSession, parties: Sequence[WorkOrderParty], steps: Sequence[WorkOrderStep]
) -> dict[str, str]:
    """By the key of the audit log: people by name, guests as they called themselves."""
    keys = {party.party_key for party in parties} | {step.actor for step in steps}
    keys |= {str(step.data["assignee"]) for step in steps if step.data.get("assignee")}
    people = [parse_public_id("per", key) for key in keys if key.startswith("per_")]
    guests = {parse_public_id(queries.GUEST, key) for key in keys if key.startswith(f"{queries.GUEST}_")}
    named = {public_id("per", person): one.name for person, one in (await person_summary(session, people)).items()}
    strangers = await queries.guests_named(session, guests) if guests else {}
    return named | {public_id(queries.GUEST, guest): strangers.get(guest) or GUEST_NAME for guest in guests}


async def _tell_report(
    session: AsyncSession, order: WorkOrder, parties: Sequence[WorkOrderParty], teller: _Teller
) -> list[str]:
    say = teller.say
    category = await queries.get_category(session, order.category_id)
    raisers = say("、", ", ").join(teller.who(party.party_key) for party in parties if party.is_raiser)
    name, at = public_id(queries.PREFIX, order.id), local_time(order.raised_at)
    kind, state = say(category.name_zh, category.name_en), say(*_STATES[order.state])
    sentences = [
        say(
            f"{name}: {raisers} 于 {at} 报修, {kind}, {say(*_URGENCIES[order.urgency])}。现状态: {state}。",
            f"{name}: raised by {raisers} on {at}: {kind}, urgency {say(*_URGENCIES[order.urgency])}. Now: {state}.",
        ),
        say(f"说的是: “{order.words}”", f'In their words: "{order.words}"'),
    ]
    if order.place_text:
        sentences.append(say(f"地点: {order.place_text}。", f"Where: {order.place_text}."))
    if order.asset_id is not None:
        asset = (await assets_by_id(session, [order.asset_id])).get(order.asset_id)
        if asset is not None:
            sentences.append(say(f"设备: {asset.name_zh} ({asset.code})。", f"What: {asset.name_en} ({asset.code})."))
    others = [teller.who(party.party_key) for party in parties if party.is_served and not party.is_raiser]
    if others:
        served = say("、", ", ").join(others)
        sentences.append(say(f"为 {served} 报修, 由其确认。", f"On behalf of {served}, who confirms it."))
    if order.call_id is not None:
        call = public_id("call", order.call_id)
        sentences.append(say(f"由呼叫 {call} 转来。", f"It began as the call {call}."))
    for other in await queries.merged_into(session, order.id):
        merged = public_id(queries.PREFIX, other.id)
        sentences.append(say(f"{merged} 已并入本单。", f"{merged} became part of it."))
    if order.problem_id is not None:
        problem = public_id(queries.PROBLEM, order.problem_id)
        sentences.append(say(f"属于问题 {problem}。", f"It belongs to the problem {problem}."))
    return sentences


def _tell_step(step: WorkOrderStep, teller: _Teller) -> str:
    say, data = teller.say, step.data
    more = ""
    if data.get("assignee"):
        name = teller.who(str(data["assignee"]))
        more = say(f"给 {name}", f" to {name}")
    elif data.get("into"):
        more = f" {data['into']}"
    elif data.get("cause"):
        more = f" ({say(*_CAUSES.get(str(data['cause']), (str(data['cause']),) * 2))})"
    elif data.get("score"):
        more = say(f" {data['score']} 分", f" {data['score']} of 5")
    # What was raised stands in the first chapter.
    words = say(f": “{step.words}”", f': "{step.words}"') if step.words and step.trigger != "raise" else ""
    told = _told_later(step.happened_at, step.recorded_at, say)
    did = say(*_STEPS.get(step.trigger, (step.trigger, step.trigger)))
    return f"{local_time(step.happened_at)}  {teller.who(step.actor)}{say('', ' ')}{did}{more}{words}{told}"


def _told_later(happened_at: datetime, recorded_at: datetime, say: Speaker) -> str:
    """Where a telephone without network did it."""
    if (recorded_at - happened_at).total_seconds() < 1:
        return ""
    at = local_time(recorded_at)
    return say(f" (手机离线, {at} 才收到)", f" (without a network; we heard of it on {at})")


def _tell_clock(clock: SlaView | None, say: Speaker) -> list[str]:
    if clock is None:
        return []
    sentences = [_tell_milestone(milestone, say) for milestone in clock.milestones]
    for pause in clock.pauses:
        cause, begins = say(*_CAUSES[pause.cause]), _local(pause.starts_at)
        ends = _local(pause.ends_at) if pause.ends_at else say("现在", "now")
        sentences.append(
            say(
                f"{begins} 至 {ends} 不计时: {cause}。",
                f"From {begins} until {ends} the clock stood still: {cause}.",
            )
        )
    if clock.warning is not None:
        sentences.append(
            say(
                "有的到期日在尚未录入节假日的年份。", "A due time lies in a year whose holidays nobody has entered yet."
            )
        )
    return sentences


def _tell_milestone(milestone: MilestoneView, say: Speaker) -> str:
    what, state = say(*_MILESTONES[milestone.milestone]), say(*_KEPT[milestone.state])
    hours = f"{milestone.target_s / 3600:g}"
    due = _local(milestone.due_at) if milestone.due_at else say("暂停中", "standing still")
    reached = ""
    if milestone.reached_at is not None:
        reached = say(f", {_local(milestone.reached_at)} 达到", f", reached on {_local(milestone.reached_at)}")
    return say(
        f"{what}: 承诺 {hours} 个工作小时, 到期 {due}{reached}: {state}。",
        f"{what}: promised within {hours} working hours, due {due}{reached}: {state}.",
    )


def _local(wire: str) -> str:
    return local_time(datetime.fromisoformat(wire))


async def _tell_work(session: AsyncSession, order: WorkOrder, teller: _Teller) -> list[str]:
    say, sentences = teller.say, []
    checks = await queries.checks_of(session, order.id)
    if checks:
        ticked = sum(check.ticked_at is not None for check in checks)
        sentences.append(
            say(
                f"检查清单 {len(checks)} 项, 已勾选 {ticked} 项。",
                f"Of {len(checks)} lines to check {ticked} are ticked.",
            )
        )
    labour = await queries.labour_of(session, order.id)
    if labour:
        minutes, people = sum(entry.minutes for entry in labour), len({entry.person_id for entry in labour})
        sentences.append(
            say(f"{people} 人记了 {minutes} 分钟工时。", f"{minutes} minutes of work, by {people} of the staff.")
        )
    notes = await queries.notes_of(session, order.id, only_public=False)
    if notes:
        sentences.append(say(f"{len(notes)} 条记录。", f"Notes: {len(notes)}."))
    if order.declines:
        sentences.append(say(f"被退单 {order.declines} 次。", f"Given back {order.declines} times."))
    if order.round > 1:
        sentences.append(say(f"现在是第 {order.round} 次处理。", f"This is round {order.round}."))
    return sentences


def _tell_rating(rating: WorkOrderRating, teller: _Teller) -> str:
    say, who = teller.say, teller.who(rating.party_key)
    again = say(" (回复后再评)", " (again, after the answer)") if rating.is_second else ""
    words = say(f": “{rating.words}”", f': "{rating.words}"') if rating.words else ""
    answer = say(f" 回复: “{rating.answer}”", f' Answered: "{rating.answer}"') if rating.answer else ""
    score = say(f"{who} 打了 {rating.score} 分", f"{who} gave {rating.score} of 5")
    return f"{local_time(rating.rated_at)}  {score}{again}{words}{answer}"
