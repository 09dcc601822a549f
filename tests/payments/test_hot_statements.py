"""The statements of the hot path can be spread by bucket: read from their texts, and from the tables they touch."""

import re

import pytest
from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from kernel.ids import first_id_at, uuid7
from payments import hot_statements
from payments.hot_statements import HOT_STATEMENTS

HOT_TABLES = (
    *("holders", "purses", "subsidy_lots", "usage_counters", "pay_codes", "payments", "ledger_lines"),
    *("reversals", "holds", "cards"),
)
# Keyed by terminal or by lane, or one small row: reference or local tables beside the buckets.
OTHER_TABLES = {
    *("terminal_requests", "stored_answers", "terminal_guesses", "ledger_batches", "account_deltas", "outbox"),
    *("configuration", "lanes"),
}

_REFERENCE = re.compile(r"\b(FROM|JOIN|UPDATE|INTO)\s+(?!unnest\b|LATERAL\b|pg_)([a-z_]+)(?:\s+(?!SET\b|ON\b|WHERE\b)([a-z]\w*))?", re.IGNORECASE)  # fmt: skip  # one pattern


def tables_of(statement: str) -> list[tuple[str, str]]:
    """(table, the name it goes by) of every reference in a statement."""
    found = [(match[2].lower(), match[3] or match[2]) for match in _REFERENCE.finditer(statement)]
    return [(table, alias) for table, alias in found if table in HOT_TABLES or table in OTHER_TABLES]


def missing_buckets(statement: str) -> list[str]:
    """Hot tables of a statement that are read or changed without naming their bucket."""
    missing = []
    for table, alias in tables_of(statement):
        if table not in HOT_TABLES:
            continue
        keyed = [
            rf"\b{alias}\.bucket\s*=\s*(\w+\.bucket|\$\d)",
            rf"\(\s*{alias}\.bucket\s*,",
            rf"INSERT INTO {table} \(\s*bucket,",
        ]
        if not any(re.search(pattern, statement) for pattern in keyed):
            missing.append(table)
    return missing


class TestTexts:
    @pytest.mark.parametrize("name", sorted(HOT_STATEMENTS))
    def test_hot_tables_are_joined_within_a_bucket(self, name: str) -> None:
        assert missing_buckets(HOT_STATEMENTS[name]) == []

    @pytest.mark.parametrize("name", sorted(HOT_STATEMENTS))
    def test_no_statement_touches_a_table_that_nobody_has_thought_of(self, name: str) -> None:
        named = set(re.findall(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+([a-z_]+)", HOT_STATEMENTS[name]))
        ours = {table for table in named if not table.startswith(("unnest", "pg_")) and table != "SET"}
        assert ours <= {*HOT_TABLES, *OTHER_TABLES}

    def test_a_join_by_id_alone_would_be_found(self) -> None:
        forgetful = HOT_STATEMENTS["UPDATE_LOTS"].replace("l.bucket = k.bucket AND ", "")
        assert missing_buckets(forgetful) == ["subsidy_lots"]
        forgetful = HOT_STATEMENTS["FIND_HOLDERS"].replace("c.bucket = k.bucket AND ", "")
        assert missing_buckets(forgetful) == ["pay_codes"]
        forgetful = (
            HOT_STATEMENTS["LOCK_HOLDERS"].replace("h.bucket = k.bucket AND ", "").replace("ORDER BY h.bucket", "")
        )
        assert missing_buckets(forgetful.replace("(h.bucket", "")) == ["holders"]

    def test_only_holders_are_locked_and_in_one_order(self) -> None:
        locking = {name for name, statement in HOT_STATEMENTS.items() if "FOR UPDATE" in statement}
        assert locking == {"LOCK_HOLDERS"}
        assert "ORDER BY h.bucket, h.id" in HOT_STATEMENTS["LOCK_HOLDERS"]
        assert HOT_STATEMENTS["LOCK_HOLDERS"].rstrip().endswith("FOR UPDATE OF h")

    async def test_rows_go_in_with_the_columns_of_their_type_in_one_order(self, db: Database) -> None:
        for table, row in (("payments", "new_payment"), ("ledger_lines", "new_line")):
            insert = re.search(rf"INSERT INTO {table} \(([^)]+)\)", "".join(HOT_STATEMENTS.values()))
            declared = re.search(rf"pg_temp.{row} AS \(([^)]+)\)", hot_statements.SESSION_TYPES)
            assert insert is not None
            assert declared is not None
            columns = [column.strip() for column in insert[1].split(",")]
            of_rows = [column.split()[0] for column in declared[1].split(",")]
            # What a whole batch has in common comes after what each row says of itself.
            assert columns[: len(of_rows)] == of_rows
            assert set(columns[len(of_rows) :]) <= {"refunded_fen", "status", "recorded_at", "lane", "n"}
            async with db.session() as session:
                exist = await session.scalars(
                    text("SELECT attname FROM pg_attribute WHERE attrelid = cast(:t AS regclass) AND attnum > 0"),
                    {"t": table},
                )
                assert set(columns) == set(exist)


class TestTables:
    async def test_primary_and_unique_keys_of_hot_tables_begin_with_the_bucket(self, db: Database) -> None:
        async with db.session() as session:
            rows = await session.execute(
                text("""
                    SELECT i.indrelid::regclass::text AS table, pg_get_indexdef(i.indexrelid) AS definition
                      FROM pg_index i WHERE i.indisunique AND i.indrelid = ANY(cast(:tables AS regclass[]))
                """),
                {"tables": list(HOT_TABLES)},
            )
            keys = rows.all()
        assert {row.table for row in keys} == set(HOT_TABLES)
        assert [row.definition for row in keys if "(bucket," not in row.definition] == []

    async def test_no_foreign_key_ties_hot_tables_together(self, db: Database) -> None:
        async with db.session() as session:
            tied = await session.scalars(
                text(
                    "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(cast(:tables AS regclass[]))"
                ),
                {"tables": list(HOT_TABLES)},
            )
            assert list(tied) == []


class TestPlans:
    """A lane plans when tables may be young: no statistics tell it then which index is the right one."""

    @pytest.mark.parametrize(
        ("name", "looked_for"),
        [("FIND_HOLDERS", "secret = "), ("LOAD_CODES", "secret = "), ("LOAD_RECENT", "holder_id = ")],
    )
    async def test_a_look_up_reads_the_index_that_names_what_it_looks_for(
        self, db: Database, name: str, looked_for: str
    ) -> None:
        conditions = await _conditions_of(db, name, codes=0)
        assert conditions
        assert [line for line in conditions if looked_for not in line] == []

    @pytest.mark.parametrize("name", ["SPEND_CODES", "UPDATE_PURSES", "UPDATE_LOTS"])
    @pytest.mark.parametrize("codes", [0, 300, 8_000])
    async def test_a_change_finds_each_row_by_its_key_and_reads_no_table_whole(
        self, db: Database, name: str, codes: int
    ) -> None:
        conditions = await _conditions_of(db, name, codes=codes)
        assert conditions
        assert [line for line in conditions if "bucket = k.bucket" not in line] == []


async def _conditions_of(db: Database, name: str, codes: int) -> list[str]:
    """By what a batch finds its rows, as it is planned while there are so many codes and nobody has counted them."""
    connection = await db.raw_connection()
    begun = connection.transaction()
    await begun.start()
    try:
        for statement in (hot_statements.SESSION_SETTINGS, hot_statements.SESSION_TYPES):
            await connection.execute(statement)
        if codes:
            # Counted while it was empty: the worst that a planner can know.
            await connection.execute("ANALYZE pay_codes")
            await connection.execute(_SOME_CODES, [uuid7(number % 1000) for number in range(codes)], clock.now())
        statement, arguments = _with_parameters(name)
        await connection.execute(f"PREPARE looked_up AS {statement}")
        plan = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE looked_up ({arguments})")]
    finally:
        await begun.rollback()
        await connection.close()
    return [line for line in plan if "Index Cond" in line]


_SOME_CODES = """
INSERT INTO pay_codes (bucket, id, holder_id, secret, spend_key, expires_at, block_expires_at)
SELECT row_number() OVER () % 1000, id, id, row_number() OVER (), 1, $2, $2 FROM unnest($1::uuid[]) AS id
"""


def _with_parameters(name: str) -> tuple[str, str]:
    """A statement of a batch as it stands alone: its function's arguments and variables as parameters, and some for it."""
    an_id = f"'{first_id_at(clock.now())}'"
    known = {"payers": ("pg_temp.payer[]", "'{}'"), "holder_ids": ("uuid[]", "'{}'")}
    known |= {"codes": ("pg_temp.spent_code[]", "'{}'"), "changed_purses": ("pg_temp.changed_purse[]", "'{}'")}
    known |= {"changed_lots": ("pg_temp.changed_lot[]", "'{}'")}
    known |= dict.fromkeys(("codes_since", "recent_since", "ids_until"), ("uuid", an_id))
    statement, arguments = HOT_STATEMENTS[name], []
    for variable, (type_name, value) in known.items():
        if re.search(rf"\b{variable}\b", statement):
            arguments.append(value)
            statement = re.sub(rf"\b{variable}\b", f"(${len(arguments)}::{type_name})", statement)
    return statement, ", ".join(arguments)
