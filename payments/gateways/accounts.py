"""The house's accounts of a gateway: the same owner in every installation, so that books can be compared."""

from typing import Final
from uuid import UUID, uuid5

from payments.lines import Account

_CHANNELS: Final = UUID("6f0a4f52-1f0e-5e5c-8f3b-6d0f5a0a7c11")


def clearing(channel: str) -> Account:
    """What a gateway has taken and not yet paid out."""
    return Account("psp_clearing", uuid5(_CHANNELS, channel))


def refunds(channel: str) -> Account:
    """What a gateway was asked to give back and has not yet said that it has."""
    return Account("psp_refunds", uuid5(_CHANNELS, channel))


def unclaimed(channel: str) -> Account:
    """What came in by a gateway and could be credited to nobody, once two people have said so."""
    return Account("psp_unclaimed", uuid5(_CHANNELS, channel))
