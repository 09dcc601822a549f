"""The pure parts: what an answer means, and that what is known of an order only grows."""

import string
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.channels import alipay_words as words
from payments.channels.channel import Word
from payments.gateways.settling import GUEST_STATUS, TOP_UP_STATUS
from payments.states import CHANNEL_ORDER, CHANNEL_RANKS, hear, states_of

STATES = list(CHANNEL_RANKS)
WORDS = [*Word, "take_back"]
MONEY = ("disputed", "succeeded", "cancelling", "cancelled")


class TestTheRankedTable:
    @given(st.lists(st.sampled_from(WORDS), max_size=40))
    def test_whatever_is_said_in_whatever_order_the_rank_never_falls(self, said: list[str]) -> None:
        state = "written"
        for word in said:
            after = hear(state, word)
            assert after == state or CHANNEL_RANKS[after] > CHANNEL_RANKS[state]
            state = after

    @given(st.lists(st.sampled_from(list(Word)), max_size=20), st.data())
    def test_a_payment_is_heard_wherever_it_stands_among_the_gateways_words(
        self, said: list[str], data: st.DataObject
    ) -> None:
        """Unless we ourselves have taken the order back."""
        at = data.draw(st.integers(0, len(said)))
        state = "written"
        for word in [*said[:at], Word.PAY, *said[at:]]:
            state = hear(state, word)
        assert state == "succeeded"

    @given(st.lists(st.sampled_from(WORDS), max_size=20))
    def test_what_was_taken_back_is_never_booked(self, said: list[str]) -> None:
        state = "cancelling"
        for word in said:
            state = hear(state, word)
        assert state in ("cancelling", "cancelled")

    @given(st.sampled_from(STATES), st.sampled_from(WORDS))
    def test_a_word_said_twice_is_said_once(self, state: str, word: str) -> None:
        assert hear(hear(state, word), word) == hear(state, word)

    def test_the_table_names_every_state_and_no_other(self) -> None:
        assert set(states_of(CHANNEL_ORDER)) == set(CHANNEL_RANKS) == set(TOP_UP_STATUS) == set(GUEST_STATUS)

    def test_silence_never_ends_an_order(self) -> None:
        assert {hear(state, Word.MISS) for state in STATES} == set(STATES) - {"written"}
        assert all(hear(state, Word.NOT_THERE) == state for state in STATES)

    def test_only_money_that_moved_overrules_an_end(self) -> None:
        for state, word in product(("failed", "closed"), WORDS):
            assert hear(state, word) == state or hear(state, word) in MONEY


class TestAmounts:
    @given(st.integers(1, 10**11 - 1))
    def test_there_and_back(self, amount_fen: int) -> None:
        assert words.fen_of(words.yuan_of(amount_fen)) == amount_fen

    @pytest.mark.parametrize(
        ("yuan", "fen"), [("18", 1800), ("18.0", 1800), ("18.05", 1805), ("0.01", 1), ("00.10", 10)]
    )
    def test_as_alipay_writes_them(self, yuan: str, fen: int) -> None:
        assert words.fen_of(yuan) == fen

    @pytest.mark.parametrize(
        "yuan", ["", "1.234", "-1", "+1", "1e3", "1,000.00", " 1", "1 ", "１８", "NaN", 18, 18.0, None]
    )
    def test_nothing_else_is_an_amount(self, yuan: object) -> None:
        assert words.fen_of(yuan) is None

    @given(st.text(string.printable, max_size=12))
    def test_no_text_makes_it_fail(self, text: str) -> None:
        fen = words.fen_of(text)
        assert fen is None or fen >= 0


PAID = {"code": "10000", "trade_status": "TRADE_SUCCESS", "total_amount": "18.00"}


class TestAnswers:
    @pytest.mark.parametrize(
        ("read", "answer", "word"),
        [
            (words.heard_of_preparing, {"code": "10000", "qr_code": "https://qr"}, Word.AWAIT),
            (words.heard_of_preparing, {"code": "10000"}, Word.MISS),
            (words.heard_of_preparing, {"code": "40004", "sub_code": "ACQ.TOTAL_FEE_EXCEED"}, Word.REFUSE),
            (words.heard_of_preparing, {"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, Word.MISS),
            (words.heard_of_charging, PAID, Word.PAY),
            (words.heard_of_charging, {"code": "10003"}, Word.AWAIT),
            (words.heard_of_charging, {"code": "20000", "sub_code": "isp.unknow-error"}, Word.MISS),
            (words.heard_of_charging, {"code": "40004", "sub_code": "ACQ.PAYMENT_AUTH_CODE_INVALID"}, Word.REFUSE),
            (words.heard_of_charging, {"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, Word.MISS),
            (words.heard_of_charging, {"code": "40004", "sub_code": "ACQ.TRADE_HAS_SUCCESS"}, Word.MISS),
            (words.heard_of_charging, {"code": "10000"}, Word.MISS),
            (words.heard_of_asking, PAID, Word.PAY),
            (words.heard_of_asking, PAID | {"trade_status": "TRADE_FINISHED"}, Word.PAY),
            (words.heard_of_asking, PAID | {"trade_status": "WAIT_BUYER_PAY"}, Word.AWAIT),
            (words.heard_of_asking, PAID | {"trade_status": "TRADE_CLOSED"}, Word.CLOSE),
            (words.heard_of_asking, PAID | {"trade_status": "SOMETHING_NEW"}, Word.MISS),
            (words.heard_of_asking, PAID | {"total_amount": 18.0}, Word.MISS),
            (words.heard_of_asking, {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}, Word.NOT_THERE),
            (words.heard_of_asking, {"code": "40004", "sub_code": "ACQ.SYSTEM_ERROR"}, Word.MISS),
            (words.heard_of_asking, {"code": "40002", "sub_code": "isv.invalid-signature"}, Word.MISS),
            (words.heard_of_closing, {"code": "10000"}, Word.CLOSE),
            (words.heard_of_closing, {"code": "40004", "sub_code": "ACQ.TRADE_NOT_EXIST"}, Word.CLOSE),
            (words.heard_of_closing, {"code": "40004", "sub_code": "ACQ.TRADE_STATUS_ERROR"}, Word.MISS),
            (words.heard_of_cancelling, {"code": "10000", "retry_flag": "N", "action": "refund"}, Word.CANCEL),
            (words.heard_of_cancelling, {"code": "10000", "retry_flag": "Y"}, Word.MISS),
            (words.heard_of_cancelling, {"code": "20000"}, Word.MISS),
        ],
    )  # fmt: skip  # a table reads better than its cells one below the other
    def test_each_code_has_its_word(self, read: object, answer: dict[str, object], word: Word) -> None:
        assert callable(read)
        assert read(answer).word is word
        assert read(None).word is Word.MISS
