"""Statements out of what was counted: set by set in the database, the shares of operators by largest remainder."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.ids import uuid7
from kernel.money import split_by_largest_remainder
from payments.models import AccountingPeriod
from payments.settlement import queries
from payments.settlement.close import SETTLEMENT_KINDS
from payments.settlement.models import CanteenShare, SettlementShare, SettlementStatement, SettlementTotal, UnitTotal


async def draft_statements(session: AsyncSession, row: AccountingPeriod) -> int:
    """Write a counted period's statements anew; returns how many parties get one."""
    for table in (SettlementStatement, SettlementShare):
        await session.execute(delete(table).where(table.settlement_id == row.id))
    drafts = [
        *await _canteens(session, row),
        *await _units(session, row),
        *await _pairs(session, row),
    ]
    if drafts:
        await session.execute(insert(SettlementStatement), drafts)
    return len(drafts)


def _draft(
    row: AccountingPeriod, kind: str, party_id: UUID, in_fen: int, out_fen: int, due_fen: int, base_fen: int, lines: int
) -> dict[str, object]:
    return {
        "id": uuid7(),
        "settlement_id": row.id,
        "kind": kind,
        "party_id": party_id,
        "state": "drafted",
        "in_fen": in_fen,
        "out_fen": out_fen,
        "net_fen": in_fen - out_fen,
        "due_fen": due_fen,
        "disputed_fen": 0,
        "base_fen": base_fen,
        "line_count": lines,
    }


async def _sums(
    session: AsyncSession, row: AccountingPeriod, kinds: Sequence[str]
) -> dict[UUID, dict[str, tuple[int, int, int]]]:
    """{owner: {account kind: (credits, debits, lines)}} of some kinds of accounts, what settling booked left out."""
    found = await session.execute(
        select(
            SettlementTotal.account_owner,
            SettlementTotal.account_kind,
            func.sum(SettlementTotal.credit_fen),
            func.sum(SettlementTotal.debit_fen),
            func.sum(SettlementTotal.line_count),
        )
        .where(
            SettlementTotal.settlement_id == row.id,
            SettlementTotal.account_kind.in_(kinds),
            SettlementTotal.kind.not_in(SETTLEMENT_KINDS),
        )
        .group_by(SettlementTotal.account_owner, SettlementTotal.account_kind)
        .order_by(SettlementTotal.account_owner, SettlementTotal.account_kind)
    )
    sums: dict[UUID, dict[str, tuple[int, int, int]]] = {}
    for owner, kind, credits_fen, debits_fen, lines in found:
        sums.setdefault(owner, {})[kind] = (int(credits_fen), int(debits_fen), int(lines))
    return sums


async def _canteens(session: AsyncSession, row: AccountingPeriod) -> list[dict[str, object]]:
    sums = await _sums(session, row, ("payable",))
    shares = await queries.shares_in_force(session, list(sums), row.period)
    drafts, split, operators = [], [], dict[UUID, list[tuple[int, int]]]()
    for site_id, accounts in sums.items():
        in_fen, out_fen, lines = accounts["payable"]
        net_fen = own_fen = in_fen - out_fen
        if site_id in shares:
            parts = _split(row, site_id, net_fen, shares[site_id])
            split += parts
            own_fen = net_fen
            for part in parts:
                if part["role"] == "operator":
                    amount_fen = int(str(part["amount_fen"]))
                    own_fen -= amount_fen
                    operators.setdefault(UUID(str(part["organisation_id"])), []).append((amount_fen, net_fen))
        drafts.append(_draft(row, "canteen", site_id, in_fen, out_fen, own_fen, 0, lines))
    if split:
        await session.execute(insert(SettlementShare), split)
    return drafts + [_operator(row, organisation, parts) for organisation, parts in sorted(operators.items())]


def _split(
    row: AccountingPeriod, site_id: UUID, net_fen: int, shares: Sequence[CanteenShare]
) -> list[dict[str, object]]:
    amounts = split_by_largest_remainder(net_fen, [share.weight for share in shares])
    return [
        {
            "settlement_id": row.id,
            "site_id": site_id,
            "ordinal": share.ordinal,
            "organisation_id": share.organisation_id,
            "role": share.role,
            "weight": share.weight,
            "base_fen": net_fen,
            "amount_fen": amount_fen,
        }
        for share, amount_fen in zip(shares, amounts, strict=True)
    ]


def _operator(row: AccountingPeriod, organisation: UUID, parts: Sequence[tuple[int, int]]) -> dict[str, object]:
    in_fen = sum(amount for amount, _ in parts if amount > 0)
    out_fen = -sum(amount for amount, _ in parts if amount < 0)
    base_fen = sum(base for _, base in parts)
    return _draft(row, "operator", organisation, in_fen, out_fen, in_fen - out_fen, base_fen, len(parts))


async def _units(session: AsyncSession, row: AccountingPeriod) -> list[dict[str, object]]:
    """A unit that paid ahead reads what became of it; one that is billed owes what its account grew by."""
    sums = await _sums(session, row, ("unit_prefund", "unit_receivable"))
    totals = await session.execute(
        select(UnitTotal.unit_id, func.sum(UnitTotal.amount_fen))
        .where(UnitTotal.settlement_id == row.id)
        .group_by(UnitTotal.unit_id)
    )
    spent = {unit_id: int(fen) for unit_id, fen in totals}
    drafts = []
    for unit_id in sorted(sums.keys() | spent.keys(), key=lambda unit: unit.int):
        accounts = sums.get(unit_id, {})
        billed = accounts.get("unit_receivable", _NOTHING)
        in_fen, out_fen, lines = (sum(parts) for parts in zip(_NOTHING, *accounts.values(), strict=True))
        drafts.append(
            _draft(row, "unit", unit_id, in_fen, out_fen, billed[0] - billed[1], spent.get(unit_id, 0), lines)
        )
    return drafts


_NOTHING: Final = (0, 0, 0)


async def _pairs(session: AsyncSession, row: AccountingPeriod) -> list[dict[str, object]]:
    drafts = []
    for region_id, accounts in (await _sums(session, row, ("due_to", "due_from"))).items():
        in_fen, out_fen, lines = (sum(parts) for parts in zip(_NOTHING, *accounts.values(), strict=True))
        drafts.append(_draft(row, "region_pair", region_id, in_fen, out_fen, in_fen - out_fen, 0, lines))
    return drafts
