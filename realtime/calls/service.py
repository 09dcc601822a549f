"""Use cases of calls: place one, pull its triggers, let its clock strike, note what devices showed, write to each other.

A press locks its caller, everything else locks the call's row first and its timer after it. A press is committed together with
its first ring and its clock. Who comes second of two at once is told who has it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Principal, find_place_by_code, person_summary, place_summary
from kernel import audit_log, clock, timers
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict
from kernel.files import use_files
from kernel.ids import parse_public_id, public_id, uuid7
from kernel.outbox import publish
from realtime.calls import hand_over, queries, receipts, ringing
from realtime.calls.errors import CauseRequired, NowhereToCall, PressedTooOften, RatedTooLate
from realtime.calls.events import CallChanged
from realtime.calls.models import Call, CallButton, CallStep
from realtime.calls.policies import Frozen, acks_needed, choose_policy
from realtime.calls.schemas import CallRequest, TriggerBody
from realtime.calls.states import CALL, OPEN, TAKEN, allowed_to, next_state, sides_of_trigger
from realtime.duty.api import Near, read_near

PRESSES_WINDOW: Final = timedelta(minutes=1)
PRESSES_MAX: Final = 10
URGENCY_MAX: Final = 9
RATED_WITHIN: Final = timedelta(hours=24)
SYSTEM: Final = "system"
_CALLER_NAMES: Final = "calls_caller_names"


# ---- placing


@dataclass(frozen=True, slots=True)
class Presser:
    """Who presses: a person, or a button on a wall."""

    key: str
    name: str
    region_id: UUID | None
    person_id: UUID | None = None
    button: CallButton | None = None


def presser_of(person: Principal) -> Presser:
    """Somebody who is signed in."""
    return Presser(person.actor, person.name, person.region_id, person_id=person.person_id)


def presser_of_button(button: CallButton) -> Presser:
    """A button, which knows where it hangs."""
    return Presser(public_id(queries.BUTTON, button.id), button.name, button.region_id, button=button)


@dataclass(frozen=True, slots=True)
class Placed:
    """The call, whether this press has made it, and the press's number in its history where it counted."""

    call: Call
    is_new: bool
    press: int | None


async def place_call(
    session: AsyncSession, presser: Presser, wanted: CallRequest, *, is_hasty: bool | None = None
) -> Placed:
    """One press: a new call that rings now, or more urgency for the one that is open. `is_hasty`: this caller was already
    found to press faster than counts; None where nobody could say, and the database is asked."""
    await queries.lock_caller(session, presser.key)
    known = await queries.find_pressed(session, presser.key, wanted.client_id)
    if known.placed is not None:
        return Placed(await queries.get_call(session, known.placed), is_new=False, press=None)
    if is_hasty is None:
        since = clock.now() - PRESSES_WINDOW
        is_hasty = await queries.presses_since(session, presser.key, since) >= PRESSES_MAX
    if known.open is not None:
        return await _press_again(session, known.open, presser, counts=not is_hasty)
    if is_hasty:
        raise PressedTooOften(retry_after_s=int(PRESSES_WINDOW.total_seconds()))
    return await _place(session, presser, wanted)


async def _press_again(session: AsyncSession, call_id: UUID, presser: Presser, *, counts: bool) -> Placed:
    call = await queries.lock_call(session, call_id)
    if call.state not in OPEN:
        raise StateConflict(state=call.state, trigger="press", allowed=[])
    if not counts:
        return Placed(call, is_new=False, press=None)
    call.urgency = min(call.urgency + 1, URGENCY_MAX)
    number = await note(session, call, "press", presser.key, is_press=True)
    return Placed(call, is_new=False, press=number)


async def _place(session: AsyncSession, presser: Presser, wanted: CallRequest) -> Placed:
    where = await _where(session, presser, wanted)
    now = clock.now()
    kind = wanted.kind or (presser.button.kind if presser.button is not None else "other")
    near = await read_near(session, place_id=where.place_id, region_id=where.region_id)
    frozen = await choose_policy(
        session, region_id=where.region_id, place_id=where.place_id, kind=kind, at=now, near=near
    )
    call = Call(
        id=uuid7(),
        region_id=where.region_id,
        caller_key=presser.key,
        caller_id=presser.person_id,
        button_id=presser.button.id if presser.button is not None else None,
        client_id=wanted.client_id or uuid4(),
        kind=kind,
        place_id=where.place_id,
        place_text=where.text,
        words=wanted.words,
        state="placed",
        version=0,
        urgency=1,
        policy=frozen.as_json(),
        step=0,
        loop=0,
        ring_round=0,
        is_flagged=False,
        joined=[],
        cause="",
        rating_words="",
        wait_s=0,
        placed_at=now,
        changed_at=now,
    )
    if wanted.files:
        await use_files(session, wanted.files, owner=presser.key, used_by=public_id(queries.PREFIX, call.id))
    _remember_caller(session, call, presser.name)
    # Whoever needs help waits for each round trip: the call and all that follows from it are written in one go.
    with session.no_autoflush:
        session.add(call)
        number = await note(session, call, "place", presser.key, wanted.words, is_press=True)
        await _ring_first(session, call, frozen, near=near)
    await session.flush()
    return Placed(call, is_new=True, press=number)


@dataclass(frozen=True, slots=True)
class _Where:
    region_id: UUID
    place_id: UUID | None
    text: str


async def _where(session: AsyncSession, presser: Presser, wanted: CallRequest) -> _Where:
    place_id = presser.button.place_id if presser.button is not None else None
    if wanted.place_code is not None:
        # A label's symbol holds an address that ends with its letters.
        place_id = (await find_place_by_code(session, wanted.place_code.rstrip("/").rpartition("/")[2])).id
    elif wanted.place is not None:
        place_id = parse_public_id("pla", wanted.place)
    if place_id is not None:
        place = (await place_summary(session, [place_id])).get(place_id)
        if place is None:
            raise NotFound(what="pla", id=wanted.place or "")
        return _Where(place.region_id, place.id, place.full_name_zh)
    if presser.region_id is None:
        raise NowhereToCall
    return _Where(presser.region_id, None, presser.button.place_text if presser.button is not None else "")


# ---- ringing


async def _ring_first(
    session: AsyncSession, call: Call, frozen: Frozen, *, near: Near, is_striking: bool = False
) -> None:
    """Step 1, or the fallback at once where nobody is on duty."""
    rung = await _rung(session, call, frozen.steps[0], near=near)
    if rung.is_empty:
        await _ring_fallback(session, call, frozen, "queue", near=near, is_striking=is_striking)
    else:
        call.step = 1
        await move(session, call, "ring", SYSTEM, wait_s=frozen.steps[0].seconds, is_striking=is_striking)
        await ringing.ring(session, call, frozen.steps[0], rung, await caller_name_of(session, call))


async def _ring_fallback(
    session: AsyncSession, call: Call, frozen: Frozen, trigger: str, *, near: Near, is_striking: bool = False
) -> None:
    call.is_flagged, call.step = True, 0
    await move(session, call, trigger, SYSTEM, wait_s=frozen.fallback.seconds, is_striking=is_striking)
    rung = await _rung(session, call, frozen.fallback, also_off_duty=True, near=near)
    await ringing.ring(session, call, frozen.fallback, rung, await caller_name_of(session, call))


async def _ring_step(
    session: AsyncSession, call: Call, frozen: Frozen, trigger: str, actor: str, words: str = "", **clocked: Any
) -> None:
    """The call's step rings (again)."""
    call.step = max(1, min(call.step, len(frozen.steps)))
    step = frozen.step(call.step)
    await move(session, call, trigger, actor, words, wait_s=step.seconds, **clocked)
    await ringing.ring(session, call, step, await _rung(session, call, step), await caller_name_of(session, call))


async def _rung(
    session: AsyncSession, call: Call, step: Any, *, also_off_duty: bool = False, near: Near | None = None
) -> ringing.Rung:
    rung = await ringing.find_rung(
        session,
        step,
        region_id=call.region_id,
        place_id=call.place_id,
        at=clock.now(),
        also_off_duty=also_off_duty,
        near=near,
    )
    rung.people = [person for person in rung.people if person != call.caller_id]
    return rung


# ---- triggers


async def pull(session: AsyncSession, actor: Principal, call_id: UUID, trigger: str, body: TriggerBody) -> Call:
    """Somebody's trigger. The same acknowledgement twice is one; the second of two people is told who has it."""
    call = await queries.lock_call(session, call_id)
    is_rung = await queries.is_rung(session, call.id, actor.person_id)
    if not may_see(call, actor, is_rung=is_rung):
        raise Forbidden
    if trigger == "acknowledge" and actor.person_id in _takers(call):
        return call
    is_stale = body.version is not None and body.version != call.version
    sides = sides_of(call, actor, is_rung=is_rung)
    if is_stale or (call.state, trigger) not in CALL:
        raise await conflict(session, call, trigger, sides)
    if not sides_of_trigger(call.state, trigger) & sides:
        raise Forbidden
    await _PULLS[trigger](session, call, actor, body)
    return call


async def _acknowledge(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    needed = acks_needed(Frozen.from_json(call.policy), call.state, call.step)
    await receipts.note_acked(session, call, actor.person_id, body.device)
    if body.eta_minutes is not None:
        call.eta_minutes = body.eta_minutes
    if len(call.joined) + 1 < needed:
        call.joined = [*call.joined, actor.person_id]
        # The clock runs on: the others still ring.
        await move(session, call, "join", actor.actor, keep_clock=True)
        return
    # Whoever said it first leads.
    call.acker_id, *others = [*call.joined, actor.person_id]
    call.joined = others
    call.acknowledged_at = clock.now()
    await move(session, call, "acknowledge", actor.actor, wait_s=ringing.ACT_WITHIN_S)


async def _connect(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    call.way = body.way or "text"
    if body.eta_minutes is not None:
        call.eta_minutes = body.eta_minutes
    await move(session, call, "connect", actor.actor, body.words, wait_s=ringing.ASK_EVERY_S)


async def _arrive(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    call.eta_minutes = None
    await move(session, call, "arrive", actor.actor, body.words, wait_s=ringing.ASK_EVERY_S)


async def _stay(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    await move(session, call, "stay", actor.actor, body.words, wait_s=ringing.ASK_EVERY_S)


async def _release(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    _let_go(call)
    await _ring_step(session, call, Frozen.from_json(call.policy), "release", actor.actor, body.words)


async def _hand_over(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    if (body.team is None) == (body.target is None):
        raise Malformed(reason="either a team or a target takes it over", field="team")
    if body.target is not None:
        call.handed_to = await hand_over.take_over(session, call, body.target, actor)
        _let_go(call)
        await move(session, call, "hand_over", actor.actor, body.words, wait_s=ringing.REVIEW_EVERY_S)
        return
    step = hand_over.team_step(body.team or "")
    rung = await _rung(session, call, step, also_off_duty=True)
    if rung.is_empty:
        raise hand_over.nobody_there(body.team or "")
    call.handed_team_id = rung.teams[0]
    _let_go(call)
    await move(session, call, "hand_over", actor.actor, body.words, wait_s=step.seconds)
    await ringing.ring(session, call, step, rung, await caller_name_of(session, call))


async def _resolve(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    if call.missed_at is not None and not call.cause:
        if not body.cause:
            raise CauseRequired(reason="a missed call ends with a written cause", field="cause")
        call.cause = body.cause
    call.ended_at = clock.now()
    await move(session, call, "resolve", actor.actor, body.words or body.cause)


async def _cancel(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    call.ended_at = clock.now()
    await move(session, call, "cancel", actor.actor, body.words)


async def _rate(session: AsyncSession, call: Call, actor: Principal, body: TriggerBody) -> None:
    if body.rating is None:
        raise Malformed(reason="a rating of 1 to 5 is needed", field="rating")
    if body.rating <= 2 and not body.words:
        raise Malformed(reason="a rating of 1 or 2 says why", field="words")
    assert call.ended_at is not None, "what is resolved has ended"
    if clock.now() > call.ended_at + RATED_WITHIN:
        raise RatedTooLate(until=clock.rfc3339(call.ended_at + RATED_WITHIN))
    call.rating, call.rating_words = body.rating, body.words
    await move(session, call, "rate", actor.actor, body.words)


_PULLS: Final[Mapping[str, Any]] = {
    "acknowledge": _acknowledge,
    "connect": _connect,
    "arrive": _arrive,
    "stay": _stay,
    "release": _release,
    "hand_over": _hand_over,
    "resolve": _resolve,
    "cancel": _cancel,
    "rate": _rate,
}


def _let_go(call: Call) -> None:
    """Right before the step that follows: nobody has it from then on."""
    call.acker_id, call.joined, call.eta_minutes, call.way = None, [], None, None


def _takers(call: Call) -> set[UUID]:
    """Who has said that they come, as it stands."""
    return {*call.joined, *([call.acker_id] if call.acker_id is not None and call.state in TAKEN else [])}


# ---- who


def sides_of(call: Call, actor: Principal, *, is_rung: bool) -> frozenset[str]:
    """On which sides somebody stands. Nobody comes to their own call."""
    sides = set()
    if actor.person_id == call.caller_id:
        return frozenset({"caller"})
    if is_rung or actor.may(*queries.STAFF_ROLES, region_id=call.region_id):
        sides.add("staff")
    if actor.person_id == call.acker_id:
        sides.add("acker")
    if actor.may(*queries.LEAD_ROLES, region_id=call.region_id):
        sides.add("lead")
    return frozenset(sides)


def may_see(call: Call, actor: Principal, *, is_rung: bool) -> bool:
    """Its caller, whom it rang for, who has it, and those at its region's desk."""
    return (
        is_rung
        or actor.person_id in (call.caller_id, call.acker_id)
        or actor.person_id in call.joined
        or actor.may(*queries.STAFF_ROLES, region_id=call.region_id)
    )


async def require_may_see(session: AsyncSession, call: Call, actor: Principal) -> frozenset[str]:
    """The sides somebody stands on; Forbidden for whom it is no business of."""
    is_rung = await queries.is_rung(session, call.id, actor.person_id)
    if not may_see(call, actor, is_rung=is_rung):
        raise Forbidden
    return sides_of(call, actor, is_rung=is_rung)


async def conflict(session: AsyncSession, call: Call, trigger: str, sides: frozenset[str]) -> StateConflict:
    """What the state allows now, and who has it."""
    allowed = allowed_to(call.state, sides)
    taken_by = await _taken_by(session, call)
    return StateConflict(state=call.state, trigger=trigger, allowed=allowed, version=call.version, taken_by=taken_by)


async def _taken_by(session: AsyncSession, call: Call) -> dict[str, str] | None:
    if call.acker_id is None:
        return None
    people = await person_summary(session, [call.acker_id])
    return {"id": public_id("per", call.acker_id), "name": people[call.acker_id].name}


async def caller_name_of(session: AsyncSession, call: Call) -> str:
    """How the desk calls who called: a person, or a button's name. Asked once in a transaction."""
    known: str | None = session.info.get(_CALLER_NAMES, {}).get(call.id)
    if known is None:
        if call.caller_id is not None:
            known = (await person_summary(session, [call.caller_id]))[call.caller_id].name
        else:
            assert call.button_id is not None, "one of the two has pressed"
            known = (await queries.buttons_named(session, [call.button_id]))[call.button_id]
        _remember_caller(session, call, known)
    return known


def _remember_caller(session: AsyncSession, call: Call, name: str) -> None:
    session.info.setdefault(_CALLER_NAMES, {})[call.id] = name


# ---- the clock


async def strike(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work, under the call's lock: whoever was faster has moved the clock, and then this was not meant."""
    call = await queries.lock_call(session, parse_public_id(queries.PREFIX, timer.ref))
    if call.due_at is None:
        return
    if clock.now() < call.due_at:
        await timers.schedule(session, timer.kind, timer.ref, call.due_at)
        return
    # Nothing that it asks depends on what it writes: the row is written once, at the end.
    with session.no_autoflush:
        await _STRIKES[call.state](session, call, Frozen.from_json(call.policy))


async def _strike_ringing(session: AsyncSession, call: Call, frozen: Frozen) -> None:
    """The next step, the first one again, or nobody has come."""
    if call.step < len(frozen.steps):
        call.step += 1
    elif call.loop < frozen.loops:
        call.step, call.loop = 1, call.loop + 1
    else:
        await _miss(session, call, frozen)
        return
    await _ring_step(session, call, frozen, "escalate", SYSTEM, is_striking=True)


async def _strike_queued(session: AsyncSession, call: Call, frozen: Frozen) -> None:
    """Somebody has come on duty; or the fallback rings again; or nobody has come."""
    near = await read_near(session, place_id=call.place_id, region_id=call.region_id)
    if not (await _rung(session, call, frozen.steps[0], near=near)).is_empty:
        await _ring_first(session, call, frozen, near=near, is_striking=True)
    elif call.loop < frozen.loops:
        call.loop += 1
        await _ring_fallback(session, call, frozen, "escalate", near=near, is_striking=True)
    else:
        await _miss(session, call, frozen)


async def _miss(session: AsyncSession, call: Call, frozen: Frozen) -> None:
    """The loud path: everybody of the fallback on every way there is, the robots, the screens, and those who answer for it."""
    call.missed_at, call.joined = clock.now(), []
    await move(session, call, "miss", SYSTEM, wait_s=ringing.REVIEW_EVERY_S, is_striking=True)
    rung = await _rung(session, call, frozen.fallback, also_off_duty=True)
    rung.is_public = True
    await ringing.ring(session, call, frozen.fallback, rung, await caller_name_of(session, call), is_loud=True)
    await ringing.tell_leads(session, call, title_zh="一键呼叫无人应答", title_en="A call for help was missed")


async def _strike_acknowledged(session: AsyncSession, call: Call, frozen: Frozen) -> None:
    """They said that they come, and then nothing: it rings again."""
    _let_go(call)
    await _ring_step(session, call, frozen, "time_out", SYSTEM, is_striking=True)


async def _strike_connected(session: AsyncSession, call: Call, frozen: Frozen) -> None:
    """Still on it? Unanswered once, it rings for the others again."""
    if call.asked_at is not None:
        await _strike_acknowledged(session, call, frozen)
    else:
        await _ask(session, call)


async def _strike_on_site(session: AsyncSession, call: Call, _frozen: Frozen) -> None:
    """Whoever is on site may have no hand free: the desk's leads are told, and the call stays theirs."""
    if call.asked_at is not None:
        await ringing.tell_leads(session, call, title_zh="现场未回应确认", title_en="No answer from the scene")
    await _ask(session, call)


async def _ask(session: AsyncSession, call: Call) -> None:
    call.asked_at = call.asked_at or clock.now()
    await ringing.set_clock(session, call, ringing.ASK_EVERY_S, is_striking=True)
    await note(session, call, "ask", SYSTEM)


async def _strike_handed_over(session: AsyncSession, call: Call, frozen: Frozen) -> None:
    """The other team has not taken it: it rings from the first step on. What went to another trade is looked after daily."""
    if call.handed_to is not None:
        await _remind(session, call)
        return
    call.handed_team_id, call.step = None, 1
    await _ring_step(session, call, frozen, "time_out", SYSTEM, is_striking=True)


async def _strike_missed(session: AsyncSession, call: Call, _frozen: Frozen) -> None:
    await _remind(session, call)


async def _remind(session: AsyncSession, call: Call) -> None:
    await ringing.set_clock(session, call, ringing.REVIEW_EVERY_S, is_striking=True)
    await ringing.tell_leads(session, call, title_zh="呼叫待结案", title_en="A call waits to be closed")
    await note(session, call, "remind", SYSTEM)


_STRIKES: Final[Mapping[str, Any]] = {
    "ringing": _strike_ringing,
    "queued": _strike_queued,
    "acknowledged": _strike_acknowledged,
    "connected": _strike_connected,
    "on_site": _strike_on_site,
    "handed_over": _strike_handed_over,
    "missed": _strike_missed,
}


# ---- one step


async def move(
    session: AsyncSession,
    call: Call,
    trigger: str,
    actor: str,
    words: str = "",
    *,
    wait_s: int | None = None,
    keep_clock: bool = False,
    is_striking: bool = False,
) -> None:
    """Along the table; the clock is set for the new state, or stopped."""
    call.state = next_state(call.state, trigger)
    call.asked_at = None
    if not keep_clock:
        await ringing.set_clock(session, call, wait_s, is_striking=is_striking)
    await note(session, call, trigger, actor, words)


async def note(
    session: AsyncSession, call: Call, trigger: str, actor: str, words: str = "", *, is_press: bool = False
) -> int:
    """Write the step down, tell of it, and return its number."""
    call.version += 1
    call.changed_at = clock.now()
    session.add(
        CallStep(
            call_id=call.id,
            ordinal=call.version,
            trigger=trigger,
            state=call.state,
            step=call.step,
            loop=call.loop,
            actor=actor,
            is_press=is_press,
            words=words,
            recorded_at=call.changed_at,
        )
    )
    await _tell(session, call, trigger)
    # The log is of what people do; what the clock does stands in the steps.
    if actor != SYSTEM:
        subject = public_id(queries.PREFIX, call.id)
        data = {"state": call.state, "step": call.step, "loop": call.loop}
        await audit_log.record(session, actor=actor, action=f"call.{trigger}", subject=subject, data=data)
    return call.version


async def _tell(session: AsyncSession, call: Call, trigger: str) -> None:
    people = await queries.people_of_round(session, call)
    concerned = [person for person in (call.caller_id, call.acker_id, *call.joined, *people) if person is not None]
    publish(
        session,
        CallChanged(
            happened_at=clock.rfc3339(clock.now()),
            call=public_id(queries.PREFIX, call.id),
            region=public_id("reg", call.region_id),
            trigger=trigger,
            state=call.state,
            call_version=call.version,
            kind=call.kind,
            place=public_id("pla", call.place_id) if call.place_id else None,
            place_text=call.place_text,
            urgency=call.urgency,
            step=call.step,
            loop=call.loop,
            ring_round=call.ring_round,
            is_flagged=call.is_flagged,
            caller=call.caller_key,
            caller_name=await caller_name_of(session, call),
            taken_by=await _taken_by(session, call),
            eta_minutes=call.eta_minutes,
            due_at=clock.rfc3339(call.due_at) if call.due_at else None,
            people=[public_id("per", person) for person in dict.fromkeys(concerned)],
        ),
    )
