"""The lists that administrators page through. Each gives one row more than the limit; `cover` None means everywhere."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from identity.models import Credential, Membership, Organisation, Person, Region, Site, TerminalRow
from identity.principal import Cover
from kernel.errors import NotFound
from kernel.ids import public_id

# Rows of several columns; the tuple says "of any".
Query = Select[*tuple[Any, ...]]
AnyRow = Row[*tuple[Any, ...]]
P = TypeVar("P", bound=Region | Organisation | Site)


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a list."""

    limit: int
    after: UUID | None = None


def _newest_first(query: Query, identifier: Any, part: Slice) -> Query:
    if part.after is not None:
        query = query.where(identifier < part.after)
    return query.order_by(identifier.desc()).limit(part.limit + 1)


def like_prefix(text: str) -> str:
    """The pattern of what begins with this text, whatever signs it holds."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _place_matches(cls: type[Region | Organisation | Site], text: str) -> ColumnElement[bool]:
    """By a part of the Chinese name, or the beginning of the English name, the pinyin or the code."""
    prefix = like_prefix(text.casefold())
    return or_(
        cls.name_zh.contains(text, autoescape=True),
        func.lower(cls.name_en).like(prefix),
        func.replace(cls.pinyin, " ", "").like(like_prefix(text.casefold().replace(" ", ""))),
        func.lower(cls.code).like(prefix),
    )


async def list_regions(session: AsyncSession, part: Slice, *, search: str | None = None) -> Sequence[Region]:
    """All regions: their names are no secret to anybody who is signed in."""
    query = select(Region)
    if search:
        query = query.where(_place_matches(Region, search))
    return (await session.scalars(_newest_first(query, Region.id, part))).all()


async def list_organisations(
    session: AsyncSession,
    part: Slice,
    *,
    search: str | None = None,
    kind: str | None = None,
    region: UUID | None = None,
) -> Sequence[Organisation]:
    """All organisations, or those of a kind or at home in a region."""
    query = select(Organisation)
    if search:
        query = query.where(_place_matches(Organisation, search))
    if kind:
        query = query.where(Organisation.kind == kind)
    if region:
        query = query.where(Organisation.home_region_id == region)
    return (await session.scalars(_newest_first(query, Organisation.id, part))).all()


async def list_sites(
    session: AsyncSession,
    part: Slice,
    *,
    search: str | None = None,
    kind: str | None = None,
    region: UUID | None = None,
) -> Sequence[Site]:
    """All sites, or those of a kind or in a region."""
    query = select(Site)
    if search:
        query = query.where(_place_matches(Site, search))
    if kind:
        query = query.where(Site.kind == kind)
    if region:
        query = query.where(Site.region_id == region)
    return (await session.scalars(_newest_first(query, Site.id, part))).all()


async def list_terminals(
    session: AsyncSession,
    part: Slice,
    *,
    cover: Cover | None,
    site: UUID | None = None,
    status: str | None = None,
) -> Sequence[TerminalRow]:
    """The tills of the sites that the reader's role reaches."""
    query = select(TerminalRow)
    if cover is not None:
        query = query.where(TerminalRow.site_id.in_(cover.sites))
    if site:
        query = query.where(TerminalRow.site_id == site)
    if status:
        query = query.where(TerminalRow.status == status)
    return (await session.scalars(_newest_first(query, TerminalRow.id, part))).all()


# ---- people

PersonRow = AnyRow


def _people(today: date) -> Query:
    """People with their username and today's membership."""
    return (
        select(
            Person,
            Credential.username,
            Membership.person_class,
            Organisation.id.label("organisation_id"),
            Organisation.name_zh,
            Organisation.name_en,
        )
        .outerjoin(Credential, Credential.person_id == Person.id)
        .outerjoin(Membership, and_(Membership.person_id == Person.id, Membership.valid.contains(today)))
        .outerjoin(Organisation, Organisation.id == Membership.organisation_id)
    )


def _person_matches(text: str) -> ColumnElement[bool]:
    """By a part of the name, or the beginning of its pinyin, its initials, or the staff number."""
    typed = text.casefold().replace(" ", "")
    return or_(
        Person.name.contains(text, autoescape=True),
        func.replace(Person.pinyin, " ", "").like(like_prefix(typed)),
        Person.initials.like(like_prefix(typed)),
        func.lower(Person.staff_number).like(like_prefix(typed)),
    )


@dataclass(frozen=True, slots=True)
class PeopleFilter:
    """Which people: by words, organisation or status."""

    search: str | None = None
    organisation: UUID | None = None
    status: str | None = None


async def list_people(
    session: AsyncSession,
    part: Slice,
    chosen: PeopleFilter,
    *,
    today: date,
    cover: Cover | None,
    order: Literal["newest", "name"] = "newest",
) -> Sequence[PersonRow]:
    """People whose organisation of today the reader's role reaches."""
    query = _people(today)
    if cover is not None:
        query = query.where(Membership.organisation_id.in_(cover.organisations))
    if chosen.search:
        query = query.where(_person_matches(chosen.search))
    if chosen.organisation:
        query = query.where(Membership.organisation_id == chosen.organisation)
    if chosen.status:
        query = query.where(Person.status == chosen.status)
    if order == "newest":
        query = _newest_first(query, Person.id, part)
    else:
        query = await _by_name(session, query, part)
    return (await session.execute(query)).all()


async def _by_name(session: AsyncSession, query: Query, part: Slice) -> Query:
    if part.after is not None:
        pinyin = await session.scalar(select(Person.pinyin).where(Person.id == part.after))
        query = query.where(tuple_(Person.pinyin, Person.id) > (pinyin or "", part.after))
    return query.order_by(Person.pinyin, Person.id).limit(part.limit + 1)


async def get_person(session: AsyncSession, person_id: UUID, today: date) -> PersonRow:
    """One person as the list shows them; NotFound where there is none."""
    row = (await session.execute(_people(today).where(Person.id == person_id))).one_or_none()
    if row is None:
        raise NotFound(what="per", id=public_id("per", person_id))
    return row


@dataclass(frozen=True, slots=True)
class NamedPerson:
    """Somebody as anybody who is signed in may find them: by name, with where they work."""

    id: UUID
    name: str
    organisation_zh: str | None
    organisation_en: str | None


NAMED_MAX: Final = 20
_NOWHERE: Final = Cover()


async def find_people_to_name(
    session: AsyncSession, text: str, unit_id: UUID | None, today: date, *, reach: Cover | None = _NOWHERE
) -> Sequence[NamedPerson]:
    """Whom somebody may mean: of their own unit by a part of the name, of any other only by the whole of it, so that
    nobody leafs through the people of another house. An office finds whom its role reaches (None: everybody) as well."""
    below = select(Organisation.id).where(Organisation.id == unit_id).cte("below", recursive=True)
    departments = select(Organisation.id).where(Organisation.parent_id == below.c.id, Organisation.kind != "unit")
    below = below.union_all(departments)
    near: list[ColumnElement[bool]] = [Membership.organisation_id.in_(select(below.c.id))]
    near.append(Membership.organisation_id.in_(reach.organisations) if reach is not None else true())
    is_near = and_(or_(*near), _person_matches(text))
    query = _people(today).where(Person.status == "active", or_(is_near, Person.name == text))
    rows = await session.execute(query.order_by(Person.pinyin, Person.id).limit(NAMED_MAX))
    return [NamedPerson(row.Person.id, row.Person.name, row.name_zh, row.name_en) for row in rows]


async def memberships_of_person(session: AsyncSession, person_id: UUID) -> Sequence[AnyRow]:
    """All that somebody ever belonged to, latest first."""
    rows = await session.execute(
        select(Membership, Organisation)
        .join(Organisation, Organisation.id == Membership.organisation_id)
        .where(Membership.person_id == person_id)
        .order_by(func.lower(Membership.valid).desc())
    )
    return rows.all()


async def places_by_id(session: AsyncSession, cls: type[P], ids: Collection[UUID | None]) -> dict[UUID, P]:
    """Rows for a few ids; unknown ones are absent."""
    wanted = [identifier for identifier in ids if identifier is not None]
    if not wanted:
        return {}
    rows = await session.scalars(select(cls).where(cls.id.in_(wanted)))
    return {row.id: row for row in rows}
