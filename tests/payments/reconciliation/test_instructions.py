"""What settlement tells a bank: as a file that is valid by its schema, and paid once the bank's line says so."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from kernel import clock
from kernel.ids import uuid7
from payments.banking.errors import BankAccountMissing, NothingToPay
from payments.banking.xml import read_document
from payments.models import AccountingPeriod
from payments.reconciliation.instructions import write_bank_file
from payments.reconciliation.runs import run_level
from tests.payments.banking.samples import ACCOUNT
from tests.payments.reconciliation.day import Day

AMOUNT_FEN, REFERENCE = 3_600, "GJ0001"


@pytest.fixture
async def settlement(day: Day) -> UUID:
    """Last month of the home region, confirmed by everybody; its canteen is to be paid."""
    settlement, world = uuid7(), day.shop.world
    last_month = (day.month - timedelta(days=1)).strftime("%Y-%m")
    await day.sql(
        "INSERT INTO accounting_periods (region_id, period, state, id) VALUES (:home, :period, 'confirmed', :id)",
        home=world.home,
        period=last_month,
        id=settlement,
    )
    await day.sql(
        """INSERT INTO bank_instructions (id, settlement_id, kind, debtor_kind, debtor_id, creditor_kind, creditor_id,
                                          amount_fen, reference, end_to_end_id, state, issued_at)
           VALUES (:id, :settlement, 'canteen_payout', 'region', :home, 'site', :canteen, :fen, 'K1', :name, 'issued', :now)""",
        id=uuid7(),
        settlement=settlement,
        home=world.home,
        canteen=world.canteen,
        fen=AMOUNT_FEN,
        name=REFERENCE,
        now=clock.now(),
    )
    return settlement


async def enter_accounts(day: Day) -> None:
    world = day.shop.world
    for party, kind, number in ((world.home, "region", ACCOUNT), (world.canteen, "site", "6222000011113333")):
        await day.sql(
            """INSERT INTO bank_accounts (party_id, party_kind, account_name, account_number, bank_number, bank_name,
                                          changed_by, changed_at)
               VALUES (:party, :kind, '某户', :number, '102331002020', '某行', 'test', :now)""",
            party=party,
            kind=kind,
            number=number,
            now=clock.now(),
        )


async def bank_file(day: Day, settlement: UUID, form: str) -> bytes:
    async with day.db.session() as session:
        row = await session.scalar(text("SELECT region_id, period FROM accounting_periods WHERE id = :id"), {"id": settlement})  # fmt: skip  # one question
        period = (await day.sql("SELECT period FROM accounting_periods WHERE id = :id", id=settlement))[0][0]
        found = await session.get_one(AccountingPeriod, (row, period))
        return await write_bank_file(session, found, form)  # type: ignore[arg-type]  # one of two words


class TestTheFile:
    async def test_names_each_payment_once_and_is_valid(self, day: Day, settlement: UUID) -> None:
        await enter_accounts(day)
        root = read_document(await bank_file(day, settlement, "pain.001"), ("pain.001.001.09",))
        assert [each.text for each in root.iter("{*}EndToEndId")] == [REFERENCE]
        assert [each.text for each in root.iter("{*}InstdAmt")] == ["36.00"]
        assert (await bank_file(day, settlement, "xlsx")).startswith(b"PK")

    async def test_is_refused_where_an_account_is_missing_and_where_nothing_is_left(
        self, day: Day, settlement: UUID
    ) -> None:
        with pytest.raises(BankAccountMissing) as refused:
            await bank_file(day, settlement, "pain.001")
        assert len(refused.value.data["parties"]) == 2
        await day.sql("DELETE FROM bank_instructions")
        with pytest.raises(NothingToPay):
            await bank_file(day, settlement, "pain.001")


class TestTheBanksLine:
    async def test_books_the_instruction_once(self, day: Day, settlement: UUID) -> None:
        today = day.on + timedelta(days=1)
        paid = replace(day.payout(-AMOUNT_FEN), remittance="结算", counterparty="K1", end_to_end_id=REFERENCE)
        bank_fen = await day.balance("bank")
        await day.bring_statement([paid])
        for _ in range(2):
            await run_level(day.db, 4, today)
            assert [row.kind for row in await day.live() if row.level == 4] == []
        assert await day.sql("SELECT state, paid_by, bank_reference FROM bank_instructions") == [
            ("paid", "bank statement", f"R-{AMOUNT_FEN}")
        ]
        assert await day.balance("bank") - bank_fen == -AMOUNT_FEN

    async def test_of_another_amount_is_a_difference_and_books_nothing(self, day: Day, settlement: UUID) -> None:
        today = day.on + timedelta(days=1)
        paid = replace(day.payout(-3_500), remittance="结算", counterparty="K1", end_to_end_id=REFERENCE)
        await day.bring_statement([paid])
        await run_level(day.db, 4, today)
        assert [(row.kind, row.expected_fen, row.found_fen) for row in await day.live()] == [("amount", -3_600, -3_500)]
        assert await day.sql("SELECT state FROM bank_instructions") == [("issued",)]
