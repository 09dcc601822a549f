"""Printed codes of canteens and tills: issued, replaced, revoked, and read when somebody scans one.

One code of a place is live. A new issue replaces the one before it, so that a sheet that was lost or photographed and
altered is worth nothing once its place has a new one. The format stands in place_code_format.py.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import SiteSummary, TerminalHealth, site_summary, terminal_health
from kernel import clock
from kernel.audit_log import record
from kernel.errors import NotFound
from kernel.ids import public_id, uuid7
from kernel.sealing import derived_key
from payments.models import PlaceCode
from payments.states import PLACE_CODE, next_state
from payments.wall_codes.place_code_format import place_tag, read_place_code, write_place_code


def text_of(code: PlaceCode) -> str:
    """The 70 digits that are printed."""
    return write_place_code(code.id, _tag_of(code))


def _tag_of(code: PlaceCode) -> bytes:
    return place_tag(derived_key("place-code"), code.id, code.site_id, code.terminal_id)


async def issue_place_code(session: AsyncSession, site_id: UUID, terminal_id: UUID | None, *, actor: str) -> PlaceCode:
    """A new code of a canteen, or of one of its tills; the one before it is replaced."""
    if terminal_id is not None and terminal_id not in {till.id for till in await terminal_health(session, site_id)}:
        raise NotFound(what="ter", id=public_id("ter", terminal_id))
    # Two issues at once would both be the third: one after the other.
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('guanjia.place_codes'))"))
    at = clock.now()
    live = await _live_code(session, site_id, terminal_id)
    if live is not None:
        live.state, live.changed_at = next_state(PLACE_CODE, live.state, "replace"), at
        await session.flush()
    code = PlaceCode(
        id=uuid7(),
        site_id=site_id,
        terminal_id=terminal_id,
        issue=await _last_issue(session, site_id, terminal_id) + 1,
        state="active",
        issued_at=at,
        changed_at=at,
    )
    session.add(code)
    await session.flush()
    await _audit(session, code, "issue", actor)
    return code


async def revoke_place_code(session: AsyncSession, code_id: UUID, *, actor: str) -> PlaceCode:
    """Nobody pays at it any more, from the next scan on."""
    code = await lock_place_code(session, code_id)
    code.state, code.changed_at = next_state(PLACE_CODE, code.state, "revoke"), clock.now()
    await _audit(session, code, "revoke", actor)
    return code


async def lock_place_code(session: AsyncSession, code_id: UUID) -> PlaceCode:
    """The row, locked; NotFound where there is none."""
    code = await session.scalar(select(PlaceCode).where(PlaceCode.id == code_id).with_for_update())
    if code is None:
        raise NotFound(what="plc", id=public_id("plc", code_id))
    return code


async def get_place_code(session: AsyncSession, code_id: UUID) -> PlaceCode:
    """The row; NotFound where there is none."""
    code = await session.get(PlaceCode, code_id)
    if code is None:
        raise NotFound(what="plc", id=public_id("plc", code_id))
    return code


async def list_place_codes(session: AsyncSession, site_id: UUID) -> Sequence[PlaceCode]:
    """Every code that a place ever had, newest first."""
    rows = await session.scalars(select(PlaceCode).where(PlaceCode.site_id == site_id).order_by(PlaceCode.id.desc()))
    return rows.all()


async def live_place_codes(session: AsyncSession, site_id: UUID) -> Sequence[PlaceCode]:
    """The codes that pay: the canteen's own first, then its tills'."""
    rows = await session.scalars(
        select(PlaceCode)
        .where(PlaceCode.site_id == site_id, PlaceCode.state == "active")
        .order_by(PlaceCode.terminal_id.nulls_first())
    )
    return rows.all()


async def find_place_code(session: AsyncSession, digits: str) -> PlaceCode | None:
    """The code that these 70 digits are; None for what was made by somebody else, or bent to another place."""
    read = read_place_code(digits)
    if read is None:
        return None
    code = await session.get(PlaceCode, read[0])
    if code is None or not hmac.compare_digest(_tag_of(code), read[1]):
        return None
    return code


@dataclass(frozen=True, slots=True)
class Place:
    """Where a code hangs, for those who read it."""

    site: SiteSummary
    till: TerminalHealth | None
    modes: frozenset[str]


async def place_of(session: AsyncSession, code: PlaceCode) -> Place:
    """The canteen of a code, its till where it has one, and how amounts are formed there."""
    site = (await site_summary(session, [code.site_id]))[code.site_id]
    tills = await terminal_health(session, code.site_id)
    till = next((each for each in tills if each.id == code.terminal_id), None)
    counted = [till] if till is not None else [each for each in tills if each.status == "active"]
    return Place(site, till, frozenset(mode for each in counted for mode in each.modes) or frozenset({"fixed"}))


async def _live_code(session: AsyncSession, site_id: UUID, terminal_id: UUID | None) -> PlaceCode | None:
    return await session.scalar(
        select(PlaceCode)
        .where(
            PlaceCode.site_id == site_id,
            PlaceCode.terminal_id.is_not_distinct_from(terminal_id),
            PlaceCode.state == "active",
        )
        .with_for_update()
    )


async def _last_issue(session: AsyncSession, site_id: UUID, terminal_id: UUID | None) -> int:
    last = await session.scalar(
        select(func.max(PlaceCode.issue)).where(
            PlaceCode.site_id == site_id, PlaceCode.terminal_id.is_not_distinct_from(terminal_id)
        )
    )
    return last or 0


async def _audit(session: AsyncSession, code: PlaceCode, verb: str, actor: str) -> None:
    data = {
        "site": public_id("sit", code.site_id),
        "terminal": public_id("ter", code.terminal_id) if code.terminal_id else None,
        "issue": code.issue,
    }
    await record(session, actor=actor, action=f"place_code.{verb}", subject=public_id("plc", code.id), data=data)
