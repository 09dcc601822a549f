"""The AsyncAPI 3.0 document of /v1/realtime: every frame in both directions and every event, made from their classes.

docs/asyncapi.json is generated from here and served at /v1/asyncapi.json, so that a client's author may generate types
from it or read it in any viewer. The frames' own schema (docs/realtime.schema.json) is what our front end is made from.
"""

from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from kernel.events import Event
from realtime.schemas import ClientMessage, ServerMessage

ADDRESS: Final = "/v1/realtime"
_SCHEMAS: Final = "#/components/schemas/{name}"
_ABOUT: Final = (
    "One WebSocket. Sign in with `auth` (or by the session's cookie), then subscribe to channels: `me`, or "
    "`<kind>:<id>`, such as `canteen:can_...`. Positions grow by one within a channel. After a cut, subscribe with "
    "`after`, the last position you have seen: what was missed follows, or one `resync`, which means that the snapshot "
    "must be fetched anew. A type that you do not know is no error: more of them will come."
)


def asyncapi_document(events: Mapping[str, type[Event]]) -> dict[str, Any]:
    """The document, for these events."""
    says = [_name(cls) for cls in get_args(ClientMessage)]
    hears = [_name(cls) for cls in get_args(ServerMessage)]
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in [*says, *hears, *events]}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Guanjia, told in real time", "version": "1", "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {"realtime": {"address": ADDRESS, "messages": messages}},
        "operations": {
            "say": _operation("receive", "What a client may say.", says),
            "hear": _operation("send", "What a client hears.", [*hears, *events]),
        },
        "components": {
            "messages": {
                **{_name(cls): _message(cls) for cls in (*get_args(ClientMessage), *get_args(ServerMessage))},
                **{name: _event_message(name, cls) for name, cls in events.items()},
            },
            "schemas": {**_frame_schemas(), **_event_schemas(events)},
        },
    }


def _name(cls: type[msgspec.Struct]) -> str:
    return cls.__name__[:1].lower() + cls.__name__[1:]


def _operation(action: str, summary: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/realtime"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/realtime/messages/{name}"} for name in names],
    }


def _message(cls: type[msgspec.Struct]) -> dict[str, Any]:
    return {"name": _name(cls), "summary": _sentence(cls), "payload": {"$ref": _SCHEMAS.format(name=cls.__name__)}}


def _event_message(name: str, cls: type[Event]) -> dict[str, Any]:
    """An `event` frame of one type."""
    payload = {
        "type": "object",
        "required": ["op", "channel", "position", "id", "type", "version", "data", "happened_at"],
        "properties": {
            "op": {"const": "event"},
            "channel": {"type": "string"},
            "position": {"type": "integer", "minimum": 1},
            "id": {"type": "string"},
            "type": {"const": name},
            "version": {"const": cls.version},
            "data": {"$ref": _SCHEMAS.format(name=cls.__name__)},
            "happened_at": {"type": "string", "format": "date-time"},
        },
    }
    return {"name": name, "summary": _sentence(cls), "payload": payload}


def _frame_schemas() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components([ClientMessage, ServerMessage], ref_template=_SCHEMAS)
    return schemas


def _event_schemas(events: Mapping[str, type[Event]]) -> dict[str, Any]:
    """What an event's `data` may hold. A channel may be told less than another, so no field is promised."""
    _, schemas = msgspec.json.schema_components(events.values(), ref_template=_SCHEMAS)
    for cls in events.values():
        schema = schemas[cls.__name__]
        # It stands in the frame, beside `data`.
        del schema["properties"]["happened_at"]
        schema.pop("required", None)
    return schemas


def _sentence(cls: type[msgspec.Struct]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]
