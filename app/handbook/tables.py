"""docs/data.md: every table, what it is for, its key, how it is cut into partitions, and how long its rows stay.

A test compares the page with the tables of a migrated database, so that a table cannot be forgotten.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from sqlalchemy import Table

from app.handbook.markdown import page, sentence, table
from app.main import create_app
from identity.jobs import SESSIONS_KEPT
from kernel.db import Base
from kernel.settings import Settings
from payments.jobs import GUESSES_KEPT, IDEMPOTENT_REQUESTS_KEPT
from payments.tables import PARTITIONED
from realtime.partitions import CHANNEL_EVENTS


class Plain(NamedTuple):
    """A table or view that only SQL speaks of."""

    domain: str
    key: str
    what: str


WITHOUT_CLASS: Final[Mapping[str, Plain]] = {
    "stored_answers": Plain("payments", "id", "The bytes that went out for a payment's id, kept for replays."),
    "terminal_guesses": Plain(
        "payments",
        "terminal_id, guessed_at, payment_id",
        "Codes that nobody was given; too many and the till must wait.",
    ),
    "account_checkpoints": Plain(
        "payments", "region_id, kind, owner", "House balances up to the checkpoint vector; deltas come on top."
    ),
    "checkpoint_vector": Plain("payments", "lane", "Up to which commit of a lane the deltas are folded."),
    "entries": Plain("payments", "(a view)", "Signed entries, + debit and - credit: two for each ledger line."),
}

KEPT: Final[Mapping[str, timedelta]] = {
    **{cut.name: timedelta(days=cut.kept_days) for cut in (*PARTITIONED, CHANNEL_EVENTS) if cut.kept_days is not None},
    "terminal_guesses": GUESSES_KEPT,
    "idempotent_requests": IDEMPOTENT_REQUESTS_KEPT,
    "sessions": SESSIONS_KEPT,
    "attempts": timedelta(days=1),
}

CUT: Final[Mapping[str, str]] = {
    **{cut.name: f"by {cut.step}" for cut in (*PARTITIONED, CHANNEL_EVENTS)},
    "terminal_requests": "8, by hash of the till",
}

_DOMAINS: Final = ("kernel", "identity", "payments", "canteen", "booking", "realtime")

_LEAD: Final = """PostgreSQL holds everything. Money is `BIGINT` in fen with CHECKs; times are `timestamptz`; states have a CHECK made from their
table in `states.py`. Tables come from `migrations/`; classes from the domains' `models.py`."""

_KEYS: Final = """## Keys, buckets, partitions

- Ids are UUIDv7: they begin with their instant, so a range of ids is a range of time, and a partition by time needs no column of its own.
- Ids of the hot tables carry their holder's bucket (0-999) as well, and hot keys begin with it. Rows of one holder are always found in one bucket; statements of
  the posting path join within a bucket only. So these tables can be spread over servers by `bucket` without a change of code. `terminal_requests` is
  the exception: it is spread by till.
- Between partitioned tables there are no foreign keys: a partition could not be detached. The audit checks what they would have held.
- The worker makes partitions ahead, days for 8 days and months for 45, and drops those whose time is over, whole. There is no default partition: a row
  without a partition is an error, never a slow surprise; posting makes the missing one and tries again.

## What is never changed

`ledger_lines`, `ledger_batches`, `account_deltas`, `outbox`, `audit_log` and `audit_seals` only grow. Of a payment only status and refunded sum change.
A void or a refund is a row of its own."""


def tables_page() -> str:
    """The whole page."""
    rows = table_rows()
    parts = [
        f"## {domain}\n\n"
        + table(("table", "class", "key", "what", "partitions", "kept"), [row[1:] for row in rows if row[0] == domain])
        for domain in _DOMAINS
    ]
    return page("Tables", _LEAD, _KEYS, *parts)


def table_rows() -> list[tuple[str, ...]]:
    """(domain, table, class, key, what, partitions, kept) of each table and view."""
    create_app(Settings())  # Imports every domain, and with it every table.
    rows: list[tuple[str, ...]] = []
    for mapper in Base.registry.mappers:
        found = mapper.local_table
        assert isinstance(found, Table), "each class has a table of its own"
        domain = mapper.class_.__module__.split(".")[0]
        key = ", ".join(column.name for column in found.primary_key)
        rows.append((domain, *_row(found.name, f"`{mapper.class_.__name__}`", key, sentence(mapper.class_))))
    for name, plain in WITHOUT_CLASS.items():
        rows.append((plain.domain, *_row(name, "", plain.key, plain.what)))
    return sorted(rows)


def _row(name: str, cls: str, key: str, what: str) -> tuple[str, ...]:
    kept = KEPT.get(name)
    return f"`{name}`", cls, key, what, CUT.get(name, ""), "" if kept is None else _span(kept)


def _span(span: timedelta) -> str:
    hours = span // timedelta(hours=1)
    return f"{hours // 24} days" if hours > 24 else f"{hours} h"
