"""The SELECTs of identity. Functions named `lock_*` take row locks."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import Row, case, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from identity.kinds import Role, SiteKind
from identity.models import Organisation, Person, Region, Site, TerminalRow
from identity.principal import Cover, Principal, RoleGrant, Terminal
from kernel.errors import NotFound
from kernel.ids import public_id

# The organisation itself or the nearest one above it that is a unit: who pays, and in which region's book. Wherever a
# department itself may be at home: its people's subsidies come from the unit's prefund, and that stands in one book.
# Joined after `memberships m`, with the organisation itself as `o`.
_UNIT_OF: Final = """
    LEFT JOIN LATERAL (
        WITH RECURSIVE up AS (
            SELECT id, parent_id, kind, home_region_id, 0 AS height FROM organisations WHERE id = m.organisation_id
            UNION ALL
            SELECT o.id, o.parent_id, o.kind, o.home_region_id, up.height + 1
            FROM organisations o JOIN up ON o.id = up.parent_id WHERE up.kind <> 'unit'
        )
        SELECT id, home_region_id FROM up WHERE kind = 'unit' ORDER BY height LIMIT 1
    ) unit ON true
"""
_PAYER: Final = "unit.id AS unit_id, COALESCE(unit.home_region_id, o.home_region_id) AS region_id"

_WHO: Final = f"""
    SELECT {{session}} AS session_id, p.id AS person_id, p.name, p.language,
           m.person_class, m.organisation_id, {_PAYER},
           ARRAY(SELECT ROW(g.role, g.organisation_id, g.site_id, g.region_id)
                 FROM role_grants g WHERE g.person_id = p.id AND g.revoked_at IS NULL ORDER BY g.id) AS grants
    FROM people p
    {{join}}
    LEFT JOIN memberships m ON m.person_id = p.id AND m.valid @> CAST(:today AS date)
    LEFT JOIN organisations o ON o.id = m.organisation_id
    {_UNIT_OF}
    WHERE p.status = 'active' AND {{where}}
"""  # noqa: S608  (constants only)
_SIGNED_IN: Final = text(
    _WHO.format(
        session="s.id",
        join="JOIN sessions s ON s.person_id = p.id",
        where="s.token_hash = :token_hash AND s.revoked_at IS NULL AND s.expires_at > :now",
    )
)
_MANY_SIGNED_IN: Final = text(
    _WHO.format(
        session="s.token_hash, s.id",
        join="JOIN sessions s ON s.person_id = p.id",
        where="s.token_hash = ANY(CAST(:hashes AS bytea[])) AND s.revoked_at IS NULL AND s.expires_at > :now",
    )
)
_BY_ID: Final = text(_WHO.format(session="CAST(NULL AS uuid)", join="", where="p.id = :person"))

_BELOW_REGION = text("""
    WITH RECURSIVE below AS (
        SELECT id FROM regions WHERE id = :id
        UNION
        SELECT r.id FROM regions r JOIN below b ON r.parent_id = b.id
    )
    SELECT 'region' AS kind, id FROM below
    UNION ALL SELECT 'organisation', id FROM organisations WHERE home_region_id IN (SELECT id FROM below)
    UNION ALL SELECT 'site', id FROM sites WHERE region_id IN (SELECT id FROM below)
""")

_BELOW_ORGANISATION = text("""
    WITH RECURSIVE below AS (
        SELECT id FROM organisations WHERE id = :id
        UNION
        SELECT o.id FROM organisations o JOIN below b ON o.parent_id = b.id
    )
    SELECT 'organisation' AS kind, id FROM below
    UNION ALL SELECT 'site', id FROM sites WHERE operator_id IN (SELECT id FROM below)
""")


async def find_principal(session: AsyncSession, token_hash: bytes, today: date, now: datetime) -> Principal | None:
    """The person behind a session's token, with roles and membership of today; None for a token that is no good."""
    found = await session.execute(_SIGNED_IN, {"token_hash": token_hash, "today": today, "now": now})
    row = found.one_or_none()
    return None if row is None else await _principal_of(session, row)


async def find_principals(
    session: AsyncSession, hashes: Collection[bytes], today: date, now: datetime
) -> dict[bytes, Principal]:
    """The people behind many tokens at once; a token that is no good is absent."""
    rows = await session.execute(_MANY_SIGNED_IN, {"hashes": list(hashes), "today": today, "now": now})
    return {bytes(row.token_hash): await _principal_of(session, row) for row in rows.all()}


async def _principal_of(session: AsyncSession, row: Row[Any]) -> Principal:
    grants = [await _unfolded(session, *grant) for grant in row.grants]
    if row.organisation_id is not None:
        cover = Cover(organisations=frozenset({row.organisation_id}))
        grants.insert(0, RoleGrant(Role.EMPLOYEE, organisation_id=row.organisation_id, cover=cover))
    return Principal(
        person_id=row.person_id,
        name=row.name,
        session_id=row.session_id,
        roles=tuple(grants),
        person_class=row.person_class,
        organisation_id=row.organisation_id,
        unit_id=row.unit_id,
        region_id=row.region_id,
        language=row.language,
    )


async def _unfolded(
    session: AsyncSession, role: str, organisation_id: UUID | None, site_id: UUID | None, region_id: UUID | None
) -> RoleGrant:
    cover = await find_cover(session, organisation_id=organisation_id, site_id=site_id, region_id=region_id)
    return RoleGrant(Role(role), organisation_id, site_id, region_id, cover)


async def find_cover(
    session: AsyncSession,
    *,
    organisation_id: UUID | None = None,
    site_id: UUID | None = None,
    region_id: UUID | None = None,
) -> Cover:
    """A place and everything below it."""
    if region_id is not None:
        rows = (await session.execute(_BELOW_REGION, {"id": region_id})).all()
    elif organisation_id is not None:
        rows = (await session.execute(_BELOW_ORGANISATION, {"id": organisation_id})).all()
    else:
        return Cover(sites=frozenset({site_id} if site_id else ()))
    below: dict[str, set[UUID]] = {"region": set(), "organisation": set(), "site": set()}
    for kind, identifier in rows:
        below[kind].add(identifier)
    return Cover(frozenset(below["region"]), frozenset(below["organisation"]), frozenset(below["site"]))


async def principal_of(session: AsyncSession, person_id: UUID, today: date) -> Principal:
    """Somebody as a caller without a sign-in: for seeding, the command line, and checks on an open socket."""
    row = (await session.execute(_BY_ID, {"person": person_id, "today": today})).one_or_none()
    if row is None:
        raise NotFound(what="per", id=public_id("per", person_id))
    return await _principal_of(session, row)


_LIVE_TOKENS: Final = text("""
    SELECT s.token_hash FROM sessions s JOIN people p ON p.id = s.person_id
    WHERE s.token_hash = ANY(CAST(:hashes AS bytea[])) AND s.revoked_at IS NULL AND s.expires_at > :now
      AND p.status = 'active'
    UNION ALL
    SELECT token_hash FROM terminals
    WHERE token_hash = ANY(CAST(:hashes AS bytea[])) AND status IN ('active', 'disabled')
    UNION ALL
    SELECT next_token_hash FROM terminals
    WHERE next_token_hash = ANY(CAST(:hashes AS bytea[])) AND status IN ('active', 'disabled')
""")


async def live_token_hashes(session: AsyncSession, hashes: Collection[bytes], now: datetime) -> set[bytes]:
    """Which of these tokens are still good: one question for all open sockets."""
    return set(await session.scalars(_LIVE_TOKENS, {"hashes": list(hashes), "now": now}))


_PEOPLE_OF_TOKENS: Final = text("""
    SELECT s.token_hash, s.person_id FROM sessions s JOIN people p ON p.id = s.person_id
    WHERE s.token_hash = ANY(CAST(:hashes AS bytea[])) AND s.revoked_at IS NULL AND s.expires_at > :now
      AND p.status = 'active'
""")


async def people_of_tokens(session: AsyncSession, hashes: Collection[bytes], now: datetime) -> dict[bytes, UUID]:
    """Who is signed in with these tokens; one that is no good is absent. For callers of whom only the person matters."""
    rows = (await session.execute(_PEOPLE_OF_TOKENS, {"hashes": list(hashes), "now": now})).all()
    return {row.token_hash: row.person_id for row in rows}


# ---- who pays


@dataclass(frozen=True, slots=True)
class Payer:
    """Of an organisation: the unit that pays for its people, and the region whose book that unit is in."""

    unit_id: UUID | None
    region_id: UUID


_PAYERS: Final = text(f"""
    SELECT m.organisation_id, {_PAYER}
    FROM unnest(CAST(:organisations AS uuid[])) AS m (organisation_id) JOIN organisations o ON o.id = m.organisation_id
    {_UNIT_OF}
""")  # noqa: S608  (constants only)


async def payers_of(session: AsyncSession, organisations: Collection[UUID]) -> dict[UUID, Payer]:
    """For each organisation the unit that pays; NotFound where one does not exist."""
    rows = await session.execute(_PAYERS, {"organisations": list(organisations)})
    found = {row.organisation_id: Payer(row.unit_id, row.region_id) for row in rows}
    for missing in set(organisations) - set(found):
        raise NotFound(what="org", id=public_id("org", missing))
    return found


async def find_organisation_by_code(session: AsyncSession, code: str) -> UUID:
    """An organisation's id by its code; NotFound where there is none."""
    identifier = await session.scalar(select(Organisation.id).where(Organisation.code == code))
    if identifier is None:
        raise NotFound(what="org", id=code)
    return identifier


# ---- terminals

_TERMINAL = """
    SELECT t.id, t.site_id, s.region_id, t.name, t.status, t.epoch, t.modes, t.token_hash, t.configuration_version
    FROM terminals t JOIN sites s ON s.id = t.site_id
"""
_TERMINALS_SINCE = f"{_TERMINAL} WHERE t.configuration_version > $1 AND t.token_hash IS NOT NULL"
_TERMINAL_BY_TOKEN = text(f"{_TERMINAL} WHERE t.token_hash = :token_hash OR t.next_token_hash = :token_hash")


async def load_terminals(connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> list[Terminal]:
    """Tills changed after a configuration version, whatever their status; those never enrolled have no token yet."""
    return [_terminal_of(row) for row in await connection.fetch(_TERMINALS_SINCE, since_version)]


async def find_terminal_by_token(session: AsyncSession, token_hash: bytes) -> Terminal | None:
    """The till that this token is, or is about to be, the token of."""
    row = (await session.execute(_TERMINAL_BY_TOKEN, {"token_hash": token_hash})).mappings().one_or_none()
    return None if row is None else _terminal_of(row)


def _terminal_of(row: Any) -> Terminal:
    return Terminal(
        id=row["id"],
        site_id=row["site_id"],
        region_id=row["region_id"],
        name=row["name"],
        status=row["status"],
        epoch=row["epoch"],
        modes=frozenset(row["modes"]),
        token_hash=row["token_hash"],
        configuration_version=row["configuration_version"],
    )


@dataclass(frozen=True, slots=True)
class TerminalSummary:
    """What a neighbour shows of a till."""

    id: UUID
    site_id: UUID
    name: str


async def terminal_summary(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, TerminalSummary]:
    """Names and sites for a list of tills, revoked ones included; unknown ids are absent."""
    rows = await session.execute(
        select(TerminalRow.id, TerminalRow.site_id, TerminalRow.name).where(TerminalRow.id.in_(ids))
    )
    return {row.id: TerminalSummary(*row) for row in rows}


# ---- people


@dataclass(frozen=True, slots=True)
class PersonSummary:
    """What a neighbour shows of somebody; `masked_name` where the reader is not told who it is."""

    id: UUID
    name: str
    masked_name: str
    staff_number: str | None
    status: str
    language: str


@dataclass(frozen=True, slots=True)
class MembershipView:
    """Where somebody belongs on a day, as what, who pays and which region's book it is."""

    person_id: UUID
    organisation_id: UUID
    person_class: str
    unit_id: UUID | None
    region_id: UUID
    valid_from: date
    valid_until: date | None


def mask_name(name: str) -> str:
    """`王小明` is `王*明`, `李四` is `李*`: enough to recognise oneself by."""
    if len(name) <= 1:
        return "*"
    if len(name) == 2:
        return f"{name[0]}*"
    return f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"


async def person_summary(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, PersonSummary]:
    """Names for a list of ids; unknown ids are absent."""
    rows = await session.execute(
        select(Person.id, Person.name, Person.staff_number, Person.status, Person.language).where(Person.id.in_(ids))
    )
    return {
        row.id: PersonSummary(row.id, row.name, mask_name(row.name), row.staff_number, row.status, row.language)
        for row in rows
    }


async def find_active_person(session: AsyncSession, staff_number: str) -> UUID | None:
    """Who has this staff number and is active; None for nobody."""
    return await session.scalar(select(Person.id).where(Person.staff_number == staff_number, Person.status == "active"))


_MEMBERSHIPS: Final = text(f"""
    SELECT m.person_id, m.organisation_id, m.person_class, {_PAYER},
           lower(m.valid) AS valid_from, upper(m.valid) AS valid_until
    FROM memberships m JOIN organisations o ON o.id = m.organisation_id
    {_UNIT_OF}
    WHERE m.person_id = ANY(:people) AND m.valid @> CAST(:on AS date)
""")  # noqa: S608  (constants only)


async def memberships_of(session: AsyncSession, people: Sequence[UUID], on: date) -> dict[UUID, MembershipView]:
    """Where each of these people belongs on a day; who belongs nowhere is absent."""
    rows = await session.execute(_MEMBERSHIPS, {"people": list(people), "on": on})
    return {row["person_id"]: MembershipView(**row) for row in rows.mappings()}


async def membership_of(session: AsyncSession, person_id: UUID, on: date) -> MembershipView | None:
    """Where somebody belongs on a day."""
    return (await memberships_of(session, [person_id], on)).get(person_id)


async def people_by_unit_and_class(session: AsyncSession, on: date) -> dict[tuple[UUID | None, str], int]:
    """How many active people each unit pays for on a day, by class; None: those for whom no unit pays."""
    rows = await session.execute(_CENSUS, {"on": on})
    counted = [(row.organisation_id, row.person_class, row.people) for row in rows]
    payers = await payers_of(session, {organisation_id for organisation_id, _, _ in counted})
    found: dict[tuple[UUID | None, str], int] = {}
    for organisation_id, person_class, count in counted:
        key = payers[organisation_id].unit_id, person_class
        found[key] = found.get(key, 0) + count
    return found


_CENSUS: Final = text("""
    SELECT m.organisation_id, m.person_class, count(*) AS people
    FROM memberships m JOIN people p ON p.id = m.person_id
    WHERE m.valid @> CAST(:on AS date) AND p.status = 'active' GROUP BY m.organisation_id, m.person_class
""")
_TURNS: Final = text("""
    SELECT DISTINCT turn FROM memberships m, LATERAL (VALUES (lower(m.valid)), (upper(m.valid))) AS days (turn)
    WHERE m.person_id = :person AND turn > CAST(:after AS date) ORDER BY turn
""")


async def membership_turns(session: AsyncSession, person_id: UUID, after: date) -> list[date]:
    """The days after this one on which somebody begins to belong somewhere, or belongs there no more."""
    return list(await session.scalars(_TURNS, {"person": person_id, "after": after}))


@dataclass(frozen=True, slots=True)
class UnitMember:
    """That somebody belonged to a unit, or to a department of it; `until` is the first day on which they did not."""

    person_id: UUID
    staff_number: str
    name: str
    person_class: str
    since: date
    until: date | None


_MEMBERS: Final = text("""
    WITH RECURSIVE below AS (
        SELECT id FROM organisations WHERE id = :unit
        UNION ALL
        SELECT o.id FROM organisations o JOIN below b ON o.parent_id = b.id WHERE o.kind <> 'unit'
    )
    SELECT m.person_id, p.staff_number, p.name, m.person_class, lower(m.valid) AS since, upper(m.valid) AS until
      FROM memberships m JOIN people p ON p.id = m.person_id
     WHERE m.organisation_id IN (SELECT id FROM below)
       AND m.valid && daterange(CAST(:first AS date), CAST(:last AS date), '[]') AND p.staff_number IS NOT NULL
     ORDER BY p.staff_number, m.valid
""")


async def members_of_unit(session: AsyncSession, unit_id: UUID, first: date, last: date) -> list[UnitMember]:
    """Who belonged to a unit on any of these days, by staff number; somebody who changed stands there once for each span."""
    rows = await session.execute(_MEMBERS, {"unit": unit_id, "first": first, "last": last})
    return [UnitMember(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class RoleHolder:
    """Somebody whose role counts at a site."""

    id: UUID
    name: str
    roles: frozenset[str]


_HOLDERS_AT: Final = text("""
    WITH RECURSIVE regions_up AS (
        SELECT r.id, r.parent_id FROM regions r JOIN sites s ON s.region_id = r.id WHERE s.id = :site
        UNION
        SELECT r.id, r.parent_id FROM regions r JOIN regions_up u ON r.id = u.parent_id
    ), organisations_up AS (
        SELECT o.id, o.parent_id FROM organisations o JOIN sites s ON s.operator_id = o.id WHERE s.id = :site
        UNION
        SELECT o.id, o.parent_id FROM organisations o JOIN organisations_up u ON o.id = u.parent_id
    )
    SELECT p.id, p.name, array_agg(DISTINCT g.role) AS roles
      FROM role_grants g JOIN people p ON p.id = g.person_id
     WHERE g.revoked_at IS NULL AND p.status = 'active' AND g.role = ANY(:roles)
       AND (num_nonnulls(g.organisation_id, g.site_id, g.region_id) = 0 OR g.site_id = :site
            OR g.region_id IN (SELECT id FROM regions_up) OR g.organisation_id IN (SELECT id FROM organisations_up))
     GROUP BY p.id, p.name, p.pinyin ORDER BY p.pinyin, p.id
""")


async def people_with_roles_at(session: AsyncSession, site_id: UUID, roles: Sequence[Role]) -> list[RoleHolder]:
    """Everybody for whom one of these roles counts at a site, by name."""
    rows = await session.execute(_HOLDERS_AT, {"site": site_id, "roles": [role.value for role in roles]})
    return [RoleHolder(row.id, row.name, frozenset(row.roles)) for row in rows]


_HOLDERS_IN: Final = text("""
    WITH RECURSIVE up AS (
        SELECT id, parent_id FROM regions WHERE id = ANY(CAST(:regions AS uuid[]))
        UNION
        SELECT r.id, r.parent_id FROM regions r JOIN up ON r.id = up.parent_id
    )
    SELECT DISTINCT p.id FROM role_grants g JOIN people p ON p.id = g.person_id
     WHERE g.revoked_at IS NULL AND p.status = 'active' AND g.role = ANY(:roles)
       AND (num_nonnulls(g.organisation_id, g.site_id, g.region_id) = 0 OR g.region_id IN (SELECT id FROM up))
     ORDER BY p.id
""")


async def people_with_roles_in(
    session: AsyncSession, region_ids: Collection[UUID], roles: Sequence[Role]
) -> list[UUID]:
    """Everybody for whom one of these roles counts in the whole of one of these regions, or everywhere."""
    asked = {"regions": list(region_ids), "roles": [role.value for role in roles]}
    return list(await session.scalars(_HOLDERS_IN, asked))


# ---- sites


@dataclass(frozen=True, slots=True)
class SiteSummary:
    """What a neighbour shows of a site."""

    id: UUID
    region_id: UUID
    operator_id: UUID
    kind: str
    name_zh: str
    name_en: str
    timezone: str
    latitude: float | None
    longitude: float | None


async def site_summary(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, SiteSummary]:
    """Names, region and zone for a list of sites; unknown ids are absent."""
    rows = await session.execute(
        select(
            *(Site.id, Site.region_id, Site.operator_id, Site.kind, Site.name_zh, Site.name_en, Region.timezone),
            *(Site.latitude, Site.longitude),
        )
        .join(Region, Region.id == Site.region_id)
        .where(Site.id.in_(ids))
    )
    return {row.id: SiteSummary(*row) for row in rows}


# Who serves others is paid on its workshop or venue, before an office or a canteen of its own.
_SERVING: Final = (SiteKind.WORKSHOP, SiteKind.VENUE, SiteKind.OFFICE, SiteKind.CANTEEN)


async def serving_site(session: AsyncSession, identifier: UUID) -> SiteSummary | None:
    """The site whose account is credited for a service: the site itself, or that of the organisation that runs it."""
    own = (await site_summary(session, [identifier])).get(identifier)
    if own is not None:
        return own
    order = case({kind.value: rank for rank, kind in enumerate(_SERVING)}, value=Site.kind)
    first = await session.scalar(
        select(Site.id).where(Site.operator_id == identifier).order_by(order, Site.code).limit(1)
    )
    return (await site_summary(session, [first])).get(first) if first is not None else None


# ---- names of places


@dataclass(frozen=True, slots=True)
class PlaceName:
    """How a paper calls a region, an organisation or a site, and the region whose time counts there."""

    id: UUID
    region_id: UUID
    code: str
    name_zh: str
    name_en: str
    timezone: str


async def place_names(session: AsyncSession, ids: Collection[UUID]) -> dict[UUID, PlaceName]:
    """Codes and names of regions, organisations and sites alike; unknown ids are absent."""
    named = [
        select(Region.id, Region.id.label("region_id"), Region.code, Region.name_zh, Region.name_en, Region.timezone),
        select(*(Organisation.id, Region.id, Organisation.code, Organisation.name_zh, Organisation.name_en, Region.timezone))
        .join(Region, Region.id == Organisation.home_region_id),
        select(Site.id, Region.id, Site.code, Site.name_zh, Site.name_en, Region.timezone)
        .join(Region, Region.id == Site.region_id),
    ]  # fmt: skip  # three of a kind
    found = union_all(*(query.where(query.selected_columns[0].in_(ids)) for query in named))
    return {row.id: PlaceName(*row) for row in await session.execute(found)}
