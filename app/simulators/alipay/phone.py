"""The payer's phone: payment codes that a till scans, each with a mind of its own, and paying a QR code."""

import re
import secrets
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

# pay: at once. wait: the payer is asked for a password. unknown: paid, and the answer is lost. unknown_unpaid: neither.
Behaviour = Literal["pay", "wait", "unknown", "unknown_unpaid", "refuse"]
BEHAVIOURS: Final[tuple[str, ...]] = get_args(Behaviour)
_AUTH_CODE: Final = re.compile(r"(2[5-9]|30)\d{14,22}", re.ASCII)


@dataclass
class Phone:
    """Codes that were made here behave as they were told; any other well-formed code pays at once."""

    behaviours: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def new_code(self, behaviour: str) -> str:
        """A payment code, good once; ValueError for a behaviour that nobody knows."""
        if behaviour not in BEHAVIOURS:
            raise ValueError(f"behaviour: one of {', '.join(BEHAVIOURS)}")
        code = f"28{secrets.randbelow(10**16):016d}"
        self.behaviours[code] = behaviour
        return code

    def accepts(self, auth_code: str) -> bool:
        return _AUTH_CODE.fullmatch(auth_code) is not None and auth_code not in self.used

    def use(self, auth_code: str) -> str:
        """Its behaviour; afterwards the code is used up."""
        self.used.add(auth_code)
        return self.behaviours.get(auth_code, "pay")
