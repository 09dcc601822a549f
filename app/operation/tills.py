"""`guanjia terminal`: tills from the command line, and a till made of a keyboard."""

import json
import os
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from sqlalchemy import text

from app.demo_logins import base_url, read_demo_logins
from app.problems import TillProblem
from identity.terminals import PairingCode, issue_pairing_code, revoke_terminal
from kernel import clock
from kernel.db import Database
from kernel.errors import NotFound
from kernel.ids import parse_public_id, public_id
from kernel.settings import Settings

T = TypeVar("T")
ACTOR: Final = "command-line"
TOKEN_VARIABLE: Final = "GUANJIA_TERMINAL_TOKEN"  # noqa: S105  a variable's name
_ATTEMPTS_MAX: Final = 4
_TIMEOUT_S: Final = 15.0

_LIST: Final = text("""
    SELECT t.id, t.name, t.status, t.modes, t.last_seen_at, s.code, s.name_zh
    FROM terminals t JOIN sites s ON s.id = t.site_id ORDER BY s.code, t.name, t.id
""")


# ---- of the office


@dataclass(frozen=True)
class ListedTill:
    """A line of the list."""

    id: str
    name: str
    canteen: str
    status: str
    modes: str
    last_seen: str


async def list_tills(db: Database) -> list[ListedTill]:
    """All of them, canteen by canteen."""
    async with db.session() as session:
        rows = (await session.execute(_LIST)).all()
    return [
        ListedTill(
            public_id("ter", row.id),
            row.name,
            f"{row.code} {row.name_zh}",
            row.status,
            ", ".join(row.modes),
            clock.rfc3339(row.last_seen_at) if row.last_seen_at else "never",
        )
        for row in rows
    ]


async def pair(db: Database, till: str) -> PairingCode:
    """A fresh code to type at the till; the one before is void."""
    async with db.session() as session:
        return await issue_pairing_code(session, parse_public_id("ter", till), actor=ACTOR)


async def revoke(db: Database, till: str) -> None:
    """For good, within a second everywhere."""
    async with db.session() as session:
        await revoke_terminal(session, parse_public_id("ter", till), actor=ACTOR)


async def on_database(url: str, act: Callable[[Database], Awaitable[T]]) -> T:
    """Run one act; what there is not is said in words."""
    db = Database(url, pool_size=1)
    try:
        return await act(db)
    except NotFound as error:
        raise TillProblem("There is no such till: `guanjia terminal list` shows them.") from error
    finally:
        await db.close()


# ---- a till made of a keyboard


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    body: dict[str, Any]
    replayed: bool = False


class KeyboardTill:
    """Speaks with a running server as a till does: its own numbers, a key for each sale, the same key when it asks again."""

    def __init__(self, server: str, token: str) -> None:
        if urlsplit(server).scheme not in ("http", "https"):
            raise TillProblem(f"{server} is no address of a server: http://...")
        self._server, self._token = server.rstrip("/"), token
        self._next_seq: int | None = None

    def enrol(self, pairing_code: str) -> str:
        """Become the till that this code is for; returns its token."""
        answer = self._call("POST", "/v1/terminals/enrol", {"pairing_code": pairing_code})
        if answer.status != 201:
            raise TillProblem(_words(answer))
        self._token = answer.body["token"]
        return self._token

    def pay(self, code: str, amount_fen: int | None = None, *, confirm_repeat: bool = False) -> Answer:
        """One sale. While nobody answers, the same one again: it is paid once, however often it is sent."""
        body: dict[str, Any] = {"code": code, "seq": self._take_seq()}
        if amount_fen is not None:
            body["amount_fen"] = amount_fen
        if confirm_repeat:
            body["confirm_repeat"] = True
        return self._call("POST", "/v1/payments", body, key=str(uuid.uuid4()))

    def canteen(self) -> str:
        """Where it stands."""
        canteen = self._me().get("canteen")
        if canteen is None:
            raise TillProblem("This till stands in no canteen.")
        found: str = canteen["id"]
        return found

    def _me(self) -> dict[str, Any]:
        me = self._call("GET", "/v1/terminals/me")
        if me.status != 200:
            raise TillProblem(_words(me))
        return me.body

    def _take_seq(self) -> int:
        if self._next_seq is None:
            self._next_seq = self._me()["next_seq"]
        taken, self._next_seq = self._next_seq, self._next_seq + 1
        return taken

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str | None = None) -> Answer:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        data = json.dumps(body).encode() if body is not None else None
        request = Request(f"{self._server}{path}", data, headers, method=method)  # noqa: S310  the scheme was checked
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                return _send(request)
            except (URLError, TimeoutError, ConnectionError) as error:
                if attempt == _ATTEMPTS_MAX:
                    raise TillProblem(f"{self._server} does not answer ({error}).") from error
                time.sleep(0.3 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")


def _send(request: Request) -> Answer:
    try:
        with urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  the scheme was checked
            return Answer(answer.status, json.load(answer), "Idempotent-Replayed" in answer.headers)
    except HTTPError as error:
        with error:
            return Answer(error.code, _json_or_nothing(error.read()))


def _json_or_nothing(content: bytes) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(content)
    except ValueError:
        return {}
    return found


def _words(answer: Answer) -> str:
    return f"{answer.status} {answer.body.get('code', '')}: {answer.body.get('message', 'no explanation')}"


def describe(answer: Answer) -> str:
    """For a person: paid from what, or why not."""
    if answer.status != 201:
        return f"✗ {_words(answer)}"
    legs = " + ".join(f"{leg['purse']} {leg['amount_fen']}" for leg in answer.body["legs"])
    return f"✓ {answer.body['id']}  {answer.body['amount_fen']} fen = {legs}"


def token_for(settings: Settings, *, token: str | None, till: str | None) -> str:
    """The one that was given; else a till of the demo."""
    given = token or os.environ.get(TOKEN_VARIABLE)
    if given:
        return given
    demo = read_demo_logins(settings.data_dir)
    if demo is None:
        raise TillProblem(f"Which till? Give its token (--token, or {TOKEN_VARIABLE}): there is no demo here.")
    for card in demo["terminals"]:
        if till is None or till in (card["id"], card.get("name")):
            found: str = card["token"]
            return found
    raise TillProblem(f"The demo has no till {till}: `guanjia demo` lists them.")


def server_for(settings: Settings, server: str | None) -> str:
    """The one that was given; else where this copy was last reached."""
    return server or base_url(settings)


def scanned_lines() -> Iterator[str]:
    """What a scanner types: a code and a return, again and again."""
    for line in sys.stdin:
        code = line.strip()
        if code:
            yield code
