"""The lines of a statement, straight from the journal: one set-based question, bounded by (region, period) and a vector."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.ids import first_id_at, instant_of
from payments.settlement.close import SETTLEMENT_KINDS
from payments.settlement.models import CanteenShare
from payments.settlement.queries import shares_in_force
from payments.settlement.statements.statement import PERSONAL_ACCOUNTS, StatementKind, StatementLine, account_name

Vector = Mapping[int, int]

_ROWS_AT_ONCE: Final = 2000
# A month of a province is read whole; nobody waits for it at a till.
_LONG: Final = ("SET LOCAL statement_timeout = '10min'", "SET LOCAL idle_in_transaction_session_timeout = '10min'")
_PERSONAL: Final = ", ".join(f"'{kind}'" for kind in sorted(PERSONAL_ACCOUNTS))

# A line of a period is recorded in that month or later, so the partitions before it are left alone.
_RECORDED_AHEAD: Final = timedelta(days=2)

# What settling an earlier month books is no part of what this one owes.
_OWED: Final = f"l.kind NOT IN ({', '.join(repr(kind) for kind in SETTLEMENT_KINDS)})"

# Which lines are somebody's. `:subject` is theirs; a person's lines also stand in one bucket.
_SCOPES: Final[Mapping[StatementKind, str]] = {
    StatementKind.UNIT: """(
        (l.debit_kind IN ('unit_prefund', 'unit_receivable') AND l.debit_owner = :subject)
        OR (l.credit_kind IN ('unit_prefund', 'unit_receivable') AND l.credit_owner = :subject)
        OR (l.bucket, l.lot_id) IN (SELECT t.bucket, t.id FROM subsidy_lots t WHERE t.unit_id = :subject))""",
    StatementKind.CANTEEN: f"""{_OWED} AND (
        (l.debit_kind = 'payable' AND l.debit_owner = :subject) OR (l.credit_kind = 'payable' AND l.credit_owner = :subject))""",
    StatementKind.REGION_PAIR: f"""{_OWED} AND (
        (l.debit_kind IN ('due_to', 'due_from') AND l.debit_owner = :subject)
        OR (l.credit_kind IN ('due_to', 'due_from') AND l.credit_owner = :subject))""",
    StatementKind.OPERATOR: f"""{_OWED} AND (
        (l.debit_kind = 'payable' AND l.debit_owner = ANY(cast(:sites AS uuid[])))
        OR (l.credit_kind = 'payable' AND l.credit_owner = ANY(cast(:sites AS uuid[]))))""",
    StatementKind.PERSON: f"""l.bucket = :bucket AND (
        (l.debit_kind IN ({_PERSONAL}) AND l.debit_owner = :subject)
        OR (l.credit_kind IN ({_PERSONAL}) AND l.credit_owner = :subject))""",
    StatementKind.BOOK: "true",
}

_FROM: Final = """
      FROM ledger_lines l
      JOIN unnest(cast(:lanes AS smallint[]), cast(:ns AS bigint[])) AS v(lane, n) ON v.lane = l.lane AND l.n <= v.n
"""
_WHERE: Final = """
     WHERE l.region_id = :region AND l.accounting_period = :period AND l.transfer_id >= :since AND {scope}
"""
# A person's accounts are told by their kind, so their owners are not even read.
_OWNERS: Final = f"""
    CASE WHEN l.debit_kind NOT IN ({_PERSONAL}) THEN l.debit_owner END AS debit_owner,
    CASE WHEN l.credit_kind NOT IN ({_PERSONAL}) THEN l.credit_owner END AS credit_owner
"""
_LINES: Final = f"""
    SELECT l.lane, l.n, l.transfer_id, l.ordinal, l.kind, l.business_date, p.happened_at, l.debit_kind, l.credit_kind,
           l.amount_fen, r.payment_id AS reference, coalesce(p.site_id, paid.site_id, g.site_id) AS site_id, {_OWNERS}
    {_FROM}
      LEFT JOIN payments p ON p.bucket = l.bucket AND p.id = l.transfer_id
      LEFT JOIN reversals r ON r.bucket = l.bucket AND r.id = l.transfer_id
      LEFT JOIN payments paid ON paid.bucket = r.bucket AND paid.id = r.payment_id
      LEFT JOIN guest_payments g ON g.bucket = l.bucket AND g.id = l.transfer_id
    {_WHERE}
     ORDER BY l.business_date, l.transfer_id, l.ordinal, l.bucket
"""
_MOVEMENTS: Final = f"""
    SELECT business_date, kind, debit_kind, debit_owner, credit_kind, credit_owner,
           sum(amount_fen)::bigint AS amount_fen, count(*) AS line_count
      FROM (SELECT l.business_date, l.kind, l.debit_kind, l.credit_kind, l.amount_fen, {_OWNERS} {_FROM} {_WHERE}) AS told
     GROUP BY 1, 2, 3, 4, 5, 6
     ORDER BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608  made from the constants above


class Extent(NamedTuple):
    """Which lines: whose, of which month of which book, up to where in the journal."""

    kind: StatementKind
    region_id: UUID
    period: str
    # The id by which the lines name them: a holder's, for a person.
    subject_id: UUID
    bucket: int | None
    vector: Vector
    # Before the first of the month, where its books were opened early.
    opened_early_at: datetime | None = None
    # The canteens whose takings an operator has a part of.
    sites: tuple[UUID, ...] = ()

    def arguments(self) -> dict[str, Any]:
        year, month = int(self.period[:4]), int(self.period[5:])
        begins = datetime(year, month, 1, tzinfo=UTC)
        found: dict[str, Any] = {
            "region": self.region_id,
            "period": self.period,
            "since": first_id_at(min(begins, self.opened_early_at or begins) - _RECORDED_AHEAD),
            "lanes": list(self.vector),
            "ns": list(self.vector.values()),
        }
        if self.kind is StatementKind.OPERATOR:
            found["sites"] = list(self.sites)
        elif self.kind is not StatementKind.BOOK:
            found["subject"] = self.subject_id
        if self.kind is StatementKind.PERSON:
            found["bucket"] = self.bucket
        return found


class Movement(NamedTuple):
    """Lines of one day, kind, debit and credit, added up."""

    business_date: date
    kind: str
    debit: str
    credit: str
    amount_fen: int
    line_count: int


class AccountMonth(NamedTuple):
    """What one account did in a month; `settles` for what settling an earlier month has booked on it."""

    kind: str
    owner: UUID
    settles: bool
    debit_fen: int
    credit_fen: int
    line_count: int


async def movements_of(session: AsyncSession, extent: Extent) -> list[Movement]:
    """The lines added up by day, kind and accounts, in a stable order."""
    for setting in _LONG:
        await session.execute(text(setting))
    statement = text(_MOVEMENTS.format(scope=_SCOPES[extent.kind]))
    rows = await session.execute(statement, extent.arguments())
    return [
        Movement(
            row.business_date,
            row.kind,
            _named(row.debit_kind, row.debit_owner),
            _named(row.credit_kind, row.credit_owner),
            int(row.amount_fen),
            int(row.line_count),
        )
        for row in rows
    ]


async def counted_accounts(session: AsyncSession, settlement_id: UUID) -> list[AccountMonth]:
    """What each house account did in a month, as its close has counted it; persons' accounts are left out."""
    rows = await session.execute(
        text(f"""
            SELECT account_kind, account_owner, kind = ANY(cast(:settling AS text[])) AS settles, sum(debit_fen)::bigint AS debit_fen,
                   sum(credit_fen)::bigint AS credit_fen, sum(line_count)::bigint AS line_count
              FROM settlement_totals WHERE settlement_id = :settlement AND account_kind NOT IN ({_PERSONAL})
             GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """),  # noqa: S608  made from a constant of ours
        {"settlement": settlement_id, "settling": list(SETTLEMENT_KINDS)},
    )
    return [AccountMonth(*row) for row in rows]


def accounts_in(movements: Sequence[Movement]) -> list[AccountMonth]:
    """The same from a month's movements: for a month that is not counted yet."""
    sums: dict[tuple[str, str, bool], list[int]] = {}
    for movement in movements:
        for side, account in enumerate((movement.debit, movement.credit)):
            kind, _, owner = account.partition(":")
            if owner:
                key = (kind, owner, movement.kind in SETTLEMENT_KINDS)
                entry = sums.setdefault(key, [0, 0, 0])
                entry[side] += movement.amount_fen
                entry[2] += movement.line_count
    return [
        AccountMonth(kind, UUID(hex=owner), settles, *(sums[kind, owner, settles]))
        for kind, owner, settles in sorted(sums)
    ]


async def read_lines(session: AsyncSession, extent: Extent) -> AsyncIterator[Sequence[StatementLine]]:
    """The lines in the order of their days, some at a time: a month of a province does not fit into memory at once."""
    statement = text(_LINES.format(scope=_SCOPES[extent.kind]))
    number = 0
    result = await session.stream(statement, extent.arguments(), execution_options={"yield_per": _ROWS_AT_ONCE})
    async for rows in result.partitions(_ROWS_AT_ONCE):
        lines = []
        for row in rows:
            number += 1
            lines.append(_line(number, row))
        yield lines


def _line(number: int, row: Any) -> StatementLine:
    return StatementLine(
        number,
        row.lane,
        row.n,
        row.transfer_id,
        row.ordinal,
        row.kind,
        row.business_date,
        # What has no instant of its own happened when its id was made.
        _to_the_millisecond(row.happened_at or instant_of(row.transfer_id)),
        _named(row.debit_kind, row.debit_owner),
        _named(row.credit_kind, row.credit_owner),
        row.amount_fen,
        row.reference,
        row.site_id,
    )


def _to_the_millisecond(at: datetime) -> datetime:
    """As the line file tells it, so that what is read back is what was written."""
    return at.astimezone(UTC).replace(microsecond=at.microsecond // 1000 * 1000)


def _named(kind: str, owner: UUID | None) -> str:
    return kind if owner is None else account_name(kind, owner)


# ---- how takings are shared


class SharedCanteen(NamedTuple):
    """How one canteen's takings are shared in a month: the weights in their order, and whose each is."""

    site_id: UUID
    weights: tuple[int, ...]
    # The organisation of each weight; None for the canteen's own.
    operators: tuple[UUID | None, ...]


async def shared_canteens(session: AsyncSession, sites: Collection[UUID] | None, period: str) -> list[SharedCanteen]:
    """Of these canteens, or of all, those whose takings are shared in a month, as their close would split them."""
    if sites is None:
        sites = list(await session.scalars(select(CanteenShare.site_id).distinct()))
    in_force = await shares_in_force(session, sites, period)
    return [
        SharedCanteen(
            site_id,
            tuple(row.weight for row in rows),
            tuple(row.organisation_id if row.role == "operator" else None for row in rows),
        )
        for site_id, rows in sorted(in_force.items())
    ]


# ---- where the journal stands


async def journal_heads(session: AsyncSession) -> dict[int, int]:
    """How far each lane has come by now."""
    rows = await session.execute(text("SELECT lane, max(n) AS n FROM ledger_batches GROUP BY lane ORDER BY lane"))
    return {row.lane: row.n for row in rows}


async def chain_heads(session: AsyncSession, vector: Vector) -> dict[int, str]:
    """The hash of each lane's chain at the vector: what all lines before it add up to."""
    rows = await session.execute(
        text("""
            SELECT b.lane, b.hash FROM unnest(cast(:lanes AS smallint[]), cast(:ns AS bigint[])) AS v(lane, n)
              JOIN ledger_batches b ON b.lane = v.lane AND b.n = v.n ORDER BY b.lane
        """),
        {"lanes": list(vector), "ns": list(vector.values())},
    )
    return {row.lane: row.hash.hex() for row in rows}


# ---- what was there before


async def person_before(session: AsyncSession, extent: Extent) -> dict[str, int]:
    """What a person's accounts held before the period, by kind, from the lines of one bucket."""
    rows = await session.execute(
        text(f"""
            SELECT e.account_kind AS kind, -sum(e.amount_fen)::bigint AS held_fen
              FROM entries e
              JOIN unnest(cast(:lanes AS smallint[]), cast(:ns AS bigint[])) AS v(lane, n) ON v.lane = e.lane AND e.n <= v.n
             WHERE e.bucket = :bucket AND e.account_owner = :subject AND e.account_kind IN ({_PERSONAL})
               AND e.region_id = :region AND e.accounting_period < :period
             GROUP BY 1
        """),  # noqa: S608  made from a constant of ours
        {name: value for name, value in extent.arguments().items() if name != "since"},
    )
    return {row.kind: int(row.held_fen) for row in rows}


# The accounts of a unit whose balance stands beside it: what it has paid in ahead (+), what it owes (-).
_UNIT_BALANCES: Final = {
    "unit_prefund": "SELECT balance_fen FROM unit_prefunds WHERE unit_id = :subject AND region_id = :region",
    "unit_receivable": "SELECT -balance_fen FROM unit_receivables WHERE unit_id = :subject AND region_id = :region",
}


async def unit_before(session: AsyncSession, extent: Extent) -> dict[str, int]:
    """What a unit's accounts held before the period: what they hold now, less all that was written since."""
    found: dict[str, int] = {}
    for kind, balance in _UNIT_BALANCES.items():
        held = await session.scalar(
            text(f"""
                SELECT ({balance}) + coalesce((
                       SELECT sum(CASE WHEN l.debit_kind = :kind AND l.debit_owner = :subject THEN l.amount_fen ELSE 0 END
                                - CASE WHEN l.credit_kind = :kind AND l.credit_owner = :subject THEN l.amount_fen ELSE 0 END)
                         FROM ledger_lines l
                        WHERE l.region_id = :region AND l.accounting_period >= :period AND l.transfer_id >= :since
                          AND ((l.debit_kind = :kind AND l.debit_owner = :subject)
                               OR (l.credit_kind = :kind AND l.credit_owner = :subject))), 0)::bigint
            """),  # noqa: S608  made from the constants above
            {name: value for name, value in extent.arguments().items() if name not in {"lanes", "ns"}} | {"kind": kind},
        )
        if held is not None:
            found[kind] = int(held)
    return found
