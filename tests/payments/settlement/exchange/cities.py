"""Two cities, each with an installation of its own: H (Hangzhou) and N (Ningbo), and what each knows of the other."""

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from kernel.db import Database
from payments.credentials.trust import root_public_key
from payments.settlement.exchange import service as exchange
from payments.settlement.exchange.models import PartnerStatement
from payments.settlement.statements import service
from payments.settlement.statements.statement import StatementKind
from tests.payments.settlement.month import finance
from tests.payments.world import World, open_world

HANGZHOU, NINGBO = "330100", "330200"


@dataclass
class City:
    """One installation. People of the other city who eat here are registered here, in a copy of the other's book."""

    world: World
    code: str
    other_code: str
    period: str
    eaten: list[dict[str, object]] = field(default_factory=list)

    @property
    def own(self) -> UUID:
        return self.world.away

    @property
    def other(self) -> UUID:
        return self.world.home

    async def feed_guest(self, amount_fen: int) -> None:
        """Somebody of the other city eats at a canteen of this one; the unit bears what it bears."""
        world = self.world
        guest = await world.person(cash_fen=100_000)
        till = world.terminal(world.tills[-1])
        self.eaten.append(await world.lunch(guest, amount_fen=amount_fen, terminal=till))

    async def give_back(self, meal: int, amount_fen: int) -> None:
        await self.world.refund(str(self.eaten[meal]["id"]), amount_fen)

    async def root_key(self) -> bytes:
        async with self.world.db.session() as session:
            return await root_public_key(session)

    async def believe(self, root_key: bytes) -> None:
        async with self.world.db.session() as session:
            await exchange.pin_partner(session, self.other, root_key, actor="test")

    async def send(self) -> tuple[Path, bytes]:
        """Its statement of the pair, signed."""
        async with self.world.db.session() as session:
            made = await service.make_statement(session, StatementKind.REGION_PAIR, self.own, self.other, self.period)
            file = await service.write_file(session, made, "lines", "zh")
            _, signature = await service.sign_statement(session, made)
        return file.path, signature

    async def receive(self, sent: tuple[Path, bytes]) -> PartnerStatement:
        path, signature = sent
        async with self.world.db.session() as session:
            with path.open("rb") as file:
                return await exchange.receive_statement(session, finance(), self.own, file, signature)


async def open_city(db: Database, code: str, other_code: str, period: str) -> City:
    """The world's second region is the city's own, its first one the copy of the other's."""
    world = await open_world(db)
    city = City(world, code, other_code, period)
    async with db.session() as session:
        for region, called in ((city.own, code), (city.other, other_code)):
            await session.execute(
                text("UPDATE regions SET code = :code WHERE id = :id"), {"code": called, "id": region}
            )
    return city
