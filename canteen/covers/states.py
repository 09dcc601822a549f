"""The life of some covers: held with their meeting, cooked once it is confirmed, released when nobody comes."""

from collections.abc import Mapping
from typing import Final

StateTable = Mapping[tuple[str, str], str]

COVERS: Final[StateTable] = {
    ("held", "confirm"): "confirmed",
    ("held", "approve"): "confirmed",
    ("held", "release"): "released",
    ("confirmed", "release"): "released",
}

TABLES: Final[Mapping[str, StateTable]] = {"covers": COVERS}
