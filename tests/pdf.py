"""What somebody sees who opens a PDF: its pages as pictures, and the words on them."""

import pypdfium2  # type: ignore[import-untyped]  # its authors ship no types
from PIL.Image import Image


def pictures_of(pdf: bytes, scale: float = 1.5) -> list[Image]:
    """Each page, drawn."""
    return [page.render(scale=scale).to_pil() for page in pypdfium2.PdfDocument(pdf)]


def words_of(pdf: bytes, page: int = 0) -> str:
    """The words of one page."""
    words: str = pypdfium2.PdfDocument(pdf)[page].get_textpage().get_text_bounded()
    return words
