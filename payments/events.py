"""What payments tells the house, and who hears of it.

The payer hears everything on their own channel; the canteen's channel hears amount and time with the person masked.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from kernel.events import Delivery, Event


class PaymentSucceeded(Event, frozen=True, kw_only=True):
    """A sale was paid."""

    type: ClassVar[str] = "payment.succeeded"
    version: ClassVar[int] = 2

    payment: str
    person: str
    payer_label: str
    canteen: str
    canteen_name: str
    terminal: str | None
    amount_fen: int
    legs: list[dict[str, Any]]
    business_date: str
    meal: str | None
    purses: dict[str, int]
    # pay_code, card, staff_pin or wall_code: whose card was copied learns of it by this.
    credential: str = "pay_code"
    # How far away the phone was that paid at a wall code, where it was certainly elsewhere.
    far_m: int | None = None
    # Empty in events that were written before it was told.
    canteen_name_en: str = ""

    def audience(self) -> Sequence[Delivery]:
        return _payer_and_site(self, self.person, self.canteen)


class PaymentVoided(Event, frozen=True, kw_only=True):
    """A payment was taken back whole, at the till."""

    type: ClassVar[str] = "payment.voided"

    void: str
    payment: str
    person: str
    payer_label: str
    canteen: str
    canteen_name: str
    terminal: str | None
    amount_fen: int
    legs: list[dict[str, Any]]
    business_date: str
    paid_at: str
    purses: dict[str, int]
    # Empty in events that were written before it was told.
    canteen_name_en: str = ""

    def audience(self) -> Sequence[Delivery]:
        return _payer_and_site(self, self.person, self.canteen)


class PaymentRefunded(Event, frozen=True, kw_only=True):
    """A part of a payment, or all of it, was given back."""

    type: ClassVar[str] = "payment.refunded"

    refund: str
    payment: str
    person: str
    payer_label: str
    canteen: str
    canteen_name: str
    terminal: str | None
    amount_fen: int
    legs: list[dict[str, Any]]
    business_date: str
    paid_at: str
    purses: dict[str, int]
    # Empty in events that were written before it was told.
    canteen_name_en: str = ""

    def audience(self) -> Sequence[Delivery]:
        return _payer_and_site(self, self.person, self.canteen)


class TopUpSucceeded(Event, frozen=True, kw_only=True):
    """Money arrived in a cash purse."""

    type: ClassVar[str] = "top_up.succeeded"

    top_up: str
    person: str
    channel: str
    amount_fen: int
    purses: dict[str, int]

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class TopUpClosed(Event, frozen=True, kw_only=True):
    """A top-up's time was over before it was paid."""

    type: ClassVar[str] = "top_up.closed"

    top_up: str
    person: str
    channel: str
    amount_fen: int

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class TopUpRefunded(Event, frozen=True, kw_only=True):
    """Money that was put in goes back through the gateway: it has left the purse, and is on its way."""

    type: ClassVar[str] = "top_up.refunded"

    refund: str
    top_up: str
    person: str
    channel: str
    amount_fen: int
    purses: dict[str, int]

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class TopUpRefundFailed(Event, frozen=True, kw_only=True):
    """The gateway has refused to give it back: it is in the purse again."""

    type: ClassVar[str] = "top_up.refund_failed"

    refund: str
    top_up: str
    person: str
    amount_fen: int
    purses: dict[str, int]

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class GuestPaymentRefunded(Event, frozen=True, kw_only=True):
    """A guest's payment was voided, or a part of it given back: it is on its way through the gateway."""

    type: ClassVar[str] = "guest_payment.refunded"

    refund: str
    guest_payment: str
    canteen: str
    terminal: str
    channel: str
    amount_fen: int
    business_date: str
    kind: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)


class GuestRefundFailed(Event, frozen=True, kw_only=True):
    """The gateway has refused to give a guest's money back: it is the canteen's again, until a person has looked."""

    type: ClassVar[str] = "guest_payment.refund_failed"

    refund: str
    guest_payment: str
    canteen: str
    terminal: str
    amount_fen: int
    business_date: str
    kind: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)


class GuestPaymentSucceeded(Event, frozen=True, kw_only=True):
    """A guest's own provider has paid a meal."""

    type: ClassVar[str] = "guest_payment.succeeded"

    guest_payment: str
    canteen: str
    terminal: str
    channel: str
    amount_fen: int
    business_date: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)


class GuestPaymentEnded(Event, frozen=True, kw_only=True):
    """A guest's payment came to nothing: refused (failed) or taken back (cancelled)."""

    type: ClassVar[str] = "guest_payment.ended"

    guest_payment: str
    canteen: str
    terminal: str
    channel: str
    amount_fen: int
    status: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"canteen:{self.canteen}", self.data()),)


class SubsidyGranted(Event, frozen=True, kw_only=True):
    """A unit gave a person a subsidy lot."""

    type: ClassVar[str] = "subsidy.granted"

    lot: str
    person: str
    amount_fen: int
    expires_on: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class SubsidyExpiring(Event, frozen=True, kw_only=True):
    """Seven, three and one days ahead: what a person is going to lose, and how many lunches use it."""

    type: ClassVar[str] = "subsidy.expiring"

    person: str
    days: int
    amount_fen: int
    expires_on: str
    # None where nobody knows what a lunch takes of it.
    lunches: int | None
    sentence_zh: str
    sentence_en: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class SubsidyExpired(Event, frozen=True, kw_only=True):
    """What was unspent of a lot has gone back to its unit."""

    type: ClassVar[str] = "subsidy.expired"

    lot: str
    person: str
    amount_fen: int
    expires_on: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class SubsidyCarriedOver(Event, frozen=True, kw_only=True):
    """A part of what was unspent of a lot lives on in a new one."""

    type: ClassVar[str] = "subsidy.carried_over"

    lot: str
    from_lot: str
    person: str
    amount_fen: int
    expires_on: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class SubsidyTakenBack(Event, frozen=True, kw_only=True):
    """A batch was reversed: what was unspent of a lot has gone back to its unit."""

    type: ClassVar[str] = "subsidy.taken_back"

    lot: str
    person: str
    amount_fen: int

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


class HolderStateChanged(Event, frozen=True, kw_only=True):
    """An account was frozen, reported lost, opened again or closed."""

    type: ClassVar[str] = "holder.state_changed"

    holder: str
    person: str
    state: str
    trigger: str

    def audience(self) -> Sequence[Delivery]:
        return (Delivery(f"person:{self.person}", self.data()),)


_HIDDEN_FROM_SITE = ("person", "purses", "legs")


def _payer_and_site(event: Any, person: str, canteen: str) -> Sequence[Delivery]:
    full: dict[str, Any] = event.data()
    masked = {name: value for name, value in full.items() if name not in _HIDDEN_FROM_SITE}
    return (Delivery(f"person:{person}", full), Delivery(f"canteen:{canteen}", masked))
