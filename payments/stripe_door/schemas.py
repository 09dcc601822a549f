"""What the door takes: Stripe's parameters, read from a form into plain values. Pure.

A parameter that nobody knows is refused, as Stripe does: a misspelt amount must not be lost in silence.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from kernel.errors import NotFound
from kernel.ids import parse_public_id
from kernel.money import AMOUNT_FEN_MAX
from payments.credentials.pay_code_format import P1_LENGTH, TEXT_LENGTH
from payments.stripe_door.errors import InvalidRequest, ResourceMissing
from payments.stripe_door.forms import Form

CURRENCY: Final = "cny"
# The one way to pay: a pay code of the one card.
METHOD: Final = "one_card"

# ---- the events that are told

EVENT_TYPES: Final = (
    "payment_intent.created",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.succeeded",
    "charge.failed",
    "charge.refunded",
    "refund.created",
)
EVERY_EVENT: Final = "*"

CANCELLATION_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
REFUND_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")

METADATA_KEYS_MAX: Final = 50
METADATA_KEY_LENGTH_MAX: Final = 40
METADATA_VALUE_LENGTH_MAX: Final = 500
TEXT_LENGTH_MAX: Final = 1000
URL_LENGTH_MAX: Final = 2000
LIST_LIMIT_MAX: Final = 100
LIST_LIMIT: Final = 10


# ---- single values


def refuse_unknown(form: Form, known: Collection[str]) -> None:
    """Only what is known may be sent."""
    for name in form:
        if name not in known:
            raise InvalidRequest(f"Received unknown parameter: {name[:80]}", code="parameter_unknown", param=name[:80])


def text_of(form: Form, name: str, *, length_max: int = TEXT_LENGTH_MAX) -> str | None:
    """A text; None where it is absent. An empty one is empty: that is how Stripe unsets a field."""
    value = form.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or "\0" in value:
        raise InvalidRequest(f"Invalid string: {name}", param=name)
    if len(value) > length_max:
        raise InvalidRequest(
            f"Invalid string: {name} must be at most {length_max} characters.", code="parameter_invalid", param=name
        )
    return value


def required_text(form: Form, name: str, **limits: int) -> str:
    """A text that must be there and not be empty."""
    value = text_of(form, name, **limits)
    if not value:
        raise missing(name)
    return value


def missing(name: str) -> InvalidRequest:
    """A required parameter is absent."""
    return InvalidRequest(f"Missing required param: {name}.", code="parameter_missing", param=name)


def integer_of(form: Form, name: str) -> int | None:
    """A whole number."""
    value = text_of(form, name)
    if value is None:
        return None
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise InvalidRequest(f"Invalid integer: {value[:80]}", code="parameter_invalid_integer", param=name)
    return int(value)


def boolean_of(form: Form, name: str) -> bool:
    """`true` or `false`; absent is false."""
    value = text_of(form, name)
    if value not in (None, "true", "false"):
        raise InvalidRequest(f"Invalid boolean: {value[:80] if value else ''}", param=name)
    return value == "true"


def choice_of(form: Form, name: str, choices: Collection[str]) -> str | None:
    """One of a closed list."""
    value = text_of(form, name)
    if value is not None and value not in choices:
        raise InvalidRequest(f"Invalid {name}: must be one of {', '.join(choices)}", param=name)
    return value


def amount_of(form: Form, name: str = "amount") -> int | None:
    """Fen, 1 to 1,000,000."""
    amount_fen = integer_of(form, name)
    if amount_fen is not None and amount_fen < 1:
        raise InvalidRequest("Invalid positive integer", code="parameter_invalid_integer", param=name)
    if amount_fen is not None and amount_fen > AMOUNT_FEN_MAX:
        raise InvalidRequest("Amount must be no more than 10,000.00 cny", code="amount_too_large", param=name)
    return amount_fen


def strings_of(form: Form, name: str) -> list[str] | None:
    """A list of texts."""
    value = form.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidRequest(f"Invalid array: {name}", param=name)
    return value


def nested_of(form: Form, name: str) -> Form | None:
    """A hash of parameters."""
    value = form.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequest(f"Invalid object: {name}", param=name)
    return value


def metadata_of(form: Form) -> dict[str, str] | None:
    """Key and value pairs; an empty string instead of them empties all. None where nothing was said."""
    if form.get("metadata") == "":
        return {}
    # Keys that happen to be 0, 1, 2 ... look like a list.
    value = form.get("metadata")
    pairs = dict(enumerate(value)) if isinstance(value, list) else nested_of(form, "metadata")
    if pairs is None:
        return None
    found: dict[str, str] = {}
    for key, text in pairs.items():
        if not isinstance(text, str) or "\0" in text or "\0" in str(key):
            raise InvalidRequest("Metadata values must be strings.", param="metadata")
        if len(str(key)) > METADATA_KEY_LENGTH_MAX or len(text) > METADATA_VALUE_LENGTH_MAX:
            raise InvalidRequest("Metadata keys have up to 40 characters, values up to 500.", param="metadata")
        found[str(key)] = text
    return found


def merge_metadata(before: str, change: dict[str, str] | None) -> str:
    """Stored metadata with a change: given keys replace, an empty value unsets its key, {} empties all."""
    if change is None:
        return before
    known: dict[str, str] = msgspec.json.decode(before) if change else {}
    merged = {key: text for key, text in (known | change).items() if text != ""}
    if len(merged) > METADATA_KEYS_MAX:
        raise InvalidRequest("Metadata holds up to 50 keys.", param="metadata")
    return msgspec.json.encode(merged).decode()


def identifier(prefix: str, what: str, text: str, *, param: str = "id") -> UUID:
    """An id of ours; ResourceMissing for what names nothing."""
    try:
        return parse_public_id(prefix, text)
    except NotFound:
        raise ResourceMissing(what, text, param=param) from None


# ---- a way to pay


def pay_code_of(form: Form) -> str | None:
    """`payment_method_data[type]=one_card` with `[one_card][code]`: 20 or 220 digits. None where there is none."""
    if "payment_method" in form:
        raise ResourceMissing("PaymentMethod", str(form["payment_method"]), param="payment_method")
    data = nested_of(form, "payment_method_data")
    if data is None:
        return None
    refuse_unknown(data, ("type", METHOD, "billing_details", "metadata", "allow_redisplay"))
    if data.get("type") != METHOD:
        raise InvalidRequest(
            f"This merchant takes payment methods of type {METHOD}.", param="payment_method_data[type]"
        )
    card = nested_of(data, METHOD) or {}
    refuse_unknown(card, ("code",))
    code = card.get("code")
    param = f"payment_method_data[{METHOD}][code]"
    if not isinstance(code, str) or not code:
        raise missing(param)
    if len(code) not in (P1_LENGTH, TEXT_LENGTH) or not (code.isascii() and code.isdigit()):
        raise InvalidRequest("A pay code has 20 or 220 digits.", code="invalid_number", param=param)
    return code


def _check_method_types(form: Form) -> None:
    for method in strings_of(form, "payment_method_types") or ():
        if method != METHOD:
            raise InvalidRequest(f"This merchant takes payment methods of type {METHOD}.", param="payment_method_types")


_HARMLESS: Final = (
    "automatic_payment_methods",
    "error_on_requires_action",
    "off_session",
    "return_url",
    "use_stripe_sdk",
)
CHARGE_EXPANSION: Final = "latest_charge"


def expands_charge(form: Form, within: str = "") -> bool:
    """Whether `latest_charge` is to stand in the answer whole; nothing else can."""
    wanted = strings_of(form, "expand") or []
    for name in wanted:
        if name != within + CHARGE_EXPANSION:
            raise InvalidRequest(f"This property cannot be expanded ({name[:80]}).", param="expand")
    return bool(wanted)


class IntentParams(NamedTuple):
    """Of creating or updating an intent."""

    amount_fen: int | None
    description: str | None
    metadata: dict[str, str] | None
    pay_code: str | None
    confirm: bool
    expand_charge: bool


_INTENT_FIELDS: Final = (
    *("amount", "currency", "description", "metadata", "payment_method", "payment_method_data"),
    *("payment_method_types", "expand", "confirm", "capture_method", "confirmation_method", *_HARMLESS),
)


def intent_params(form: Form, *, creating: bool) -> IntentParams:
    """Read and check; `confirm` only while creating."""
    known = _INTENT_FIELDS if creating else tuple(name for name in _INTENT_FIELDS if name != "confirm")
    refuse_unknown(form, known)
    amount_fen = amount_of(form)
    currency = text_of(form, "currency")
    if creating and amount_fen is None:
        raise missing("amount")
    if creating and not currency:
        raise missing("currency")
    if currency is not None and currency.lower() != CURRENCY:
        raise InvalidRequest(f"Invalid currency: {currency[:10]}. This merchant takes {CURRENCY}.", param="currency")
    choice_of(form, "capture_method", ("automatic", "automatic_async"))
    choice_of(form, "confirmation_method", ("automatic", "manual"))
    _check_method_types(form)
    return IntentParams(
        amount_fen,
        text_of(form, "description"),
        metadata_of(form),
        pay_code_of(form),
        boolean_of(form, "confirm"),
        expands_charge(form),
    )


class ConfirmParams(NamedTuple):
    """Of confirming an intent."""

    pay_code: str | None
    expand_charge: bool


def confirm_params(form: Form) -> ConfirmParams:
    """Read and check."""
    refuse_unknown(form, ("payment_method", "payment_method_data", "payment_method_types", "expand", *_HARMLESS))
    _check_method_types(form)
    return ConfirmParams(pay_code_of(form), expands_charge(form))


def cancel_params(form: Form) -> str | None:
    """The reason."""
    refuse_unknown(form, ("cancellation_reason", "expand"))
    expands_charge(form)
    return choice_of(form, "cancellation_reason", CANCELLATION_REASONS)


class RefundParams(NamedTuple):
    """Of a refund: of an intent or of its charge, all that is left or a part."""

    intent_id: UUID | None
    payment_id: UUID | None
    amount_fen: int | None
    reason: str | None
    metadata: dict[str, str]


def refund_params(form: Form) -> RefundParams:
    """Read and check."""
    refuse_unknown(form, ("payment_intent", "charge", "amount", "currency", "reason", "metadata", "expand"))
    if strings_of(form, "expand"):
        raise InvalidRequest("Nothing in a refund can be expanded.", param="expand")
    intent, charge = text_of(form, "payment_intent"), text_of(form, "charge")
    if not intent and not charge:
        raise InvalidRequest(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
            param="payment_intent",
        )
    return RefundParams(
        identifier("pi", "payment_intent", intent, param="payment_intent") if intent else None,
        identifier("ch", "charge", charge, param="charge") if charge else None,
        amount_of(form),
        choice_of(form, "reason", REFUND_REASONS),
        metadata_of(form) or {},
    )


# ---- receivers


class EndpointParams(NamedTuple):
    """Of a webhook endpoint; None where nothing was said."""

    url: str | None
    enabled_events: list[str] | None
    description: str | None
    metadata: dict[str, str] | None
    disabled: bool | None


def endpoint_params(form: Form, *, creating: bool) -> EndpointParams:
    """Read and check."""
    known = ["url", "enabled_events", "description", "metadata", "expand"]
    refuse_unknown(form, [*known, "api_version", "connect"] if creating else [*known, "disabled"])
    url = required_text(form, "url", length_max=URL_LENGTH_MAX) if creating or "url" in form else None
    events = strings_of(form, "enabled_events")
    if creating and not events:
        raise missing("enabled_events")
    if boolean_of(form, "connect"):
        raise InvalidRequest("There are no connected accounts here.", param="connect")
    return EndpointParams(
        check_url(url) if url is not None else None,
        check_event_types(events) if events else None,
        text_of(form, "description"),
        metadata_of(form),
        boolean_of(form, "disabled") if "disabled" in form else None,
    )


def check_url(url: str) -> str:
    """An http or https address with a host, and without a name and password in it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        usable = usable and parts.username is None and url.isascii() and url.isprintable() and " " not in url
    if not usable:
        raise InvalidRequest("Invalid URL: An explicit scheme (such as https) must be provided.", param="url")
    return url


def check_event_types(events: list[str]) -> list[str]:
    """Known types, or `*` for all of them."""
    for kind in events:
        if kind != EVERY_EVENT and kind not in EVENT_TYPES:
            raise InvalidRequest(
                f"Invalid enabled_events: {kind[:80]} is not told here. Known: {', '.join(EVENT_TYPES)}",
                param="enabled_events",
            )
    return list(dict.fromkeys(events))


# ---- lists


class ListParams(NamedTuple):
    """A page: `after` towards older rows, `before` towards newer ones."""

    limit: int
    after: str | None
    before: str | None
    created_from: datetime | None
    created_until: datetime | None
    expand_charge: bool


def list_params(form: Form, *known: str, expandable: bool = False) -> ListParams:
    """Read and check; `known` are the list's own filters."""
    refuse_unknown(form, ("limit", "starting_after", "ending_before", "expand", "created", *known))
    limit = integer_of(form, "limit")
    if limit is not None and not 1 <= limit <= LIST_LIMIT_MAX:
        raise InvalidRequest("This value must be between 1 and 100.", code="parameter_invalid_integer", param="limit")
    after, before = text_of(form, "starting_after"), text_of(form, "ending_before")
    if after and before:
        raise InvalidRequest("starting_after and ending_before exclude each other.", param="ending_before")
    if not expandable and strings_of(form, "expand"):
        raise InvalidRequest("Nothing in this list can be expanded.", param="expand")
    created_from, created_until = _created_of(form)
    return ListParams(
        limit or LIST_LIMIT,
        after or None,
        before or None,
        created_from,
        created_until,
        expandable and expands_charge(form, "data."),
    )


def _created_of(form: Form) -> tuple[datetime | None, datetime | None]:
    """`created=...` or `created[gt|gte|lt|lte]=...` as [from, until)."""
    value = form.get("created")
    if value is None:
        return None, None
    bounds: dict[str, Any] = value if isinstance(value, dict) else {"gte": value, "lte": value}
    refuse_unknown(bounds, ("gt", "gte", "lt", "lte"))
    seconds = {name: integer_of(bounds, name) for name in bounds}
    lower = [second + (name == "gt") for name, second in seconds.items() if name[0] == "g" and second is not None]
    upper = [second + (name == "lte") for name, second in seconds.items() if name[0] == "l" and second is not None]
    return _instant(max(lower)) if lower else None, _instant(min(upper)) if upper else None


def _instant(second: int) -> datetime:
    try:
        return datetime.fromtimestamp(second, UTC)
    except (ValueError, OverflowError, OSError):
        raise InvalidRequest("Invalid timestamp", param="created") from None
