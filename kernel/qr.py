"""QR codes as SVG, for what is printed or shown once: an activation slip, the secret of an authenticator."""

import io

import qrcode
from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.svg import SvgPathImage


def qr_svg(text: str) -> str:
    """An SVG that scales; black on nothing, with the quiet zone that readers need."""
    symbol = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=4, image_factory=SvgPathImage)
    symbol.add_data(text)
    buffer = io.BytesIO()
    symbol.make_image().save(buffer)
    return buffer.getvalue().decode()
