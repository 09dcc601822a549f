"""Pages and descriptions made from the code: settings, errors, events, processes, the HTTP interface."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from app.main import create_app
from app.processes import PROCESSES
from kernel.errors import error_classes
from kernel.events import event_classes
from kernel.settings import Settings
from realtime.asyncapi import asyncapi_document

_MADE = "<!-- Made from the code by `make generate`; change it there. -->"


def settings_page() -> str:
    """docs/settings.md."""
    rows = [
        (f"`GUANJIA_{name.upper()}`", _default(field.default), str(field.description))
        for name, field in Settings.model_fields.items()
    ]
    return _page(
        "Settings", "Read from the environment once, when a process starts.", ("name", "default", "meaning"), rows
    )


def errors_page() -> str:
    """docs/errors.md."""
    rows = [
        (f"`{error.code}`", str(error.status), error.message_zh, error.message_en)
        for error in error_classes()
        if error.status < 600
    ]
    lead = (
        'Every refusal is `{"code", "message", "data", "request_id"}`; the message is in the language of Accept-Language. '
        "A code never changes its meaning; the sentences may improve."
    )
    return _page("Errors", lead, ("code", "status", "中文", "English"), rows)


def events_page() -> str:
    """docs/events.md."""
    rows = []
    for name, event in event_classes().items():
        fields = ", ".join(f"`{field.name}`" for field in msgspec.structs.fields(event))
        rows.append((f"`{name}`", str(event.version), fields, (event.__doc__ or "").strip().split("\n")[0]))
    lead = "What can be heard on the channels of `/v1/realtime`, and by handlers of other domains. Fields are added, never renamed."
    return _page("Events", lead, ("type", "version", "fields", "meaning"), rows)


def processes_page() -> str:
    """docs/processes.md."""
    rows = [
        (
            row.name,
            row.purpose,
            ", ".join(row.needs) or "-",
            f"`guanjia {' '.join(row.command)}`" if row.command else "-",
        )
        for row in PROCESSES
    ]
    lead = "`make run` starts them on one machine; docker-compose.yml is made from the same table (app/processes.py)."
    return _page("Processes", lead, ("name", "what it does", "needs", "command"), rows)


def openapi_json() -> str:
    """The HTTP interface, for the types of the front end. Two models of one name would both get another one: refused."""
    page = create_app(Settings()).openapi()
    doubled = sorted(name for name in page["components"]["schemas"] if "__" in name)
    if doubled:
        raise ValueError(f"two models of the API have one name; call one of them otherwise: {', '.join(doubled)}")
    return _json(page)


def events_json() -> str:
    """JSON Schema of every event's fields, for the types of the front end."""
    create_app(Settings())  # Imports every domain, and with it every event.
    classes = event_classes()
    _, components = msgspec.json.schema_components(classes.values())
    return _json({"events": {name: cls.__name__ for name, cls in classes.items()}, "$defs": components})


def asyncapi_json() -> str:
    """docs/asyncapi.json: the same for /v1/realtime."""
    create_app(Settings())  # As above.
    return _json(asyncapi_document(event_classes()))


def _page(title: str, lead: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"# {title}", "", _MADE, "", lead, "", _row(heads), _row(("---",) * len(heads)), *map(_row, rows)]
    return "\n".join([*lines, ""])


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _default(value: Any) -> str:
    if value is None:
        return "not set"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
