"""Many phones ask for a code at once: served together, told apart."""

import asyncio
from uuid import UUID

import pytest
from sqlalchemy import text

from identity.api import NewPerson, open_person, today
from identity.sign_in import open_session
from kernel.db import Database
from kernel.errors import NotFound, Unauthenticated
from kernel.handlers import run_handler
from payments import api
from payments.credentials.code_desk import CodeDesk
from payments.credentials.pay_codes import IssuedCode
from payments.errors import PaymentRefused
from payments.handlers import follow_people
from tests.payments.world import World


async def diner(world: World, name: str = "王小明") -> tuple[UUID, str]:
    """Somebody with an account and a signed-in phone."""
    async with world.db.session() as session:
        person = await open_person(session, NewPerson(name, world.unit, "staff", today()), actor="test")
        token = (await open_session(session, person)).token
    while await run_handler(world.db, "payments.follow_people", follow_people):
        pass
    async with world.db.session() as session:
        await api.top_up_at_counter(session, person, 10_000, actor="test")
    return person, token


async def commits(db: Database) -> int:
    async with db.session() as session:
        counted = await session.scalar(text("SELECT count(DISTINCT xmin::text) FROM pay_codes"))
    assert counted is not None
    return int(counted)


class TestTogether:
    async def test_each_phone_gets_a_code_of_its_own_account_and_few_transactions_make_them(self, world: World) -> None:
        desk, diners = CodeDesk(world.db), [await diner(world) for _ in range(6)]

        issued = await asyncio.gather(*(desk.issue(token) for _, token in diners * 3))

        assert len({code.code for code in issued}) == 18
        for (person, _), code in zip(diners * 3, issued, strict=True):
            async with world.db.session() as session:
                assert code.holder_id == (await api.holder_keys(session, [person]))[person][1]
        assert await commits(world.db) == 1
        answer = await world.pay(issued[0].code)
        assert answer.status == 201

    async def test_who_comes_while_others_are_served_is_served_next(self, world: World) -> None:
        desk, (_, token) = CodeDesk(world.db), await diner(world)
        first = asyncio.create_task(desk.issue(token))
        await asyncio.sleep(0.001)
        second = await desk.issue(token)

        assert (await first).code != second.code

    async def test_a_refusal_is_one_persons_own(self, world: World) -> None:
        desk = CodeDesk(world.db)
        (_, good), (lost_person, lost), (frozen_person, frozen) = [await diner(world) for _ in range(3)]
        await world.change(lost_person, "report_lost")
        await world.change(frozen_person, "freeze")
        async with world.db.session() as session:
            stranger = await open_person(session, NewPerson("李四", world.unit, "staff", today()), actor="test")
            without_account = (await open_session(session, stranger)).token

        outcomes = await asyncio.gather(
            *(desk.issue(token) for token in (lost, "gjs_nobody", good, without_account, frozen)),
            return_exceptions=True,
        )

        assert isinstance(outcomes[0], PaymentRefused)
        assert outcomes[0].code == "DENY_LOST"
        assert isinstance(outcomes[1], Unauthenticated)
        assert isinstance(outcomes[2], IssuedCode)
        assert isinstance(outcomes[3], NotFound)
        assert isinstance(outcomes[4], PaymentRefused)
        assert outcomes[4].code == "DENY_FROZEN"

    async def test_a_revoked_session_gets_none_at_once(self, world: World) -> None:
        desk, (person, token) = CodeDesk(world.db), await diner(world)
        await desk.issue(token)
        async with world.db.session() as session:
            await session.execute(text("UPDATE sessions SET revoked_at = now() WHERE person_id = :id"), {"id": person})

        with pytest.raises(Unauthenticated):
            await desk.issue(token)

    async def test_a_phone_that_hangs_up_takes_nobody_elses_code_away(self, world: World) -> None:
        desk, (_, gone), (_, stays) = CodeDesk(world.db), await diner(world), await diner(world)
        leaving, staying = asyncio.create_task(desk.issue(gone)), asyncio.create_task(desk.issue(stays))
        await asyncio.sleep(0)
        leaving.cancel()

        assert isinstance(await staying, IssuedCode)

    async def test_while_the_database_is_away_everybody_is_told_and_the_desk_goes_on_afterwards(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        desk, (_, token) = CodeDesk(world.db), await diner(world)

        def away() -> None:
            raise ConnectionRefusedError

        with monkeypatch.context() as patched:
            patched.setattr(desk._database, "session", away)
            outcomes = await asyncio.gather(desk.issue(token), desk.issue(token), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ConnectionRefusedError] * 2
        assert isinstance(await desk.issue(token), IssuedCode)
