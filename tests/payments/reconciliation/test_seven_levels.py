"""One planted defect at each level gives exactly seven rows, however often it is run; removed, none is left open."""

from uuid import uuid4

from payments.lines import Account
from payments.reconciliation.runs import run_levels
from tests.payments.reconciliation.day import GRANT_FEN, NET_FEN, Day, payment_id


async def bring_everything(day: Day) -> None:
    await day.bring_bill()
    await day.bring_statement([day.payout()])
    await day.bring_list("A1")


class TestACleanDay:
    async def test_has_no_difference_at_any_level_and_looks_at_all_of_it(self, day: Day) -> None:
        await bring_everything(day)
        runs = await day.run()
        assert await day.told() == []
        assert [(run.level, run.found, run.opened) for run in runs] == [(n, 0, 0) for n in (0, 1, 2, 3, 4, 5, 6, 4)]
        assert all(run.compared > 0 for run in runs)

    async def test_books_the_payout_once_when_the_bank_has_confirmed_it(self, day: Day) -> None:
        """E3' of the worked example, of a top-up and a guest's meal."""
        await day.bring_bill()
        await day.run()
        assert (await day.balance("psp_clearing"), await day.balance("psp_fee")) == (11_800, 0)
        bank_fen = await day.balance("bank")
        await day.bring_statement([day.payout()])
        for _ in range(2):
            await day.run()
        assert await day.balance("bank") - bank_fen == NET_FEN == 11_755
        assert (await day.balance("psp_clearing"), await day.balance("psp_fee")) == (0, 45)


class TestSevenDefects:
    async def test_are_seven_rows_and_removed_none(self, day: Day) -> None:
        await bring_everything(day)
        away, guest_price, world = payment_id(day.away_lunch), payment_id(day.guest_price_lunch), day.shop.world
        taken = await day.sql("SELECT * FROM terminal_requests WHERE payment_id = :id", id=away)
        due = (world.home, Account("suspense", uuid4()), Account("due_to", world.away))

        await day.sql("DELETE FROM terminal_requests WHERE payment_id = :id", id=away)
        await day.sql("UPDATE shifts SET sheet = jsonb_set(sheet, '{sales_fen}', '5500')")
        await day.sql("UPDATE payments SET amount_fen = amount_fen + 1 WHERE id = :id", id=guest_price)
        await day.sql("UPDATE channel_bill_rows SET amount_fen = 10100 WHERE order_name = :name", name=day.top_up["id"])
        await day.sql("UPDATE bank_lines SET amount_fen = amount_fen - 1")
        await day.owe(0, *due)
        await day.bring_list()
        for _ in range(3):
            await day.run()
            assert await day.told() == [
                (0, "missing_there", 1800, 0),
                (1, "amount", 5400, 5500),
                (2, "amount", 1800, 1801),
                (3, "amount", 10_000, 10_100),
                (4, "amount", NET_FEN, NET_FEN - 1),
                (5, "missing_there", 700, None),
                (6, "missing_there", GRANT_FEN, None),
            ]
        rows = await day.live()
        assert all(row.owner_role and row.region_id and row.state == "open" and row.reference for row in rows)

        columns = "terminal_id, epoch, seq, key, body_hash, payment_id, recorded_at"
        names = ", ".join(f":c{n}" for n in range(len(taken[0])))
        await day.sql(
            f"INSERT INTO terminal_requests ({columns}) VALUES ({names})",
            **{f"c{n}": value for n, value in enumerate(taken[0])},
        )
        await day.sql("UPDATE shifts SET sheet = jsonb_set(sheet, '{sales_fen}', '5400')")
        await day.sql("UPDATE payments SET amount_fen = amount_fen - 1 WHERE id = :id", id=guest_price)
        await day.sql("UPDATE channel_bill_rows SET amount_fen = 10000 WHERE order_name = :name", name=day.top_up["id"])
        await day.sql("UPDATE bank_lines SET amount_fen = amount_fen + 1")
        await day.owe(1, world.away, Account("due_from", world.home), Account("suspense", uuid4()))
        await day.bring_list("A1")
        await day.run()
        assert await day.told() == []
        history = await day.sql("SELECT level, closed_by, closed_by_run IS NOT NULL FROM reconciliation_differences ORDER BY level")  # fmt: skip  # one question
        assert history == [(level, None, True) for level in range(7)]

    async def test_that_come_back_are_new_rows_and_the_old_ones_stay_as_history(self, day: Day) -> None:
        for fen in (5500, 5400, 5500):
            await day.sql(
                "UPDATE shifts SET sheet = jsonb_set(sheet, '{sales_fen}', to_jsonb(CAST(:fen AS int)))", fen=fen
            )
            await run_levels(day.db, day.on, levels=[1])
        states = await day.sql("SELECT state FROM reconciliation_differences ORDER BY state")
        assert states == [("closed",), ("open",)]


class TestTheSequence:
    async def test_a_chain_whose_link_was_altered_does_not_verify(self, day: Day) -> None:
        await day.sql("UPDATE ledger_batches SET hash = decode(repeat('ab', 32), 'hex') WHERE lane = 0 AND n = (SELECT max(n) FROM ledger_batches WHERE lane = 0)")  # fmt: skip  # one statement
        before = await day.sql("SELECT n, hash FROM ledger_batches WHERE lane = 0 ORDER BY n DESC LIMIT 1")
        await run_levels(day.db, day.on, levels=[0])
        assert [(row.kind, row.reference) for row in await day.live()] == [("chain", f"lane 0, n {before[0][0]}")]
        await self.mend(day)

    async def mend(self, day: Day) -> None:
        """So that the books are right again afterwards."""
        from payments.lines import GENESIS, chain_hash
        from tests.payments.reconciliation.lines import lines_of_commit

        links = await day.sql("SELECT n, hash FROM ledger_batches WHERE lane = 0 ORDER BY n DESC LIMIT 2")
        previous = links[1][1] if len(links) > 1 else GENESIS
        right = chain_hash(previous, await lines_of_commit(day.db, 0, links[0][0]))
        await day.sql("UPDATE ledger_batches SET hash = :right WHERE lane = 0 AND n = :n", right=right, n=links[0][0])

    async def test_a_gap_in_a_tills_numbers_is_counted_and_no_difference(self, day: Day) -> None:
        run = (await run_levels(day.db, day.on, levels=[0]))[0]
        assert (run.found, run.figures["gaps"]) == (0, 0)
        world = day.shop.world
        till = world.terminal(world.tills[1])
        await world.lunch(day.person, terminal=till, seq=1)
        await world.lunch(day.person, terminal=till, seq=9)
        from kernel import clock
        from kernel.settings import get_settings

        today = clock.business_date(clock.now(), get_settings().zone)
        run = (await run_levels(day.db, today, levels=[0]))[0]
        assert (run.found, run.figures["gaps"]) == (0, 7)


class TestThePersonnelList:
    async def test_who_is_listed_and_got_nothing_or_another_sum_differs(self, day: Day) -> None:
        content = "工号,姓名,应发补贴\nA1,王小明,300.00\nB2,李四,\nC3,赵五,0\n"
        from payments.reconciliation.hr_lists import take_hr_list

        await take_hr_list(day.db, content.encode(), day.shop.world.unit, day.month, actor="test")
        await run_levels(day.db, day.on, levels=[6])
        assert [(row.reference, row.kind, row.expected_fen, row.found_fen) for row in await day.live()] == [
            ("A1", "amount", GRANT_FEN, 30_000),
            ("B2", "missing_here", None, None),
        ]
