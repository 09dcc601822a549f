"""The audit log: what is written stays written, and whoever changes it all the same is found."""

from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from kernel import audit_log
from kernel.audit_log import Anchor, BadRow
from kernel.db import Database
from tests.servers import SharedPostgres

Tamper = Callable[[str], Awaitable[None]]


@pytest.fixture
async def tamper(db: Database, postgres_server: SharedPostgres) -> AsyncIterator[Tamper]:
    """What somebody with the superuser's password can do: run a statement with all triggers off."""
    url = make_url(postgres_server.superuser_url).set(database=db.url.database)
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    await connection.execute("SET session_replication_role = replica")

    async def run(statement: str) -> None:
        await connection.execute(statement)

    yield run
    await connection.close()


async def write_rows(db: Database, count: int) -> None:
    async with db.session() as session:
        for number in range(count):
            await audit_log.record(
                session, actor="per_1", action="price.change", subject=f"sit_{number}", data={"price_fen": number}
            )


async def find_bad_row(db: Database, anchor: Anchor | None = None) -> BadRow | None:
    async with db.session() as session:
        return await audit_log.verify(session, anchor)


class TestSealing:
    async def test_an_untouched_log_verifies_before_and_after_its_sealing(self, db: Database) -> None:
        await write_rows(db, 3)
        assert await find_bad_row(db) is None
        assert await audit_log.seal_pending(db) == 3
        assert await audit_log.seal_pending(db) == 0
        assert await find_bad_row(db) is None

    async def test_rows_are_sealed_in_batches_into_one_chain(self, db: Database) -> None:
        await write_rows(db, 5)
        assert await audit_log.seal_pending(db, limit_rows=2) == 2
        await write_rows(db, 1)
        assert await audit_log.seal_pending(db, limit_rows=10) == 4
        assert await find_bad_row(db) is None
        async with db.session() as session:
            assert (await audit_log.head(session)).n == 6

    async def test_an_act_that_was_rolled_back_leaves_no_row(self, db: Database) -> None:
        async def act_and_fail() -> None:
            async with db.session() as session:
                await audit_log.record(session, actor="per_1", action="a.b", subject="x", data={})
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await act_and_fail()
        assert await audit_log.seal_pending(db) == 0


class TestAppendOnly:
    @pytest.mark.parametrize("table", ["audit_log", "audit_seals"])
    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}"])
    async def test_nothing_can_be_taken_out(self, db: Database, table: str, statement: str) -> None:
        await write_rows(db, 1)
        await audit_log.seal_pending(db)
        with pytest.raises(IntegrityError, match="is append-only"):
            async with db.session() as session:
                await session.execute(text(statement.format(table)))

    @pytest.mark.parametrize(
        "statement", ["UPDATE audit_log SET actor = 'per_2'", "UPDATE audit_seals SET audit_id = 99"]
    )
    async def test_nothing_can_be_altered(self, db: Database, statement: str) -> None:
        await write_rows(db, 1)
        await audit_log.seal_pending(db)
        with pytest.raises(IntegrityError, match="is append-only"):
            async with db.session() as session:
                await session.execute(text(statement))


class TestPlantedCorruption:
    async def test_an_altered_row_is_named(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 4)
        await audit_log.seal_pending(db)
        await tamper("UPDATE audit_log SET data = '{\"price_fen\":0}' WHERE id IN (3, 4)")
        assert await find_bad_row(db) == BadRow("altered", 3, 3)

    async def test_a_deleted_row_is_named(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 4)
        await audit_log.seal_pending(db)
        await tamper("DELETE FROM audit_log WHERE id = 2")
        assert await find_bad_row(db) == BadRow("deleted", 2, 2)

    async def test_a_row_deleted_with_its_seal_is_named(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 4)
        await audit_log.seal_pending(db)
        await tamper("DELETE FROM audit_log WHERE id = 2")
        await tamper("DELETE FROM audit_seals WHERE audit_id = 2")
        assert await find_bad_row(db) == BadRow("seal_lost", None, 2)

    async def test_a_row_deleted_while_it_waits_for_its_seal_is_named(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 2)
        await tamper("DELETE FROM audit_log WHERE id = 1")
        await audit_log.seal_pending(db)
        assert await find_bad_row(db) == BadRow("deleted", 1, None)

    async def test_a_row_slipped_in_is_named(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 2)
        await audit_log.seal_pending(db)
        await tamper(
            "INSERT INTO audit_log (id, recorded_at, actor, action, subject, data) OVERRIDING SYSTEM VALUE "
            "VALUES (77, '2026-01-01', 'per_9', 'approval.give', 'apr_1', '{}')"
        )
        assert await find_bad_row(db) == BadRow("inserted", 77, None)

    async def test_a_row_slipped_in_with_a_forged_seal_is_named(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 1)
        await audit_log.seal_pending(db)
        await tamper(
            "INSERT INTO audit_log (id, recorded_at, actor, action, subject, data) OVERRIDING SYSTEM VALUE "
            "VALUES (77, '2026-01-01', 'per_9', 'approval.give', 'apr_1', '{}')"
        )
        await tamper("INSERT INTO audit_seals VALUES (2, 77, sha256('forged'), '2026-01-01')")
        assert await find_bad_row(db) == BadRow("altered", 77, 2)


class TestAnchor:
    async def test_a_cut_tail_is_found_by_a_head_kept_elsewhere(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 3)
        await audit_log.seal_pending(db)
        async with db.session() as session:
            kept = Anchor.parse(str(await audit_log.head(session)))
        assert await find_bad_row(db, kept) is None
        await tamper("DELETE FROM audit_log WHERE id = 3")
        await tamper("DELETE FROM audit_seals WHERE audit_id = 3")
        assert await find_bad_row(db) is None
        assert await find_bad_row(db, kept) == BadRow("seal_lost", None, 3)

    async def test_a_chain_computed_anew_is_found_by_a_head_kept_elsewhere(self, db: Database, tamper: Tamper) -> None:
        await write_rows(db, 2)
        await audit_log.seal_pending(db)
        async with db.session() as session:
            kept = await audit_log.head(session)
        await tamper("UPDATE audit_log SET actor = 'per_9' WHERE id = 1")
        await tamper("DELETE FROM audit_seals")
        await tamper("INSERT INTO audit_unsealed SELECT id FROM audit_log")
        await audit_log.seal_pending(db)
        assert await find_bad_row(db) is None
        assert await find_bad_row(db, kept) == BadRow("anchor_differs", 2, 2)
