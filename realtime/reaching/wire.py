"""What the protocols of reaching have in common: a request to be made, and what its answer means."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from kernel.outgoing import Tried

USER_AGENT: Final = "Guanjia/1.0 (+reaching)"


class Request(NamedTuple):
    """One POST."""

    url: str
    payload: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be said on one way."""

    id: str
    ref: str
    title: str
    body: str
    link: str | None
    language: str
    is_urgent: bool
    # Unix seconds after which nobody would want to hear it.
    expires_at: int

    def as_text(self, address: str | None) -> str:
        """As a group reads it: title, words, and where there is more."""
        lines = [f"【{self.title}】", self.body]
        if self.link and address:
            lines.append(f"{address}{self.link}")
        return "\n".join(line for line in lines if line)


class Came(StrEnum):
    """What came of a try."""

    SENT = "sent"
    # Not now; the same may be tried again.
    LATER = "later"
    # Not like this: trying again would change nothing.
    REFUSED = "refused"
    # There is nobody at this address any more.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a try, in the words of the other side; `wait_s` is how long it asks us to wait."""

    came: Came
    receipt: str | None = None
    error: str | None = None
    wait_s: int | None = None


def by_status(tried: Tried) -> Outcome:
    """What an HTTP status means, where the answer says nothing more."""
    if tried.arrived:
        return Outcome(Came.SENT)
    if tried.status is None or tried.status >= 500 or tried.status in (408, 425, 429):
        return Outcome(Came.LATER, error=tried.error or f"HTTP {tried.status}")
    return Outcome(Came.REFUSED, error=tried.error or f"HTTP {tried.status}: {tried.answer[:200]}")


def cut_to_bytes(text: str, bytes_max: int) -> str:
    """A text no longer than a group takes, cut between characters."""
    encoded = text.encode()
    if len(encoded) <= bytes_max:
        return text
    return encoded[: bytes_max - 3].decode("utf-8", "ignore") + "…"
