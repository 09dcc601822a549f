"""A pay code, read with nothing but the contract's words and the trust list: as an offline till reads it.

The decoder here is written from the description and shares nothing with the product's own.
"""

import base64
from datetime import datetime

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.contract.test_addresses import TIME
from tests.product import Diner, Json, Product

DIGITS_OF_A_REST = {3: 1, 5: 2, 8: 3, 10: 4, 13: 5, 15: 6}


@pytest.fixture(scope="module")
def diner(product: Product) -> Diner:
    return product.diner(4)


@pytest.fixture(scope="module")
def issued(diner: Diner) -> Json:
    return diner.code()


@pytest.fixture(scope="module")
def trusted(product: Product) -> dict[int, Json]:
    return {key["kid"]: key for key in product.client().get("/v1/trust_list").json()["keys"]}


def bytes_of(digits: str) -> bytes:
    """D17: each 17 digits are 7 bytes, the rest fewer."""
    found = b""
    while digits:
        piece, digits = digits[:17], digits[17:]
        found += int(piece).to_bytes(7 if len(piece) == 17 else DIGITS_OF_A_REST[len(piece)], "big")
    return found


def luhn_sum(digits: str) -> int:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10


class TestP1:
    def test_is_20_digits_with_prefix_and_check_digit(self, issued: Json) -> None:
        assert len(issued["code"]) == 20
        assert issued["code"].isdigit()
        assert issued["code"].startswith("70")
        assert luhn_sum(issued["code"]) == 0

    def test_stands_before_p2_in_the_text(self, issued: Json) -> None:
        assert issued["text"] == issued["code"] + issued["offline_block"]
        assert len(issued["offline_block"]) == 200
        assert len(issued["text"]) == 220
        assert set(issued["text"]) <= set("0123456789")
        assert issued["id"].startswith("cod_")
        assert TIME.match(issued["expires_at"])

    def test_is_new_each_time_and_says_nothing_of_the_one_before(self, diner: Diner) -> None:
        codes = [diner.code()["code"] for _ in range(20)]

        assert len({code[5:19] for code in codes}) == 20
        assert len({code[2:5] for code in codes}) == 1, "the holder's bucket"


class TestP2:
    def test_is_signed_by_a_key_of_the_trust_list(self, issued: Json, trusted: dict[int, Json]) -> None:
        block = bytes_of(issued["offline_block"])
        assert len(block) == 82
        claims, signature = block[:18], block[18:]
        key = trusted[int.from_bytes(claims[1:3], "big")]
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key["public_key"]))

        public.verify(signature, b"HZC1" + claims)
        for place in range(18):
            forged = bytearray(claims)
            forged[place] ^= 1
            with pytest.raises(InvalidSignature):
                public.verify(signature, b"HZC1" + bytes(forged))

    def test_claims_what_the_server_says(self, issued: Json, trusted: dict[int, Json]) -> None:
        claims = bytes_of(issued["offline_block"])[:18]
        not_before, life = int.from_bytes(claims[9:13], "big"), claims[13]
        expires = datetime.fromisoformat(issued["expires_at"]).timestamp()
        key = trusted[int.from_bytes(claims[1:3], "big")]

        assert (claims[0] >> 4, claims[0] & 15) == (1, 1), "version 1, Ed25519"
        assert life <= 199
        assert abs(not_before + 5 * life - expires) < 2
        assert key["not_before"] <= not_before < key["not_after"]
        assert claims[14] & 7 <= 4, "a meal"

    def test_has_one_alias_a_day_and_a_new_nonce_each_time(self, product: Product, diner: Diner, issued: Json) -> None:
        first = bytes_of(issued["offline_block"])
        second = bytes_of(diner.code()["offline_block"])
        other = bytes_of(product.diner(5).code()["offline_block"])

        assert first[3:9] == second[3:9] != other[3:9]
        assert first[15:18] != second[15:18]
