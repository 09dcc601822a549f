"""Events: closed models of what happened, each with its declared audience.

A domain's `events.py` holds subclasses of `Event`. An event is published in the transaction that makes it true
(`kernel.outbox.publish`), stamped by the relay with a position in each channel of its audience, and never changed.
Its fields are its wire form; a field is added, never renamed, and `version` goes up when one is.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec


class Delivery(NamedTuple):
    """One channel that hears of an event, and the data that this channel may see (masked where it must be)."""

    channel: str
    data: dict[str, Any]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. Subclasses set `type` (dotted, past tense) and say who hears of it."""

    type: ClassVar[str]
    version: ClassVar[int] = 1

    happened_at: str

    def audience(self) -> Sequence[Delivery]:
        """Channels and what each may see. An empty audience is for handlers only."""
        raise NotImplementedError

    def data(self) -> dict[str, Any]:
        """The fields, without the envelope's."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        del fields["happened_at"]
        return fields


def event_classes() -> dict[str, type[Event]]:
    """Every event type that has been imported, by its name: what the relay can read and the catalogue lists."""
    found: dict[str, type[Event]] = {}
    waiting = list(Event.__subclasses__())
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        if "type" in vars(cls):
            found[cls.type] = cls
    return dict(sorted(found.items()))


class StoredEvent(NamedTuple):
    """An event as the outbox holds it, with the id that handlers are idempotent by."""

    lane: int
    n: int
    ordinal: int
    event: Event
    # Of the request that made it happen; the posting queue writes for many requests at once and names none.
    request_id: str | None = None

    @property
    def id(self) -> str:
        """`evt_<lane>_<row>_<ordinal>`: the same in every process, forever."""
        return f"evt_{self.lane}_{self.n}_{self.ordinal}"


def encode_events(events: Sequence[Event], request_id: str | None = None) -> str:
    """The outbox column: a JSON list of `{type, version, data}`, and whose request it was where there was one."""
    origin = {"request_id": request_id} if request_id is not None else {}
    envelopes = [{"type": e.type, "version": e.version, "data": e, **origin} for e in events]
    return msgspec.json.encode(envelopes).decode()


class _Envelope(msgspec.Struct):
    type: str
    version: int
    data: msgspec.Raw
    request_id: str | None = None


_decode_envelopes = msgspec.json.Decoder(list[_Envelope]).decode
# By type, made when the first event of it is read.
_decoders: dict[str, Callable[[msgspec.Raw], Event]] = {}


def decode_events(lane: int, n: int, column: str | bytes, types: Collection[str] | None = None) -> list[StoredEvent]:
    """The inverse of `encode_events`, or of these types in it; one that nobody knows any more is an error, not a silence."""
    return [
        StoredEvent(lane, n, ordinal, _decode_event(envelope), envelope.request_id)
        for ordinal, envelope in enumerate(_decode_envelopes(column))
        if types is None or envelope.type in types
    ]


def _decode_event(envelope: _Envelope) -> Event:
    decode = _decoders.get(envelope.type)
    if decode is None:
        # A class that was imported since, or none: KeyError.
        decode = _decoders[envelope.type] = msgspec.json.Decoder(event_classes()[envelope.type]).decode
    return decode(envelope.data)
