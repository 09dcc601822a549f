"""Tells docs/stories/three-regions.md: three regions whose people eat at each other's canteens, netted, shared and paid to the fen."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import insert, select, text

from identity.api import hash_token
from identity.models import Organisation, Region, Site, TerminalRow
from kernel import clock
from kernel.configuration import bump_configuration
from kernel.db import Database
from kernel.ids import uuid7
from payments import api
from payments.settlement import queries
from payments.settlement.models import CanteenShare, Clearing, SettlementShare
from tests.app.paid_lunch import Story
from tests.payments.settlement.month import Month
from tests.payments.world import World, open_world

FIRST_NOON: Final = datetime(2026, 11, 3, 4, 0, tzinfo=UTC)
AFTER_MONTH: Final = datetime(2026, 12, 4, 4, 0, tzinfo=UTC)

_MADE: Final = "<!-- Lived by tests/app/three_regions.py; WRITE_STORIES=1 .venv/bin/pytest tests/app/test_stories.py writes it anew. -->"
_LEAD: Final = (
    "People of the regions H, Q and Z eat at each other's canteens all November; two small canteens share their takings with the companies C1 and C2. All in fen. "
    "The clock stands at fixed times, and a test lives the month again and compares: these are the rows of a real database."
)
# Whose people ate where, and for how much: the row's region owes the column's.
DEBTS: Final = (
    ("H", "Q", 5_432_100),
    ("Q", "H", 4_987_600),
    ("H", "Z", 1_200_000),
    ("Z", "H", 1_750_500),
    ("Q", "Z", 640_000),
    ("Z", "Q", 980_300),
)
# A canteen of its own, what it took, and by which weights it is shared: itself, then the companies.
SPLITS: Final = (("K4", "H", 1_001, (1, 1, 1), [334, 334, 333]), ("K5", "Q", 999, (50, 30, 20), [499, 300, 200]))
_MEAL_FEN_MAX: Final = 1_000_000


@dataclass
class Province:
    """The world of payments' stories with a third region, a canteen and a payer in each, and names for the page."""

    world: World
    regions: dict[str, UUID]
    canteens: dict[str, UUID] = field(default_factory=dict)
    tills: dict[str, UUID] = field(default_factory=dict)
    people: dict[str, UUID] = field(default_factory=dict)
    companies: dict[str, UUID] = field(default_factory=dict)

    @property
    def names(self) -> dict[UUID, str]:
        named = self.regions | self.canteens | self.companies
        return {identifier: name for name, identifier in named.items()}

    def canteen_of(self, region: str) -> str:
        return {"H": "K1", "Q": "K2", "Z": "K3"}[region]


async def tell_three_regions(db: Database) -> str:
    """Live the month; returns the page."""
    story = Story()
    province = await _open_province(db)
    try:
        story.say("# Three regions settle", _MADE, _LEAD)
        await _eat(story, province)
        await _settle(story, province)
    finally:
        await province.world.posting.stop()
    return story.page()


# ---- the places


async def _open_province(db: Database) -> Province:
    world = await open_world(db, prefund_fen=1_000_000)
    await world.posting.stop()
    province = Province(world, {"H": world.home, "Q": world.away, "Z": uuid7()})
    async with db.session() as session:
        at = clock.now()
        named = {"name_zh": "某地", "name_en": "Somewhere", "pinyin": "moudi", "created_at": at}
        await session.execute(
            insert(Region).values(id=province.regions["Z"], code="Z", timezone="Asia/Shanghai", **named)
        )
        for company in ("C1", "C2"):
            province.companies[company] = uuid7()
            await session.execute(
                insert(Organisation).values(
                    id=province.companies[company], home_region_id=world.home, kind="operator", code=company, **named
                )
            )
        version = await bump_configuration(session)
        for canteen, region in (("K1", "H"), ("K2", "Q"), ("K3", "Z"), ("K4", "H"), ("K5", "Q")):
            site, till = uuid7(), uuid7()
            province.canteens[canteen], province.tills[canteen] = site, till
            await session.execute(
                insert(Site).values(
                    id=site,
                    region_id=province.regions[region],
                    operator_id=province.companies["C1"],
                    kind="canteen",
                    code=canteen,
                    **named,
                )
            )
            await session.execute(_till(site, till, version))
        for canteen, _, _, weights, _ in SPLITS:
            await _share(session, province, canteen, weights)
    world.posting = api.Posting(db, world.rule, world.terminals)
    await world.posting.start()
    for region, identifier in province.regions.items():
        province.people[region] = await _payer(world, identifier)
    return province


def _till(site: UUID, till: UUID, version: int) -> Any:
    return insert(TerminalRow).values(
        id=till,
        site_id=site,
        name="1号机",
        serial=None,
        status="active",
        epoch=1,
        modes=["keyed"],
        token_hash=hash_token(f"gjt_{uuid4().hex}"),
        configuration_version=version,
        rotation_due=False,
        health={},
        created_at=clock.now(),
    )


async def _share(session: Any, province: Province, canteen: str, weights: tuple[int, ...]) -> None:
    owners = [province.world.unit, *province.companies.values()]
    for ordinal, (owner, weight) in enumerate(zip(owners, weights, strict=True)):
        session.add(
            CanteenShare(
                site_id=province.canteens[canteen],
                from_period="2026-11",
                ordinal=ordinal,
                organisation_id=owner,
                weight=weight,
                role="operator" if ordinal else "canteen",
            )
        )


async def _payer(world: World, region: UUID) -> UUID:
    """Somebody of a region with cash enough for all of its debts."""
    person = uuid4()
    async with world.db.session() as session:
        await api.open_holders(session, [api.NewHolder(person, world.unit, region, "staff", "王*")])
        for _ in range(10):
            await api.top_up_at_counter(session, person, _MEAL_FEN_MAX, actor="test")
    return person


# ---- the month


async def _eat(story: Story, province: Province) -> None:
    rows: list[tuple[Any, ...]] = []
    for debtor, creditor, owed_fen in DEBTS:
        canteen = province.canteen_of(creditor)
        meals = await _lunches(province, debtor, canteen, owed_fen)
        rows.append((f"people of {debtor}", f"{canteen} in {creditor}", meals, f"{owed_fen:,}"))
    for canteen, region, taken_fen, _, _ in SPLITS:
        meals = await _lunches(province, region, canteen, taken_fen)
        rows.append((f"people of {region}", f"{canteen} in {region}", meals, f"{taken_fen:,}"))
    story.say("## 1. Who ate where", "Each payment of a guest stands in both books, written by one transaction.")
    story.show_rows(("who", "where", "payments", "fen"), rows)


async def _lunches(province: Province, payers: str, canteen: str, total_fen: int) -> int:
    """As many payments as it takes, one a minute; how many."""
    world, left_fen, count = province.world, total_fen, 0
    while left_fen:
        clock.advance(timedelta(minutes=1))
        paid_fen = min(left_fen, _MEAL_FEN_MAX)
        await world.lunch(
            province.people[payers], amount_fen=paid_fen, terminal=world.terminal(province.tills[canteen])
        )
        left_fen, count = left_fen - paid_fen, count + 1
    return count


async def _settle(story: Story, province: Province) -> None:
    month, regions = Month(province.world, "2026-11"), tuple(province.regions.values())
    clock.advance(AFTER_MONTH - clock.now())
    await month.open(*regions)
    for step in (month.cut_off, month.reconcile, month.send, month.confirm):
        await step(*regions)
    before = await _balances(province)
    story.say(
        "## 2. What the books say",
        "After the cut-off, the count, the statements and everybody's yes. + debit, - credit.",
    )
    story.show_rows(("book", "account", "balance"), _shown(before, ("due_to", "due_from", "payable")))
    await month.net(province.regions["H"])
    await _show_netting(story, province)
    await _show_splits(story, province)
    for act in (month.pay, month.settle, month.lock):
        await act(*regions)
    after = await _balances(province)
    story.say(
        "## 5. Paid and locked",
        "Banks have moved the net and paid the canteens and companies. Nothing is left on any account of the month; what a bank has is what its people (and in H a unit, ahead) have left of what they paid in.",
    )
    story.show_rows(("book", "account", "balance"), _shown(after, ("bank", "cash", "unit_prefund")))
    kinds = {account.partition(":")[0] for _, account in after}
    assert kinds == {"bank", "cash", "unit_prefund"}, kinds
    assert {sum(fen for (of, _), fen in after.items() if of == book) for book in "HQZ"} == {0}


async def _show_netting(story: Story, province: Province) -> None:
    async with province.world.db.session() as session:
        clearing = (await session.scalars(select(Clearing))).one()
        row = await queries.get_settlement(
            session, (await Month(province.world, "2026-11").ids(*province.regions.values()))[0]
        )
        instructions = [each for each in await queries.instructions_of(session, row) if each.kind == "region_net"]
    names = {str(identifier): name for identifier, name in province.names.items()}
    owed = {(names[each["debtor"]], names[each["creditor"]]): each["amount_fen"] for each in clearing.obligations}
    assert owed == {(debtor, creditor): fen for debtor, creditor, fen in DEBTS}
    positions = {names[region]: fen for region, fen in clearing.positions.items()}
    assert positions == {"H": 106_000, "Q": 784_800, "Z": -890_800}
    assert (clearing.gross_fen, clearing.moved_fen) == (14_990_500, 890_800)
    assert instructions, "H is part of the move"
    story.say("## 3. Netting", "Each row's region owes the column's; + receives, - pays.")
    story.show_rows(
        ("", "H", "Q", "Z", "net"),
        [
            (
                debtor,
                *(f"{owed[debtor, other]:,}" if (debtor, other) in owed else "" for other in "HQZ"),
                f"{positions[debtor]:+,}",
            )
            for debtor in "HQZ"
        ],
    )
    less = 1000 - 1000 * clearing.moved_fen // clearing.gross_fen
    story.say(
        f"{clearing.gross_fen:,} were owed in all; {clearing.moved_fen:,} are moved, by Z to both others: {less // 10}.{less % 10} % less."
    )


async def _show_splits(story: Story, province: Province) -> None:
    names = province.names
    async with province.world.db.session() as session:
        found = (await session.scalars(select(SettlementShare).order_by(SettlementShare.ordinal))).all()
    rows: list[tuple[Any, ...]] = []
    for canteen, _, taken_fen, weights, parts in SPLITS:
        shares = [share for share in found if names[share.site_id] == canteen]
        assert [share.amount_fen for share in shares] == parts
        rows.append((canteen, f"{taken_fen:,}", ":".join(map(str, weights)), *(share.amount_fen for share in shares)))
    story.say(
        "## 4. Shares of the companies",
        "By largest remainder, in the order given: the parts are the whole, to the fen.",
    )
    story.show_rows(("canteen", "took", "weights", "the canteen", "C1", "C2"), rows)


async def _balances(province: Province) -> dict[tuple[str, str], int]:
    """{(book, account): fen} of what is not zero; a person's account by its kind."""
    async with province.world.db.session() as session:
        rows = await session.execute(
            text("""
                SELECT region_id, account_kind, account_owner, sum(amount_fen) AS fen FROM entries
                 GROUP BY 1, 2, 3 HAVING sum(amount_fen) <> 0
            """)
        )
    names, found = province.names, dict[tuple[str, str], int]()
    for row in rows:
        owner = names.get(row.account_owner)
        named = row.account_kind in ("bank", "cash", "unit_prefund") or owner is None
        account = row.account_kind if named else f"{row.account_kind}:{owner}"
        key = (names[row.region_id], account)
        found[key] = found.get(key, 0) + int(row.fen)
    return found


def _shown(balances: dict[tuple[str, str], int], kinds: tuple[str, ...]) -> list[tuple[Any, ...]]:
    return [
        (book, account, f"{fen:+,}")
        for (book, account), fen in sorted(balances.items())
        if account.partition(":")[0] in kinds
    ]
