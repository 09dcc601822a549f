"""`guanjia reconcile`, as an operator runs it: nothing differs, or each difference by its name and another end."""

from tests.payments.reconciliation.day import Day
from tests.payments.reconciliation.test_seven_levels import bring_everything
from tests.payments.test_invariants import guanjia


class TestReconcileCommand:
    async def test_a_clean_day_ends_with_0_and_a_difference_with_1_until_it_is_gone(self, day: Day) -> None:
        await bring_everything(day)
        on = day.on.isoformat()
        clean = await guanjia(day.db, "reconcile", "--day", on)
        assert (clean.returncode, clean.stderr) == (0, ""), clean.stdout
        assert all(f"L{level} " in clean.stdout for level in range(7))
        assert "Nothing differs" in clean.stdout

        await day.sql("UPDATE shifts SET sheet = jsonb_set(sheet, '{sales_fen}', '5500')")
        for _ in range(2):
            differs = await guanjia(day.db, "reconcile", "--day", on, "--level", "1", "--level", "2")
            assert (differs.returncode, differs.stderr) == (1, "")
            assert "5400 here and 5500 there (fen), open" in differs.stdout
            assert "1 differences are open" in differs.stdout
            assert "L0 " not in differs.stdout
        await day.sql("UPDATE shifts SET sheet = jsonb_set(sheet, '{sales_fen}', '5400')")
        mended = await guanjia(day.db, "reconcile", "--day", on, "--level", "1")
        assert (mended.returncode, "Nothing differs" in mended.stdout) == (0, True)

    async def test_a_level_or_a_day_that_is_none_is_refused(self, day: Day) -> None:
        for wrong in (("--level", "7"), ("--day", "22.11.2026")):
            refused = await guanjia(day.db, "reconcile", *wrong)
            assert refused.returncode == 2
            assert wrong[0] in refused.stderr or "levels are 0 to 6" in refused.stderr
