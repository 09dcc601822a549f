"""The tables say the same as the code: CHECKs and state tables, columns and models."""

import re

from sqlalchemy import Table, text

from identity import kinds, models, states
from kernel.db import Base, Database

IDENTITY_TABLES = [
    table
    for mapper in Base.registry.mappers
    if mapper.class_.__module__ == models.__name__
    for table in mapper.tables
    if isinstance(table, Table)
]


async def _check(db: Database, constraint: str) -> set[str]:
    async with db.session() as session:
        definition = await session.scalar(
            text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = :name"), {"name": constraint}
        )
    assert definition is not None, constraint
    return set(re.findall(r"'([^']+)'", definition))


class TestChecks:
    async def test_a_state_column_takes_exactly_the_states_of_its_table(self, db: Database) -> None:
        assert await _check(db, "terminals_status_check") == set(states.states_of(states.TERMINAL))
        assert await _check(db, "people_status_check") == set(states.states_of(states.PERSON))
        assert await _check(db, "approvals_status_check") == set(states.states_of(states.APPROVAL))

    async def test_lists_of_words_are_the_same_in_code_and_schema(self, db: Database) -> None:
        assert await _check(db, "organisations_kind_check") == set(kinds.OrganisationKind)
        assert await _check(db, "sites_kind_check") == set(kinds.SiteKind)
        assert await _check(db, "memberships_person_class_check") == set(kinds.PersonClass)
        assert await _check(db, "role_grants_role_check") == set(kinds.GRANTED_ROLES)
        assert await _check(db, "terminals_modes_check") == set(kinds.TerminalMode)


class TestTables:
    async def test_each_model_has_the_columns_and_constraints_of_its_table(self, db: Database) -> None:
        assert len(IDENTITY_TABLES) == 17
        async with db.session() as session:
            for table in IDENTITY_TABLES:
                columns = await session.execute(
                    text(
                        "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns"
                        " WHERE table_schema = 'public' AND table_name = :table"
                    ),
                    {"table": table.name},
                )
                assert dict(map(tuple, columns)) == {c.name: bool(c.nullable) for c in table.columns}, table.name
                checks = await session.scalars(
                    text(
                        "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass) AND contype = 'c'"
                    ),
                    {"table": table.name},
                )
                declared = {str(c.name) for c in table.constraints if type(c).__name__ == "CheckConstraint"}
                assert set(checks) == declared, table.name
                indexes = await session.scalars(
                    text("SELECT indexname FROM pg_indexes WHERE tablename = :table"), {"table": table.name}
                )
                assert {str(index.name) for index in table.indexes} <= set(indexes), table.name
