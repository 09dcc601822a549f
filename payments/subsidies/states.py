"""The state machines of subsidies, as tables."""

from collections.abc import Mapping
from typing import Final

from payments.states import StateTable

# Posting and reversing are what an approval by a second person does.
SUBSIDY_BATCH: Final[StateTable] = {
    ("prepared", "post"): "posted",
    ("prepared", "discard"): "discarded",
    ("posted", "reverse"): "reversed",
}

SUBSIDY_RULE: Final[StateTable] = {
    ("active", "edit"): "active",
    ("active", "prepare"): "active",
    ("active", "finish"): "ended",
}

TABLES: Final[Mapping[str, StateTable]] = {"subsidy_batch": SUBSIDY_BATCH, "subsidy_rule": SUBSIDY_RULE}
