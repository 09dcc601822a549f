"""A pay code as a picture, for devices that draw none themselves: a watch, a kiosk, a printed visitor's slip.

220 digits fit QR version 6 at level M (41 x 41 modules) in numeric mode, which the library chooses for digits.
"""

import io
from typing import Final

import qrcode
from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.pil import PilImage

QR_VERSION: Final = 6
_MODULE_PX: Final = 10
_QUIET_ZONE_MODULES: Final = 4


def qr_png(text: str) -> bytes:
    """A PNG of 490 x 490 pixels, black on white, with the quiet zone that readers need."""
    symbol = qrcode.QRCode(
        version=QR_VERSION,
        error_correction=ERROR_CORRECT_M,
        box_size=_MODULE_PX,
        border=_QUIET_ZONE_MODULES,
        image_factory=PilImage,
    )
    symbol.add_data(text)
    # fit=False: a text that does not fit is an error here, not a denser picture that a till cannot read.
    symbol.make(fit=False)
    buffer = io.BytesIO()
    symbol.make_image().save(buffer, "PNG")
    return buffer.getvalue()
