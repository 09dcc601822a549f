"""A till: its token, its own numbers, one customer after the other; asks again with the same key until it is answered."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult
from uuid import uuid4

import msgspec

from app.lunch.sales import NOT_YET, Sale
from app.lunch.wire import Answer, Line, NoAnswer
from app.problems import LunchRefused

_PAUSE_S: Final = 0.1
_PATH: Final = "/v1/payments"
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class TillCard:
    """What makes a client this till."""

    token: str
    canteen: str
    # The printed code beside it; None where nobody told us.
    wall_code: str | None = None


async def until_answered(line: Line, path: str, body: bytes, key: str, sale: Sale) -> Answer:
    """The same request with the same key, again and again: it is served once, however often it is sent."""
    while True:
        sale.attempts += 1
        try:
            answer = await line.post(path, body, key)
        except NoAnswer:
            await asyncio.sleep(_PAUSE_S)
            continue
        if answer.status not in NOT_YET:
            return answer
        await asyncio.sleep(_PAUSE_S)


async def paid_or_refused(line: Line, path: str, body: dict[str, Any], sale: Sale) -> Answer:
    """Whoever is asked whether the same once more is meant, says yes."""
    sale.key = uuid4().hex
    answer = await until_answered(line, path, _encode(body), sale.key, sale)
    if answer.status == 409 and b'"CONFIRM_REPEAT"' in answer.body:
        sale.was_asked = True
        answer = await until_answered(line, path, _encode(body | {"confirm_repeat": True}), sale.key, sale)
    return answer


class Till:
    """Speaks with the server as a till does."""

    def __init__(self, address: SplitResult, card: TillCard) -> None:
        self.card = card
        self._line = Line(address, card.token)
        self._seq = 0
        self._turn = asyncio.Lock()

    async def report(self) -> None:
        """At the start of the day: which number comes next?"""
        answer = await self._line.get("/v1/terminals/me")
        if answer.status != 200:
            raise LunchRefused(f"A till was answered {answer.status}: {answer.body[:200].decode(errors='replace')}")
        self._seq = msgspec.json.decode(answer.body)["next_seq"] - 1

    async def sell(self, presented: dict[str, Any], sale: Sale) -> Answer:
        """One sale; who comes meanwhile waits."""
        async with self._turn:
            return await paid_or_refused(self._line, _PATH, self._body(presented, sale), sale)

    async def sell_and_ask_again(self, presented: dict[str, Any], sale: Sale) -> tuple[Answer, Answer]:
        """One sale whose answer got lost on the till's side: the same again must bring the same."""
        async with self._turn:
            body = self._body(presented, sale)
            first = await paid_or_refused(self._line, _PATH, body, sale)
            return first, await until_answered(self._line, _PATH, _encode(body), sale.key, sale)

    def _body(self, presented: dict[str, Any], sale: Sale) -> dict[str, Any]:
        self._seq += 1
        body = presented | {"seq": self._seq}
        if sale.visit.amount_fen is not None:
            body["amount_fen"] = sale.visit.amount_fen
        return body

    def close(self) -> None:
        """Hang up."""
        self._line.close()
