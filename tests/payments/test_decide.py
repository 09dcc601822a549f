"""The pure core of money by properties: whatever the amounts, nothing is created, lost or overdrawn."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from kernel.ids import uuid7
from kernel.money import split_by_largest_remainder
from payments.decide import Accepted, CodeState, HolderState, LotState, PurseState, Request, decide, deduct, in_scope
from payments.lines import (
    GENESIS,
    HOLDER_ACCOUNTS,
    Account,
    Booking,
    Leg,
    Line,
    chain_hash,
    house_deltas,
    reversed_lines,
    sale_lines,
)
from payments.posting_rule import DEFAULT_DEDUCTION, DenyCode, Payer, Quote, Refusal, Sale
from payments.reversals import refund_legs
from tests.payments.world import FlatRule

TODAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)
HOME, AWAY, SITE, UNIT = (uuid7() for _ in range(4))

amounts = st.integers(0, 5000)


@st.composite
def lot_states(draw: st.DrawFn) -> LotState:
    balance_fen = draw(amounts)
    scope = draw(
        st.sampled_from([{}, {"meals": ["lunch"]}, {"meals": ["dinner"]}, {"meals": ["lunch"], "sites": ["x"]}])
    )
    expires_on = TODAY + timedelta(days=draw(st.integers(-2, 5)))
    return LotState(uuid7(), balance_fen, draw(st.integers(0, balance_fen)), expires_on, scope, 1)


@st.composite
def holder_states(draw: st.DrawFn) -> HolderState:
    holder = HolderState(7, uuid7(7), uuid7(), "王*", "active", Payer(uuid7(7), "staff", UNIT, HOME))
    holder.lots = {lot.id: lot for lot in draw(st.lists(lot_states(), max_size=5))}
    balance_fen = draw(amounts)
    holder.purses = {"cash": PurseState("cash", balance_fen, draw(st.integers(0, balance_fen)), 1)}
    return holder


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    amount_fen = draw(st.integers(1, 5000))
    return Quote(
        amount_fen=amount_fen,
        unit_share_fen=draw(st.integers(0, 6000)),
        business_date=TODAY,
        accounting_period="2026-11",
        host_region_id=draw(st.sampled_from([HOME, AWAY])),
        site_id=SITE,
        lot_tags=frozenset({"lunch", "here"}),
        counters=("lunch",),
        context={"meal": "lunch"},
        trace=(),
    )


class TestDeduct:
    @given(holder_states(), quotes())
    def test_legs_sum_to_the_price_and_overdraw_nothing(self, holder: HolderState, quote: Quote) -> None:
        legs = deduct(quote, holder)
        if legs is None:
            return
        assert sum(leg.amount_fen for leg in legs) == quote.amount_fen
        assert all(leg.amount_fen > 0 for leg in legs)
        for leg in legs:
            pocket = holder.lots[leg.lot_id] if leg.lot_id else holder.purses[leg.purse]
            assert leg.amount_fen <= pocket.available_fen

    @given(holder_states(), quotes())
    def test_subsidy_pays_at_most_the_units_share_out_of_lots_that_may_be_spent_here(
        self, holder: HolderState, quote: Quote
    ) -> None:
        legs = [leg for leg in deduct(quote, holder) or () if leg.lot_id]
        assert sum(leg.amount_fen for leg in legs) <= quote.unit_share_fen
        for leg in legs:
            assert leg.lot_id is not None
            assert in_scope(holder.lots[leg.lot_id], quote.lot_tags, TODAY)

    @given(holder_states(), quotes())
    def test_a_lot_is_touched_only_when_those_before_it_are_empty(self, holder: HolderState, quote: Quote) -> None:
        legs = [leg for leg in deduct(quote, holder) or () if leg.lot_id]
        spent = [holder.lots[leg.lot_id] for leg in legs if leg.lot_id]
        order = [(lot.expires_on, lot.available_fen) for lot in spent]
        assert order == sorted(order)
        for leg, lot in list(zip(legs, spent, strict=True))[:-1]:
            assert leg.amount_fen == lot.available_fen

    @given(holder_states(), quotes())
    def test_it_is_refused_only_if_the_money_is_not_there(self, holder: HolderState, quote: Quote) -> None:
        usable = sum(
            lot.available_fen for lot in holder.lots.values() if in_scope(lot, quote.lot_tags, quote.business_date)
        )
        share = min(quote.unit_share_fen, quote.amount_fen, usable)
        enough = holder.purses["cash"].available_fen >= quote.amount_fen - share
        assert (deduct(quote, holder) is not None) == enough

    @given(holder_states(), quotes())
    def test_the_order_is_data_and_a_rule_may_put_cash_first(self, holder: HolderState, quote: Quote) -> None:
        cash_first = replace(quote, deduction=tuple(reversed(DEFAULT_DEDUCTION)))
        legs = deduct(cash_first, holder) or ()
        cash_fen = sum(leg.amount_fen for leg in legs if leg.purse == "cash")
        if legs:
            assert cash_fen == min(quote.amount_fen, holder.purses["cash"].available_fen)


def request_of(amount_fen: int, *, confirm_repeat: bool = False) -> Request:
    return Request(uuid7(7), Sale(SITE, UNIT, NOON, amount_fen), NOON, confirm_repeat, by_block=False)


def code_of(holder: HolderState) -> CodeState:
    late = NOON + timedelta(minutes=1)
    return CodeState(uuid7(7), holder.id, late, late, None)


def pockets_of(holder: HolderState) -> list[LotState | PurseState]:
    return [*holder.lots.values(), *holder.purses.values()]


class TestDecide:
    @given(holder_states(), st.lists(st.integers(1, 4000), min_size=1, max_size=6))
    def test_payments_of_one_batch_see_each_other(self, holder: HolderState, prices: list[int]) -> None:
        rule = FlatRule({SITE: HOME})
        before = holder.purses["cash"].balance_fen + sum(lot.balance_fen for lot in holder.lots.values())
        paid = 0
        for price in prices:
            outcome = decide(request_of(price, confirm_repeat=True), code_of(holder), holder, rule)
            if isinstance(outcome, Accepted):
                paid += outcome.quote.amount_fen
                assert {line.amount_fen > 0 for line in outcome.lines} == {True}
            else:
                assert isinstance(outcome, Refusal)
                assert outcome.code is DenyCode.NO_FUNDS
        after = holder.purses["cash"].balance_fen + sum(lot.balance_fen for lot in holder.lots.values())
        assert after == before - paid
        assert all(pocket.available_fen >= 0 for pocket in pockets_of(holder))

    def test_a_code_pays_once_within_a_batch_too(self) -> None:
        holder = HolderState(7, uuid7(7), uuid7(), "王*", "active", Payer(uuid7(7), "staff", UNIT, HOME))
        holder.purses = {"cash": PurseState("cash", 5000, 0, 1)}
        code, rule = code_of(holder), FlatRule({SITE: HOME})
        assert isinstance(decide(request_of(100), code, holder, rule), Accepted)
        again = decide(request_of(200), code, holder, rule)
        assert isinstance(again, Refusal)
        assert again.code is DenyCode.CODE_USED

    @given(holder_states())
    def test_a_refusal_changes_nothing(self, holder: HolderState) -> None:
        balances = [pocket.balance_fen for pocket in pockets_of(holder)]
        outcome = decide(request_of(10**6), code_of(holder), holder, FlatRule({SITE: HOME}))
        assert isinstance(outcome, Refusal)
        assert [pocket.balance_fen for pocket in pockets_of(holder)] == balances
        assert holder.usage == {}


legs_paid = st.lists(st.integers(1, 3000), min_size=1, max_size=4).map(
    lambda sums: [Leg("subsidy", uuid7(), fen) for fen in sums[:-1]] + [Leg("cash", None, sums[-1])]
)


class TestRefundLegs:
    @given(legs_paid, st.lists(st.integers(1, 3000), max_size=8))
    def test_parts_never_exceed_the_whole_and_the_rest_completes_it(self, legs: list[Leg], parts: list[int]) -> None:
        total, refunded, given_back = sum(leg.amount_fen for leg in legs), 0, []
        for part in parts:
            if refunded + part > total:
                with pytest.raises(AssertionError):
                    refund_legs(legs, refunded, part)
                continue
            given_back += refund_legs(legs, refunded, part)
            refunded += part
        if refunded < total:
            given_back += refund_legs(legs, refunded, total - refunded)
        by_purse: dict[UUID | None, int] = {}
        for leg in given_back:
            by_purse[leg.lot_id] = by_purse.get(leg.lot_id, 0) + leg.amount_fen
        assert by_purse == {leg.lot_id: leg.amount_fen for leg in legs}

    @given(legs_paid, st.integers(1, 12000))
    def test_the_leg_that_was_paid_last_is_given_back_first(self, legs: list[Leg], amount_fen: int) -> None:
        assume(amount_fen <= sum(leg.amount_fen for leg in legs))
        back = refund_legs(legs, 0, amount_fen)
        assert [leg.lot_id for leg in back] == [leg.lot_id for leg in reversed(legs)][: len(back)]
        for leg in back[:-1]:
            assert leg in legs, "only the last one may be a part"


class TestLines:
    @given(legs_paid, st.booleans())
    def test_a_sale_moves_its_sum_to_the_canteen_and_both_books_agree(self, legs: list[Leg], at_home: bool) -> None:
        booking, holder = Booking(7, uuid7(7), "payment", TODAY, "2026-11"), uuid7(7)
        lines = sale_lines(booking, holder, legs, HOME, HOME if at_home else AWAY, SITE)
        total = sum(leg.amount_fen for leg in legs)
        deltas = {
            (delta.region_id, Account(delta.kind, delta.owner)): delta.amount_fen for delta in house_deltas(lines)
        }
        if at_home:
            assert deltas == {(HOME, Account("payable", SITE)): -total}
        else:
            assert deltas == {
                (HOME, Account("due_to", AWAY)): -total,
                (AWAY, Account("due_from", HOME)): total,
                (AWAY, Account("payable", SITE)): -total,
            }
        assert sum(line.amount_fen for line in lines if line.debit.kind in HOLDER_ACCOUNTS) == total
        assert [line.ordinal for line in lines] == list(range(len(lines)))

    @given(legs_paid)
    def test_a_sale_and_its_reverse_leave_nothing(self, legs: list[Leg]) -> None:
        booking = Booking(7, uuid7(7), "payment", TODAY, "2026-11")
        lines = sale_lines(booking, uuid7(7), legs, HOME, AWAY, SITE)
        assert {delta.amount_fen for delta in house_deltas([*lines, *reversed_lines(lines)])} == {0}

    def test_the_chain_depends_on_every_field_and_not_on_the_order_of_writing(self) -> None:
        line = Line(
            7, uuid7(7), 0, "payment", HOME, Account("cash", UNIT), Account("payable", SITE), None, 5, TODAY, "2026-11"
        )
        other = line._replace(transfer_id=uuid7(8))
        assert chain_hash(GENESIS, [line, other]) == chain_hash(GENESIS, [other, line])
        changed = [
            line._replace(ordinal=1), line._replace(kind="void"), line._replace(region_id=AWAY),
            line._replace(debit=Account("official", UNIT)), line._replace(credit=Account("payable", UNIT)),
            line._replace(lot_id=uuid7()), line._replace(amount_fen=6), line._replace(accounting_period="2026-12"),
            line._replace(business_date=TODAY + timedelta(days=1)), other,
        ]  # fmt: skip  # one change each
        hashes = {chain_hash(GENESIS, [one]) for one in [line, *changed]} | {chain_hash(bytes([1] * 32), [line])}
        assert len(hashes) == len(changed) + 2


class TestSplit:
    @given(st.integers(0, 10**9), st.lists(st.integers(0, 1000), min_size=1, max_size=12).filter(any))
    def test_parts_sum_to_the_whole_and_are_off_by_less_than_a_fen(self, total_fen: int, weights: list[int]) -> None:
        parts = split_by_largest_remainder(total_fen, weights)
        assert sum(parts) == total_fen
        for part, weight in zip(parts, weights, strict=True):
            assert abs(part * sum(weights) - total_fen * weight) < sum(weights)

    def test_the_known_examples(self) -> None:
        assert split_by_largest_remainder(1001, [1, 1, 1]) == [334, 334, 333]
        assert split_by_largest_remainder(999, [50, 30, 20]) == [499, 300, 200]
