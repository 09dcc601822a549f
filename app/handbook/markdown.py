"""The little Markdown that all generated pages share."""

from collections.abc import Iterable, Sequence
from typing import Final

MADE: Final = "<!-- Made from the code by `make generate`; change it there. -->"


def page(title: str, *parts: str) -> str:
    """A page: its title, where it comes from, and its parts with an empty line between them."""
    return "\n\n".join([f"# {title}", MADE, *parts]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; bars and line breaks in cells are made harmless."""
    return "\n".join([_row(heads), _row(["---"] * len(heads)), *map(_row, rows)])


def fenced(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def sentence(documented: type) -> str:
    """The first line of a class's docstring."""
    return (documented.__doc__ or "").strip().split("\n")[0]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
