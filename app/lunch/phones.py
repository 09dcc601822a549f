"""A phone: a session, a connection for its requests, and a socket on which it hears of its own payments."""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult

import msgspec

from app.lunch.sales import NOT_YET, Sale
from app.lunch.tills import paid_or_refused
from app.lunch.wire import Answer, Line, NoAnswer
from app.problems import LunchRefused

_PAUSE_S: Final = 0.1
_decode: Final = msgspec.json.Decoder()


@dataclass(frozen=True)
class PhoneCard:
    """Whose phone it is. Without a token nobody holds it: there is only a card."""

    token: str | None
    card: str | None = None


class Phone:
    """Speaks with the server as the phone's page does."""

    def __init__(self, address: SplitResult, card: PhoneCard) -> None:
        self.card = card
        self._line = Line(address, card.token or "")
        self._turn = asyncio.Lock()

    async def fetch_code(self) -> dict[str, Any]:
        """A fresh pay code; asked for until it comes."""
        async with self._turn:
            while True:
                try:
                    answer = await self._line.post("/v1/me/pay_codes")
                except NoAnswer:
                    await asyncio.sleep(_PAUSE_S)
                    continue
                if answer.status == 201:
                    code: dict[str, Any] = _decode.decode(answer.body)
                    return code
                if answer.status not in NOT_YET:
                    raise LunchRefused(f"No pay code: {answer.status} {answer.body[:200].decode(errors='replace')}")
                await asyncio.sleep(_PAUSE_S)

    async def scan(self, wall_code: str, sale: Sale) -> Answer:
        """Pay at a printed code."""
        body: dict[str, Any] = {"place_code": wall_code}
        if sale.visit.amount_fen is not None:
            body["amount_fen"] = sale.visit.amount_fen
        async with self._turn:
            return await paid_or_refused(self._line, "/v1/me/scan_payments", body, sale)

    def close(self) -> None:
        """Hang up."""
        self._line.close()
