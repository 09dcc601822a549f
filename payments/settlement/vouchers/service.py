"""Mappings and the vouchers made by them."""

from collections.abc import Sequence
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import PlaceName, Principal, place_names
from kernel import audit_log, clock
from kernel.ids import public_id
from payments.settlement.statements.service import Made, make_statement
from payments.settlement.statements.statement import StatementKind
from payments.settlement.statements.words import Language
from payments.settlement.vouchers.errors import MappingChanged, MappingIncomplete
from payments.settlement.vouchers.making import (
    MIRRORED,
    ChartAccount,
    HoleInMapping,
    Voucher,
    find_holes,
    make_vouchers,
)
from payments.settlement.vouchers.models import VoucherMapping
from payments.settlement.vouchers.schemas import MappingEntry
from payments.settlement.vouchers.sheets import Names, vouchers_csv, vouchers_xlsx

OwnerKind = Literal["unit", "canteen", "region"]

OWNER_PREFIXES: Final[dict[OwnerKind, str]] = {"unit": "org", "canteen": "can", "region": "reg"}
_STATEMENT_OF: Final[dict[OwnerKind, StatementKind]] = {
    "unit": StatementKind.UNIT,
    "canteen": StatementKind.CANTEEN,
    "region": StatementKind.BOOK,
}


async def current_mapping(session: AsyncSession, kind: OwnerKind, owner_id: UUID) -> VoucherMapping | None:
    """The mapping in force."""
    found: VoucherMapping | None = await session.scalar(
        select(VoucherMapping)
        .where(VoucherMapping.owner_kind == kind, VoucherMapping.owner_id == owner_id)
        .order_by(VoucherMapping.version.desc())
        .limit(1)
    )
    return found


async def list_versions(session: AsyncSession, kind: OwnerKind, owner_id: UUID) -> Sequence[VoucherMapping]:
    """Every version, the latest first."""
    rows = await session.scalars(
        select(VoucherMapping)
        .where(VoucherMapping.owner_kind == kind, VoucherMapping.owner_id == owner_id)
        .order_by(VoucherMapping.version.desc())
    )
    return rows.all()


async def change_mapping(
    session: AsyncSession,
    actor: Principal,
    kind: OwnerKind,
    owner_id: UUID,
    base_version: int,
    entries: Sequence[MappingEntry],
    note: str,
) -> VoucherMapping:
    """Write the next version; MappingChanged where the base is not the one in force any more."""
    written: VoucherMapping | None = None
    if await _version(session, kind, owner_id) == base_version:
        written = await session.scalar(
            insert(VoucherMapping)
            .values(
                owner_kind=kind,
                owner_id=owner_id,
                version=base_version + 1,
                entries=[entry.model_dump() for entry in entries],
                note=note,
                changed_by=actor.actor,
                changed_at=clock.now(),
            )
            .on_conflict_do_nothing()
            .returning(VoucherMapping)
        )
    if written is None:
        raise MappingChanged(version=await _version(session, kind, owner_id))
    await audit_log.record(
        session,
        actor=actor.actor,
        action="voucher_mapping.change",
        subject=public_id(OWNER_PREFIXES[kind], owner_id),
        data={"version": written.version, "entries": len(entries), "note": note},
    )
    return written


async def _version(session: AsyncSession, kind: OwnerKind, owner_id: UUID) -> int:
    version = await session.scalar(
        select(func.max(VoucherMapping.version)).where(
            VoucherMapping.owner_kind == kind, VoucherMapping.owner_id == owner_id
        )
    )
    return version or 0


def chart_of(row: VoucherMapping | None) -> dict[str, ChartAccount]:
    """A mapping as the making of vouchers reads it."""
    entries = row.entries if row is not None else []
    return {entry["account"]: ChartAccount(entry["code"], entry["name"]) for entry in entries}


async def holes_of(session: AsyncSession, kind: OwnerKind, region_id: UUID, owner_id: UUID, period: str) -> list[str]:
    """The accounts that moved in a period and are not mapped."""
    made = await make_statement(session, _STATEMENT_OF[kind], region_id, owner_id, period)
    return find_holes(chart_of(await current_mapping(session, kind, owner_id)), made.movements)


async def make_vouchers_of(
    session: AsyncSession, kind: OwnerKind, region_id: UUID, owner_id: UUID, period: str
) -> tuple[Made, list[Voucher]]:
    """All vouchers of a period; MappingIncomplete names the accounts that have none in the owner's chart."""
    made = await make_statement(session, _STATEMENT_OF[kind], region_id, owner_id, period)
    mapping = chart_of(await current_mapping(session, kind, owner_id))
    try:
        vouchers = make_vouchers(mapping, made.movements, mirrored=kind in MIRRORED)
    except HoleInMapping as hole:
        raise MappingIncomplete(accounts=hole.accounts, names=", ".join(hole.accounts)) from None
    assert sum(voucher.total_fen for voucher in vouchers) == made.statement.total_fen, "vouchers tie to the statement"
    return made, vouchers


async def names_in(session: AsyncSession, vouchers: Sequence[Voucher]) -> dict[UUID, PlaceName]:
    """Names of the places whose accounts the vouchers come from."""
    owners = {entry.account.partition(":")[2] for voucher in vouchers for entry in voucher.entries}
    return await place_names(session, {UUID(hex=owner) for owner in owners if owner})


def voucher_file(made: Made, vouchers: Sequence[Voucher], names: Names, form: str, language: Language) -> bytes:
    """The vouchers as a file. It takes a moment; call it in a thread."""
    if form == "csv":
        return vouchers_csv(vouchers, names, language)
    return vouchers_xlsx(vouchers, names, language, made.statement.period)
