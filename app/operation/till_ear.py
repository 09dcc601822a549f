"""`guanjia terminal listen`: what a till's canteen hears, as it happens; across cuts of the line too."""

import asyncio
import json
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from websockets.exceptions import WebSocketException

from app.operation.tills import KeyboardTill
from app.problems import TillProblem
from realtime.client import EventFrame, RealtimeClient, Refused, SignedOut

_PATH: Final = "/v1/realtime"


async def listen(server: str, token: str, *, count: int | None, as_json: bool) -> None:
    """Print each event, until interrupted or until so many have come."""
    canteen = await asyncio.to_thread(KeyboardTill(server, token).canteen)
    try:
        async with RealtimeClient(_socket_address(server), token) as client:
            await client.subscribe(f"canteen:{canteen}")
            async for message in client.listen():
                if isinstance(message, Refused):
                    raise TillProblem(f"The server refused: {message.code}")
                if isinstance(message, EventFrame):
                    print(_line(message, as_json=as_json), flush=True)  # noqa: T201  the command's output
                    count = None if count is None else count - 1
                if count == 0:
                    return
    except SignedOut as error:
        raise TillProblem("The till's token is no good (any more).") from error
    except (OSError, WebSocketException) as error:
        raise TillProblem(f"{server} does not answer on {_PATH}.") from error


def _socket_address(server: str) -> str:
    parts = urlsplit(server)
    return urlunsplit(("wss" if parts.scheme == "https" else "ws", parts.netloc, _PATH, "", ""))


def _line(frame: EventFrame, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(
            {"position": frame.position, "type": frame.type, "happened_at": frame.happened_at, "data": frame.data},
            ensure_ascii=False,
        )
    amount = frame.data.get("amount_fen")
    words = [frame.happened_at, f"{frame.position:>6}", frame.type, str(frame.data.get("payer_label", ""))]
    return "  ".join([*words, f"{amount} fen"] if amount is not None else words)
