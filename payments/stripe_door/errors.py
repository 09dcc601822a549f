"""What the door may answer besides the object that was asked for, in Stripe's wire form.

StripeError                        type, code, param, a sentence; `kept` says whether the key keeps the answer
    InvalidRequest          400    a parameter is missing, unknown or wrong: nothing was begun, nothing is kept
    ResourceMissing         404    names nothing of this merchant
    UnexpectedState         400    the state does not allow it; kept
    Refused                 400    the books do not allow it (more than is left, a locked period); kept
    KeyInvalid              401    no such secret key, or one that was revoked
    CardDeclined            402    the payment was refused; the native DENY code stands beside Stripe's words; kept
    KeyReused               400    the idempotency key was used with other parameters (idempotency_error)
    KeyInUse                409    the first request with this key is still under way
    TooMany                 429    slow down
    Unavailable             503    nothing is known to have been done; the same request may be sent again

These are not `GuanjiaError`s: another wire form, for other readers. `of_native` translates those.
"""

from typing import Any, ClassVar, Final

from kernel.errors import GuanjiaError, NotFound, StateConflict, TooManyRequests
from payments.errors import DENY_SENTENCES, PaymentRefused, PeriodLocked, RefundExceeds
from payments.posting_rule import DenyCode

Json = dict[str, Any]


class StripeError(Exception):
    """An error with its place in Stripe's tree."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "api_error"
    # Whether a request with an idempotency key keeps this answer for its repetitions.
    kept: ClassVar[bool] = False
    # What the client is told about trying the same request again; None leaves it to the client's own rules.
    should_retry: ClassVar[bool | None] = None

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.more = more

    def body(self) -> Json:
        """The wire form."""
        told: Json = {"type": self.type, "message": self.message}
        for name, value in (("code", self.code), ("param", self.param)):
            if value is not None:
                told[name] = value
        return {"error": told | self.more}


class InvalidRequest(StripeError):
    status = 400
    type = "invalid_request_error"


class ResourceMissing(StripeError):
    status = 404
    type = "invalid_request_error"

    def __init__(self, what: str, identifier: str, *, param: str = "id") -> None:
        super().__init__(f"No such {what}: '{identifier[:80]}'", code="resource_missing", param=param)


class UnexpectedState(StripeError):
    status = 400
    type = "invalid_request_error"
    kept = True


class Refused(StripeError):
    status = 400
    type = "invalid_request_error"
    kept = True


class KeyInvalid(StripeError):
    status = 401
    type = "invalid_request_error"


class CardDeclined(StripeError):
    status = 402
    type = "card_error"
    kept = True


class KeyReused(StripeError):
    status = 400
    type = "idempotency_error"

    def __init__(self) -> None:
        super().__init__(
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            "Try using a key of its own for this request."
        )


class KeyInUse(StripeError):
    status = 409
    type = "idempotency_error"
    should_retry = True

    def __init__(self) -> None:
        super().__init__(
            "There is another request in progress with this idempotency key. Send it again in a moment.",
            code="idempotency_key_in_use",
        )


class TooMany(StripeError):
    status = 429
    type = "invalid_request_error"


class Unavailable(StripeError):
    status = 503
    should_retry = True


# Stripe's words for our refusals: (code, decline_code). The DENY code itself is told as network_decline_code.
DECLINES: Final[dict[DenyCode, tuple[str, str]]] = {
    DenyCode.CODE_EXPIRED: ("expired_card", "expired_card"),
    DenyCode.CODE_USED: ("card_declined", "do_not_try_again"),
    DenyCode.CODE_UNKNOWN: ("incorrect_number", "incorrect_number"),
    DenyCode.LOST: ("card_declined", "lost_card"),
    DenyCode.FROZEN: ("card_declined", "do_not_honor"),
    DenyCode.NO_FUNDS: ("card_declined", "insufficient_funds"),
    DenyCode.AMOUNT_LIMIT: ("card_declined", "withdrawal_count_limit_exceeded"),
    DenyCode.COUNT_LIMIT: ("card_declined", "card_velocity_exceeded"),
    DenyCode.OUT_OF_PERIOD: ("card_declined", "not_permitted"),
    DenyCode.TERMINAL: ("card_declined", "service_not_allowed"),
    DenyCode.CLASS: ("card_declined", "transaction_not_allowed"),
}


def decline_of(deny: str, charge: str) -> Json:
    """`last_payment_error` of a refusal, and what a 402 tells: without the intent beside it."""
    code, decline_code = DECLINES[DenyCode(deny)]
    return {
        "type": "card_error",
        "code": code,
        "decline_code": decline_code,
        "network_decline_code": deny,
        "message": DENY_SENTENCES[DenyCode(deny)][1],
        "charge": charge,
    }


def of_native(error: GuanjiaError) -> StripeError:
    """The house's own errors in the words of this door."""
    if isinstance(error, RefundExceeds):
        return _of_refund(error.data["left_fen"])
    if isinstance(error, PeriodLocked | StateConflict | PaymentRefused):
        return Refused(error.message("en"), code=error.code.lower())
    if isinstance(error, NotFound):
        return ResourceMissing(str(error.data.get("what", "object")), str(error.data.get("id", "")))
    if isinstance(error, TooManyRequests):
        return TooMany(error.message("en"), code="rate_limit")
    return (Unavailable if error.status == 503 else StripeError)(error.message("en"))


def _of_refund(left_fen: int) -> StripeError:
    if left_fen == 0:
        return already_refunded()
    return Refused(f"Refund amount is greater than unrefunded amount on charge ({left_fen}).", param="amount")


def already_refunded() -> StripeError:
    """All of it went back before."""
    return Refused("This charge has already been refunded.", code="charge_already_refunded")
