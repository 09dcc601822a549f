"""Ids: what one process makes sorts as it was made, and a hot id tells its bucket and its instant."""

from datetime import UTC, datetime, timedelta

from kernel import clock
from kernel.ids import bucket_of, instant_of, seeded, uuid7

NOON = datetime(2026, 11, 23, 4, tzinfo=UTC)


def test_ids_of_one_instant_sort_in_the_order_in_which_they_were_made() -> None:
    with clock.frozen(NOON):
        made = [uuid7() for _ in range(2000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_more_than_fit_into_an_instant_are_still_all_different() -> None:
    with clock.frozen(NOON):
        assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_an_earlier_instant_sorts_before_a_later_one_whatever_was_made_first() -> None:
    later, earlier = uuid7(at=NOON), uuid7(at=NOON - timedelta(milliseconds=1))
    assert earlier < later
    assert instant_of(earlier) == NOON - timedelta(milliseconds=1)


def test_a_hot_id_tells_its_bucket() -> None:
    assert [bucket_of(uuid7(bucket)) for bucket in (0, 7, 999, 1000)] == [0, 7, 999, 1000]


def test_a_seed_gives_the_same_ids_again_whatever_came_before() -> None:
    with clock.frozen(NOON):
        uuid7()
        with seeded(7):
            first = [uuid7(), uuid7(3), uuid7()]
        with seeded(7):
            again = [uuid7(), uuid7(3), uuid7()]
    assert first == again
