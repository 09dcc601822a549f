"""Printers of the tills: a till's own one at an address of its network, or the house's, which the operator sets.

A till's printer is set over HTTP and can therefore only be an address; a device file is the operator's to name.
"""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from canteen.errors import NoPrinter, PrinterSilent
from canteen.models import TillPrinter
from canteen.slips import COLUMNS
from kernel import audit_log, clock
from kernel.errors import Malformed
from kernel.ids import public_id
from kernel.settings import get_settings

log = structlog.get_logger(__name__)

_PORT: Final = 9100
_TIMEOUT_S: Final = 5
_ADDRESS: Final = re.compile(
    r"^tcp://[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?$|^tcp://\[[0-9A-Fa-f:]{2,39}\](:[0-9]{1,5})?$"
)


@dataclass(frozen=True, slots=True)
class Printer:
    """Where to print, and how wide the paper is."""

    address: str
    columns: int


async def set_printer(
    session: AsyncSession, terminal_id: UUID, address: str | None, columns: int, *, actor: str
) -> None:
    """Give a till a printer of its own, or take it away."""
    if address is None:
        await session.execute(delete(TillPrinter).where(TillPrinter.terminal_id == terminal_id))
    else:
        _check_address(address)
        values = {"address": address, "columns": columns, "changed_at": clock.now()}
        await session.execute(
            insert(TillPrinter)
            .values(terminal_id=terminal_id, **values)
            .on_conflict_do_update(index_elements=[TillPrinter.terminal_id], set_=values)
        )
    data = {"address": address, "columns": columns}
    await audit_log.record(
        session, actor=actor, action="till_printer.set", subject=public_id("ter", terminal_id), data=data
    )


def _check_address(address: str) -> None:
    try:
        if _ADDRESS.match(address) and (urlsplit(address).port or _PORT) > 0:
            return
    except ValueError:
        pass  # A port beyond 65535, or what only looks like an address of version 6.
    raise Malformed(reason="address: tcp://host:port", field="address")


async def find_printer(session: AsyncSession, terminal_id: UUID) -> Printer | None:
    """The till's own, or the house's."""
    own = await session.get(TillPrinter, terminal_id)
    if own is not None:
        return Printer(own.address, own.columns)
    house = get_settings().slip_printer
    return Printer(house, COLUMNS) if house else None


async def get_printer(session: AsyncSession, terminal_id: UUID) -> Printer:
    """The same, or NoPrinter."""
    printer = await find_printer(session, terminal_id)
    if printer is None:
        raise NoPrinter
    return printer


async def send_to_printer(printer: Printer, data: bytes) -> None:
    """Print, outside of any transaction; PrinterSilent where the printer does not take it within seconds."""
    parts = urlsplit(printer.address)
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            if parts.scheme == "file":
                await asyncio.to_thread(_write_to_device, Path(parts.path), data)
            else:
                await _write_to_network(parts.hostname or "", parts.port or _PORT, data)
    except (OSError, TimeoutError) as error:
        log.warning("printer.silent", address=printer.address, error=str(error))
        raise PrinterSilent(address=printer.address) from error


def _write_to_device(path: Path, data: bytes) -> None:
    with path.open("ab") as device:
        device.write(data)


async def _write_to_network(host: str, port: int, data: bytes) -> None:
    _, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(data)
        await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()
