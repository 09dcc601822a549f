"""Making a statement: who it is about, up to where in the journal, its totals; its files and its signature.

The vector is the one that the close has stored, or, while the month is still open, where the journal stands now; then
the statement says that it is a draft.
"""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final
from uuid import UUID

import rfc8785
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import PlaceName, person_summary, place_names, site_summary
from kernel import clock
from kernel.errors import Malformed, NotFound
from kernel.ids import public_id
from payments.credentials.trust import (
    ensure_signing_key,
    listed_key,
    private_key_of,
    root_public_key,
    sign_with_root,
)
from payments.models import AccountingPeriod, Holder, UnitPrefund, UnitReceivable
from payments.queries import find_holder_key
from payments.settlement.statements import queries, signatures
from payments.settlement.statements.line_file import LineFileWriter
from payments.settlement.statements.paper import PdfWriter
from payments.settlement.statements.queries import AccountMonth, Extent, Movement, SharedCanteen
from payments.settlement.statements.sheets import CsvWriter, LineWriter, XlsxWriter
from payments.settlement.statements.statement import (
    PERIOD,
    PERSONAL_ACCOUNTS,
    SUBJECT_PREFIXES,
    Party,
    Share,
    Statement,
    StatementKind,
)
from payments.settlement.statements.telling import Teller, ids_to_name
from payments.settlement.statements.words import Language

FORMS: Final = ("lines", "xlsx", "csv", "pdf")
MEDIA_TYPES: Final = {
    "lines": "text/plain; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
    "sig": "application/json",
}


@dataclass(frozen=True, slots=True)
class Made:
    """A statement and what is needed to read its lines."""

    statement: Statement
    extent: Extent
    # The lines added up by day, kind and accounts.
    movements: Sequence[Movement]


def check_period(period: str) -> str:
    """A month as `2026-11`; Malformed for anything else."""
    if PERIOD.fullmatch(period) is None:
        raise Malformed(reason="a period is a month such as 2026-11", field="period")
    return period


# ---- what a statement says


async def make_statement(
    session: AsyncSession, kind: StatementKind, region_id: UUID, subject_id: UUID, period: str
) -> Made:
    """One statement of a region's book; NotFound where the region or the subject is none."""
    check_period(period)
    region, subject, lines_name_it, bucket = await _parties(session, kind, region_id, subject_id)
    reach = await reach_of(session, region_id, period)
    extent = reach.extent(kind, region_id, period, lines_name_it, bucket)
    shared = await _shared_with(session, extent)
    extent = extent._replace(sites=tuple(canteen.site_id for canteen in shared))
    movements = await queries.movements_of(session, extent)
    totals = totals_of(movements)
    opening = await _opening(session, extent)
    statement = Statement(
        kind=kind,
        region=_party(region, "reg"),
        subject=subject,
        period=period,
        zone=region.timezone,
        vector=reach.vector,
        chain=await queries.chain_heads(session, reach.vector),
        final=reach.final,
        accounts=await _accounts(session, extent, totals),
        totals=totals,
        count=sum(movement.line_count for movement in movements),
        total_fen=sum(movement.amount_fen for movement in movements),
        opening_fen=opening,
        shares=await _shares(session, subject_id, shared, totals),
    )
    return Made(statement, extent, movements)


async def person_statement(session: AsyncSession, person_id: UUID, period: str) -> Made:
    """What one's own accounts did in a month."""
    bucket, holder_id = await find_holder_key(session, person_id)
    holder = await session.get(Holder, (bucket, holder_id))
    assert holder is not None, "the directory names it"
    return await make_statement(session, StatementKind.PERSON, holder.region_id, person_id, period)


@dataclass(frozen=True, slots=True)
class Reach:
    """Up to where the journal counts for a period."""

    vector: dict[int, int]
    # Fixed by a cut-off.
    final: bool
    # The close that has counted it.
    settlement_id: UUID | None = None
    opened_early_at: datetime | None = None

    def extent(self, kind: StatementKind, region_id: UUID, period: str, named: UUID, bucket: int | None) -> Extent:
        """The lines of somebody, named as the journal names them."""
        return Extent(kind, region_id, period, named, bucket, self.vector, self.opened_early_at)


async def reach_of(session: AsyncSession, region_id: UUID, period: str) -> Reach:
    """The vector that the cut-off has stored; where the journal stands now, until then."""
    row = await session.get(AccountingPeriod, (region_id, period), populate_existing=True)
    early = row.opened_early_at if row is not None else None
    if row is None or row.vector is None:
        return Reach(await queries.journal_heads(session), final=False, opened_early_at=early)
    vector = {int(lane): n for lane, n in sorted(row.vector.items(), key=lambda item: int(item[0]))}
    return Reach(vector, final=True, settlement_id=row.id if row.aggregates_hash else None, opened_early_at=early)


async def accounts_of_month(session: AsyncSession, region_id: UUID, period: str) -> tuple[list[AccountMonth], bool]:
    """What each house account of a region's book did in a month, and whether that is final."""
    reach = await reach_of(session, region_id, period)
    if reach.settlement_id is not None:
        return await queries.counted_accounts(session, reach.settlement_id), True
    extent = reach.extent(StatementKind.BOOK, region_id, period, region_id, None)
    return queries.accounts_in(await queries.movements_of(session, extent)), reach.final


def totals_of(movements: Sequence[Movement]) -> dict[str, tuple[int, int]]:
    """Debits and credits by account."""
    found: dict[str, list[int]] = {}
    for movement in movements:
        found.setdefault(movement.debit, [0, 0])[0] += movement.amount_fen
        found.setdefault(movement.credit, [0, 0])[1] += movement.amount_fen
    return {account: (debit, credit) for account, (debit, credit) in sorted(found.items())}


async def _parties(
    session: AsyncSession, kind: StatementKind, region_id: UUID, subject_id: UUID
) -> tuple[PlaceName, Party, UUID, int | None]:
    """The region, the subject as it is named, the id that the journal's lines have for it, and its bucket."""
    names = await place_names(session, {region_id, subject_id})
    region = names.get(region_id)
    if region is None:
        raise NotFound(what="reg", id=public_id("reg", region_id))
    if kind is StatementKind.PERSON:
        bucket, holder_id = await find_holder_key(session, subject_id)
        somebody = (await person_summary(session, [subject_id])).get(subject_id)
        code = (somebody.staff_number if somebody else None) or subject_id.hex[-6:]
        name = somebody.name if somebody else code
        return region, Party(subject_id, "per", code, name, name), holder_id, bucket
    subject = names.get(subject_id)
    if subject is None or (kind is StatementKind.REGION_PAIR and subject_id == region_id):
        raise NotFound(what=SUBJECT_PREFIXES[kind], id=public_id(SUBJECT_PREFIXES[kind], subject_id))
    return region, _party(subject, SUBJECT_PREFIXES[kind]), subject_id, None


def _party(place: PlaceName, prefix: str) -> Party:
    return Party(place.id, prefix, place.code, place.name_zh, place.name_en)


async def _accounts(session: AsyncSession, extent: Extent, totals: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    """The accounts that a statement is about: its columns."""
    owner = extent.subject_id.hex
    if extent.kind is StatementKind.OPERATOR:
        return tuple(f"payable:{site.hex}" for site in extent.sites)
    if extent.kind is StatementKind.CANTEEN:
        return (f"payable:{owner}",)
    if extent.kind is StatementKind.REGION_PAIR:
        return (f"due_from:{owner}", f"due_to:{owner}")
    if extent.kind is StatementKind.UNIT:
        found = [
            f"{kind}:{owner}"
            for kind, table in (("unit_prefund", UnitPrefund), ("unit_receivable", UnitReceivable))
            if await session.scalar(select(func.count()).select_from(table).where(table.unit_id == extent.subject_id))
        ]
        return (*found, "subsidy")
    if extent.kind is StatementKind.PERSON:
        return tuple(sorted({"cash", "subsidy"} | (PERSONAL_ACCOUNTS & totals.keys())))
    return tuple(sorted(totals))


async def _shared_with(session: AsyncSession, extent: Extent) -> list[SharedCanteen]:
    """The canteens of the region of whose takings an operator has a part that month."""
    if extent.kind is not StatementKind.OPERATOR:
        return []
    shared = await queries.shared_canteens(session, None, extent.period)
    sites = await site_summary(session, [canteen.site_id for canteen in shared])
    return [
        canteen
        for canteen in shared
        if extent.subject_id in canteen.operators
        and canteen.site_id in sites
        and sites[canteen.site_id].region_id == extent.region_id
    ]


async def _shares(
    session: AsyncSession, operator: UUID, shared: Sequence[SharedCanteen], totals: dict[str, tuple[int, int]]
) -> tuple[Share, ...]:
    names = await place_names(session, {canteen.site_id for canteen in shared})
    found = []
    for canteen in shared:
        debit_fen, credit_fen = totals.get(f"payable:{canteen.site_id.hex}", (0, 0))
        places = tuple(at for at, whose in enumerate(canteen.operators) if whose == operator)
        party = _party(names[canteen.site_id], "can")
        found.append(Share(party, credit_fen - debit_fen, canteen.weights, places))
    return tuple(found)


async def _opening(session: AsyncSession, extent: Extent) -> dict[str, int]:
    if extent.kind is StatementKind.PERSON:
        return await queries.person_before(session, extent)
    if extent.kind is StatementKind.UNIT:
        held = await queries.unit_before(session, extent)
        return {f"{kind}:{extent.subject_id.hex}": fen for kind, fen in held.items()}
    return {}


# ---- its files


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A file on disk, to be sent and then removed by whoever asked for it."""

    path: Path
    name: str
    sha256: str

    def remove(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()


async def write_file(session: AsyncSession, made: Made, form: str, language: Language) -> MadeFile:
    """One form of a statement, written line by line in a thread: a big one must not hold up a payment."""
    names: dict[UUID, PlaceName] = {}
    target = tempfile.NamedTemporaryFile(prefix="guanjia-statement-", delete=False)  # noqa: SIM115  closed below
    file = MadeFile(Path(target.name), f"{made.statement.file_name}.{form}", "")
    try:
        writer = _WRITERS[form](target, made.statement, names, language)
        async for lines in queries.read_lines(session, made.extent):
            if form != "lines":
                spoken_of = {place for line in lines for place in ids_to_name(line)}
                names.update(await place_names(session, spoken_of - names.keys()))
            await asyncio.to_thread(writer.write_all, lines)
        return replace(file, sha256=await asyncio.to_thread(writer.close))
    except BaseException:
        file.remove()
        raise
    finally:
        target.close()


_Maker = Callable[[IO[bytes], Statement, dict[UUID, PlaceName], Language], LineWriter]

_WRITERS: Final[Mapping[str, _Maker]] = {
    "lines": lambda target, statement, _names, _language: LineFileWriter(target, statement),
    "csv": lambda target, statement, names, language: CsvWriter(target, Teller(statement, names, language)),
    "xlsx": lambda target, statement, names, language: XlsxWriter(target, Teller(statement, names, language)),
    "pdf": lambda target, statement, names, language: PdfWriter(target, Teller(statement, names, language)),
}


async def sign_file(session: AsyncSession, region_id: UUID, sha256: str) -> bytes:
    """The signature beside a line file, by the region's signing key, which the root key vouches for."""
    row = await ensure_signing_key(session, region_id)
    key, private = listed_key(row), private_key_of(row)
    signed: dict[str, Any] = {
        "kid": row.kid,
        "region": public_id("reg", region_id),
        "sha256": sha256,
        "signed_at": clock.rfc3339(clock.now()),
    }
    found: dict[str, Any] = {
        "version": 1,
        "signed": signed,
        "signature": signatures.encode(private.sign(signatures.statement_message(signed))),
        "key": key,
        "key_signature": signatures.encode(await sign_with_root(session, signatures.key_message(key))),
        "root_key": signatures.encode(await root_public_key(session)),
    }
    return rfc8785.dumps(found)


async def sign_statement(session: AsyncSession, made: Made) -> tuple[str, bytes]:
    """The name and the bytes of the signature of a statement's line file, which is made again for it."""
    file = await write_file(session, made, "lines", "zh")
    file.remove()
    return f"{file.name}.sig", await sign_file(session, made.extent.region_id, file.sha256)
