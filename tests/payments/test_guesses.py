"""Guesses under way: noted when they are decided, taken back with their transaction."""

from datetime import timedelta
from uuid import UUID

from kernel import clock
from payments.guesses import GUESS_WINDOW, GuessWatch

TILL = UUID(int=1)


class TestTakeBack:
    def test_one_that_had_waited_longer_than_the_window_is_nothing_to_trip_over(self) -> None:
        watch, long_ago = GuessWatch(), clock.now() - GUESS_WINDOW - timedelta(seconds=1)
        watch.note(TILL, long_ago, 0, long_ago)

        watch.take_back([(TILL, long_ago)])

        watch.refuse_guesser(TILL)

    def test_ten_that_were_undone_do_not_make_the_till_wait(self) -> None:
        watch, at = GuessWatch(), clock.now()
        for number in range(10):
            watch.note(TILL, at, number, at)

        watch.take_back([(TILL, at)] * 10)

        watch.refuse_guesser(TILL)
        watch.refuse_another(TILL, 0, at)
