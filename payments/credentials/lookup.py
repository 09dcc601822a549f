"""What a payment is made with besides a pay code: looked up before the queue, decided within it.

A pay code names its holder by its own row. A card is found in its directory, a staff number by identity and its PIN, the
payer at a wall code by the sign-in. None of these look-ups touches a hot table, and none happens for a pay code. What was
found here is only a name: whether the account and the card may pay is read under the holder's lock, as for a code.
"""

import hmac
from typing import Final
from uuid import UUID

from sqlalchemy import select

from kernel.db import Database
from kernel.errors import Malformed
from kernel.sealing import derived_key
from kernel.settings import get_settings
from payments.credentials import cards, pins
from payments.credentials.presented import Presented
from payments.models import TerminalRequest
from payments.posting_rule import DenyCode, Refusal
from payments.schemas import CredentialRequest

_STAFF_NUMBER_LENGTH_MAX: Final = 64


async def present(db: Database, caller_id: UUID, key: str, credential: CredentialRequest) -> Presented:
    """Look a card or a staff number up. Malformed for what is neither."""
    if credential.kind == "card":
        return await _present_card(db, credential.value)
    return await _present_staff_number(db, caller_id, key, credential.value)


def fingerprint(credential: CredentialRequest) -> str:
    """A credential within the identity of a body: keyed, because a card's number or a PIN could be tried out on a hash."""
    return hmac.digest(derived_key("credential"), f"{credential.kind}:{credential.value}".encode(), "sha256").hex()


async def _present_card(db: Database, number: str) -> Presented:
    cards.check_card_number(number)
    async with db.session() as session:
        found = await cards.find_card(session, number)
    if found is None:
        return Presented("card", refusal=Refusal(DenyCode.CODE_UNKNOWN, {"credential": "card"}))
    limit_fen = get_settings().card_meal_max_fen
    return Presented("card", found.bucket, found.holder_id, found.card_id, meal_max_fen=limit_fen)


async def _present_staff_number(db: Database, caller_id: UUID, key: str, value: str) -> Presented:
    staff_number, _, pin = value.rpartition(":")
    is_pin = len(pin) == pins.PIN_LENGTH and pin.isascii() and pin.isdigit()
    if not is_pin or not 0 < len(staff_number) <= _STAFF_NUMBER_LENGTH_MAX or "\0" in staff_number:
        raise Malformed(reason="a staff number, a colon and a PIN of six digits", field="credential")
    if await _was_answered(db, caller_id, key):
        # The stored answer goes back, whatever is presented now; trying the same PIN once more must not count as a guess.
        return Presented("staff_pin", refusal=Refusal(DenyCode.CODE_UNKNOWN, {"credential": "staff_pin"}))
    checked = await pins.check_pin(db, staff_number, pin)
    if isinstance(checked, Refusal):
        return Presented("staff_pin", refusal=checked)
    return Presented("staff_pin", *checked)


async def _was_answered(db: Database, caller_id: UUID, key: str) -> bool:
    """Whether this key has its answer already. A claim that is committed is never given back."""
    async with db.session() as session:
        found = await session.scalar(
            select(TerminalRequest.seq).where(TerminalRequest.terminal_id == caller_id, TerminalRequest.key == key)
        )
    return found is not None
