"""Which statements there are of a month: whoever's account moved in it. What the screen of exports shows."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import PlaceName, place_names
from kernel.errors import NotFound
from kernel.ids import public_id
from kernel.money import split_by_largest_remainder
from payments.models import AccountingPeriod
from payments.queries import find_holder_key
from payments.settlement.statements.queries import AccountMonth, shared_canteens
from payments.settlement.statements.schemas import MyStatementView, NamedParty, StatementAmount, StatementFileView
from payments.settlement.statements.service import FORMS, accounts_of_month, check_period
from payments.settlement.statements.statement import SUBJECT_PREFIXES, StatementKind

# Whose account says which statement there is.
_KIND_OF_ACCOUNT: Final[Mapping[str, StatementKind]] = {
    "unit_prefund": StatementKind.UNIT,
    "unit_receivable": StatementKind.UNIT,
    "payable": StatementKind.CANTEEN,
    "due_to": StatementKind.REGION_PAIR,
    "due_from": StatementKind.REGION_PAIR,
}
SIGNED_FORMS: Final = (*FORMS, "sig")

_Told = dict[tuple[StatementKind, UUID], dict[str, int]]


async def list_statement_files(
    session: AsyncSession, region_id: UUID, period: str, kind: StatementKind | None = None
) -> list[StatementFileView]:
    """Every statement of a region's month, by kind and name."""
    check_period(period)
    names = await place_names(session, {region_id})
    if region_id not in names:
        raise NotFound(what="reg", id=public_id("reg", region_id))
    accounts, final = await accounts_of_month(session, region_id, period)
    gains, counts = _told(accounts)
    await _add_operators(session, period, gains, counts)
    names |= await place_names(session, {owner for _, owner in gains})
    found = [
        _view(names, region_id, period, key, gains[key], counts[key], final=final)
        for key in gains
        if key[1] in names and kind in (None, key[0])
    ]
    return sorted(found, key=lambda view: (view.kind, view.subject.code))


def _told(accounts: Sequence[AccountMonth]) -> tuple[_Told, dict[tuple[StatementKind, UUID], int]]:
    gains: _Told = {}
    counts: dict[tuple[StatementKind, UUID], int] = {}
    for account in accounts:
        kind = _KIND_OF_ACCOUNT.get(account.kind)
        if kind is None or (account.settles and kind is not StatementKind.UNIT):
            continue
        key, gain_fen = (kind, account.owner), account.credit_fen - account.debit_fen
        sums = gains.setdefault(key, {})
        signed = -gain_fen if kind is StatementKind.REGION_PAIR else gain_fen
        sums[account.kind] = sums.get(account.kind, 0) + signed
        counts[key] = counts.get(key, 0) + account.line_count
    return gains, counts


async def _add_operators(
    session: AsyncSession, period: str, gains: _Told, counts: dict[tuple[StatementKind, UUID], int]
) -> None:
    """Who has a part of the takings of canteens that moved, with what that comes to."""
    canteens = [owner for kind, owner in gains if kind is StatementKind.CANTEEN]
    for canteen in await shared_canteens(session, canteens, period):
        of_canteen = (StatementKind.CANTEEN, canteen.site_id)
        parts = split_by_largest_remainder(gains[of_canteen]["payable"], canteen.weights)
        operators = [operator for operator in dict.fromkeys(canteen.operators) if operator is not None]
        for operator in operators:
            key = (StatementKind.OPERATOR, operator)
            part_fen = sum(part for part, whose in zip(parts, canteen.operators, strict=True) if whose == operator)
            sums = gains.setdefault(key, {"operator_payable": 0})
            sums["operator_payable"] += part_fen
            counts[key] = counts.get(key, 0) + counts[of_canteen]


def _view(
    names: Mapping[UUID, PlaceName],
    region_id: UUID,
    period: str,
    key: tuple[StatementKind, UUID],
    gains: Mapping[str, int],
    line_count: int,
    *,
    final: bool,
) -> StatementFileView:
    kind, owner = key
    region, subject = _named("reg", names[region_id]), _named(SUBJECT_PREFIXES[kind], names[owner])
    return StatementFileView(
        kind=kind,
        region=region,
        subject=subject,
        period=period,
        final=final,
        amounts=[StatementAmount(account=account, gain_fen=gains[account]) for account in sorted(gains)],
        line_count=line_count,
        forms=list(SIGNED_FORMS),
        path=f"/v1/statement_files/{kind}/{subject.id}?region={region.id}&period={period}",
    )


def _named(prefix: str, place: PlaceName) -> NamedParty:
    return NamedParty(id=public_id(prefix, place.id), code=place.code, name_zh=place.name_zh, name_en=place.name_en)


async def list_my_statements(session: AsyncSession, person_id: UUID) -> list[MyStatementView]:
    """The months in which one's own accounts moved, the latest first."""
    bucket, holder_id = await find_holder_key(session, person_id)
    rows = await session.execute(
        text("""
            SELECT DISTINCT region_id, accounting_period AS period FROM ledger_lines
             WHERE bucket = :bucket AND (debit_owner = :holder OR credit_owner = :holder)
             ORDER BY period DESC
        """),
        {"bucket": bucket, "holder": holder_id},
    )
    told = rows.all()
    cut_off = await session.execute(
        select(AccountingPeriod.region_id, AccountingPeriod.period).where(AccountingPeriod.vector.is_not(None))
    )
    final = {(row.region_id, row.period) for row in cut_off}
    return [
        MyStatementView(
            period=row.period,
            final=(row.region_id, row.period) in final,
            forms=list(SIGNED_FORMS),
            path=f"/v1/me/statements/{row.period}",
        )
        for row in told
    ]
