"""The posting queue under rivals: whoever comes first is paid, everybody else gets one and the same truth."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError, IdempotencyKeyReused, TooManyRequests, TryAgain
from kernel.idempotency import Answer
from payments import api, posting
from payments.batch import Item
from payments.credentials.pay_code_format import read_p1
from payments.errors import ConfirmRepeat, QueueFull, SeqReused
from payments.posting_queue import SPILL
from payments.posting_rule import Payer, Quote, Refusal, Sale, Usage
from payments.service import business_today
from tests.payments.world import FlatRule, World, body_of


async def count_payments(db: Database) -> int:
    connection = await db.raw_connection()
    try:
        return int(await connection.fetchval("SELECT count(*) FROM payments"))
    finally:
        await connection.close()


def item_of(world: World, code: str, *, till: int = 0, **body: Any) -> Item:
    """A request as the route makes it, not yet submitted."""
    terminal = world.terminal(world.tills[till])
    key = body.pop("key", uuid4().hex)
    request = api.PaymentRequest(seq=body.pop("seq", None) or world.next_seq(terminal), code=code, **body)
    return api.queue_item(terminal, key, request, request_id=f"req_{uuid4().hex}", language="zh")


async def outcomes(world: World, items: list[Item]) -> list[Answer | BaseException]:
    """All submitted at once."""
    return await asyncio.gather(*[world.posting.submit(item) for item in items], return_exceptions=True)


class TestOneKey:
    async def test_fifty_at_once_with_one_new_key_are_one_payment_and_the_same_bytes(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=50_000))).code
        found = await outcomes(world, [item_of(world, code, amount_fen=700, key="k", seq=1) for _ in range(50)])
        answers = [answer for answer in found if isinstance(answer, Answer)]
        assert len(answers) == 50, found
        assert {answer.status for answer in answers} == {201}
        assert len({answer.body for answer in answers}) == 1
        assert [answer.replayed for answer in answers].count(False) == 1
        assert await count_payments(world.db) == 1

    async def test_a_refusal_is_replayed_too(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=100))).code
        found = await outcomes(world, [item_of(world, code, amount_fen=700, key="k", seq=1) for _ in range(5)])
        answers = [answer for answer in found if isinstance(answer, Answer)]
        assert {(answer.status, answer.body) for answer in answers} == {(402, answers[0].body)}
        assert len(answers) == 5

    async def test_the_key_with_another_body_is_a_conflict(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=50_000))).code
        await world.pay(code, amount_fen=700, key="k", seq=1)
        assert isinstance(await world.refused(code, amount_fen=701, key="k", seq=1), IdempotencyKeyReused)

    async def test_the_key_of_another_till_is_another_key(self, world: World) -> None:
        person = await world.person(cash_fen=50_000)
        for till in (0, 1):
            answer = await world.pay(
                (await world.code(person)).code, amount_fen=700, key="k", terminal=world.terminal(world.tills[till])
            )
            assert (answer.status, answer.replayed) == (201, False)


class TestOneNumber:
    async def test_two_keys_with_one_number_at_once_are_one_payment_and_one_conflict(self, world: World) -> None:
        person = await world.person(cash_fen=50_000)
        codes = [(await world.code(person)).code for _ in range(2)]
        found = await outcomes(
            world, [item_of(world, code, amount_fen=700 + n, key=f"k{n}", seq=5) for n, code in enumerate(codes)]
        )
        (paid,) = [body_of(answer) for answer in found if isinstance(answer, Answer)]
        (conflict,) = [error for error in found if isinstance(error, SeqReused)]
        assert conflict.data["payment"] == paid["id"]

    async def test_a_number_that_was_refused_names_no_payment(self, world: World) -> None:
        person = await world.person(cash_fen=100)
        await world.pay((await world.code(person)).code, amount_fen=700, seq=5)
        error = await world.refused((await world.code(person)).code, amount_fen=50, seq=5)
        assert isinstance(error, SeqReused)
        assert error.data["payment"] is None


class TestOneCode:
    async def test_at_two_tills_in_the_same_second_it_pays_once(self, world: World) -> None:
        code = (await world.code(await world.person(cash_fen=50_000))).code
        found = await outcomes(world, [item_of(world, code, till=till, amount_fen=700) for till in (0, 1, 2)])
        told = sorted((answer.status, body_of(answer).get("code")) for answer in found if isinstance(answer, Answer))
        assert told == [(201, None), (402, "DENY_CODE_USED"), (402, "DENY_CODE_USED")]

    async def test_ten_codes_of_one_person_at_once_never_overdraw(self, world: World) -> None:
        person = await world.person(cash_fen=1000)
        items = [
            item_of(world, (await world.code(person)).code, till=n % 3, amount_fen=300, confirm_repeat=True)
            for n in range(10)
        ]
        found = [answer for answer in await outcomes(world, items) if isinstance(answer, Answer)]
        assert sorted(answer.status for answer in found) == [201] * 3 + [402] * 7
        assert (await world.purses(person))["cash_fen"] == 100


class TestRepeats:
    async def test_two_codes_at_once_are_each_asked_about_the_till_that_they_are_shown_to(self, world: World) -> None:
        person = await world.person(cash_fen=50_000)
        await world.pay((await world.code(person)).code, amount_fen=700)
        codes = [(await world.code(person)).code for _ in range(3)]
        items = [item_of(world, code, till=till, amount_fen=700) for till, code in enumerate(codes)]
        again, *others = await outcomes(world, items)
        assert isinstance(again, ConfirmRepeat)
        assert [isinstance(other, Answer) and other.status for other in others] == [201, 201]


class TestTwoLanes:
    async def test_two_processes_on_one_database_agree_on_everything(self, world: World) -> None:
        other = api.Posting(world.db, world.rule, world.terminals)
        await other.start()
        try:
            assert (world.posting.lane, other.lane) == (1, 3)
            person = await world.person(cash_fen=3000, lots={1600: business_today()})
            one_code = (await world.code(person)).code
            codes = [(await world.code(person)).code for _ in range(8)]
            items = [item_of(world, code, amount_fen=500, confirm_repeat=True) for code in codes]
            rivals = [item_of(world, one_code, amount_fen=500, confirm_repeat=True, till=1) for _ in range(4)]
            same = [item_of(world, codes[0], amount_fen=500, key="same", seq=99, confirm_repeat=True) for _ in range(4)]
            found = await asyncio.gather(
                *[(world.posting, other)[n % 2].submit(item) for n, item in enumerate([*items, *rivals, *same])],
                return_exceptions=True,
            )
        finally:
            await other.stop()
        answers = [answer for answer in found if isinstance(answer, Answer)]
        assert len(answers) == len(found), found
        assert len({answer.body for answer in answers[-4:]}) == 1
        assert [answer.status for answer in answers[8:12]].count(201) <= 1
        # 4600 fen in all: the lot pays 500 once at most, and nothing is overdrawn.
        left = await world.purses(person)
        paid = 500 * await count_payments(world.db)
        assert left["cash_fen"] + left["subsidy_fen"] == 4600 - paid

    async def test_when_many_wait_both_lanes_of_a_process_post_and_nobody_is_lost(self, world: World) -> None:
        people = [await world.person(cash_fen=5000) for _ in range(40)]
        items = [
            item_of(world, (await world.code(person)).code, till=n % 2, amount_fen=100 + n, confirm_repeat=True)
            for n in range(6)
            for person in people
        ]
        found = await outcomes(world, items)
        assert [answer.status for answer in found if isinstance(answer, Answer)] == [201] * 240
        async with world.db.session() as session:
            lanes = await session.scalars(text("SELECT DISTINCT lane FROM payments ORDER BY lane"))
            assert list(lanes) == [1, 2]
        spent = sum(100 + n for n in range(6))
        for person in people:
            assert (await world.purses(person))["cash_fen"] == 5000 - spent

    async def test_a_second_lane_begins_with_enough_and_leaves_aside_whom_the_first_is_posting(
        self, world: World
    ) -> None:
        queue = api.Posting(world.db, world.rule, world.terminals)  # Never started: its lanes are moved by hand.
        code = (await world.code(await world.person(cash_fen=5000))).code

        def wait_of(bucket: int) -> Item:
            item = item_of(world, code, amount_fen=100)
            item.bucket = bucket
            queue.enqueue(item)
            return item

        def take(lane: int) -> list[Item]:
            return [item for item, _ in queue._take(lane)]

        first = wait_of(7)
        assert take(0) == [first]
        others = [wait_of(100 + n) for n in range(SPILL - 2)]
        rival = wait_of(7)
        assert take(1) == []
        last = wait_of(8)
        assert take(1) == [*others, last]
        assert take(0) == []
        assert take(1) == [rival]

    async def test_a_lane_is_free_again_when_its_process_ends_and_its_chain_goes_on(self, world: World) -> None:
        person = await world.person(cash_fen=3000)
        await world.lunch(person, amount_fen=100)
        await world.posting.stop()
        world.posting = api.Posting(world.db, world.rule, world.terminals)
        await world.posting.start()
        assert world.posting.lane == 1
        await world.lunch(person, amount_fen=200)


class _PoisonedRule(FlatRule):
    """Breaks at an amount of 666: what a bug in a rule would do."""

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        quote = super().quote(sale, payer, usage)
        if sale.amount_fen == 666 and isinstance(quote, Quote):
            raise ZeroDivisionError
        return quote


class TestFailures:
    async def test_one_poisoned_request_fails_alone(self, world: World) -> None:
        world.rule.__class__ = _PoisonedRule
        people = [await world.person(cash_fen=5000) for _ in range(6)]
        items = [
            item_of(world, (await world.code(person)).code, amount_fen=666 if n == 3 else 500)
            for n, person in enumerate(people)
        ]
        found = await outcomes(world, items)
        assert [isinstance(outcome, Answer) and outcome.status == 201 for outcome in found] == [
            True, True, True, False, True, True,
        ]  # fmt: skip  # the fourth
        assert isinstance(found[3], GuanjiaError)
        assert found[3].status == 500
        assert (await world.purses(people[3]))["cash_fen"] == 5000

    async def test_a_cut_connection_is_retried_and_the_payment_happens_once(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        await world.lunch(person, amount_fen=100)
        connection = await world.db.raw_connection()
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid() "
                # The server is every test's; its other databases have lanes of their own.
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
        finally:
            await connection.close()
        item = item_of(world, (await world.code(person)).code, amount_fen=200)
        answer = await _until_answered(world, item)
        assert answer.status == 201
        assert (await world.purses(person))["cash_fen"] == 4700

    async def test_while_a_rival_holds_the_payer_the_others_are_told_to_try_again(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        code = (await world.code(person)).code
        rival = await world.db.raw_connection()
        try:
            for lane in world.posting._lanes:
                assert lane._connection is not None
                await lane._connection.execute("SET lock_timeout = '300ms'")
            await rival.execute("BEGIN")
            await rival.execute("SELECT FROM holders WHERE person_id = $1 FOR UPDATE", person)
            error = await world.refused(code, amount_fen=100, key="k", seq=3)
            assert isinstance(error, TryAgain)
            assert error.status == 503
        finally:
            await rival.close()
        answer = await world.pay(code, amount_fen=100, key="k", seq=3)
        assert answer.status == 201

    async def test_a_full_queue_says_so_and_consumes_nothing(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        world.posting._queue_max = 2
        items = [
            item_of(world, (await world.code(person)).code, amount_fen=100 + n, key=f"k{n}", seq=10 + n)
            for n in range(5)
        ]
        found = await outcomes(world, items)
        refused = [n for n, outcome in enumerate(found) if isinstance(outcome, QueueFull)]
        assert refused == [2, 3, 4]
        world.posting._queue_max = 100
        assert (await world.posting.submit(items[4])).status == 201

    async def test_what_is_waiting_is_posted_before_the_end(self, world: World) -> None:
        person = await world.person(cash_fen=5000)
        items = [item_of(world, (await world.code(person)).code, amount_fen=100 + n) for n in range(5)]
        waiting = asyncio.gather(*[world.posting.submit(item) for item in items])
        await asyncio.sleep(0)
        await world.posting.stop()
        assert [answer.status for answer in await waiting] == [201] * 5
        with pytest.raises(QueueFull):
            await world.posting.submit(items[0])


async def _until_answered(world: World, item: Item) -> Answer:
    for _ in range(50):
        item.outcome = None
        try:
            return await world.posting.submit(item)
        except TryAgain:
            await asyncio.sleep(0.05)
    raise AssertionError("never answered")


class TestGuesses:
    async def test_the_eleventh_guess_in_a_minute_waits_and_later_the_till_is_free_again(self, world: World) -> None:
        wrong = [f"70{n:017d}" for n in range(11)]
        codes = [body + next(d for d in "0123456789" if read_p1(body + d)) for body in wrong]
        for code in codes[:10]:
            answer = await world.pay(code, amount_fen=100)
            assert (answer.status, body_of(answer)["code"]) == (402, "DENY_CODE_UNKNOWN")
        error = await world.refused(codes[10], amount_fen=100)
        assert isinstance(error, TooManyRequests)
        assert 0 < error.data["retry_after_s"] <= 60

        good = (await world.code(await world.person(cash_fen=500))).code
        assert isinstance(await world.refused(good, amount_fen=100), TooManyRequests)
        assert (await world.pay(good, amount_fen=100, terminal=world.terminal(world.tills[1]))).status == 201

        clock.advance(timedelta(seconds=61))
        fresh = (await world.code(await world.person(cash_fen=500))).code
        assert (await world.pay(fresh, amount_fen=100)).status == 201

    async def test_a_wrong_check_digit_counts_as_a_guess_too(self, world: World) -> None:
        good = (await world.code(await world.person(cash_fen=500))).code
        wrong = good[:-1] + str((int(good[-1]) + 1) % 10)
        for _ in range(10):
            assert body_of(await world.pay(wrong, amount_fen=100))["code"] == "DENY_CODE_UNKNOWN"
        assert isinstance(await world.refused(good, amount_fen=100), TooManyRequests)


async def test_a_lane_plans_anew_every_ten_seconds_and_goes_on_paying(world: World) -> None:
    lane, at = world.posting._lanes[0], clock.now() + timedelta(minutes=1)
    beginnings = [lane._beginning(at + timedelta(seconds=second)) for second in (0, 9, 10, 11)]
    assert beginnings == ["DISCARD PLANS; BEGIN", "BEGIN", "DISCARD PLANS; BEGIN", "BEGIN"]
    person = await world.person(cash_fen=50_000)
    for _ in range(2):
        clock.advance(timedelta(minutes=2))
        (answer,) = await outcomes(world, [item_of(world, (await world.code(person)).code, amount_fen=700)])
        assert isinstance(answer, Answer)
        assert answer.status == 201


def test_what_counts_as_retryable_is_the_loss_of_a_connection_or_a_rival() -> None:
    for error in (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError, OSError):
        assert issubclass(error, posting.RETRYABLE)
    assert not issubclass(asyncpg.CheckViolationError, posting.RETRYABLE)
