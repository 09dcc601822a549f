"""Who is calling, and what they may do: plain values, read once per request.

A grant covers its place and everything below it: a region its sub-regions with their organisations and sites, an
organisation the ones under it and the sites that they operate. A grant without a place covers everything.
"""

from dataclasses import dataclass, field
from uuid import UUID

from identity.kinds import Role
from kernel.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is, or where a role counts: at most one of the three; none of them is everywhere."""

    organisation_id: UUID | None = None
    site_id: UUID | None = None
    region_id: UUID | None = None

    @property
    def is_everywhere(self) -> bool:
        return self.organisation_id is None and self.site_id is None and self.region_id is None


EVERYWHERE = Place()


@dataclass(frozen=True, slots=True)
class Cover:
    """All places that a grant reaches, once its place is unfolded downwards."""

    regions: frozenset[UUID] = frozenset()
    organisations: frozenset[UUID] = frozenset()
    sites: frozenset[UUID] = frozenset()

    def __or__(self, other: "Cover") -> "Cover":
        return Cover(self.regions | other.regions, self.organisations | other.organisations, self.sites | other.sites)

    def contains(self, place: Place) -> bool:
        """A place is inside when any of its names is; everywhere is inside nothing."""
        return (
            place.site_id in self.sites
            or place.organisation_id in self.organisations
            or place.region_id in self.regions
        )


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role in force, bound to one place or to none (everywhere)."""

    role: Role
    organisation_id: UUID | None = None
    site_id: UUID | None = None
    region_id: UUID | None = None
    cover: Cover = field(default=Cover(), compare=False, repr=False)

    @property
    def place(self) -> Place:
        return Place(self.organisation_id, self.site_id, self.region_id)

    def reaches(self, place: Place) -> bool:
        return self.place.is_everywhere or self.cover.contains(place)


@dataclass(frozen=True, slots=True)
class Principal:
    """A person who is signed in. `unit_id` pays for them, `region_id` is their home; both by today's membership."""

    person_id: UUID
    name: str
    session_id: UUID | None
    roles: tuple[RoleGrant, ...]
    person_class: str | None
    organisation_id: UUID | None
    unit_id: UUID | None
    region_id: UUID | None
    language: str = "zh"

    @property
    def actor(self) -> str:
        """How the audit log names this person."""
        return f"per_{self.person_id.hex}"

    def holds(self, *roles: Role | str) -> bool:
        """Any of these roles, in whatever place."""
        return any(grant.role in roles for grant in self.roles)

    def may(
        self,
        *roles: Role | str,
        organisation_id: UUID | None = None,
        site_id: UUID | None = None,
        region_id: UUID | None = None,
    ) -> bool:
        """Whether one of these roles counts there. Without a place: whether it counts everywhere.

        With several places (a site and its region), one that is covered is enough.
        """
        place = Place(organisation_id, site_id, region_id)
        return any(grant.role in roles and grant.reaches(place) for grant in self.roles)

    def require(
        self,
        *roles: Role | str,
        organisation_id: UUID | None = None,
        site_id: UUID | None = None,
        region_id: UUID | None = None,
    ) -> None:
        """The same as a demand: Forbidden where it does not hold."""
        if not self.may(*roles, organisation_id=organisation_id, site_id=site_id, region_id=region_id):
            raise Forbidden(roles=[str(role) for role in roles])

    def cover_of(self, *roles: Role | str) -> Cover | None:
        """The places in which these roles count, for a list's WHERE; None means everywhere."""
        reached = Cover()
        for grant in self.roles:
            if grant.role in roles:
                if grant.place.is_everywhere:
                    return None
                reached |= grant.cover
        return reached


@dataclass(frozen=True, slots=True)
class Terminal:
    """A till, as the rest of the house sees it. Posting keeps these in memory."""

    id: UUID
    site_id: UUID
    region_id: UUID
    name: str
    status: str
    epoch: int
    modes: frozenset[str]
    token_hash: bytes
    configuration_version: int

    @property
    def actor(self) -> str:
        """How the audit log names this till."""
        return f"ter_{self.id.hex}"
