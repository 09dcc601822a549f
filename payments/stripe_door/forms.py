"""Stripe's form encoding: `metadata[canteen]=c1`, `payment_method_types[0]=one_card`, `expand[]=latest_charge`. Pure."""

from typing import Any, Final
from urllib.parse import parse_qsl

from payments.stripe_door.errors import InvalidRequest

Form = dict[str, Any]

FIELDS_MAX: Final = 200
DEPTH_MAX: Final = 5


def parse_form(text: str) -> Form:
    """Nested fields as dicts, indexed ones as lists, everything else as text. The last of two equal names counts."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        raise InvalidRequest("The request body could not be read as form-encoded fields.") from None
    if "[" not in text and "%5B" not in text and "%5b" not in text:
        # Most bodies and queries are flat.
        return dict(pairs)
    form: Form = {}
    for name, value in pairs:
        _put(form, _path_of(name), value, name)
    return {name: _lists(value) for name, value in form.items()}


def _path_of(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    if not bracket:
        return [name]
    if not head or not rest.endswith("]"):
        raise InvalidRequest(f"Invalid field name: {name[:80]}", param=name[:80])
    path = [head, *rest[:-1].split("][")]
    if len(path) > DEPTH_MAX or any("[" in part or "]" in part for part in path):
        raise InvalidRequest(f"Invalid field name: {name[:80]}", param=name[:80])
    return path


def _put(form: Form, path: list[str], value: str, name: str) -> None:
    place = form
    for part in path[:-1]:
        inner = place.setdefault(part or str(len(place)), {})
        if not isinstance(inner, dict):
            raise InvalidRequest(f"Conflicting fields: {name[:80]}", param=name[:80])
        place = inner
    last = path[-1] or str(len(place))
    if isinstance(place.get(last), dict):
        raise InvalidRequest(f"Conflicting fields: {name[:80]}", param=name[:80])
    place[last] = value


def _lists(value: Any) -> Any:
    """A dict whose names are 0, 1, 2 ... is a list."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(part) for name, part in value.items()}
    if inner and all(name.isascii() and name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
