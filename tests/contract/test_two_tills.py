"""One subsidised meal for each person and meal, over HTTP, at two tills in the same second."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest

from tests.product import Diner, Json, Product, Till, fresh_seq


@pytest.fixture
def hungry(product: Product) -> tuple[Diner, list[Till]]:
    """Somebody who has not eaten this meal yet, before two tills of the canteen that is always open."""
    tills = [product.new_till(), product.new_till()]
    for number in range(20, 30):
        diner = product.diner(number)
        first = tills[0].pay({"code": diner.code()["code"], "seq": fresh_seq()})
        if first.status_code != 201:
            continue
        # Taken back at once, the meal counts as not eaten.
        voided = tills[0].http.post(
            f"/v1/payments/{first.json()['id']}/void", headers={"Idempotency-Key": f"void-{number}-{fresh_seq()}"}
        )
        assert voided.status_code == 201, voided.text
        if subsidy_of(first.json()):
            return diner, tills
    raise AssertionError("everybody has eaten")


def subsidy_of(paid: Json) -> int:
    return sum(leg["amount_fen"] for leg in paid["legs"] if leg["purse"] == "subsidy")


def test_exactly_one_of_two_at_once_is_subsidised(hungry: tuple[Diner, list[Till]]) -> None:
    diner, tills = hungry
    codes = [diner.code()["code"], diner.code()["code"]]
    at_once = Barrier(2)

    def pay(turn: int) -> httpx.Response:
        at_once.wait()
        return tills[turn].pay({"code": codes[turn], "confirm_repeat": True, "seq": fresh_seq()})

    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(pay, range(2)))
    paid = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [201, 201], paid
    assert sorted(bool(subsidy_of(each)) for each in paid) == [False, True]
    # The other one is the guest's meal: from one's own cash alone.
    (guest,) = [each for each in paid if not subsidy_of(each)]
    assert {leg["purse"] for leg in guest["legs"]} == {"cash"}
