"""A card's number: what is read of it, what is stored of it, and whose card it is.

A number is read by a reader that types like a keyboard, and can be copied by whoever once held the card. So it is stored
as an HMAC only, pays no more than `card_meal_max_fen` a meal, and its holder is told of each payment at once.
"""

import hmac
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from kernel.errors import Malformed
from kernel.sealing import derived_key
from payments.models import CardDirectory

NUMBER_LENGTH_MIN: Final = 4
# Twenty digits are a pay code.
NUMBER_LENGTH_MAX: Final = 19


class CardKey(NamedTuple):
    """A card and its holder, as the directory names them; whether it may pay is read under the holder's lock."""

    bucket: int
    card_id: UUID
    holder_id: UUID


def check_card_number(text: str) -> str:
    """Digits as a reader types them, zeros in front included; Malformed for anything else."""
    if not NUMBER_LENGTH_MIN <= len(text) <= NUMBER_LENGTH_MAX or not (text.isascii() and text.isdigit()):
        raise Malformed(reason=f"a card number has {NUMBER_LENGTH_MIN} to {NUMBER_LENGTH_MAX} digits", field="number")
    return text


def card_number_hash(number: str) -> bytes:
    """What is stored of a card's number: an HMAC, because ten digits can be tried out."""
    return hmac.digest(derived_key("card-number"), number.encode(), "sha256")


async def find_card(session: AsyncSession, number: str) -> CardKey | None:
    """Which card a number is; None for a number that was never given out."""
    row = (
        await session.execute(
            select(CardDirectory.bucket, CardDirectory.card_id, CardDirectory.holder_id).where(
                CardDirectory.number_hash == card_number_hash(number)
            )
        )
    ).one_or_none()
    return CardKey(*row) if row is not None else None
