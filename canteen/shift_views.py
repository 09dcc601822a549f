"""Shifts as the wire and the printer show them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from canteen import queries, shift_schemas, shifts
from canteen.models import Shift, ShiftReturn
from canteen.queries import CanteenSite
from canteen.slips import SheetData, SlipData
from canteen.states import SHIFT, allowed
from identity.api import person_summary, terminal_summary
from kernel.ids import public_id
from payments.api import TillSale, find_sale


async def shift_lines(session: AsyncSession, rows: Sequence[Shift]) -> list[shift_schemas.ShiftLine]:
    """Shifts for a list, with the names of tills and colleagues."""
    people_ids = {row.cashier_id for row in rows} | {row.handed_over_by for row in rows if row.handed_over_by}
    names = await person_summary(session, sorted(people_ids))
    tills = await terminal_summary(session, [row.terminal_id for row in rows])
    counts = await _return_counts(session, [row.id for row in rows])
    return [
        shift_schemas.ShiftLine.model_validate(
            {
                "id": public_id("shf", row.id),
                "canteen": public_id("can", row.canteen_id),
                "terminal": public_id("ter", row.terminal_id),
                "terminal_name": tills[row.terminal_id].name,
                "cashier": public_id("per", row.cashier_id),
                "cashier_name": names[row.cashier_id].name,
                "state": row.state,
                "allowed": allowed(SHIFT, row.state),
                "business_date": row.business_date,
                "opened_at": row.opened_at,
                "handed_over_at": row.handed_over_at,
                "handed_over_by": public_id("per", row.handed_over_by) if row.handed_over_by else None,
                "handed_over_by_name": names[row.handed_over_by].name if row.handed_over_by else None,
                "return_count": counts.get(row.id, 0),
                "sheet": row.sheet,
            }
        )
        for row in rows
    ]


async def _return_counts(session: AsyncSession, shift_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = await session.execute(
        select(ShiftReturn.shift_id, func.count())
        .where(ShiftReturn.shift_id.in_(shift_ids))
        .group_by(ShiftReturn.shift_id)
    )
    return {row.shift_id: row[1] for row in rows}


async def till_shift(session: AsyncSession, terminal_id: UUID) -> shift_schemas.TillShift:
    """What is open at a till."""
    row = await shifts.find_open_shift(session, terminal_id)
    return shift_schemas.TillShift(shift=(await shift_lines(session, [row]))[0] if row else None)


async def shift_view(session: AsyncSession, shift_id: UUID) -> shift_schemas.ShiftView:
    """One shift with its sheet and its returns."""
    row = await shifts.get_shift(session, shift_id)
    line = (await shift_lines(session, [row]))[0]
    returns = await shifts.returns_of(session, row.id)
    names = await person_summary(session, [each.signed_by for each in returns])
    sheet = row.sheet or await shifts.count_shift(session, row)
    return shift_schemas.ShiftView.model_validate(
        line.model_dump()
        | {
            "sheet": sheet,
            "returns": [
                {
                    "id": public_id("void" if each.kind == "void" else "ref", each.reversal_id),
                    "payment": public_id("pay", each.payment_id),
                    "kind": each.kind,
                    "amount_fen": each.amount_fen,
                    "signed_by": public_id("per", each.signed_by),
                    "signed_by_name": names[each.signed_by].name,
                    "recorded_at": each.recorded_at,
                }
                for each in returns
            ],
        }
    )


def sale_view(sale: TillSale) -> shift_schemas.ShiftSale:
    """A payment of a shift."""
    return shift_schemas.ShiftSale(
        id=public_id("gst" if sale.is_guest else "pay", sale.id),
        amount_fen=sale.amount_fen,
        refunded_fen=sale.refunded_fen,
        status=sale.status,
        legs=[shift_schemas.LegSum(purse=purse, amount_fen=amount_fen) for purse, amount_fen in sale.legs],
        meal=sale.context.get("meal"),
        recorded_at=sale.recorded_at,
    )


# ---- on paper


async def slip_data(session: AsyncSession, payment_id: UUID, language: str) -> SlipData:
    """What stands on the slip of a payment."""
    sale = await find_sale(session, payment_id)
    canteen = await queries.get_canteen(session, sale.site_id)
    shift = await shifts.find_shift_of(session, sale)
    till = (await terminal_summary(session, [sale.terminal_id])).get(sale.terminal_id) if sale.terminal_id else None
    return SlipData(
        canteen=_name_of(canteen, language),
        till=till.name if till else "-",
        cashier=await shifts.name_of(session, shift.cashier_id) if shift else None,
        time=_local(sale.recorded_at, canteen.zone),
        business_date=sale.business_date,
        meal=sale.context.get("meal"),
        items=tuple(
            (item["name_en" if language == "en" else "name_zh"], item["quantity"], item["price_fen"])
            for item in sale.context.get("items", ())
        ),
        amount_fen=sale.amount_fen,
        legs=sale.legs,
        status=sale.status,
        number=public_id("pay", sale.id),
    )


async def sheet_data(session: AsyncSession, shift_id: UUID, language: str) -> SheetData:
    """What stands on the hand-over sheet of a shift."""
    view = await shift_view(session, shift_id)
    row = await shifts.get_shift(session, shift_id)
    canteen = await queries.get_canteen(session, row.canteen_id)
    return SheetData(
        canteen=_name_of(canteen, language),
        till=view.terminal_name,
        cashier=view.cashier_name,
        business_date=view.business_date.isoformat(),
        opened=_local(view.opened_at, canteen.zone),
        handed_over=_local(view.handed_over_at, canteen.zone) if view.handed_over_at else "-",
        handed_over_by=view.handed_over_by_name or "-",
        sheet=view.sheet.model_dump(mode="json"),
        number=view.id,
    )


def _name_of(canteen: CanteenSite, language: str) -> str:
    return canteen.name_en if language == "en" else canteen.name_zh


def _local(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"
