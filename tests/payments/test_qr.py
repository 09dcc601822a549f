"""The picture of a pay code is read back by a decoder that shares no code with its writer."""

import io

import pytest
import zxingcpp
from PIL import Image
from qrcode.exceptions import DataOverflowError

from payments.credentials.qr import qr_png

TEXT = "70123" + "".join(str(number % 10) for number in range(215))


class TestQrPng:
    def test_it_is_read_back_digit_by_digit(self) -> None:
        picture = Image.open(io.BytesIO(qr_png(TEXT)))
        (found,) = zxingcpp.read_barcodes(picture.convert("L"))
        assert found.text == TEXT

    def test_it_has_41_modules_and_a_quiet_zone(self) -> None:
        assert Image.open(io.BytesIO(qr_png(TEXT))).size == (490, 490)

    def test_what_does_not_fit_is_an_error(self) -> None:
        with pytest.raises(DataOverflowError):
            qr_png(TEXT * 2)
