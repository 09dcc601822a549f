"""What a meal costs, and why: the posting rule over a kitchen in memory."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canteen.errors import ItemsNotOnMenu, NothingToPay
from canteen.meals import AfterLast, DayType, LimitWindow, Meal
from canteen.opening import Closed, Serving, opening_at
from canteen.snapshot import Snapshot
from kernel.money import AMOUNT_FEN_MAX
from payments.api import DenyCode, Quote, Refusal, SaleItem, Usage
from tests.canteen.kitchen import (
    CANTEEN,
    CLASSES,
    FISH,
    MONDAY,
    NOON,
    OTHER_UNIT,
    PORK,
    PRICES,
    REGION,
    RICE,
    SHANGHAI,
    TEA,
    at,
    canteen_row,
    kitchen,
    limit,
    payer,
    price,
    sale,
    window,
)

LUNCH = "meal:2026-11-23:lunch"
TODAY = "day:2026-11-23"


def quoted(answer: Quote | Refusal) -> Quote:
    assert isinstance(answer, Quote), answer
    return answer


def refused(answer: Quote | Refusal) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


class TestTheMealsPrice:
    def test_staff_pay_two_yuan_and_their_unit_sixteen(self) -> None:
        quote = quoted(kitchen().quote(sale(), payer("staff"), {}))

        assert (quote.amount_fen, quote.unit_share_fen) == (1800, 1600)
        assert quote.business_date == MONDAY
        assert quote.accounting_period == "2026-11"
        assert quote.host_region_id == REGION
        assert quote.counters == (LUNCH,)
        assert quote.context["meal"] == "lunch"
        assert quote.context["serving"] == 1

    def test_who_pays_alone_pays_eighteen(self) -> None:
        quote = quoted(kitchen().quote(sale(), payer("contract"), {}))

        assert (quote.amount_fen, quote.unit_share_fen) == (1800, 0)

    def test_the_second_lunch_is_at_the_guest_price_and_the_unit_bears_nothing(self) -> None:
        prices = (price("staff", 1600, 1400), price("visitor", 2200))

        quote = quoted(kitchen(prices=prices).quote(sale(), payer("staff"), {LUNCH: Usage(1, 1600)}))

        assert (quote.amount_fen, quote.unit_share_fen) == (2200, 0)
        assert "访客价 22.00" in quote.trace[-1]["zh"]
        assert "guest price of 22.00" in quote.trace[-1]["en"]

    def test_where_nothing_comes_after_the_last_serving_it_is_refused(self) -> None:
        prices = (price("staff", 1800, 1600, after_last=AfterLast.REFUSE), price("visitor", 1800))

        refusal = refused(kitchen(prices=prices).quote(sale(), payer("staff"), {LUNCH: Usage(1, 1800)}))

        assert refusal.code is DenyCode.COUNT_LIMIT

    def test_a_canteens_own_prices_replace_the_general_ones_as_a_whole(self) -> None:
        general = (price("staff", 1800, 1600), price("staff", 900, id=UUID(int=7), serving=2))
        own = price("staff", 1200, 1000, id=UUID(int=8), canteen_id=CANTEEN)
        rule = kitchen(prices=(*general, own, price("visitor", 2500)))

        first = quoted(rule.quote(sale(), payer("staff"), {}))
        second = quoted(rule.quote(sale(), payer("staff"), {LUNCH: Usage(1, 1200)}))

        assert (first.amount_fen, first.unit_share_fen) == (1200, 1000)
        assert second.amount_fen == 2500

    def test_a_price_counts_from_its_first_day_to_the_day_before_its_end(self) -> None:
        tuesday = MONDAY + timedelta(days=1)
        prices = (
            price("staff", 1800, 1600, effective_to=tuesday),
            price("staff", 2000, 1600, id=UUID(int=7), effective_from=tuesday),
        )
        rule = kitchen(prices=prices)

        assert quoted(rule.quote(sale(), payer("staff"), {})).amount_fen == 1800
        assert quoted(rule.quote(sale(at(tuesday, 12)), payer("staff"), {})).amount_fen == 2000

    def test_the_reasons_are_sentences_in_both_languages(self) -> None:
        trace = quoted(kitchen().quote(sale(), payer("staff"), {})).trace

        assert [line["code"] for line in trace] == ["meal", "price.row"]
        assert trace[0]["zh"] == "西湖食堂，午餐时段 11:00-13:30，营业日 2026-11-23"
        assert trace[1]["zh"] == "在职人员今日第 1 份午餐，价格 18.00 元，其中单位最多承担 16.00 元"
        assert trace[1]["en"] == "The first lunch today for staff costs 18.00; the unit bears up to 16.00 of it"
        assert trace[1]["rule"] == f"prr_{PRICES[0].id.hex}"


class TestKeyedAmounts:
    def test_the_keyed_amount_is_what_the_person_pays_and_the_row_caps_the_share(self) -> None:
        quote = quoted(kitchen().quote(sale(amount_fen=2500), payer("staff"), {}))

        assert (quote.amount_fen, quote.unit_share_fen) == (2500, 1600)

    def test_the_unit_never_bears_more_than_the_amount(self) -> None:
        quote = quoted(kitchen().quote(sale(amount_fen=900), payer("staff"), {}))

        assert (quote.amount_fen, quote.unit_share_fen) == (900, 900)

    def test_a_second_keyed_sale_has_no_share(self) -> None:
        quote = quoted(kitchen().quote(sale(amount_fen=900), payer("staff"), {LUNCH: Usage(1, 900)}))

        assert (quote.amount_fen, quote.unit_share_fen) == (900, 0)
        assert [line["code"] for line in quote.trace] == ["meal", "amount.keyed", "price.guest"]


class TestDishes:
    def test_the_menu_of_the_day_prices_them(self) -> None:
        items = (SaleItem(RICE, 2), SaleItem(PORK, 1), SaleItem(TEA, 1))

        quote = quoted(kitchen().quote(sale(items=items), payer("staff"), {}))

        assert (quote.amount_fen, quote.unit_share_fen) == (1700, 1600)
        assert [line["quantity"] for line in quote.context["items"]] == [2, 1, 1]
        assert "东坡肉 × 1" in quote.trace[1]["zh"]

    def test_a_dish_that_is_sold_out_or_unknown_is_named(self) -> None:
        items = (SaleItem(RICE, 1), SaleItem(FISH, 1), SaleItem(UUID(int=99), 1))

        with pytest.raises(ItemsNotOnMenu) as caught:
            kitchen().quote(sale(items=items), payer("staff"), {})

        assert [line["reason"] for line in caught.value.data["dishes"]] == ["sold_out", "unknown"]

    def test_without_a_menu_no_dish_is_sold(self) -> None:
        with pytest.raises(ItemsNotOnMenu):
            kitchen(menus=[]).quote(sale(items=(SaleItem(RICE, 1),)), payer("staff"), {})

    def test_dishes_that_cost_nothing_are_no_payment(self) -> None:
        with pytest.raises(NothingToPay):
            kitchen().quote(sale(items=(SaleItem(TEA, 3),)), payer("staff"), {})

    def test_more_than_may_ever_be_paid_at_once_is_refused(self) -> None:
        refusal = refused(kitchen().quote(sale(items=(SaleItem(PORK, 1000),)), payer("staff"), {}))

        assert refusal.code is DenyCode.AMOUNT_LIMIT
        assert refusal.data["limit_fen"] == AMOUNT_FEN_MAX


class TestWhenAndForWhom:
    def test_between_meals_the_next_opening_is_told(self) -> None:
        refusal = refused(kitchen().quote(sale(at(MONDAY, 10)), payer("staff"), {}))

        assert refusal.code is DenyCode.OUT_OF_PERIOD
        assert refusal.data["next_opening_at"] == "2026-11-23T03:00:00.000Z"
        assert refusal.data["next_meal"] == "lunch"

    def test_a_closed_canteen_says_no_hour(self) -> None:
        refusal = refused(kitchen(canteens=[canteen_row(is_open=False)]).quote(sale(), payer("staff"), {}))

        assert refusal.code is DenyCode.OUT_OF_PERIOD
        assert refusal.data["next_opening_at"] is None

    def test_a_class_without_a_price_is_not_served(self) -> None:
        refusal = refused(kitchen().quote(sale(), payer("family"), {}))

        assert (refusal.code, refusal.data["reason"]) == (DenyCode.CLASS, "class")

    def test_people_of_other_units_are_not_served_unless_the_canteen_is_shared(self) -> None:
        stranger = payer("staff", OTHER_UNIT)
        shared = kitchen(canteens=[canteen_row(open_to_all=True)])

        assert refused(kitchen().quote(sale(), stranger, {})).data["reason"] == "unit"
        assert quoted(shared.quote(sale(), stranger, {})).amount_fen == 1800

    def test_a_till_in_a_place_that_is_no_canteen_takes_nothing(self) -> None:
        refusal = refused(kitchen().quote(sale(site_id=UUID(int=77)), payer("staff"), {}))

        assert refusal.code is DenyCode.TERMINAL

    def test_a_night_meal_after_two_belongs_to_the_next_business_date(self) -> None:
        rule = kitchen(
            windows=[(CANTEEN, UUID(int=1), window(Meal.NIGHT, 1320, 1680))],
            prices=(price("staff", 1200, meal=Meal.NIGHT),),
        )
        tuesday = MONDAY + timedelta(days=1)

        before_two = quoted(rule.quote(sale(at(tuesday, 1, 59, 59)), payer("staff"), {}))
        after_two = quoted(rule.quote(sale(at(tuesday, 2)), payer("staff"), {}))

        assert (before_two.business_date, after_two.business_date) == (MONDAY, tuesday)
        assert before_two.counters == ("meal:2026-11-23:night",)

    def test_a_canteen_opened_after_two_at_night_serves_at_once(self) -> None:
        since = replace(window(Meal.NIGHT, 1260, 1740), effective_from=MONDAY)

        def serving(hour: int) -> Serving | Closed:
            return opening_at([since], at(MONDAY, hour), lambda _: DayType.WORKDAY, SHANGHAI)

        # The window began the evening before, when this timetable was not yet: its part of this date is served.
        assert isinstance(serving(3), Serving)
        assert isinstance(serving(1), Closed)
        assert serving(1).until_at == at(MONDAY, 2)

    def test_a_days_own_kind_of_window_replaces_the_one_for_any_day(self) -> None:
        holiday = window(Meal.LUNCH, 720, 780, DayType.HOLIDAY)
        rule = kitchen(
            windows=[(CANTEEN, UUID(int=1), window(Meal.LUNCH, 660, 810)), (CANTEEN, UUID(int=2), holiday)],
            day_types={MONDAY: DayType.HOLIDAY},
        )

        assert refused(rule.quote(sale(at(MONDAY, 11, 30)), payer(), {})).code is DenyCode.OUT_OF_PERIOD
        assert quoted(rule.quote(sale(at(MONDAY, 12, 30)), payer(), {})).amount_fen == 1800
        assert quoted(rule.quote(sale(at(MONDAY + timedelta(days=1), 11, 30)), payer(), {})).amount_fen == 1800


class TestLimits:
    @pytest.mark.parametrize(
        ("row", "usage", "code"),
        [
            (limit(LimitWindow.TRANSACTION, 1000), {}, DenyCode.AMOUNT_LIMIT),
            (limit(LimitWindow.PERIOD, 3000), {LUNCH: Usage(1, 1800)}, DenyCode.AMOUNT_LIMIT),
            (limit(LimitWindow.PERIOD, count_max=2), {LUNCH: Usage(2, 3600)}, DenyCode.COUNT_LIMIT),
            (limit(LimitWindow.DAY, 5000), {TODAY: Usage(2, 3600)}, DenyCode.AMOUNT_LIMIT),
            (limit(LimitWindow.DAY, count_max=3), {TODAY: Usage(3, 3600)}, DenyCode.COUNT_LIMIT),
        ],
        ids=["one sale", "a meal's sum", "a meal's count", "a day's sum", "a day's count"],
    )
    def test_over_a_limit_is_refused_and_just_under_it_is_not(self, row, usage, code) -> None:  # type: ignore[no-untyped-def]  # parametrised
        rule = kitchen(limits=[row])

        refusal = refused(rule.quote(sale(amount_fen=1800), payer("staff"), usage))
        assert refusal.code is code
        assert refusal.data["window"] == row.window
        less = {key: Usage(value.count - 1, value.amount_fen - 1800) for key, value in usage.items()}
        assert quoted(rule.quote(sale(amount_fen=1000), payer("staff"), less)).amount_fen == 1000

    def test_a_canteens_own_row_lifts_a_general_limit(self) -> None:
        general = limit(LimitWindow.PERIOD, count_max=1)
        lifted = limit(LimitWindow.PERIOD, id=UUID(int=7), canteen_id=CANTEEN)

        quote = quoted(kitchen(limits=[general, lifted]).quote(sale(), payer("staff"), {LUNCH: Usage(9, 9000)}))

        assert quote.amount_fen == 1800

    def test_a_limit_of_a_class_counts_for_that_class_only(self) -> None:
        rule = kitchen(limits=[limit(LimitWindow.PERIOD, count_max=1, person_class="contract")])

        assert quoted(rule.quote(sale(), payer("staff"), {LUNCH: Usage(1, 1800)})).amount_fen == 1800
        assert refused(rule.quote(sale(), payer("contract"), {LUNCH: Usage(1, 1800)})).code is DenyCode.COUNT_LIMIT

    def test_the_days_counter_is_asked_for_only_where_a_limit_counts_over_the_day(self) -> None:
        with_day = kitchen(limits=[limit(LimitWindow.DAY, 10_000)])

        assert kitchen().counter_keys(sale()) == (LUNCH,)
        assert with_day.counter_keys(sale()) == (LUNCH, TODAY)
        assert kitchen().counter_keys(sale(at(MONDAY, 10))) == ()


class TestTheSnapshot:
    def test_a_changed_row_counts_at_once(self) -> None:
        snapshot = Snapshot()
        rule = kitchen()
        rule._snapshot = snapshot
        given = {"canteens": [canteen_row()], "windows": [(CANTEEN, UUID(int=1), window(Meal.LUNCH, 660, 810))]}
        snapshot.apply(**given, prices=PRICES)  # type: ignore[arg-type]  # one dictionary for two arguments
        assert quoted(rule.quote(sale(), payer(), {})).amount_fen == 1800

        snapshot.apply(prices=[price("staff", 1900, 1600)])
        assert quoted(rule.quote(sale(), payer(), {})).amount_fen == 1900

        snapshot.apply(canteens=[canteen_row(is_open=False)])
        assert refused(rule.quote(sale(), payer(), {})).code is DenyCode.OUT_OF_PERIOD

    def test_answers_do_not_depend_on_what_was_asked_before(self) -> None:
        rule = kitchen()
        moments = [NOON, at(MONDAY, 10), at(MONDAY - timedelta(days=3), 12), at(MONDAY, 23), NOON]

        in_order = [rule.quote(sale(moment), payer(), {}) for moment in moments]

        assert in_order == [kitchen().quote(sale(moment), payer(), {}) for moment in moments]


amounts = st.none() | st.integers(1, AMOUNT_FEN_MAX)
counts = st.builds(Usage, st.integers(0, 12), st.integers(0, 200_000))
limit_rows = st.lists(
    st.builds(
        limit,
        st.sampled_from(LimitWindow),
        st.none() | st.integers(1, 100_000),
        st.none() | st.integers(1, 10),
    ).filter(lambda row: row.window is not LimitWindow.TRANSACTION or row.count_max is None),
    unique_by=lambda row: row.window,
    max_size=3,
)


class TestWhateverIsAsked:
    @given(
        st.sampled_from(CLASSES),
        amounts,
        counts,
        counts,
        limit_rows,
        st.integers(0, 1439),
        st.integers(1, 1_000_000).flatmap(lambda fen: st.tuples(st.just(fen), st.integers(0, fen))),
    )
    def test_amounts_shares_and_limits_hold(  # type: ignore[no-untyped-def]  # given by hypothesis
        self, person_class, amount_fen, in_meal, in_day, limits, minute, row
    ) -> None:
        prices = (price("staff", *row), price("visitor", 2000))
        rule = kitchen(prices=prices, limits=limits)
        asked = sale(at(MONDAY, 0) + timedelta(minutes=minute), amount_fen=amount_fen)
        keys = rule.counter_keys(asked)
        usage = dict(zip(keys, (in_meal, in_day), strict=False))

        answer = rule.quote(asked, payer(person_class), usage)

        assert answer == kitchen(prices=prices, limits=limits).quote(asked, payer(person_class), usage)
        if isinstance(answer, Refusal):
            return
        assert 1 <= answer.amount_fen <= AMOUNT_FEN_MAX
        assert 0 <= answer.unit_share_fen <= answer.amount_fen
        assert amount_fen is None or answer.amount_fen == amount_fen
        assert answer.unit_share_fen == 0 or in_meal.count == 0
        assert answer.counters == keys
        for limit_row in limits:
            before = {LimitWindow.PERIOD: in_meal, LimitWindow.DAY: in_day}.get(limit_row.window, Usage(0, 0))
            assert limit_row.count_max is None or before.count < limit_row.count_max
            assert limit_row.amount_max_fen is None or before.amount_fen + answer.amount_fen <= limit_row.amount_max_fen

    @given(st.integers(0, 30), st.integers(0, 30))
    def test_a_later_serving_never_has_a_larger_share(self, earlier: int, later: int) -> None:
        earlier, later = sorted((earlier, later))
        rule = kitchen()

        first = quoted(rule.quote(sale(), payer("staff"), {LUNCH: Usage(earlier, 0)}))
        second = quoted(rule.quote(sale(), payer("staff"), {LUNCH: Usage(later, 0)}))

        assert second.unit_share_fen <= first.unit_share_fen

    @given(st.dates(date(2026, 1, 2), date(2027, 12, 31)), st.integers(0, 86_399))
    def test_every_opening_holds_for_as_long_as_it_says(self, day: date, second: int) -> None:
        rule = kitchen()
        snapshot = rule._snapshot
        canteen = snapshot.canteen(CANTEEN)
        assert canteen is not None
        moment = at(day, 0) + timedelta(seconds=second)

        opening = snapshot.opening_of(canteen, moment)

        assert opening.from_at <= moment < opening.until_at
        last = snapshot._make_opening(canteen, opening.until_at - timedelta(microseconds=1))
        assert (last.meal, last.business_date) == (opening.meal, opening.business_date)
        after = snapshot._make_opening(canteen, opening.until_at)
        assert (after.meal, after.business_date) != (opening.meal, opening.business_date)
