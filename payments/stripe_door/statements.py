"""Set-based statements, written once for both who run them: a session, and the plain connection of a committer."""

import re
from collections.abc import Sequence
from typing import Any, Final, cast

import asyncpg
from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession

# Where a statement runs: inside the caller's transaction, whichever kind it is.
Place = AsyncSession | asyncpg.Connection

_NAME: Final = re.compile(r"(?<!:):([a-z_]+)")


class Statement:
    """SQL with `:names`; the same with `$1` for the driver itself, which a hot batch asks without a session's cost."""

    def __init__(self, sql: str) -> None:
        self._names: list[str] = list(dict.fromkeys(_NAME.findall(sql)))
        places = {name: f"${number}" for number, name in enumerate(self._names, 1)}
        self._plain = _NAME.sub(lambda found: places[found[1]], sql)
        self._text = text(sql)

    async def run(self, on: Place, **values: Any) -> Sequence[Any]:
        """Its rows; none for a statement that returns nothing."""
        if isinstance(on, AsyncSession):
            result = cast("CursorResult[Any]", await on.execute(self._text, values))
            return result.all() if result.returns_rows else ()
        return await on.fetch(self._plain, *[values[name] for name in self._names])
