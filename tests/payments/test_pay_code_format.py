"""HZC1 as digits and bytes: what is written is read back, and what is damaged is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.credentials.pay_code_format import (
    BLOCK_LENGTH,
    P2_LENGTH,
    Claims,
    decode_d17,
    encode_d17,
    passes_luhn,
    read_p1,
    unpack_claims,
    write_p1,
)

buckets = st.integers(0, 999)
secrets = st.integers(0, 10**14 - 1)


class TestP1:
    @given(buckets, secrets)
    def test_what_is_written_is_read_back(self, bucket: int, secret: int) -> None:
        digits = write_p1(bucket, secret)
        assert len(digits) == 20
        assert read_p1(digits) == (bucket, secret)

    @given(buckets, secrets, st.integers(0, 19), st.integers(1, 9))
    def test_one_wrong_digit_is_always_found(self, bucket: int, secret: int, place: int, shift: int) -> None:
        digits = write_p1(bucket, secret)
        wrong = str((int(digits[place]) + shift) % 10)
        assert read_p1(digits[:place] + wrong + digits[place + 1 :]) is None

    @given(st.text("0123456789", min_size=19, max_size=19))
    def test_exactly_one_last_digit_passes(self, digits: str) -> None:
        assert [passes_luhn(digits + last) for last in "0123456789"].count(True) == 1

    def test_the_known_examples_of_luhn(self) -> None:
        assert passes_luhn("4111111111111111")
        assert not passes_luhn("4111111111111112")

    @pytest.mark.parametrize("prefix", ["10", "15", "25", "30", "62", "71", "07"])
    def test_codes_of_others_are_not_ours(self, prefix: str) -> None:
        body = prefix + "0" * 17
        for last in "0123456789":
            assert read_p1(body + last) is None


class TestD17:
    @given(st.binary(max_size=100))
    def test_bytes_come_back(self, data: bytes) -> None:
        digits = encode_d17(data)
        assert digits == "" or digits.isdigit()
        assert decode_d17(digits) == data

    def test_the_block_has_200_digits(self) -> None:
        assert len(encode_d17(bytes(BLOCK_LENGTH))) == P2_LENGTH

    @given(st.integers(2**56, 10**17 - 1))
    def test_a_chunk_beyond_seven_bytes_is_refused(self, value: int) -> None:
        with pytest.raises(ValueError, match="too large"):
            decode_d17(f"{value:017d}")

    @pytest.mark.parametrize(("rest", "digits"), [(1, 3), (2, 5), (3, 8), (4, 10), (5, 13), (6, 15)])
    def test_a_rest_beyond_its_bytes_is_refused(self, rest: int, digits: int) -> None:
        largest = 256**rest - 1
        assert decode_d17(f"{largest:0{digits}d}") == bytes([255] * rest)
        with pytest.raises(ValueError, match="too large"):
            decode_d17(f"{largest + 1:0{digits}d}")

    @pytest.mark.parametrize("text", ["1", "12", "1234", "1" * 18, "12a", "１２３", " 12"])
    def test_what_is_no_d17_text_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError, match="D17"):
            decode_d17(text)


claims = st.builds(
    Claims,
    kid=st.integers(0, 2**16 - 1),
    alias=st.binary(min_size=6, max_size=6),
    not_before=st.integers(0, 2**32 - 1),
    life=st.integers(0, 201),
    meal=st.integers(0, 4),
    price_class=st.integers(0, 7),
    tier=st.integers(0, 3),
    nonce=st.binary(min_size=3, max_size=3),
    suite=st.integers(1, 2),
)


class TestClaims:
    @given(claims)
    def test_what_is_packed_is_unpacked(self, packed: Claims) -> None:
        assert len(packed.pack()) == 18
        assert unpack_claims(packed.pack()) == packed

    @pytest.mark.parametrize(("offset", "value"), [(0, 0x21), (0, 0x10), (0, 0x13), (13, 202), (14, 5)])
    def test_what_the_format_does_not_know_is_refused(self, offset: int, value: int) -> None:
        data = bytearray(Claims(1, bytes(6), 0, 12, 0, 1, 0, bytes(3)).pack())
        data[offset] = value
        with pytest.raises(ValueError, match="unknown"):
            unpack_claims(bytes(data))
