"""What a check says: a state, what was found, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How serious it is."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Found:
    """One line of the doctor. `advice` is empty where all is well."""

    name: str
    state: State
    found: str
    advice: str = ""

    def wire(self) -> dict[str, Any]:
        """As `--json` prints it."""
        return {"name": self.name, "state": self.state.value, "found": self.found, "advice": self.advice}


def ok(name: str, found: str) -> Found:
    """All is well."""
    return Found(name, State.OK, found)


def warn(name: str, found: str, advice: str) -> Found:
    """It works, and somebody should look at it."""
    return Found(name, State.WARN, found, advice)


def bad(name: str, found: str, advice: str) -> Found:
    """It does not work, or loses something when it matters."""
    return Found(name, State.BAD, found, advice)
