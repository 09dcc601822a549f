"""The tree of places: campus, building, storey, room. Where a call comes from, where a lamp is broken, where a hall is.

A tree stands under a site, so that region, zone and the rights of its people are the site's. A place never moves: what is
rebuilt is retired and opened anew, and whatever happened there stays where it happened.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, any_, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from identity.errors import PlaceRetired
from identity.events import PlacesChanged
from identity.kinds import PlaceKind
from identity.lists import Slice, like_prefix
from identity.models import PlaceRow, Region, Site
from identity.names import pinyin_of
from identity.places import get_place as get_site
from identity.uniqueness import unique_or_refused
from kernel import audit_log, clock
from kernel.errors import Malformed, NotFound
from kernel.ids import public_id, uuid7
from kernel.outbox import publish

PREFIX: Final = "pla"
DEPTH_MAX: Final = 8
# How wide a place is: it stands below wider ones only.
_WIDTH: Final[Mapping[str, int]] = {
    PlaceKind.CAMPUS: 4,
    PlaceKind.BUILDING: 3,
    PlaceKind.STOREY: 2,
    PlaceKind.ROOM: 1,
    PlaceKind.AREA: 1,
}
JOINT: Final = " · "


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlace:
    """A place before it is opened. Without an English name it is called by the Chinese one in English too."""

    code: str
    kind: str
    name_zh: str
    name_en: str | None = None
    ordinal: int | None = None
    plan_x: float | None = None
    plan_y: float | None = None
    open_to_strangers: bool = False


async def open_place(
    session: AsyncSession, new: NewPlace, *, site_id: UUID | None = None, parent_id: UUID | None = None, actor: str
) -> PlaceRow:
    """Open a place below another one, or as a root under a site."""
    parent = None if parent_id is None else await get_tree_place(session, parent_id)
    if parent is not None:
        _refuse_below(parent, new.kind)
    elif site_id is None:
        raise Malformed(reason="a place stands below a place or under a site", field="parent")
    else:
        await get_site(session, Site, site_id)
    place_id = uuid7()
    place = PlaceRow(
        id=place_id,
        site_id=parent.site_id if parent is not None else site_id,
        parent_id=parent_id,
        path=[*(parent.path if parent is not None else []), place_id],
        kind=new.kind,
        code=new.code,
        name_zh=new.name_zh,
        name_en=new.name_en or new.name_zh,
        pinyin=pinyin_of(new.name_zh),
        ordinal=new.ordinal,
        plan_x=new.plan_x,
        plan_y=new.plan_y,
        open_to_strangers=new.open_to_strangers,
        code_issue=1,
        created_at=clock.now(),
        retired_at=None,
    )
    async with unique_or_refused(session):
        session.add(place)
    await _note(session, place, "open", {"code": place.code, "kind": place.kind}, actor)
    return place


def _refuse_below(parent: PlaceRow, kind: str) -> None:
    if parent.retired_at is not None:
        raise PlaceRetired
    if not fits_below(parent.kind, kind) or len(parent.path) >= DEPTH_MAX:
        raise Malformed(reason=f"a {kind} does not stand below a {parent.kind}", field="parent")


def fits_below(parent_kind: str, kind: str) -> bool:
    """Whether a place of this kind may stand there; levels may be left out, never turned around."""
    return _WIDTH[kind] < _WIDTH[parent_kind]


async def edit_tree_place(session: AsyncSession, place_id: UUID, changes: dict[str, Any], *, actor: str) -> PlaceRow:
    """Change names, order, position on the plan, or whether strangers may report; only what is in `changes`."""
    place = await get_tree_place(session, place_id)
    changes = {name: value for name, value in changes.items() if getattr(place, name) != value}
    for name, value in changes.items():
        setattr(place, name, value)
    place.pinyin = pinyin_of(place.name_zh)
    if changes:
        await _note(session, place, "edit", changes, actor)
    return place


async def retire_place(session: AsyncSession, place_id: UUID, *, actor: str) -> PlaceRow:
    """It and all below it are out of use: nothing new is raised there; what was stays to be read."""
    place = await get_tree_place(session, place_id)
    at = clock.now()
    below = PlaceRow.path.contains([place_id])
    await session.execute(update(PlaceRow).where(below, PlaceRow.retired_at.is_(None)).values(retired_at=at))
    await session.refresh(place)
    await _note(session, place, "retire", {}, actor)
    return place


async def reopen_place(session: AsyncSession, place_id: UUID, *, actor: str) -> PlaceRow:
    """It is in use again, it alone; a place below a retired one stays retired."""
    place = await get_tree_place(session, place_id)
    if place.parent_id is not None and (await get_tree_place(session, place.parent_id)).retired_at is not None:
        raise PlaceRetired
    place.retired_at = None
    await _note(session, place, "reopen", {}, actor)
    return place


async def get_tree_place(session: AsyncSession, place_id: UUID) -> PlaceRow:
    """The row; NotFound where there is none."""
    place = await session.get(PlaceRow, place_id)
    if place is None:
        raise NotFound(what=PREFIX, id=public_id(PREFIX, place_id))
    return place


async def _note(session: AsyncSession, place: PlaceRow, verb: str, data: dict[str, Any], actor: str) -> None:
    subject = public_id(PREFIX, place.id)
    publish(session, PlacesChanged(happened_at=clock.rfc3339(clock.now()), kind="place", place=subject))
    await audit_log.record(session, actor=actor, action=f"place.{verb}", subject=subject, data=data)


# ---- reading


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSummary:
    """A place as its neighbours need it: its whole name from the root down, where it is, and whose time counts there."""

    id: UUID
    site_id: UUID
    region_id: UUID
    parent_id: UUID | None
    # From the root down to the place itself.
    path: tuple[UUID, ...]
    kind: str
    code: str
    name_zh: str
    name_en: str
    full_name_zh: str
    full_name_en: str
    timezone: str
    ordinal: int | None
    plan_x: float | None
    plan_y: float | None
    open_to_strangers: bool
    active: bool
    label_issue: int
    # How many places stand right below it, retired ones left out.
    children: int
    created_at: datetime


async def place_summary(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, PlaceSummary]:
    """What is known of some places; unknown ids are absent."""
    rows = (await session.scalars(select(PlaceRow).where(PlaceRow.id.in_(ids)))).all()
    return {place.id: place for place in await summaries_of(session, rows)}


async def summaries_of(session: AsyncSession, rows: Sequence[PlaceRow]) -> list[PlaceSummary]:
    """The same for rows that were read, in their order."""
    on_the_way = {identifier for row in rows for identifier in row.path}
    named = await session.execute(
        select(PlaceRow.id, PlaceRow.name_zh, PlaceRow.name_en).where(PlaceRow.id.in_(on_the_way))
    )
    names = {row.id: (row.name_zh, row.name_en) for row in named}
    sites = await _sites_of(session, {row.site_id for row in rows})
    children = await _children_of(session, [row.id for row in rows])
    return [_summary(row, names, sites[row.site_id], children.get(row.id, 0)) for row in rows]


def _summary(
    row: PlaceRow, names: Mapping[UUID, tuple[str, str]], site: tuple[UUID, str], children: int
) -> PlaceSummary:
    return PlaceSummary(
        id=row.id,
        site_id=row.site_id,
        region_id=site[0],
        parent_id=row.parent_id,
        path=tuple(row.path),
        kind=row.kind,
        code=row.code,
        name_zh=row.name_zh,
        name_en=row.name_en,
        full_name_zh=JOINT.join(names[identifier][0] for identifier in row.path),
        full_name_en=JOINT.join(names[identifier][1] for identifier in row.path),
        timezone=site[1],
        ordinal=row.ordinal,
        plan_x=row.plan_x,
        plan_y=row.plan_y,
        open_to_strangers=row.open_to_strangers,
        active=row.retired_at is None,
        label_issue=row.code_issue,
        children=children,
        created_at=row.created_at,
    )


async def _sites_of(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, tuple[UUID, str]]:
    rows = await session.execute(
        select(Site.id, Site.region_id, Region.timezone)
        .join(Region, Region.id == Site.region_id)
        .where(Site.id.in_(ids))
    )
    return {row.id: (row.region_id, row.timezone) for row in rows}


async def _children_of(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, int]:
    child = aliased(PlaceRow)
    rows = await session.execute(
        select(child.parent_id, func.count())
        .where(child.parent_id.in_(ids), child.retired_at.is_(None))
        .group_by(child.parent_id)
    )
    return {parent: count for parent, count in rows if parent is not None}


@dataclass(frozen=True, slots=True)
class PlaceFilter:
    """Which places: by words, site, kind, below a place; retired ones only where they are asked for."""

    search: str | None = None
    site_id: UUID | None = None
    below: UUID | None = None
    kind: str | None = None
    also_retired: bool = False


async def list_places(session: AsyncSession, part: Slice, chosen: PlaceFilter) -> Sequence[PlaceRow]:
    """Newest first, one more than the limit. Where places are is no secret to anybody who is signed in."""
    query = _chosen(chosen)
    if part.after is not None:
        query = query.where(PlaceRow.id < part.after)
    return (await session.scalars(query.order_by(PlaceRow.id.desc()).limit(part.limit + 1))).all()


def _chosen(chosen: PlaceFilter) -> Select[PlaceRow]:
    query = select(PlaceRow)
    if chosen.search:
        query = query.where(_matches(chosen.search))
    if chosen.site_id:
        query = query.where(PlaceRow.site_id == chosen.site_id)
    if chosen.below:
        query = query.where(PlaceRow.path.contains([chosen.below]), PlaceRow.id != chosen.below)
    if chosen.kind:
        query = query.where(PlaceRow.kind == chosen.kind)
    if not chosen.also_retired:
        query = query.where(PlaceRow.retired_at.is_(None))
    return query


def _matches(words: str) -> ColumnElement[bool]:
    """Each word somewhere on the way down to the place, the last one in the place's own name: "2号楼 301" finds the room."""
    *before, last = words.split()[:6]
    way = aliased(PlaceRow)
    found = [
        select(literal(1)).where(way.id == any_(PlaceRow.path), _word_matches(way, word)).exists() for word in before
    ]
    return and_(_word_matches(PlaceRow, last), *found)


def _word_matches(cls: Any, word: str) -> ColumnElement[bool]:
    prefix = like_prefix(word.casefold())
    return or_(
        cls.name_zh.contains(word, autoescape=True),
        func.lower(cls.name_en).contains(word.casefold(), autoescape=True),
        func.replace(cls.pinyin, " ", "").like(prefix),
        func.lower(cls.code).like(prefix),
    )


async def list_children(
    session: AsyncSession, *, parent_id: UUID | None, site_id: UUID | None, also_retired: bool = False
) -> Sequence[PlaceRow]:
    """What stands right below a place, or the roots under a site (or under all): in the order in which one walks."""
    query = select(PlaceRow).where(PlaceRow.parent_id.is_not_distinct_from(parent_id))
    if parent_id is None and site_id is not None:
        query = query.where(PlaceRow.site_id == site_id)
    if not also_retired:
        query = query.where(PlaceRow.retired_at.is_(None))
    order = (PlaceRow.ordinal.asc().nulls_last(), PlaceRow.pinyin, PlaceRow.code)
    return (await session.scalars(query.order_by(*order).limit(2000))).all()


async def places_below(session: AsyncSession, place_id: UUID) -> Sequence[PlaceRow]:
    """A place and all below it that are in use, in the order in which one walks through them."""
    rows = await session.scalars(
        select(PlaceRow).where(PlaceRow.path.contains([place_id]), PlaceRow.retired_at.is_(None))
    )
    by_id = {row.id: row for row in rows}

    def way(row: PlaceRow) -> list[tuple[bool, int, str, str]]:
        steps = [by_id[identifier] for identifier in row.path if identifier in by_id]
        return [(step.ordinal is None, step.ordinal or 0, step.pinyin, step.code) for step in steps]

    return sorted(by_id.values(), key=way)
