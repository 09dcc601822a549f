"""Shifts: a cashier's time at a till, opened with a PIN, handed over with a sheet that ties to the ledger.

What was sold in a shift is a span of the journal: what came after the position at its opening and until the position
at its hand-over. Payments know nothing of it, no request is slower for it, and the sheet can be counted again at any
time with the same result. What was given back is written down by the transaction that gave it back, under the shift's
row lock, so that the second return cannot pass for the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries
from canteen.errors import ShiftIsOpen
from canteen.events import ShiftHandedOver, ShiftOpened
from canteen.models import Shift, ShiftReturn
from canteen.pins import verify_pin
from canteen.shift_sheet import make_sheet
from canteen.states import SHIFT, next_state
from identity.api import Principal, Role, Terminal, person_summary
from kernel import audit_log, clock
from kernel.db import Database
from kernel.errors import Forbidden, NotFound
from kernel.ids import public_id, uuid7
from kernel.outbox import publish
from payments.api import (
    Span,
    TillSale,
    journal_position,
    ledger_sums,
    refusals_of_till,
    returned_by_id,
    sales_of_till,
)

# A payment's instant is that of its batch; its commit follows, and the shift may have been opened between.
_COMMITS_WITHIN: Final = timedelta(minutes=1)
_SHIFTS_LOOKED_AT: Final = 3


async def open_shift(db: Database, terminal: Terminal, person_id: UUID, pin: str) -> UUID:
    """A cashier begins at a till."""
    cashier = await verify_pin(db, person_id, pin, terminal.site_id)
    async with db.session() as session:
        canteen = await queries.get_canteen(session, terminal.site_id)
        await _refuse_two(session, terminal.id)
        shift = Shift(
            id=uuid7(),
            canteen_id=canteen.id,
            terminal_id=terminal.id,
            cashier_id=cashier.person_id,
            state="open",
            business_date=canteen.today(),
            opened_at=clock.now(),
            after=_stored(await journal_position(session)),
        )
        try:
            async with session.begin_nested():
                session.add(shift)
        except IntegrityError:
            # Opened at the same moment by somebody else.
            await _refuse_two(session, terminal.id)
            raise
        publish(
            session,
            ShiftOpened(
                happened_at=clock.rfc3339(shift.opened_at),
                canteen=public_id("can", canteen.id),
                shift=public_id("shf", shift.id),
                terminal=public_id("ter", terminal.id),
                cashier_name=cashier.name,
            ),
        )
        await _audit(session, shift, "open", cashier.actor, {"terminal": public_id("ter", terminal.id)})
        return shift.id


async def _refuse_two(session: AsyncSession, terminal_id: UUID) -> None:
    before = await find_open_shift(session, terminal_id)
    if before is not None:
        raise ShiftIsOpen(shift=public_id("shf", before.id), cashier=await name_of(session, before.cashier_id))


async def hand_over_at_till(db: Database, terminal: Terminal, person_id: UUID | None, pin: str) -> UUID:
    """The cashier ends the shift with their PIN, or a supervisor does it for somebody who has gone."""
    async with db.session() as session:
        shift = await get_open_shift(session, terminal.id)
    signer = await verify_pin(db, person_id or shift.cashier_id, pin, terminal.site_id)
    if signer.person_id != shift.cashier_id and not signer.may(Role.CANTEEN_MANAGER, site_id=terminal.site_id):
        raise Forbidden(roles=[Role.CANTEEN_MANAGER.value])
    async with db.session() as session:
        await hand_over(session, shift.id, signer)
    return shift.id


async def hand_over(session: AsyncSession, shift_id: UUID, signer: Principal) -> None:
    """End a shift: its span and its sheet stand from now on."""
    shift = await lock_shift(session, shift_id)
    state, at = next_state(SHIFT, shift.state, "hand_over"), clock.now()
    # The position first: every payment up to it is committed and is seen by what reads afterwards.
    until = await journal_position(session)
    sheet = await _count(session, shift.id, Span(shift.terminal_id, shift.opened_at, _read(shift.after), at, until))
    shift.state, shift.sheet, shift.until = state, sheet, _stored(until)
    shift.handed_over_at, shift.handed_over_by = at, signer.person_id
    await session.flush()
    publish(
        session,
        ShiftHandedOver(
            happened_at=clock.rfc3339(at),
            canteen=public_id("can", shift.canteen_id),
            shift=public_id("shf", shift.id),
            terminal=public_id("ter", shift.terminal_id),
            cashier_name=await name_of(session, shift.cashier_id),
            net_fen=sheet["net_fen"],
            ties=sheet["ties"],
        ),
    )
    told = {name: sheet[name] for name in ("count", "sales_fen", "returned_fen", "ties")}
    await _audit(session, shift, "hand_over", signer.actor, told)


# ---- what was sold and given back


async def count_shift(session: AsyncSession, shift: Shift) -> dict[str, Any]:
    """The sheet, counted from the journal: of a shift that is open, as it stands now."""
    return await _count(session, shift.id, await span_of(session, shift))


async def _count(session: AsyncSession, shift_id: UUID, span: Span) -> dict[str, Any]:
    sales = await sales_of_till(session, span)
    returns = await returned_by_id(session, [row.reversal_id for row in await returns_of(session, shift_id)])
    return make_sheet(
        sales,
        returns,
        await refusals_of_till(session, span),
        await ledger_sums(session, [sale.id for sale in sales]),
        await ledger_sums(session, [each.id for each in returns]),
    )


async def sales_of_shift(session: AsyncSession, shift: Shift) -> list[TillSale]:
    """The payments of a shift, the oldest first."""
    return await sales_of_till(session, await span_of(session, shift))


async def span_of(session: AsyncSession, shift: Shift) -> Span:
    """Its part of the journal; of one that is open, up to now."""
    until = await journal_position(session) if shift.until is None else _read(shift.until)
    return Span(shift.terminal_id, shift.opened_at, _read(shift.after), shift.handed_over_at, until)


def _stored(position: dict[int, int]) -> dict[str, int]:
    return {str(lane): n for lane, n in sorted(position.items())}


def _read(column: dict[str, int]) -> dict[int, int]:
    return {int(lane): n for lane, n in column.items()}


async def find_shift_of(session: AsyncSession, sale: TillSale) -> Shift | None:
    """The shift in which a payment was taken; None where nobody's shift was open at its till."""
    if sale.terminal_id is None:
        return None
    rows = await session.scalars(
        select(Shift)
        .where(Shift.terminal_id == sale.terminal_id, Shift.opened_at <= sale.recorded_at + _COMMITS_WITHIN)
        .order_by(Shift.id.desc())
        .limit(_SHIFTS_LOOKED_AT)
    )
    for shift in rows:
        if (await span_of(session, shift)).holds(sale.lane, sale.n):
            return shift
    return None


# ---- signing for what is given back


@dataclass(frozen=True, slots=True)
class HeldShift:
    """The open shift of a till, locked, and how often it has given back already."""

    shift: Shift
    return_count: int


async def hold_open_shift(session: AsyncSession, terminal_id: UUID) -> HeldShift | None:
    """The open shift of a till, locked for this transaction: hand-over and other returns wait for it."""
    shift = await session.scalar(
        select(Shift)
        .where(Shift.terminal_id == terminal_id, Shift.state == "open")
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if shift is None:
        return None
    count = await session.scalar(select(func.count()).where(ShiftReturn.shift_id == shift.id))
    return HeldShift(shift, count or 0)


# ---- reading


async def find_open_shift(session: AsyncSession, terminal_id: UUID) -> Shift | None:
    """The shift that is open at a till."""
    return await session.scalar(select(Shift).where(Shift.terminal_id == terminal_id, Shift.state == "open"))


async def get_open_shift(session: AsyncSession, terminal_id: UUID) -> Shift:
    """The same, or NotFound."""
    shift = await find_open_shift(session, terminal_id)
    if shift is None:
        raise NotFound(what="shf")
    return shift


async def get_shift(session: AsyncSession, shift_id: UUID) -> Shift:
    """One shift, or NotFound."""
    shift = await session.get(Shift, shift_id)
    if shift is None:
        raise NotFound(what="shf", id=public_id("shf", shift_id))
    return shift


async def lock_shift(session: AsyncSession, shift_id: UUID) -> Shift:
    """One shift, locked."""
    shift = await session.get(Shift, shift_id, with_for_update=True, populate_existing=True)
    if shift is None:
        raise NotFound(what="shf", id=public_id("shf", shift_id))
    return shift


async def list_shifts(
    session: AsyncSession, canteen_id: UUID, *, limit: int, after: UUID | None, terminal_id: UUID | None = None
) -> Sequence[Shift]:
    """A canteen's shifts, or those of one of its tills; newest first, one more than the limit."""
    query = select(Shift).where(Shift.canteen_id == canteen_id)
    if terminal_id is not None:
        query = query.where(Shift.terminal_id == terminal_id)
    if after is not None:
        query = query.where(Shift.id < after)
    return (await session.scalars(query.order_by(Shift.id.desc()).limit(limit + 1))).all()


async def returns_of(session: AsyncSession, shift_id: UUID) -> Sequence[ShiftReturn]:
    """What was given back in a shift, in order."""
    rows = await session.scalars(
        select(ShiftReturn).where(ShiftReturn.shift_id == shift_id).order_by(ShiftReturn.ordinal)
    )
    return rows.all()


async def name_of(session: AsyncSession, person_id: UUID) -> str:
    """A colleague's name."""
    return (await person_summary(session, [person_id]))[person_id].name


async def _audit(session: AsyncSession, shift: Shift, verb: str, actor: str, data: dict[str, Any]) -> None:
    await audit_log.record(session, actor=actor, action=f"shift.{verb}", subject=public_id("shf", shift.id), data=data)
