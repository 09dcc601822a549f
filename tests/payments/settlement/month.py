"""A month to settle: the world of payments' stories, the people who settle it, and short words for each step."""

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sqlalchemy import func, select, text

from identity.api import Cover, Principal, Role, RoleGrant
from kernel import timers
from payments.models import AccountingPeriod
from payments.settlement import clearing, queries, service
from payments.settlement.jobs import TIMERS
from tests.payments.world import World


def finance(*, region: UUID | None = None, organisation: UUID | None = None, site: UUID | None = None) -> Principal:
    """Somebody of the finance office, somewhere or everywhere."""
    cover = Cover(
        frozenset({region} if region else ()),
        frozenset({organisation} if organisation else ()),
        frozenset({site} if site else ()),
    )
    grant = RoleGrant(Role.FINANCE, organisation, site, region, cover)
    return Principal(uuid4(), "顾文清", None, (grant,), "staff", None, None, region)


@dataclass
class Month:
    """One month of the world's two regions."""

    world: World
    period: str
    sender: Principal = field(default_factory=finance)
    receiver: Principal = field(default_factory=finance)

    async def open(self, *regions: UUID) -> None:
        """Rows for the regions; both, unless some are named."""
        async with self.world.db.session() as session:
            await service.open_settlements(session, self.period, regions or (self.world.home, self.world.away))

    async def row(self, region: UUID) -> AccountingPeriod:
        async with self.world.db.session() as session:
            row = await session.scalar(
                select(AccountingPeriod).where(
                    AccountingPeriod.region_id == region, AccountingPeriod.period == self.period
                )
            )
        assert row is not None
        return row

    async def ids(self, *regions: UUID) -> list[UUID]:
        return [(await self.row(region)).id for region in regions or (self.world.home, self.world.away)]

    async def cut_off(self, *regions: UUID, early: bool = False) -> None:
        ids = await self.ids(*regions)
        async with self.world.db.session() as session:
            await service.cut_off(session, ids, actor="test", early=early)

    async def reconcile(self, *regions: UUID) -> dict[UUID, str]:
        ids = await self.ids(*regions)
        async with self.world.db.session() as session:
            return await service.reconcile(session, ids, actor="test")

    async def send(self, *regions: UUID) -> None:
        for settlement in await self.ids(*regions):
            async with self.world.db.session() as session:
                await service.send_statement(session, settlement, actor=self.sender.actor)

    async def confirm(self, *regions: UUID) -> None:
        for settlement in await self.ids(*regions):
            async with self.world.db.session() as session:
                await service.confirm(session, self.receiver, settlement)

    async def net(self, region: UUID) -> None:
        (settlement,) = await self.ids(region)
        async with self.world.db.session() as session:
            await clearing.net(session, settlement, actor="test")

    async def pay(self, *regions: UUID) -> None:
        for settlement in await self.ids(*regions):
            async with self.world.db.session() as session:
                await clearing.pay(session, settlement, None, "bank 1", actor="test")

    async def settle(self, *regions: UUID) -> None:
        for settlement in await self.ids(*regions):
            async with self.world.db.session() as session:
                await service.settle(session, settlement, actor="test")

    async def lock(self, *regions: UUID) -> None:
        for settlement in await self.ids(*regions):
            async with self.world.db.session() as session:
                await service.lock(session, settlement, actor="test")

    async def to_confirmed(self) -> None:
        """Both regions, from open on."""
        await self.open()
        await self.cut_off(early=True)
        await self.reconcile()
        await self.send()
        await self.confirm()

    async def states(self) -> list[str]:
        return [(await self.row(region)).state for region in (self.world.home, self.world.away)]

    async def fire_timers(self) -> int:
        return await timers.fire_due(self.world.db, TIMERS)

    async def statements(self, region: UUID) -> dict[tuple[str, UUID], tuple[int, int, int]]:
        """{(kind, party): (in, out, due)}"""
        (settlement,) = await self.ids(region)
        async with self.world.db.session() as session:
            return {
                (each.kind, each.party_id): (each.in_fen, each.out_fen, each.due_fen)
                for each in await queries.statements_of(session, settlement)
            }

    async def balances(self) -> dict[str, dict[str, int]]:
        """Both books: every house account that is not zero, by its kind (+ debit, - credit)."""
        names = {self.world.home: "H", self.world.away: "Q"}
        found: dict[str, dict[str, int]] = {"H": {}, "Q": {}}
        async with self.world.db.session() as session:
            rows = await session.execute(
                text("""
                    SELECT region_id, account_kind, sum(amount_fen) AS fen FROM entries
                     GROUP BY 1, 2 HAVING sum(amount_fen) <> 0
                """)
            )
        for row in rows:
            found[names[row.region_id]][row.account_kind] = int(row.fen)
        return found


async def count_rows(world: World, *tables: str) -> dict[str, int]:
    """How many rows some tables have."""
    async with world.db.session() as session:
        return {
            table: int(await session.scalar(select(func.count()).select_from(text(table))) or 0) for table in tables
        }
