"""docs/invariants.md: what must hold of money, of calls and of meetings, from app/invariants.py."""

from typing import Final

from app.handbook.markdown import fenced, page, table
from app.invariants import INVARIANTS

_LEAD: Final = (
    "What must hold of money (I), of calls for help (C) and of meetings (M) at every moment. Each is a query that returns what breaks it, and nothing where all is well. "
    "`./guanjia audit` asks them all, the worker does so every night, and each story of tests/payments and tests/realtime/calls ends with its own."
)


def invariants_page() -> str:
    """The list, and below it the queries."""
    rows = [(invariant.name, invariant.zh, invariant.en) for invariant in INVARIANTS]
    queries = [f"### {invariant.name}\n\n{fenced(invariant.sql.strip(), 'sql')}" for invariant in INVARIANTS]
    return page("Invariants", _LEAD, table(("", "中文", "English"), rows), "## The queries", *queries)
