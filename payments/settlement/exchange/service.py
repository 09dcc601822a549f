"""Taking in another installation's statement: whose it is, whether it is whole, what we did not know, where we differ."""

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Place, PlaceName, Principal, Role, place_names, register_executor, request_approval
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound
from kernel.ids import HOUSE_BUCKET, bucket_of, instant_of, public_id, uuid7
from kernel.partitions import create_partitions, partition_name, start_of
from kernel.settings import get_settings
from payments.ledger import open_period, post_lines
from payments.lines import Account, Booking, Line
from payments.settlement.close import SETTLEMENT_KINDS
from payments.settlement.exchange.errors import PartnerNotPinned, StatementRefused
from payments.settlement.exchange.models import PartnerRegion, PartnerStatement
from payments.settlement.exchange.tying import Difference, DifferenceKind, Known, Told, compare, told_by
from payments.settlement.statements.line_file import LineFileReader, StatementBroken, VerifiedFile
from payments.settlement.statements.service import reach_of
from payments.settlement.statements.signatures import SignatureRefused, check_signature
from payments.tables import PARTITIONED

PIN: Final = "partner_region.pin"
LINE_KIND: Final = "away_meal"
# What our people have eaten elsewhere and their units have yet to pay (+), or have paid in for it (-).
AWAY: Final = "away"
DIFFERENCES_KEPT: Final = 1000
_LEDGER: Final = next(table for table in PARTITIONED if table.name == "ledger_lines")
_BEFORE: Final = timedelta(days=45)
_AFTER: Final = timedelta(days=1)


# ---- who the others are


async def ask_to_pin(session: AsyncSession, actor: Principal, region_id: UUID, root_key: str, *, reason: str) -> UUID:
    """Ask for a root key to be pinned: whoever holds it can make us owe money, so a second person decides."""
    try:
        raw = base64.b64decode(root_key, validate=True)
    except ValueError as error:
        raise Malformed(reason="not base64", field="root_key") from error
    if len(raw) != 32:
        raise Malformed(reason="a root key has 32 bytes", field="root_key")
    if region_id not in await place_names(session, {region_id}):
        raise NotFound(what="reg", id=public_id("reg", region_id))
    return await request_approval(
        session,
        kind=PIN,
        subject=public_id("reg", region_id),
        payload={"region": str(region_id), "root_key": root_key, "asked_by": actor.actor},
        requested_by=actor.person_id,
        deciding_roles=(Role.FINANCE, Role.SYSTEM_ADMIN),
        reason=reason,
        place=Place(region_id=region_id),
    )


async def _pin(session: AsyncSession, payload: dict[str, Any]) -> None:
    await pin_partner(
        session, UUID(payload["region"]), base64.b64decode(payload["root_key"]), actor=payload["asked_by"]
    )


register_executor(PIN, _pin)


async def pin_partner(session: AsyncSession, region_id: UUID, root_key: bytes, *, actor: str) -> None:
    """From now on that region's statements are believed if this root key answers for them."""
    row = await session.get(PartnerRegion, region_id, with_for_update=True)
    if row is None:
        row = PartnerRegion(region_id=region_id)
        session.add(row)
    row.root_key, row.pinned_by, row.pinned_at = root_key, actor, clock.now()
    await audit_log.record(
        session,
        actor=actor,
        action="partner_region.pin",
        subject=public_id("reg", region_id),
        data={"root_key": base64.b64encode(root_key).decode()},
    )


async def list_partners(session: AsyncSession) -> Sequence[PartnerRegion]:
    """Every region of another installation."""
    return (await session.scalars(select(PartnerRegion).order_by(PartnerRegion.region_id))).all()


# ---- what they send


@dataclass(frozen=True, slots=True)
class _Heard:
    """A file that is whole, and whose it is."""

    verified: VerifiedFile
    theirs: Mapping[UUID, Told]
    region: PlaceName
    partner: PlaceName

    @property
    def period(self) -> str:
        return str(self.verified.header["period"])


async def receive_statement(
    session: AsyncSession, actor: Principal, region_id: UUID, file: IO[bytes], signature: bytes
) -> PartnerStatement:
    """Check a file, book the meals in it that we did not know, and say where the two sides differ.

    The same file may come again: what it names is booked once, and the comparison is made anew.
    """
    try:
        heard = await _hear(session, region_id, file, signature)
    except StatementBroken as broken:
        raise StatementRefused(zh=broken.zh, en=broken.en, line=broken.line_number) from None
    except SignatureRefused as refused:
        raise StatementRefused(zh=refused.zh, en=refused.en) from None
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtext('partner:' || :pair))"), {"pair": f"{region_id}{heard.partner.id}"}
    )
    ours = await _known(session, heard)
    strange = [transfer for transfer, told in heard.theirs.items() if not _is_credible(transfer, told, heard.period)]
    new = {
        transfer: told
        for transfer, told in heard.theirs.items()
        if transfer not in ours and told.claimed_fen and not told.accepted_fen and transfer not in set(strange)
    }
    booked_fen = await _book(session, heard, new)
    if new:
        ours = await _known(session, heard)
    differences = _with_strange(compare(heard.theirs, ours, heard.period), set(strange))
    return await _keep(session, actor, heard, signature, ours, differences, len(new), booked_fen)


async def _hear(session: AsyncSession, region_id: UUID, file: IO[bytes], signature: bytes) -> _Heard:
    reader = await asyncio.to_thread(LineFileReader, file)
    header = reader.header
    region = (await place_names(session, {region_id})).get(region_id)
    if region is None:
        raise NotFound(what="reg", id=public_id("reg", region_id))
    if header["kind"] != "region_pair" or header["subject"]["code"] != region.code:
        raise StatementRefused(zh="不是与本地区的往来对账单", en="it is not between them and this region", line=2)
    partner, root_key = await _partner(session, header["region"]["code"])
    theirs = await asyncio.to_thread(lambda: told_by(reader.lines()))
    origin = check_signature(signature, reader.verified.sha256, root_key=root_key)
    if origin.region != header["region"]["id"]:
        raise StatementRefused(zh="签名不属于账本所属地区", en="the signature is not of the book's region")
    return _Heard(reader.verified, theirs, region, partner)


async def _partner(session: AsyncSession, code: str) -> tuple[PlaceName, bytes]:
    """The region of that code whose root key is pinned; installations know each other's regions by their codes."""
    rows = {row.region_id: row.root_key for row in await list_partners(session)}
    for place in (await place_names(session, rows.keys())).values():
        if place.code == code:
            return place, rows[place.id]
    raise PartnerNotPinned(region_code=code)


def _is_credible(transfer: UUID, told: Told, period: str) -> bool:
    """A name carries its instant: it must be of about that month, and its day must have come."""
    begins = datetime(int(period[:4]), int(period[5:]), 1, tzinfo=UTC)
    tomorrow = clock.business_date(clock.now() + _AFTER, get_settings().zone)
    return (
        transfer.version == 7
        and begins - _BEFORE <= instant_of(transfer) <= clock.now() + _AFTER
        and begins.date() - _BEFORE <= told.business_date <= tomorrow
    )


def _with_strange(differences: list[Difference], strange: set[UUID]) -> list[Difference]:
    return [
        Difference(
            DifferenceKind.NOT_CREDIBLE, each.transfer, each.line_number, each.business_date, None, each.theirs_fen
        )
        if each.transfer in strange and each.kind is DifferenceKind.MISSING_HERE
        else each
        for each in differences
    ]


async def _known(session: AsyncSession, heard: _Heard) -> dict[UUID, Known]:
    """Our book's word on the month, and on whatever else their file names."""
    reach = await reach_of(session, heard.region.id, heard.period)
    arguments = {
        "region": heard.region.id,
        "partner": heard.partner.id,
        "period": heard.period,
        "settling": list(SETTLEMENT_KINDS),
        "lanes": list(reach.vector),
        "ns": list(reach.vector.values()),
        "ids": list(heard.theirs),
        "buckets": [bucket_of(transfer) for transfer in heard.theirs],
        "house": HOUSE_BUCKET,
    }
    found: dict[UUID, Known] = {}
    for question in (_OF_THE_MONTH, _OF_THEIR_NAMES):
        for row in await session.execute(text(question), arguments):
            found[row.transfer_id] = Known(row.period, row.business_date, int(row.ours_fen))
    return found


_SIGNED: Final = """
       sum(CASE WHEN l.debit_kind IN ('due_to', 'due_from') AND l.debit_owner = :partner THEN l.amount_fen ELSE 0 END
         - CASE WHEN l.credit_kind IN ('due_to', 'due_from') AND l.credit_owner = :partner THEN l.amount_fen ELSE 0 END
       )::bigint AS ours_fen
"""
_OF_THE_PAIR: Final = """
       l.region_id = :region AND l.kind <> ALL(cast(:settling AS text[]))
       AND ((l.debit_kind IN ('due_to', 'due_from') AND l.debit_owner = :partner)
            OR (l.credit_kind IN ('due_to', 'due_from') AND l.credit_owner = :partner))
"""
_OF_THE_MONTH: Final = f"""
SELECT l.transfer_id, min(l.accounting_period) AS period, min(l.business_date) AS business_date, {_SIGNED}
  FROM ledger_lines l
  JOIN unnest(cast(:lanes AS smallint[]), cast(:ns AS bigint[])) AS v(lane, n) ON v.lane = l.lane AND l.n <= v.n
 WHERE l.accounting_period = :period AND {_OF_THE_PAIR}
 GROUP BY 1
"""  # noqa: S608  made from the constants above
# Where it was booked in another month, or after our own cut-off.
_OF_THEIR_NAMES: Final = f"""
SELECT l.transfer_id, min(l.accounting_period) AS period, min(l.business_date) AS business_date, {_SIGNED}
  FROM unnest(cast(:ids AS uuid[]), cast(:buckets AS smallint[])) AS named(id, bucket)
  JOIN ledger_lines l ON l.bucket IN (named.bucket, :house) AND l.transfer_id = named.id
 WHERE {_OF_THE_PAIR}
 GROUP BY 1
"""  # noqa: S608  as above


async def _book(session: AsyncSession, heard: _Heard, new: Mapping[UUID, Told]) -> int:
    """Meals of our people at theirs, in both books as between any two regions; returns what we owe for them."""
    if not new:
        return 0
    await _make_partitions(session, new)
    lines: list[Line] = []
    periods: dict[Any, str] = {}
    region, partner = heard.region.id, heard.partner.id
    for transfer, told in new.items():
        day = told.business_date
        if day not in periods:
            periods[day] = await open_period(session, region, day, partner)
        booking = Booking(HOUSE_BUCKET, transfer, LINE_KIND, day, periods[day])
        lines += _away_lines(booking, region, partner, -told.claimed_fen)
    await post_lines(session, lines)
    return -sum(told.claimed_fen for told in new.values())


def _away_lines(booking: Booking, region: UUID, partner: UUID, owed_fen: int) -> list[Line]:
    """`away` to `due_to` here, `due_from` to `away` in our copy of their book; the other way round for what is given back."""
    ours = (Account(AWAY, partner), Account("due_to", partner))
    theirs = (Account("due_from", region), Account(AWAY, region))
    found = []
    for ordinal, (book, (debit, credit)) in enumerate(((region, ours), (partner, theirs))):
        sides = (debit, credit) if owed_fen > 0 else (credit, debit)
        found.append(
            Line(
                *(booking.bucket, booking.transfer_id, ordinal, booking.kind, book, *sides, None, abs(owed_fen)),
                *(booking.business_date, booking.accounting_period),
            )
        )
    return found


async def _make_partitions(session: AsyncSession, new: Mapping[UUID, Told]) -> None:
    """The names carry their instants, and with them the partitions that they stand in."""
    instants = [instant_of(transfer) for transfer in new]
    for at in {start_of(instant, _LEDGER.step) for instant in instants}:
        name = partition_name(_LEDGER.name, at, _LEDGER.step)
        if await session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
            await create_partitions(session, [_LEDGER], at, at)


async def _keep(
    session: AsyncSession,
    actor: Principal,
    heard: _Heard,
    signature: bytes,
    ours: Mapping[UUID, Known],
    differences: Sequence[Difference],
    booked_count: int,
    booked_fen: int,
) -> PartnerStatement:
    sha256 = heard.verified.sha256
    reach = await reach_of(session, heard.region.id, heard.period)
    row = await session.scalar(
        select(PartnerStatement).where(
            PartnerStatement.region_id == heard.region.id,
            PartnerStatement.partner_id == heard.partner.id,
            PartnerStatement.sha256 == sha256,
        )
    )
    if row is None:
        row = PartnerStatement(id=uuid7(), region_id=heard.region.id, partner_id=heard.partner.id, sha256=sha256)
        row.booked_count, row.booked_fen = 0, 0
        session.add(row)
    row.period, row.signature, row.final = heard.period, signature, heard.verified.header["final"]
    row.ours_final, row.line_count = reach.final, heard.verified.header["count"]
    row.booked_count += booked_count
    row.booked_fen += booked_fen
    row.ours_fen = sum(known.ours_fen for known in ours.values() if known.period == heard.period)
    row.theirs_fen = sum(told.ours_fen for told in heard.theirs.values())
    row.difference_count = len(differences)
    row.differences = [_stored(each) for each in differences[:DIFFERENCES_KEPT]]
    row.received_by, row.received_at = actor.actor, clock.now()
    await session.flush()
    await audit_log.record(
        session,
        actor=actor.actor,
        action="partner_statement.receive",
        subject=public_id("reg", heard.partner.id),
        data={
            "region": public_id("reg", heard.region.id),
            "period": heard.period,
            "sha256": sha256,
            "booked": booked_count,
            "booked_fen": booked_fen,
            "differences": len(differences),
        },
    )
    return row


def _stored(each: Difference) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "transfer": each.transfer.hex,
        "line": each.line_number,
        "business_date": each.business_date.isoformat(),
        "ours_fen": each.ours_fen,
        "theirs_fen": each.theirs_fen,
    }


async def list_received(session: AsyncSession, region_id: UUID, period: str | None) -> Sequence[PartnerStatement]:
    """What other installations have sent to a region, the latest first."""
    query = select(PartnerStatement).where(PartnerStatement.region_id == region_id)
    if period is not None:
        query = query.where(PartnerStatement.period == period)
    return (await session.scalars(query.order_by(PartnerStatement.received_at.desc()).limit(200))).all()
