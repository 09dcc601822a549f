"""`/v1/realtime`: reads what a client says, one message after the other, and hands it to the hub."""

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from fastapi import APIRouter, WebSocket

from identity.api import SESSION_COOKIE
from kernel.errors import GuanjiaError, Malformed, Unauthenticated
from kernel.events import event_classes
from kernel.settings import get_settings
from realtime.asyncapi import asyncapi_document
from realtime.audio.switchboard import Switchboard
from realtime.connection import Connection
from realtime.errors import CLOSE_TOO_LARGE, CLOSE_UNAUTHENTICATED, MessageTooLarge
from realtime.frames import PONG
from realtime.hub import Hub
from realtime.protocol import SOCKET_EXTENSION, HubProtocol
from realtime.schemas import (
    Auth,
    ClientMessage,
    Ping,
    Signal,
    Subscribe,
    Talk,
    Unsubscribe,
    decode_client_message,
)

router = APIRouter()
log = structlog.get_logger(__name__)


@router.get("/v1/asyncapi.json", tags=["realtime"])
async def show_asyncapi() -> dict[str, Any]:
    """What can be said and heard on the WebSocket `/v1/realtime`, as an AsyncAPI 3.0 document."""
    return asyncapi_document(event_classes())


@router.websocket("/v1/realtime")
async def listen(websocket: WebSocket) -> None:
    """A socket, from its first word to its last."""
    hub: Hub = websocket.app.state.hub
    await websocket.accept()
    connection = Connection(_protocol_of(websocket), hub.limits.buffer_bytes_max, hub.limits.slow_after_s)
    hub.add(connection)
    try:
        await _sign_in_by_cookie(hub, connection, websocket)
        if await _listen_until_signed_in(hub, connection, websocket):
            while await _hear_next(hub, connection, websocket):
                pass
    finally:
        await _switchboard_of(websocket).leave(connection)
        await hub.remove(connection)


def _protocol_of(websocket: WebSocket) -> HubProtocol:
    protocol = websocket.scope.get("extensions", {}).get(SOCKET_EXTENSION)
    if not isinstance(protocol, HubProtocol):
        raise TypeError("the hub writes to its sockets itself: serve with uvicorn and ws=realtime.protocol.HubProtocol")
    return protocol


async def _sign_in_by_cookie(hub: Hub, connection: Connection, websocket: WebSocket) -> None:
    """A browser that is signed in need not say so again; a page of another site may not use that."""
    token = websocket.cookies.get(SESSION_COOKIE)
    if not token or not _is_own_page(websocket):
        return
    try:
        await hub.sign_in(connection, token)
    except GuanjiaError as error:
        log.debug("cookie_not_taken", code=error.code)


def _is_own_page(websocket: WebSocket) -> bool:
    origin = websocket.headers.get("origin")
    if origin is None:
        return True
    if origin == get_settings().public_url:
        return True
    return urlsplit(origin).netloc == websocket.headers.get("host")


async def _listen_until_signed_in(hub: Hub, connection: Connection, websocket: WebSocket) -> bool:
    """False when the client left, or took too long."""
    try:
        async with asyncio.timeout(hub.limits.auth_deadline_s):
            while connection.caller is None:
                if not await _hear_next(hub, connection, websocket):
                    return False
    except TimeoutError:
        connection.refuse(Unauthenticated.code)
        connection.protocol.cut(CLOSE_UNAUTHENTICATED, "no sign-in")
        return False
    return True


async def _hear_next(hub: Hub, connection: Connection, websocket: WebSocket) -> bool:
    """One message; False when it was the last."""
    received = await websocket.receive()
    if received["type"] == "websocket.disconnect":
        return False
    text = received.get("text")
    if text is not None and len(text) > hub.limits.message_bytes_max:
        connection.refuse(MessageTooLarge.code)
        connection.protocol.cut(CLOSE_TOO_LARGE, "message too large")
        return False
    try:
        message = decode_client_message(text if text is not None else received.get("bytes") or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        connection.refuse(Malformed.code)
        return True
    await _answer(websocket, hub, connection, message)
    return connection.is_open


async def _answer(websocket: WebSocket, hub: Hub, connection: Connection, message: ClientMessage) -> None:
    """Whatever goes wrong is told to this client and troubles nobody else."""
    try:
        await _obey(websocket, hub, connection, message)
    except GuanjiaError as error:
        connection.refuse(error.code, getattr(message, "channel", None))
        if isinstance(message, Auth) and isinstance(error, Unauthenticated):
            connection.protocol.cut(CLOSE_UNAUTHENTICATED, "not signed in")
    except Exception:
        log.exception("socket_message_failed", op=type(message).__name__)
        connection.refuse(GuanjiaError.code, getattr(message, "channel", None))


async def _obey(websocket: WebSocket, hub: Hub, connection: Connection, message: ClientMessage) -> None:
    match message:
        case Ping():
            connection.send(PONG)
        case Auth(token=token):
            await _sign_in(hub, connection, token)
        case Subscribe():
            await hub.subscribe(connection, message)
        case Unsubscribe(channel=channel):
            await hub.unsubscribe_by_wire_name(connection, channel)
        case Talk():
            await _switchboard_of(websocket).join(connection, message)
        case Signal():
            await _switchboard_of(websocket).pass_on(connection, message)


def _switchboard_of(websocket: WebSocket) -> Switchboard:
    switchboard: Switchboard = websocket.app.state.switchboard
    return switchboard


async def _sign_in(hub: Hub, connection: Connection, token: str | None) -> None:
    if token is not None:
        await hub.sign_in(connection, token)
    elif connection.caller is None:
        raise Unauthenticated
