"""Asking the channel: the first time to send, afterwards what became of it; by the worker's looks, outside of transactions.

Sending twice under one name sends once, so whatever was lost on the way is simply sent again.
"""

import json
import secrets
from typing import NamedTuple

from kernel.db import Database
from kernel.ids import public_id
from kernel.sealing import seal, unseal
from payments.channels.channel import Channel, Heard, Word
from payments.models import ChannelOrder
from payments.withdrawals.queries import get_withdrawal

TITLE = "一卡通余额退还"


class Payee(NamedTuple):
    """Where the money goes, and whose name the gateway must find there."""

    account: str
    name: str

    def sealed(self) -> bytes:
        return seal(json.dumps(self._asdict()).encode(), secrets.token_bytes(12))

    @property
    def hint(self) -> str:
        """`138****1234`, `wa***@example.com`: enough for its owner."""
        local, at, domain = self.account.partition("@")
        if at:
            return f"{local[:2]}***@{domain}"
        return f"{self.account[:3]}****{self.account[-4:] if len(self.account) > 7 else ''}"


def unseal_payee(sealed: bytes) -> Payee:
    """The inverse of `Payee.sealed`."""
    return Payee(**json.loads(unseal(sealed)))


async def ask(db: Database, channel: Channel, order: ChannelOrder) -> Heard:
    """One look at a withdrawal's order."""
    async with db.session() as session:
        withdrawal = await get_withdrawal(session, order.id)
        payee = unseal_payee(withdrawal.sealed_payee)
    name = public_id("wdr", order.id)
    if order.state != "written":
        heard = await channel.ask_transfer(name)
        if heard.word is not Word.NOT_THERE:
            return heard
    return await channel.transfer(name, order.amount_fen, payee.account, payee.name, TITLE)
