"""What must be unique is held by the database, and told in our own words; asking before would only be a guess."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from identity.errors import AlreadyExists

_KEY: Final = re.compile(r"\((?P<field>\w+)\)=\((?P<value>.*)\)")


@asynccontextmanager
async def unique_or_refused(session: AsyncSession) -> AsyncIterator[None]:
    """Write inside of it: a key that is taken becomes AlreadyExists with its field and value."""
    try:
        async with session.begin_nested():
            yield
    except IntegrityError as error:
        cause = error.orig.__cause__ if error.orig else None
        if not isinstance(cause, asyncpg.UniqueViolationError):
            raise
        key = _KEY.search(cause.detail or "")
        named = key.groupdict() if key else {"field": cause.constraint_name, "value": None}
        raise AlreadyExists(**named) from error
