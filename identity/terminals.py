"""Tills: opened with a pairing code, enrolled with a token, seen by their heartbeat, disabled, revoked.

Every change raises the configuration version in its own transaction. Posting reads that version with each batch, so
a revoked till is refused at its next payment, wherever it sends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from identity.access import authenticate_terminal
from identity.attempts import PAIRING, count_attempt, forget_attempts
from identity.errors import PairingCodeUnknown
from identity.events import TerminalChanged
from identity.kinds import TerminalMode
from identity.models import Site, TerminalRow
from identity.places import get_place
from identity.principal import Terminal
from identity.states import TERMINAL, next_state
from identity.tokens import hash_token, new_pairing_code, new_terminal_token
from identity.uniqueness import unique_or_refused
from kernel import audit_log, clock
from kernel.configuration import bump_configuration
from kernel.db import Database
from kernel.errors import NotFound, TooManyRequests
from kernel.ids import public_id, uuid7
from kernel.outbox import publish

PAIRING_LIFE: Final = timedelta(minutes=15)
HEARTBEAT_EVERY_S: Final = 60
# One beat may be lost before a till counts as gone.
ONLINE_FOR: Final = timedelta(seconds=HEARTBEAT_EVERY_S * 2 + 10)


# ---- what a till is told beyond identity's own knowledge


class TerminalConfigurationPart(Protocol):
    """A neighbour's share of `GET /v1/terminals/me`: canteen adds prices, periods and menus, payments `next_seq`."""

    async def __call__(self, session: AsyncSession, terminal: Terminal, /) -> dict[str, Any]:
        """Fields that are put beside the others, as JSON values."""
        ...


_parts: Final[list[TerminalConfigurationPart]] = []


def register_terminal_configuration(part: TerminalConfigurationPart) -> None:
    """Add a neighbour's share; app/wiring.py calls this."""
    if part not in _parts:
        _parts.append(part)


async def configuration_of(session: AsyncSession, terminal: Terminal) -> dict[str, Any]:
    """All that a till needs to work, by everybody's share."""
    site = await get_place(session, Site, terminal.site_id)
    told: dict[str, Any] = {
        "id": public_id("ter", terminal.id),
        "name": terminal.name,
        "status": terminal.status,
        "modes": sorted(terminal.modes),
        "seq_epoch": terminal.epoch,
        "configuration_version": terminal.configuration_version,
        "site": {
            "id": public_id("sit", site.id),
            "kind": site.kind,
            "name_zh": site.name_zh,
            "name_en": site.name_en,
            "region": public_id("reg", site.region_id),
        },
        "heartbeat_every_s": HEARTBEAT_EVERY_S,
        "server_time": clock.rfc3339(clock.now()),
    }
    for part in _parts:
        told |= await part(session, terminal)
    return told


# ---- an administrator's acts


@dataclass(frozen=True, slots=True)
class PairingCode:
    """Shown once to the administrator, typed once at the till."""

    code: str
    expires_at: datetime


async def open_terminal(
    session: AsyncSession,
    *,
    site_id: UUID,
    name: str,
    modes: Sequence[TerminalMode | str],
    serial: str | None = None,
    actor: str,
) -> tuple[UUID, PairingCode]:
    """A new till of a site, with the code that pairs it."""
    await get_place(session, Site, site_id)
    row = TerminalRow(
        id=uuid7(),
        site_id=site_id,
        name=name,
        serial=serial,
        status="pairing",
        epoch=0,
        modes=sorted({str(mode) for mode in modes}),
        rotation_due=False,
        configuration_version=0,
        health={},
        created_at=clock.now(),
    )
    async with unique_or_refused(session):
        session.add(row)
    code = await _issue_code(session, row, actor)
    return row.id, code


async def issue_pairing_code(session: AsyncSession, terminal_id: UUID, *, actor: str) -> PairingCode:
    """A new code for a till whose code was not used in time, or whose storage was wiped. The code before it is void."""
    return await _issue_code(session, await lock_terminal(session, terminal_id), actor)


async def _issue_code(session: AsyncSession, row: TerminalRow, actor: str) -> PairingCode:
    code = PairingCode(new_pairing_code(), clock.now() + PAIRING_LIFE)
    row.pairing_code_hash, row.pairing_expires_at = hash_token(code.code), code.expires_at
    await _apply(session, row, "issue_code", actor)
    return code


async def disable_terminal(session: AsyncSession, terminal_id: UUID, *, actor: str) -> None:
    """Out of service for now: it may still say that it is there."""
    await _apply(session, await lock_terminal(session, terminal_id), "disable", actor)


async def enable_terminal(session: AsyncSession, terminal_id: UUID, *, actor: str) -> None:
    """Back in service."""
    await _apply(session, await lock_terminal(session, terminal_id), "enable", actor)


async def revoke_terminal(session: AsyncSession, terminal_id: UUID, *, actor: str) -> None:
    """For good: stolen, sold, broken. Its token, and any code still open for it, are worth nothing from now on."""
    row = await lock_terminal(session, terminal_id)
    row.pairing_code_hash = row.pairing_expires_at = row.next_token_hash = None
    await _apply(session, row, "revoke", actor)


async def ask_for_rotation(session: AsyncSession, terminal_id: UUID, *, actor: str) -> None:
    """The till is told with its next heartbeat to change its token."""
    row = await lock_terminal(session, terminal_id)
    next_state(TERMINAL, row.status, "rotate_token")
    row.rotation_due = True
    await _audit(session, row, "ask_for_rotation", actor, {})


async def edit_terminal(session: AsyncSession, terminal_id: UUID, changes: dict[str, Any], *, actor: str) -> None:
    """Change name, serial or modes; only what is in `changes`."""
    row = await lock_terminal(session, terminal_id)
    if "modes" in changes:
        changes = {**changes, "modes": sorted({str(mode) for mode in changes["modes"]})}
    changes = {name: value for name, value in changes.items() if getattr(row, name) != value}
    if not changes:
        return
    async with unique_or_refused(session):
        for name, value in changes.items():
            setattr(row, name, value)
    await _changed(session, row, "edit", actor, changes)


# ---- the till's own acts


async def enrol_terminal(db: Database, code: str, address: str) -> dict[str, Any]:
    """A till types its pairing code and gets its token and configuration. Each enrolment starts a new epoch.

    Wrong codes are counted by the address they come from, before they are checked.
    """
    key = f"pairing:{address}"
    async with db.session() as session:
        wait_s = await count_attempt(session, key, PAIRING)
    if wait_s:
        raise TooManyRequests(retry_after_s=wait_s)
    async with db.session() as session:
        row = await _lock_paired(session, code)
        await forget_attempts(session, key)
        token = new_terminal_token()
        row.token_hash, row.next_token_hash, row.rotation_due = hash_token(token), None, False
        row.pairing_code_hash = row.pairing_expires_at = None
        row.epoch += 1
        row.last_seen_at = clock.now()
        await _apply(session, row, "enrol", public_id("ter", row.id))
        terminal = await authenticate_terminal(session, token)
        return {**await configuration_of(session, terminal), "token": token}


async def _lock_paired(session: AsyncSession, code: str) -> TerminalRow:
    typed = "".join(character for character in code.upper() if character.isalnum())
    row = await session.scalar(
        select(TerminalRow)
        .where(TerminalRow.pairing_code_hash == hash_token(typed), TerminalRow.pairing_expires_at > clock.now())
        .with_for_update()
    )
    if row is None:
        raise PairingCodeUnknown
    return row


async def greet_terminal(session: AsyncSession, token: str) -> Terminal:
    """A till that reports in. A new token becomes the token by its first use here, and the old one ends."""
    row = await session.scalar(
        select(TerminalRow).where(TerminalRow.next_token_hash == hash_token(token)).with_for_update()
    )
    if row is not None:
        row.token_hash, row.next_token_hash, row.rotation_due = hash_token(token), None, False
        await _apply(session, row, "rotate_token", public_id("ter", row.id))
    return await authenticate_terminal(session, token)


async def issue_next_token(session: AsyncSession, terminal: Terminal) -> str:
    """The first step of a rotation: a token that counts from its first `GET /v1/terminals/me` or heartbeat on.

    Until then the old one counts: an answer that is lost on its way locks nobody out.
    """
    row = await lock_terminal(session, terminal.id)
    next_state(TERMINAL, row.status, "rotate_token")
    token = new_terminal_token()
    row.next_token_hash = hash_token(token)
    await _audit(session, row, "issue_next_token", terminal.actor, {})
    return token


async def note_heartbeat(session: AsyncSession, terminal: Terminal, health: dict[str, Any]) -> bool:
    """Note that a till is there and how it is; True asks it to change its token. No event: boards read the state."""
    due: bool | None = await session.scalar(
        update(TerminalRow)
        .where(TerminalRow.id == terminal.id)
        .values(last_seen_at=clock.now(), health=health)
        .returning(TerminalRow.rotation_due)
    )
    return bool(due)


# ---- in common


async def lock_terminal(session: AsyncSession, terminal_id: UUID) -> TerminalRow:
    """The row, locked; NotFound where there is none."""
    row = await session.scalar(select(TerminalRow).where(TerminalRow.id == terminal_id).with_for_update())
    if row is None:
        raise NotFound(what="ter", id=public_id("ter", terminal_id))
    return row


async def _apply(session: AsyncSession, row: TerminalRow, trigger: str, actor: str) -> None:
    row.status = next_state(TERMINAL, row.status, trigger)
    await _changed(session, row, trigger, actor, {})


async def _changed(session: AsyncSession, row: TerminalRow, trigger: str, actor: str, data: dict[str, Any]) -> None:
    row.configuration_version = await bump_configuration(session)
    await session.flush()
    publish(
        session,
        TerminalChanged(
            happened_at=clock.rfc3339(clock.now()),
            terminal=public_id("ter", row.id),
            site=public_id("sit", row.site_id),
            name=row.name,
            status=row.status,
            trigger=trigger,
            configuration_version=row.configuration_version,
        ),
    )
    await _audit(session, row, trigger, actor, data)


async def _audit(session: AsyncSession, row: TerminalRow, verb: str, actor: str, data: dict[str, Any]) -> None:
    await audit_log.record(session, actor=actor, action=f"terminal.{verb}", subject=public_id("ter", row.id), data=data)


# ---- how they are


@dataclass(frozen=True, slots=True)
class TerminalHealth:
    """A till as a board or a list shows it."""

    id: UUID
    site_id: UUID
    name: str
    serial: str | None
    status: str
    modes: list[str]
    epoch: int
    configuration_version: int
    online: bool
    last_seen_at: datetime | None
    rotation_due: bool
    pairing_expires_at: datetime | None
    health: dict[str, Any]


def health_of(row: TerminalRow) -> TerminalHealth:
    """`online` by the clock: enrolled, not revoked, and heard of within two beats."""
    seen = row.last_seen_at is not None and clock.now() - row.last_seen_at <= ONLINE_FOR
    return TerminalHealth(
        id=row.id,
        site_id=row.site_id,
        name=row.name,
        serial=row.serial,
        status=row.status,
        modes=row.modes,
        epoch=row.epoch,
        configuration_version=row.configuration_version,
        online=seen and row.status in ("active", "disabled"),
        last_seen_at=row.last_seen_at,
        rotation_due=row.rotation_due,
        pairing_expires_at=row.pairing_expires_at,
        health=row.health,
    )


async def terminal_health(session: AsyncSession, site_id: UUID) -> list[TerminalHealth]:
    """The tills of a site that are not revoked, by name: for its board."""
    rows = await session.scalars(
        select(TerminalRow)
        .where(TerminalRow.site_id == site_id, TerminalRow.status != "revoked")
        .order_by(TerminalRow.name, TerminalRow.id)
    )
    return [health_of(row) for row in rows]
