"""Which addresses may be typed in. Where a name leads is looked at again when it is connected to (kernel/outgoing.py)."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from kernel.outgoing import AddressGuard, AddressRefused
from kernel.settings import get_settings
from realtime.reaching.errors import AddressNotAllowed


def check_address(address: str) -> str:
    """The address, or AddressNotAllowed: https everywhere; plain http to this machine only, and never in production."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise AddressNotAllowed(reason="it is not an address") from None
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise AddressNotAllowed(reason="it names no host, or more than one")
    settings = get_settings()
    is_own = parts.scheme == "http" and not settings.production and _is_loopback(host)
    if parts.scheme != "https" and not is_own:
        raise AddressNotAllowed(reason="https is needed")
    try:
        AddressGuard.of_settings(settings).refuse_literal(host)
    except AddressRefused as refused:
        raise AddressNotAllowed(reason=str(refused)) from None
    return address


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
