"""The configuration version: one number that rises with every change to what posting keeps in memory.

A row that posting caches (a terminal, a price, a meal period) carries the version of its last change. Posting reads
the number with the statement that locks the holders; where it differs, it reloads the rows that are newer.
"""

from sqlalchemy import BigInteger, SmallInteger, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel.db import Base


class Configuration(Base):
    """A table of one row."""

    __tablename__ = "configuration"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    version: Mapped[int] = mapped_column(BigInteger)


async def bump_configuration(session: AsyncSession) -> int:
    """Raise the version and return it; concurrent changes queue here, so a version is one transaction's own."""
    version: int | None = await session.scalar(
        update(Configuration)
        .where(Configuration.id == 1)
        .values(version=Configuration.version + 1)
        .returning(Configuration.version)
    )
    assert version is not None, "the configuration row is made by the first migration"
    return version


async def configuration_version(session: AsyncSession) -> int:
    """The present version."""
    version = await session.scalar(select(Configuration.version).where(Configuration.id == 1))
    return version or 0
