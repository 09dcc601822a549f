"""The audit finds what is planted: for each invariant, rows are changed behind the back of the code and must be named."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import structlog.testing
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncSession

from app.explain import explain_payment
from kernel import audit_log, clock
from kernel.db import Database
from kernel.errors import NotFound
from kernel.ids import parse_public_id
from payments import api, holds, jobs
from payments.channel_refunds import service as channel_refunds
from payments.channels.channel import Heard, Notice, Word
from payments.gateways import top_ups
from payments.gateways.notices import take_notice
from payments.invariants import INVARIANTS, Finding, audit
from payments.subsidies import expiry
from realtime.jobs import relay_events
from realtime.queries import relay_lag_s
from tests.payments.world import World, body_of, open_world
from tests.servers import SharedPostgres

ROOT = Path(__file__).resolve().parents[2]
Tamper = Callable[[str], Awaitable[None]]


@pytest.fixture
async def doomed(db: Database) -> World:
    """A world in which everything has happened once, and whose books will be broken."""
    world = await open_world(db)
    await live_through_everything(world)
    await world.posting.stop()
    return world


@pytest.fixture(scope="module")
def lived(module_database_url: str, postgres_server: SharedPostgres) -> str:
    """The same, once for all planted rows, as somebody with the superuser's password reaches it."""

    async def live() -> None:
        database = Database(module_database_url)
        world = await open_world(database)
        await live_through_everything(world)
        await world.posting.stop()
        await database.close()

    with asyncio.Runner() as runner:
        runner.run(live())
    name = make_url(module_database_url).database
    return make_url(postgres_server.superuser_url).set(database=name).render_as_string(hide_password=False)


async def live_through_everything(world: World) -> None:
    """Meals at home and away, a void, refunds, a hold, an expiry, and a fold of the house accounts in between."""
    today = clock.now().date()
    person = await world.person(cash_fen=20_000, lots={35_200: today + timedelta(days=20)})
    first = body_of(await world.pay((await world.code(person)).code))
    await world.void(first["id"])
    await world.pay((await world.code(person)).code, confirm_repeat=True)
    await jobs.fold_account_deltas(world.db)
    away = world.terminal(world.tills[-1])
    abroad = body_of(await world.pay((await world.code(person)).code, amount_fen=2500, terminal=away))
    await world.refund(abroad["id"], 500)
    assert (await world.pay((await world.code(person)).code, amount_fen=900_000)).status == 402
    await world.code(person)
    async with world.db.session() as session:
        await holds.place_hold(session, person, 300, reason="deposit", expires_at=clock.now() + timedelta(hours=1))
    await world.person(lots={900: today - timedelta(days=9)})
    async with world.db.session() as session:
        assert await expiry.expire_lots(session) == 1
    await put_money_in(world)
    await charge_for_repairs(world)


async def charge_for_repairs(world: World) -> None:
    """A service of each region, one of them given back in part."""
    at_home, away = uuid4(), uuid4()
    for reference, site, amount_fen in ((at_home, world.canteen, 300), (away, world.canteen_away, 500)):
        async with world.db.session() as session:
            await api.charge_unit(
                session,
                kind="repair",
                reference=reference,
                payer_id=world.unit,
                payee_id=site,
                amount_fen=amount_fen,
                business_date=clock.now().date(),
                note="",
            )
    async with world.db.session() as session:
        await api.refund_charge(session, reference=away, amount_fen=200)


class SaidGateway:
    """A gateway of which only one notice is heard; that it speaks truly is the business of tests/payments/channels."""

    name = "alipay"

    def __init__(self, notice: Notice | None = None) -> None:
        self.notice = notice

    async def prepare(self, *_asked: Any) -> Heard:
        return Heard(Word.AWAIT, qr_text="https://qr.example/1")

    def read_notice(self, _body: bytes) -> Notice:
        assert self.notice is not None
        return self.notice


async def put_money_in(world: World) -> None:
    """A top-up that was paid and of which a part is on its way back, one of which another sum is told, and money for an
    order that nobody knows."""
    person = await world.person()
    gateway: Any = SaidGateway()
    for told_fen in (5000, 4999):
        opened = await top_ups.open_top_up(
            world.db, gateway, person, 5000, f"key-{told_fen}", actor="test", tell_refusal=lambda _error: {}
        )
        gateway.notice = Notice(f"n{told_fen}", body_of(opened)["id"], Heard(Word.PAY, told_fen, "2026"))
        assert await take_notice(world.db, gateway, b"")
        if told_fen == 5000:
            async with world.db.session() as session:
                identifier = parse_public_id("top", body_of(opened)["id"])
                await channel_refunds.refund_top_up(session, identifier, 700, "twice", actor="test")
    gateway.notice = Notice("n0", "nobody-knows-it", Heard(Word.PAY, 1, "2027"))
    assert await take_notice(world.db, gateway, b"")


@pytest.fixture
async def tamper(db: Database, postgres_server: SharedPostgres) -> AsyncIterator[Tamper]:
    """What somebody with the superuser's password can do: any statement, with all triggers off."""
    url = make_url(postgres_server.superuser_url).set(database=db.url.database)
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    await connection.execute("SET session_replication_role = replica")

    async def run(statements: str) -> None:
        await connection.execute(statements)

    yield run
    await connection.close()


async def findings_after(superuser_url: str, statements: str) -> dict[str, Finding]:
    """What the audit finds in the very transaction in which something was planted; it is undone afterwards."""
    database = Database(superuser_url)
    async with database.engine.connect() as connection:
        session = AsyncSession(connection)
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        await driver.execute(statements)
        findings = await audit(session)
        await session.rollback()
    await database.close()
    return {finding.invariant.name: finding for finding in findings if not finding.holds}


async def findings_of(db: Database) -> dict[str, Finding]:
    """What the audit finds, by the name of the broken invariant."""
    async with db.session() as session:
        return {finding.invariant.name: finding for finding in await audit(session) if not finding.holds}


ONE_PAYMENT = "(SELECT id FROM payments WHERE status = 'succeeded' ORDER BY id LIMIT 1)"

# (invariant, words that its finding must hold, what is done to the rows)
PLANTED = [
    ("I1", "money of a person stands in another book", """
        UPDATE ledger_lines SET region_id = (SELECT id FROM regions WHERE id <> region_id LIMIT 1)
         WHERE kind = 'grant' AND debit_owner IN (SELECT unit_id FROM subsidy_lots WHERE balance_fen > 0)"""),
    ("I1", "a lot stands in another book", "UPDATE subsidy_lots SET region_id = gen_random_uuid() WHERE expired_at IS NULL"),
    ("I1", "money of a unit stands in another book", "UPDATE unit_prefunds SET region_id = gen_random_uuid()"),
    ("I1", "due_to and due_from", "UPDATE ledger_lines SET amount_fen = amount_fen + 1 WHERE debit_kind = 'due_from'"),
    ("I1", "without a positive amount", """
        ALTER TABLE ledger_lines DROP CONSTRAINT ledger_lines_amount_fen_check;
        UPDATE ledger_lines SET amount_fen = -amount_fen WHERE kind = 'expiry'"""),
    ("I2", "a purse is not", "UPDATE purses SET balance_fen = balance_fen + 1 WHERE kind = 'cash' AND balance_fen > 0"),
    ("I2", "a purse is not", "UPDATE purses SET version = version + 1 WHERE kind = 'cash' AND balance_fen > 0"),
    ("I2", "a purse is not", "DELETE FROM purses WHERE kind = 'cash' AND balance_fen > 0"),
    ("I2", "a lot is not", "UPDATE subsidy_lots SET balance_fen = balance_fen - 1 WHERE balance_fen > 0"),
    ("I2", "a prefund is not", "UPDATE unit_prefunds SET balance_fen = balance_fen - 1"),
    ("I2", "a house account", "UPDATE account_checkpoints SET balance_fen = balance_fen + 1 WHERE kind = 'payable'"),
    ("I2", "a house account", "UPDATE account_deltas SET entry_count = entry_count + 1 WHERE kind = 'due_from'"),
    ("I3", "set aside in a purse", "UPDATE holds SET state = 'released'"),
    ("I3", "set aside in a lot", "UPDATE subsidy_lots SET held_fen = 1 WHERE balance_fen > 0"),
    ("I3", "less than nothing", """
        ALTER TABLE purses DROP CONSTRAINT purses_check;
        UPDATE purses SET held_fen = balance_fen + 1 WHERE kind = 'cash' AND balance_fen > 0"""),
    ("I4", "more was given back", """
        UPDATE reversals SET legs = replace(legs::text, '"amount_fen": 500', '"amount_fen": 2501')::json"""),
    ("I4", "refunded_fen is not", "UPDATE payments SET refunded_fen = 499 WHERE status = 'partially_refunded'"),
    ("I4", "the status does not fit", "UPDATE payments SET status = 'refunded' WHERE status = 'partially_refunded'"),
    ("I5", "a number of a terminal", """
        CREATE TEMP TABLE again AS SELECT * FROM payments ORDER BY id LIMIT 1;
        UPDATE again SET id = (substr(id::text, 1, 24) || '000000000001')::uuid;
        INSERT INTO payments SELECT * FROM again"""),
    ("I5", "a key of a terminal", """
        ALTER TABLE terminal_requests DROP CONSTRAINT terminal_requests_terminal_id_key_key;
        INSERT INTO terminal_requests SELECT terminal_id, epoch, seq + 1000, key, body_hash, gen_random_uuid(), recorded_at
          FROM terminal_requests LIMIT 1"""),
    ("I5", "two requests name one", """
        INSERT INTO terminal_requests SELECT terminal_id, epoch, seq + 1000, 'other', body_hash, payment_id, recorded_at
          FROM terminal_requests LIMIT 1"""),
    ("I5", "a code was paid twice", f"""
        UPDATE payments SET code_id = (SELECT code_id FROM payments WHERE id = {ONE_PAYMENT})"""),
    ("I5", "a code and its payment", f"UPDATE pay_codes SET used_by = NULL WHERE used_by = {ONE_PAYMENT}"),
    ("I5", "a code and its payment", "UPDATE pay_codes SET used_by = gen_random_uuid() WHERE used_by IS NULL"),
    ("I6", "was acknowledged and does not exist", f"DELETE FROM payments WHERE id = {ONE_PAYMENT}"),
    ("I6", "a refusal was answered", f"UPDATE stored_answers SET status = 402 WHERE id = {ONE_PAYMENT}"),
    ("I6", "a payment without its request", f"DELETE FROM terminal_requests WHERE payment_id = {ONE_PAYMENT}"),
    ("I6", "a request without its answer", "DELETE FROM stored_answers WHERE status = 402"),
    ("I6", "the ledger lines are not", f"DELETE FROM ledger_lines WHERE transfer_id = {ONE_PAYMENT}"),
    ("I7", "not those that were sealed", f"""
        UPDATE ledger_lines SET business_date = business_date + 1 WHERE transfer_id = {ONE_PAYMENT}"""),
    ("I7", "a link of the chain is missing", "DELETE FROM ledger_batches WHERE lane = 1 AND n = 2"),
    ("I7", "not those that were sealed", "UPDATE ledger_batches SET hash = sha256(hash) WHERE lane = 1 AND n = 2"),
    ("I8", "more than one period, or in another", "UPDATE payments SET accounting_period = '2000-01' WHERE status = 'succeeded'"),
    ("I8", "booked in a period after its cut-off", """
        INSERT INTO accounting_periods (region_id, period, state, id, vector)
        SELECT region_id, period, 'cutoff', gen_random_uuid(), '{"0": 1}'
          FROM (SELECT DISTINCT region_id, accounting_period AS period FROM ledger_lines) AS booked"""),
    ("I9", "was not told once", "DELETE FROM outbox WHERE events LIKE '%payment.voided%'"),
    ("I9", "was not told once", "INSERT INTO outbox SELECT lane, n + 1000, recorded_at, events FROM outbox WHERE lane = 1"),
    ("I9", "told and did not happen", "DELETE FROM reversals WHERE kind = 'refund'"),
    ("I10", "is not what was booked", "UPDATE difference_cases SET resolved_at = opened_at WHERE kind = 'amount_differs'"),
    ("I10", "is not what was booked", "UPDATE channel_orders SET confirmed_fen = 5001 WHERE confirmed_fen = 5000"),
    ("I10", "is not what was booked", "DELETE FROM channel_orders WHERE state = 'succeeded'"),
    ("I10", "is not what was booked", "DELETE FROM ledger_lines WHERE debit_kind = 'psp_clearing'"),
    ("I10", "a top-up does not stand", "UPDATE top_ups SET state = 'closed' WHERE channel = 'alipay' AND state = 'succeeded'"),
    ("I10", "a top-up does not stand", "UPDATE top_ups SET state = 'succeeded' WHERE state = 'pending'"),
    ("I10", "a guest payment does not stand", """
        INSERT INTO guest_payments SELECT 1000, gen_random_uuid(), region_id, gen_random_uuid(), gen_random_uuid(), 1, 1, channel,
               amount_fen, 'succeeded', '2026-11-23', opened_at FROM channel_orders LIMIT 1"""),
    ("I10", "a refund does not stand", "UPDATE channel_refunds SET status = 'succeeded'"),
    ("I10", "what an order gave back", "UPDATE channel_orders SET refunded_fen = 1 WHERE refunded_fen > 0"),
    ("I10", "what is under way", "DELETE FROM ledger_lines WHERE kind = 'channel_refund'"),
    ("I10", "for an order that we do not have", "DELETE FROM difference_cases WHERE kind = 'unknown_order'"),
    ("I11", "less was known of an order", "UPDATE channel_steps SET state = 'written', rank = 0 WHERE state = 'waiting'"),
    ("I11", "less was known of an order", "DELETE FROM channel_steps WHERE ordinal = 1"),
    ("I11", "another rank than its state", "UPDATE channel_steps SET rank = 6 WHERE state = 'succeeded'"),
    ("I11", "does not stand where its last step led", "UPDATE channel_orders SET state = 'closed' WHERE state = 'succeeded'"),
    ("I12", "the legs do not sum", "UPDATE payments SET legs = '[]'"),
    ("I12", "has ended and still holds", "UPDATE subsidy_lots SET balance_fen = 1 WHERE expired_at IS NOT NULL"),
    ("I13", "more than one subsidised", "UPDATE payments SET status = 'succeeded' WHERE status = 'voided'"),
    ("I14", "say different things", "UPDATE service_charges SET amount_fen = 501 WHERE amount_fen = 500"),
    ("I14", "say different things", "DELETE FROM ledger_lines WHERE kind = 'charge_refund'"),
    ("I14", "say different things", "DELETE FROM charge_refunds"),
    ("I14", "say different things", "UPDATE service_charges SET site_id = gen_random_uuid()"),
    ("I14", "another sum given back", "UPDATE service_charges SET refunded_fen = 201 WHERE refunded_fen = 200"),
]  # fmt: skip  # a table reads better than its cells one below the other


class TestAudit:
    async def test_a_world_in_which_everything_happened_is_right(self, doomed: World) -> None:
        assert await findings_of(doomed.db) == {}

    @pytest.mark.parametrize(("name", "words", "statements"), PLANTED)
    async def test_what_is_planted_is_named(self, lived: str, name: str, words: str, statements: str) -> None:
        found = await findings_after(lived, statements)
        assert name in found
        assert any(words in offender.what for offender in found[name].offenders), found[name]
        assert all(offender.subject for offender in found[name].offenders)

    def test_every_invariant_has_a_planted_corruption(self) -> None:
        assert {name for name, _, _ in PLANTED} == {invariant.name for invariant in INVARIANTS}

    async def test_what_is_broken_is_logged_and_counted_at_night(self, doomed: World, tamper: Tamper) -> None:
        await tamper("UPDATE unit_prefunds SET balance_fen = balance_fen - 1")
        with structlog.testing.capture_logs() as logged:
            await jobs.audit_books(doomed.db)
        broken = [entry for entry in logged if entry["event"] == "audit.broken"]
        assert [entry["invariant"] for entry in broken] == ["I2"]
        assert doomed.unit.hex in broken[0]["subject"].replace("-", "")

    def test_the_night_begins_at_three_in_the_zone_of_the_house(self) -> None:
        zone = ZoneInfo("Asia/Shanghai")
        before = datetime(2026, 11, 23, 18, 59, tzinfo=UTC)
        assert jobs.next_audit_at(before, zone) == datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
        assert jobs.next_audit_at(before + timedelta(minutes=1), zone) == datetime(2026, 11, 24, 19, 0, tzinfo=UTC)


async def guanjia(db: Database, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The command line, as a person runs it."""
    environment = os.environ | {
        "GUANJIA_DATABASE_URL": db.url.render_as_string(hide_password=False),
        "GUANJIA_DATA_DIR": "/nonexistent",
        "COLUMNS": "200",
    }
    return await asyncio.to_thread(
        subprocess.run,
        [str(ROOT / "guanjia"), *arguments],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


class TestAuditCommand:
    async def test_right_books_end_with_0_and_broken_ones_with_1_by_name(self, doomed: World, tamper: Tamper) -> None:
        right = await guanjia(doomed.db, "audit")
        assert (right.returncode, right.stderr) == (0, "")
        assert "All invariants hold" in right.stdout

        await tamper("UPDATE unit_prefunds SET balance_fen = balance_fen - 1")
        broken = await guanjia(doomed.db, "audit")
        assert broken.returncode == 1
        assert f"I2  a prefund is not the fold of its entries: unit_prefund:{doomed.unit}" in broken.stdout
        assert "Broken: I2." in broken.stdout

    async def test_the_log_prints_its_head_and_names_the_first_bad_row(self, doomed: World, tamper: Tamper) -> None:
        await audit_log.seal_pending(doomed.db)
        right = await guanjia(doomed.db, "audit", "--log")
        assert right.returncode == 0, right.stderr
        anchor = right.stdout.strip().rpartition(" ")[2]
        assert (await guanjia(doomed.db, "audit", "--log", "--anchor", anchor)).returncode == 0

        await tamper("UPDATE audit_log SET actor = 'nobody' WHERE id = 2")
        broken = await guanjia(doomed.db, "audit", "--log", "--anchor", anchor)
        assert broken.returncode == 1
        assert "The first bad row: audit_log row 2, seal 2: altered" in broken.stdout


class TestExplain:
    async def test_a_life_is_told_in_both_languages(self, doomed: World) -> None:
        async with doomed.db.session() as session:
            (identifier,) = (
                await session.execute(text("SELECT id FROM payments WHERE status = 'partially_refunded'"))
            ).one()
            said = {
                language: "\n".join(
                    line
                    for chapter in await explain_payment(session, f"pay_{identifier.hex}", language)
                    for line in [chapter.title, *chapter.sentences]
                )
                for language in ("zh", "en")
            }
        assert "900 yuan" not in said["en"]
        for words in (
            "paid 25.00 yuan at Somewhere", "refunded in part", "25.00 yuan from the cash purse", "gave back 5.00 yuan",
            "reason: cold soup", "due_to:", "due_from:", "payment.succeeded", "payment.refunded", "not delivered yet",
            "Lunch is 18.00 yuan",
        ):  # fmt: skip  # a list of words
            assert words in said["en"], said["en"]
        for words in ("支付 25.00 元", "部分退款", "现金钱包: 25.00 元", "cold soup", "为什么是这个价格", "通知了谁"):
            assert words in said["zh"], said["zh"]

    async def test_who_heard_is_told_with_the_position(self, doomed: World, valkey_url: str) -> None:
        async with Redis.from_url(valkey_url) as valkey:
            relay = asyncio.create_task(relay_events(doomed.db, valkey))
            async with doomed.db.session() as session:
                for _ in range(400):
                    if await relay_lag_s(session) == 0:
                        break
                    await asyncio.sleep(0.05)
            relay.cancel()
            await asyncio.gather(relay, return_exceptions=True)
        async with doomed.db.session() as session:
            (payment,) = (await session.execute(text("SELECT id FROM payments ORDER BY id LIMIT 1"))).one()
            chapters = await explain_payment(session, f"pay_{payment.hex}", "en")
        heard = [line.strip() for line in chapters[-1].sentences]
        for kind in ("payment.succeeded", "payment.voided"):
            assert [line for line in heard if kind in line]
        assert len([line for line in heard if re.fullmatch(r"person:per_\w{32}: message \d+", line)]) == 2
        assert len([line for line in heard if re.fullmatch(r"canteen:can_\w{32}: message \d+", line)]) == 2

    async def test_a_payment_that_does_not_exist_is_said_so(self, doomed: World) -> None:
        answer = await guanjia(doomed.db, "explain", "pay_" + "0" * 32)
        assert answer.returncode == 1
        assert "There is no such payment" in answer.stdout
        async with doomed.db.session() as session:
            with pytest.raises(NotFound):
                await explain_payment(session, "lot_1", "zh")
