"""The life of a difference, one table: {(state, trigger): state}.

Somebody explains it and so becomes its owner; somebody else closes it. What a later run does not find any more closes by
itself (`vanish`). A closed one stays closed: if it differs again, that is a new row.
"""

from collections.abc import Mapping
from typing import Final

from payments.states import StateTable

DIFFERENCE: Final[StateTable] = {
    ("open", "explain"): "explained",
    ("explained", "explain"): "explained",
    ("explained", "close"): "closed",
    ("open", "vanish"): "closed",
    ("explained", "vanish"): "closed",
}

# What a person may do; the rest is done by a run.
TRIGGERS: Final = ("explain", "close")

TABLES: Final[Mapping[str, StateTable]] = {"difference": DIFFERENCE}
