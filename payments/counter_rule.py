"""What payments asks of the domain that runs the counter: who may give money back at a till, and who signed for it.

Payments knows no cashiers. A `CounterRule` (canteen/counter.py is one, registered in app/wiring.py) verifies a PIN in
transactions of its own, so that a wrong one stays counted, and then joins the transaction of the void or refund.
"""

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Terminal
from kernel.db import Database

ReturnKind = Literal["void", "refund"]


@dataclass(frozen=True, slots=True)
class SignOff:
    """A PIN, and whose it is; without a name it is that of the cashier whose shift is open."""

    pin: str
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TillReturn:
    """A void or refund that a till has made."""

    reversal_id: UUID
    payment_id: UUID
    kind: ReturnKind
    amount_fen: int


class CounterRule(Protocol):
    """How a domain guards what its tills give back."""

    async def verify(self, db: Database, terminal: Terminal, sign_off: SignOff) -> UUID | None:
        """Who signs; an error where the PIN is wrong. None where nobody's shift is open and no name was given."""
        ...

    async def allow_return(
        self, session: AsyncSession, terminal: Terminal, kind: ReturnKind, signed_by: UUID | None
    ) -> None:
        """Refuse, or hold the shift for this transaction; before the payer is locked."""
        ...

    async def note_return(
        self, session: AsyncSession, terminal: Terminal, made: TillReturn, signed_by: UUID | None
    ) -> None:
        """Write down what was given back, in the same transaction."""
        ...


class UnguardedCounter:
    """Where no domain runs the counter: a till's token is enough."""

    async def verify(self, db: Database, terminal: Terminal, sign_off: SignOff) -> UUID | None:  # noqa: ARG002  the protocol's
        """Nobody's PIN is known."""
        return None

    async def allow_return(
        self,
        session: AsyncSession,
        terminal: Terminal,
        kind: ReturnKind,
        signed_by: UUID | None,
    ) -> None:
        """Always."""

    async def note_return(
        self,
        session: AsyncSession,
        terminal: Terminal,
        made: TillReturn,
        signed_by: UUID | None,
    ) -> None:
        """Nowhere."""
