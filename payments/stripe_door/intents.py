"""A PaymentIntent as plain data, and what may become of it. Pure: no I/O, no clock."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from kernel.errors import StateConflict
from kernel.ids import public_id
from payments.states import next_state
from payments.stripe_door.errors import UnexpectedState
from payments.stripe_door.states import INTENT

Json = dict[str, Any]

_VERBS: Final = {"confirm": "confirmed", "cancel": "canceled", "update": "updated", "attach": "updated"}


class Intent(msgspec.Struct):
    """The working copy of one row of `payment_intents`. `version` rises with each write: who wrote meanwhile is seen."""

    site_id: UUID
    id: UUID
    state: str
    amount_fen: int
    description: str | None
    metadata_json: str
    method_id: UUID | None
    pay_code: str | None
    attempts: int
    attempt_seq: int | None
    attempt_by: UUID | None
    attempted_at: datetime | None
    payment_id: UUID | None
    last_error_json: str | None
    canceled_at: datetime | None
    cancellation_reason: str | None
    created_at: datetime
    version: int

    @property
    def public(self) -> str:
        """`pi_...`."""
        return public_id("pi", self.id)

    @property
    def attempt_key(self) -> str:
        """What this attempt is called in the posting queue: sent twice, it is paid once."""
        return f"{self.public}_{self.attempts}"

    def move(self, trigger: str) -> None:
        """Go where a trigger leads; UnexpectedState, with the intent's own state, where it leads nowhere."""
        try:
            self.state = next_state(INTENT, self.state, trigger)
        except StateConflict as conflict:
            raise UnexpectedState(
                f"This PaymentIntent could not be {_VERBS[trigger]} because it has a status of {self.state}.",
                code="payment_intent_unexpected_state",
            ) from conflict

    def attach(self, method_id: UUID, pay_code: str) -> None:
        """Take a pay code as the way to pay."""
        self.move("attach")
        self.method_id, self.pay_code = method_id, pay_code

    def begin(self, seq: int, by: UUID, at: datetime) -> None:
        """An attempt: from now on only its outcome changes the intent."""
        self.move("confirm")
        self.attempts += 1
        self.attempt_seq, self.attempt_by, self.attempted_at = seq, by, at
        self.last_error_json = None

    def succeed(self, payment_id: UUID) -> None:
        """It was paid. The code is spent and forgotten."""
        self.move("succeed")
        self.payment_id, self.pay_code = payment_id, None

    def decline(self, error: Json) -> None:
        """The attempt was refused: another pay code is needed."""
        self.move("decline")
        self.last_error_json = msgspec.json.encode(error).decode()
        self.pay_code = self.method_id = None

    def cancel(self, reason: str | None, at: datetime) -> None:
        """It will not be paid."""
        self.move("cancel")
        self.canceled_at, self.cancellation_reason, self.pay_code = at, reason, None


INTENT_COLUMNS: Final = tuple(Intent.__struct_fields__)
