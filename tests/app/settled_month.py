"""Tells docs/stories/settled-month.md: the worked example's month (E1 to E10) through all seven states, at fixed times and ids."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from payments import api, jobs
from payments.settlement import queries
from tests.app.paid_lunch import Story
from tests.payments.settlement.month import Month
from tests.payments.world import World, open_world

FIRST_NOON: Final = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)
AFTER_MONTH: Final = datetime(2026, 12, 4, 4, 0, tzinfo=UTC)

_MADE: Final = "<!-- Lived by tests/app/settled_month.py; WRITE_STORIES=1 .venv/bin/pytest tests/app/test_stories.py writes it anew. -->"
_LEAD: Final = (
    "A is a person of unit U in region H; K1 is a canteen of H, K2 one of Q. The events are those of [books.md](../books.md). All in fen, + debit and - credit. The clock "
    "stands at fixed times, and a test lives the month again and compares: these are the rows of a real database."
)
_EVENT_HEADS: Final = ("event", "book of H", "book of Q")


async def tell_settled_month(db: Database) -> str:
    """Live the month; returns the page."""
    story = Story()
    world = await open_world(db, prefund_fen=1_000_000)
    try:
        story.say("# A settled month", _MADE, _LEAD)
        person = await _live_the_month(story, world)
        await _close(story, world, person)
    finally:
        await world.posting.stop()
    return story.page()


async def _live_the_month(story: Story, world: World) -> UUID:
    rows: list[tuple[Any, ...]] = []
    person = await world.person()
    names = await _names(world, person)
    story.names = {str(identifier): name for identifier, name in names.items()}
    before = await _say(world, rows, "E1 the unit pays in 10,000.00", {}, names)
    await _grant(world, person)
    before = await _say(world, rows, "E2 a grant of 22 x 16.00", before, names)
    await _top_up(world, person)
    before = await _say(world, rows, "E3 a top-up of 100.00 at the counter", before, names)
    await world.lunch(person)
    before = await _say(world, rows, "E4 lunch at home, 18.00", before, names)
    await world.lunch(person)
    before = await _say(world, rows, "E5 a second lunch, at the guest's price", before, names)
    clock.advance(timedelta(days=1))
    away = await world.lunch(person, amount_fen=2500, terminal=world.terminal(world.tills[-1]))
    before = await _say(world, rows, "E6 a meal in Q, 25.00", before, names)
    await world.refund(away["id"], 500)
    before = await _say(world, rows, "E7 5.00 of it refunded", before, names)
    clock.advance(AFTER_MONTH - clock.now())
    assert await jobs.expire_due_lots(world.db) == 1
    await _say(world, rows, "E9 the grant has ended", before, names)
    story.say(
        "## 1. What happened", "What each event did to the books. E9 comes on 4 December: 72 hours after the last day."
    )
    story.show_rows(_EVENT_HEADS, rows)
    return person


async def _close(story: Story, world: World, person: UUID) -> None:
    month, names = Month(world, "2026-11"), await _names(world, person)
    story.say(
        "## 2. Cut off",
        "Nothing more is booked in November. The journal's position {lane: n} and the head of each lane's chain are kept; what is booked from now on has a later n.",
    )
    await month.open()
    await month.cut_off()
    row = await month.row(world.home)
    assert row.vector is not None
    assert row.chain_heads is not None
    assert row.vector.keys() == row.chain_heads.keys()
    story.say("## 3. Count and state", "What the journal says up to there, by account; then what each party is told.")
    await month.reconcile()
    await _show_totals(story, world, month)
    await _show_statements(story, world, month, names)
    story.say(
        "## 4. Both sides confirm",
        "The regions have confirmed by sending. The canteens, the unit and the other region confirm; five work days of silence would do the same.",
    )
    await month.send()
    await month.confirm()
    before = await _books(world, names)
    story.say("## 5. Net, pay, settle, lock", "E10. What the instructions say, and what they did to the books.")
    await month.net(world.home)
    rows: list[tuple[Any, ...]] = []
    before = await _say(world, rows, "net: debts leave for the clearing accounts", before, names)
    await _show_instructions(story, world, month)
    await month.pay()
    await _say(world, rows, "pay: banks have moved the rest", before, names)
    story.show_rows(_EVENT_HEADS, rows)
    await month.settle()
    await month.lock()
    books = await _books(world, names)
    story.say("In the end, every account that is not zero:")
    story.show_rows(("book", "account", "balance"), [
        (book, account, fen) for book, accounts in sorted(books.items()) for account, fen in sorted(accounts.items())
    ])  # fmt: skip  # one row of the page
    assert books == {"H": {"bank": 1_004_400, "unit_prefund:U": -996_800, "cash:A": -7_600}}
    await _show_steps(story, world, month)


async def _show_totals(story: Story, world: World, month: Month) -> None:
    rows: list[tuple[Any, ...]] = []
    for name, region in (("H", world.home), ("Q", world.away)):
        (settlement,) = await month.ids(region)
        async with world.db.session() as session:
            rows += [
                (name, kind, int(debit), int(credit), int(lines))
                for kind, debit, credit, lines in await queries.totals_by_account(session, settlement)
            ]
    story.show_rows(("book", "account", "debits", "credits", "lines"), rows)
    hashes = [(await month.row(region)).aggregates_hash for region in (world.home, world.away)]
    assert all(hashes)
    story.say(
        "Over these totals by day, the vector and the heads goes a SHA-256 for each region; counting again gives the same."
    )


async def _show_statements(story: Story, world: World, month: Month, names: dict[UUID, str]) -> None:
    rows = []
    for book, region in (("H", world.home), ("Q", world.away)):
        for (kind, party), (in_fen, out_fen, due_fen) in sorted(
            (await month.statements(region)).items(), key=lambda item: (item[0][0], names[item[0][1]])
        ):
            rows.append((book, kind, names[party], in_fen, out_fen, due_fen))
    story.show_rows(("book", "statement", "for", "in", "out", "due"), rows)


async def _show_instructions(story: Story, world: World, month: Month) -> None:
    rows = []
    seen: set[UUID] = set()
    for region in (world.home, world.away):
        row = await month.row(region)
        async with world.db.session() as session:
            for each in await queries.instructions_of(session, row):
                if each.id not in seen:
                    seen.add(each.id)
                    rows.append((each.kind, each.debtor_id, each.creditor_id, each.amount_fen))
    story.show_rows(("instruction", "from", "to", "amount"), sorted(rows, key=lambda row: (row[0], row[3])))


async def _show_steps(story: Story, world: World, month: Month) -> None:
    (settlement,) = await month.ids(world.home)
    async with world.db.session() as session:
        steps = await queries.steps_of(session, settlement)
    story.say("## 6. What H's November went through")
    story.show_rows(("trigger", "state"), [(step.trigger, step.state) for step in steps])


async def _grant(world: World, person: UUID) -> None:
    async with world.db.session() as session:
        await api.grant_subsidies(
            session,
            world.unit,
            [api.Allotment(person, 35_200)],
            expires_on=FIRST_NOON.date().replace(day=30),
            actor="test",
        )


async def _top_up(world: World, person: UUID) -> None:
    async with world.db.session() as session:
        await api.top_up_at_counter(session, person, 10_000, actor="test")


async def _names(world: World, person: UUID) -> dict[UUID, str]:
    async with world.db.session() as session:
        holder = await session.scalar(
            text("SELECT holder_id FROM holder_directory WHERE person_id = :person"), {"person": person}
        )
    assert isinstance(holder, UUID)
    return {
        world.home: "H",
        world.away: "Q",
        world.unit: "U",
        world.canteen: "K1",
        world.canteen_away: "K2",
        holder: "A",
    }


async def _books(world: World, names: dict[UUID, str]) -> dict[str, dict[str, int]]:
    """Both books: every account that is not zero."""
    async with world.db.session() as session:
        rows = await session.execute(
            text("""
                SELECT region_id, account_kind, account_owner, sum(amount_fen) AS fen
                  FROM entries GROUP BY 1, 2, 3 HAVING sum(amount_fen) <> 0
            """)
        )
    books: dict[str, dict[str, int]] = {}
    for row in rows:
        if row.account_kind == "bank":
            account = "bank"
        else:
            account = f"{row.account_kind}:{names.get(row.account_owner, '2026-11')}"
        books.setdefault(names[row.region_id], {})[account] = int(row.fen)
    return books


async def _say(
    world: World,
    rows: list[tuple[Any, ...]],
    event: str,
    before: dict[str, dict[str, int]],
    names: dict[UUID, str],
) -> dict[str, dict[str, int]]:
    """A row of what an event did to each book; returns the books after it."""
    after = await _books(world, names)
    cells = []
    for book in ("H", "Q"):
        old, new = before.get(book, {}), after.get(book, {})
        moved = {account: new.get(account, 0) - old.get(account, 0) for account in sorted(old.keys() | new.keys())}
        cells.append("; ".join(f"`{account}` {fen:+,}" for account, fen in moved.items() if fen))
    rows.append((event, *cells))
    return after
