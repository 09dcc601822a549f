"""The embedded servers: made once, durable, private, and gone when their parent is."""

from sqlalchemy import text

from kernel.db import Database


async def test_each_test_has_a_database_of_its_own(db: Database) -> None:
    async with db.session() as session:
        assert (await session.scalar(text("select current_database()"))).startswith("test_")


async def test_valkey(valkey_url: str) -> None:
    assert valkey_url
