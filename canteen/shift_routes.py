"""HTTP of the counter: PINs, shifts, hand-over sheets, slips and printers."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Response
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import pins, printers, queries, shift_schemas, shifts, slips
from canteen.errors import (
    NoPrinter,
    PrinterSilent,
    ShiftIsOpen,
    TillPinLocked,
    TillPinMissing,
    TillPinTooWeak,
    TillPinWrong,
)
from canteen.models import Shift
from canteen.shift_views import sale_view, sheet_data, shift_lines, shift_view, slip_data, till_shift
from canteen.views import parse_canteen
from identity.api import (
    CallerDep,
    CurrentPerson,
    CurrentPersonApart,
    CurrentTerminal,
    CurrentTerminalApart,
    Principal,
    Role,
    Terminal,
    terminal_summary,
)
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, Malformed, NotFound, StateConflict, Unauthenticated
from kernel.http import LimitQuery, Page, StartingAfterQuery, language_of, page_of, raises
from kernel.ids import parse_public_id, public_id
from payments.api import find_sale

router = APIRouter(prefix="/v1", tags=["counter"])

MANAGING = (Role.CANTEEN_MANAGER, Role.FINANCE, Role.SYSTEM_ADMIN)
# ESC/POS has no registered media type of its own.
ESC_POS = "application/octet-stream"

_READ = raises(Unauthenticated, Forbidden, NotFound)
_SIGN = raises(Unauthenticated, TillPinWrong, NotFound, TillPinMissing, TillPinLocked)
_PRINT = raises(Unauthenticated, Forbidden, NotFound, NoPrinter, PrinterSilent)

CanteenPath = Annotated[str, Path(pattern=r"^(can|sit)_[0-9a-f]{32}$", max_length=36)]
PersonPath = Annotated[str, Path(pattern=r"^per_[0-9a-f]{32}$", max_length=36)]
ShiftPath = Annotated[str, Path(pattern=r"^shf_[0-9a-f]{32}$", max_length=36)]
PaymentPath = Annotated[str, Path(pattern=r"^pay_[0-9a-f]{32}$", max_length=36)]
TerminalPath = Annotated[str, Path(pattern=r"^ter_[0-9a-f]{32}$", max_length=36)]
LanguageHeader = Annotated[str | None, Header(alias="Accept-Language")]


async def _require_at(session: AsyncSession, caller: Principal | Terminal, site_id: UUID) -> None:
    """The canteen's own tills, and those who manage it."""
    if isinstance(caller, Terminal):
        if caller.site_id != site_id:
            raise Forbidden
        return
    canteen = await queries.get_canteen(session, site_id)
    caller.require(*MANAGING, site_id=canteen.id, region_id=canteen.region_id)


async def _shift_for(session: AsyncSession, caller: Principal | Terminal, text: str) -> Shift:
    shift = await shifts.get_shift(session, parse_public_id("shf", text))
    if isinstance(caller, Terminal) or caller.person_id != shift.cashier_id:
        await _require_at(session, caller, shift.canteen_id)
    return shift


# ---- who may sign


def _worker_views(workers: list[pins.TillWorker]) -> Page[shift_schemas.TillWorkerView]:
    views = [
        shift_schemas.TillWorkerView(
            person=public_id("per", worker.person_id),
            name=worker.name,
            is_supervisor=worker.is_supervisor,
            has_pin=worker.has_pin,
        )
        for worker in workers
    ]
    return Page(data=views, has_more=False)


@router.get("/terminals/me/cashiers", responses=raises(Unauthenticated))
async def list_cashiers_of_till(terminal: CurrentTerminal, session: SessionDep) -> Page[shift_schemas.TillWorkerView]:
    """Who may work at this till, and who supervises."""
    return _worker_views(await pins.till_workers(session, terminal.site_id))


@router.get("/canteens/{canteen}/cashiers", responses=_READ)
async def list_cashiers(
    canteen: CanteenPath, person: CurrentPerson, session: SessionDep
) -> Page[shift_schemas.TillWorkerView]:
    """The same for the manager: whose PIN is still to be set."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    await _require_at(session, person, found.id)
    return _worker_views(await pins.till_workers(session, found.id))


@router.put(
    "/canteens/{canteen}/cashiers/{person_id}/till_pin",
    responses=raises(Unauthenticated, Forbidden, NotFound, TillPinTooWeak),
)
async def set_pin_of_cashier(
    canteen: CanteenPath, person_id: PersonPath, body: shift_schemas.NewPin, person: CurrentPersonApart, db: DatabaseDep
) -> shift_schemas.PinState:
    """The manager gives a cashier a PIN: the first one, or another for one that was forgotten."""
    async with db.session() as session:
        found = await queries.get_canteen(session, parse_canteen(canteen))
        person.require(Role.CANTEEN_MANAGER, site_id=found.id, region_id=found.region_id)
        workers = {worker.person_id for worker in await pins.till_workers(session, found.id)}
    identifier = parse_public_id("per", person_id)
    if identifier not in workers:
        raise NotFound(what="per", id=person_id)
    await pins.set_pin(db, identifier, body.pin, actor=person.actor)
    return shift_schemas.PinState(person=person_id, has_pin=True)


def _require_counter(person: Principal) -> None:
    if not person.holds(*pins.TILL_ROLES):
        raise Forbidden(roles=[role.value for role in pins.TILL_ROLES])


@router.get("/me/till_pin", responses=raises(Unauthenticated, Forbidden))
async def show_my_pin(person: CurrentPerson, session: SessionDep) -> shift_schemas.PinState:
    """Whether a cashier or manager has one yet: told right after signing in."""
    _require_counter(person)
    has_pin = await pins.has_pin(session, person.person_id)
    return shift_schemas.PinState(person=public_id("per", person.person_id), has_pin=has_pin)


@router.put("/me/till_pin", responses=raises(Unauthenticated, Forbidden, TillPinTooWeak))
async def set_my_pin(body: shift_schemas.NewPin, person: CurrentPersonApart, db: DatabaseDep) -> shift_schemas.PinState:
    """A cashier or manager chooses their own."""
    _require_counter(person)
    await pins.set_pin(db, person.person_id, body.pin, actor=person.actor)
    return shift_schemas.PinState(person=public_id("per", person.person_id), has_pin=True)


# ---- shifts, at the till


@router.get("/terminals/me/shift", responses=raises(Unauthenticated))
async def show_shift_of_till(terminal: CurrentTerminal, session: SessionDep) -> shift_schemas.TillShift:
    """The shift that is open here; null where none is."""
    return await till_shift(session, terminal.id)


@router.post("/terminals/me/shift", status_code=201, responses=_SIGN | raises(ShiftIsOpen))
async def open_shift(
    body: shift_schemas.NewShift, terminal: CurrentTerminalApart, db: DatabaseDep
) -> shift_schemas.ShiftView:
    """A cashier begins, with their PIN."""
    shift_id = await shifts.open_shift(db, terminal, parse_public_id("per", body.person), body.pin)
    async with db.session() as session:
        return await shift_view(session, shift_id)


@router.post("/terminals/me/shift/hand_over", responses=_SIGN | raises(StateConflict))
async def hand_over_at_till(
    body: shift_schemas.Signature, terminal: CurrentTerminalApart, db: DatabaseDep
) -> shift_schemas.ShiftView:
    """The cashier ends the shift with their PIN; a supervisor may do so for somebody who has gone."""
    person_id = parse_public_id("per", body.person) if body.person else None
    shift_id = await shifts.hand_over_at_till(db, terminal, person_id, body.pin)
    async with db.session() as session:
        return await shift_view(session, shift_id)


# ---- shifts, for the manager


@router.get("/canteens/{canteen}/shifts", responses=_READ)
async def list_shifts(
    canteen: CanteenPath,
    caller: CallerDep,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[shift_schemas.ShiftLine]:
    """A canteen's shifts, newest first; a till sees those of all tills of its canteen."""
    found = await queries.get_canteen(session, parse_canteen(canteen))
    await _require_at(session, caller, found.id)
    after = parse_public_id("shf", starting_after) if starting_after else None
    rows = await shifts.list_shifts(session, found.id, limit=limit, after=after)
    return page_of(await shift_lines(session, rows), limit)


@router.get("/shifts/{shift}", responses=_READ)
async def show_shift(shift: ShiftPath, caller: CallerDep, session: SessionDep) -> shift_schemas.ShiftView:
    """One shift with its sheet: for its cashier, the canteen's tills, and those who manage it."""
    return await shift_view(session, (await _shift_for(session, caller, shift)).id)


@router.get("/shifts/{shift}/payments", responses=_READ)
async def list_sales_of_shift(
    shift: ShiftPath,
    caller: CallerDep,
    session: SessionDep,
    limit: LimitQuery = 20,
    starting_after: StartingAfterQuery = None,
) -> Page[shift_schemas.ShiftSale]:
    """From a figure of the sheet down to its payments, newest first."""
    found = await _shift_for(session, caller, shift)
    before = _sale_id(starting_after) if starting_after else None
    sales = [s for s in reversed(await shifts.sales_of_shift(session, found)) if before is None or s.id < before]
    return page_of([sale_view(sale) for sale in sales[: limit + 1]], limit)


def _sale_id(text: str) -> UUID:
    return parse_public_id("gst" if text.startswith("gst_") else "pay", text)


@router.post("/shifts/{shift}/hand_over", responses=_READ | raises(StateConflict))
async def hand_over(shift: ShiftPath, person: CurrentPerson, session: SessionDep) -> shift_schemas.ShiftView:
    """The manager ends a shift that was left open."""
    found = await shifts.get_shift(session, parse_public_id("shf", shift))
    person.require(Role.CANTEEN_MANAGER, site_id=found.canteen_id)
    await shifts.hand_over(session, found.id, person)
    return await shift_view(session, found.id)


@router.get("/payments/{payment}/shift", responses=_READ)
async def show_shift_of_payment(
    payment: PaymentPath, caller: CallerDep, session: SessionDep
) -> shift_schemas.ShiftLine:
    """In whose shift a payment was taken; 404 where no shift was open at its till."""
    sale = await find_sale(session, parse_public_id("pay", payment))
    await _require_at(session, caller, sale.site_id)
    shift = await shifts.find_shift_of(session, sale)
    if shift is None:
        raise NotFound(what="shf")
    return (await shift_lines(session, [shift]))[0]


# ---- on paper


async def _slip(
    session: AsyncSession, caller: Principal | Terminal, payment: str, columns: int, language: str
) -> bytes:
    identifier = parse_public_id("pay", payment)
    await _require_at(session, caller, (await find_sale(session, identifier)).site_id)
    return slips.slip(await slip_data(session, identifier, language), columns=columns, language=language)


async def _sheet(session: AsyncSession, caller: Principal | Terminal, shift: str, columns: int, language: str) -> bytes:
    found = await _shift_for(session, caller, shift)
    data = await sheet_data(session, found.id, language)
    return slips.hand_over_sheet(data, columns=columns, language=language)


_ON_PAPER: dict[int | str, dict[str, Any]] = {
    200: {"content": {ESC_POS: {"schema": {"type": "string", "format": "binary"}}}}
}


@router.get("/payments/{payment}/slip", response_class=Response, responses=_READ | _ON_PAPER)
async def show_slip(
    payment: PaymentPath, caller: CallerDep, session: SessionDep, language: LanguageHeader = None
) -> Response:
    """The slip of a payment as ESC/POS bytes, for a till that drives its printer itself."""
    return Response(await _slip(session, caller, payment, slips.COLUMNS, language_of(language)), media_type=ESC_POS)


@router.post("/payments/{payment}/slip", responses=_PRINT)
async def print_slip(
    payment: PaymentPath, terminal: CurrentTerminalApart, db: DatabaseDep, language: LanguageHeader = None
) -> shift_schemas.Printed:
    """Print it at the calling till's printer."""
    async with db.session() as session:
        printer = await printers.get_printer(session, terminal.id)
        data = await _slip(session, terminal, payment, printer.columns, language_of(language))
    await printers.send_to_printer(printer, data)
    return shift_schemas.Printed(printed=True)


@router.get("/shifts/{shift}/sheet", response_class=Response, responses=_READ | _ON_PAPER)
async def show_sheet(
    shift: ShiftPath, caller: CallerDep, session: SessionDep, language: LanguageHeader = None
) -> Response:
    """A hand-over sheet as ESC/POS bytes."""
    return Response(await _sheet(session, caller, shift, slips.COLUMNS, language_of(language)), media_type=ESC_POS)


@router.post("/shifts/{shift}/sheet", responses=_PRINT)
async def print_sheet(
    shift: ShiftPath, terminal: CurrentTerminalApart, db: DatabaseDep, language: LanguageHeader = None
) -> shift_schemas.Printed:
    """Print it at the calling till's printer."""
    async with db.session() as session:
        printer = await printers.get_printer(session, terminal.id)
        data = await _sheet(session, terminal, shift, printer.columns, language_of(language))
    await printers.send_to_printer(printer, data)
    return shift_schemas.Printed(printed=True)


async def _site_of(session: AsyncSession, terminal: str) -> tuple[UUID, UUID]:
    identifier = parse_public_id("ter", terminal)
    found = (await terminal_summary(session, [identifier])).get(identifier)
    if found is None:
        raise NotFound(what="ter", id=terminal)
    return identifier, found.site_id


@router.get("/terminals/{terminal}/printer", responses=_READ)
async def show_printer(terminal: TerminalPath, person: CurrentPerson, session: SessionDep) -> shift_schemas.PrinterView:
    """Where a till prints."""
    identifier, site_id = await _site_of(session, terminal)
    person.require(Role.SYSTEM_ADMIN, Role.CANTEEN_MANAGER, site_id=site_id)
    printer = await printers.find_printer(session, identifier)
    return _printer_view(terminal, printer)


@router.put("/terminals/{terminal}/printer", responses=_READ | raises(Malformed))
async def set_printer(
    terminal: TerminalPath, body: shift_schemas.PrinterChange, person: CurrentPerson, session: SessionDep
) -> shift_schemas.PrinterView:
    """Give a till a printer of its network, or take it away."""
    identifier, site_id = await _site_of(session, terminal)
    person.require(Role.SYSTEM_ADMIN, site_id=site_id)
    await printers.set_printer(session, identifier, body.address, body.columns, actor=person.actor)
    return _printer_view(terminal, await printers.find_printer(session, identifier))


def _printer_view(terminal: str, printer: printers.Printer | None) -> shift_schemas.PrinterView:
    columns = printer.columns if printer else slips.COLUMNS
    return shift_schemas.PrinterView(terminal=terminal, address=printer.address if printer else None, columns=columns)
