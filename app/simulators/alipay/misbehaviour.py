"""What can go wrong between us and a gateway, as switches: each is set for some calls and then used up.

A fault comes after the gateway has acted, because that is when it hurts: the money has moved and nobody was told.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Answer = Literal["unknown", "timeout", "error_500", "bad_signature", "truncated", "unbalanced", "delay"]
ANSWERS: Final[tuple[str, ...]] = get_args(Answer)
TIMEOUT_S: Final = 30.0


@dataclass
class Fault:
    """One switch: for which method (all, if none is named), what goes wrong, how often, and how long it takes."""

    answer: str
    method: str | None = None
    count: int = 1
    delay_s: float = 0.0
    # Whether it has done what it was asked before it fails to say so.
    acts: bool = True


@dataclass
class Misbehaviour:
    """The switches that are set."""

    faults: list[Fault] = field(default_factory=list)

    def set(self, body: dict[str, Any]) -> Fault:
        """From a request to the control address; ValueError for what is no fault."""
        if body.get("answer") not in ANSWERS:
            raise ValueError(f"answer: one of {', '.join(ANSWERS)}")
        fault = Fault(
            answer=str(body["answer"]),
            method=body.get("method"),
            count=int(body.get("count", 1)),
            delay_s=float(body.get("delay_s", 0)),
            acts=bool(body.get("acts", True)),
        )
        self.faults.append(fault)
        return fault

    def clear(self) -> None:
        self.faults.clear()

    def take(self, method: str) -> Fault | None:
        """The fault of this call, used up by it."""
        for fault in self.faults:
            if fault.method in (None, method, method.removeprefix("alipay.")):
                fault.count -= 1
                if fault.count <= 0:
                    self.faults.remove(fault)
                return fault
        return None
