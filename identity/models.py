"""The tables of identity. Sums of rules live in the database too: no overlap of memberships, one place per role."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DATERANGE, JSONB, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from identity.kinds import GRANTED_ROLES, OrganisationKind, PersonClass, PlaceKind, SiteKind, TerminalMode
from identity.states import APPROVAL, PERSON, TERMINAL, states_of
from kernel.db import Base


def one_of(column: str, values: list[str]) -> str:
    """The text of a CHECK that a column holds one of these."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


_Moment = DateTime(timezone=True)


class Region(Base):
    """A province, city or county; a business day and a ledger book belong to one."""

    __tablename__ = "regions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("regions.id"), index=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    pinyin: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (CheckConstraint("parent_id <> id", name="not_its_own_parent"),)


class Organisation(Base):
    """An office, a hospital, a department of one, or a company that runs canteens."""

    __tablename__ = "organisations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"), index=True)
    home_region_id: Mapped[UUID] = mapped_column(ForeignKey("regions.id"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    pinyin: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint("parent_id <> id", name="not_its_own_parent"),
        CheckConstraint(one_of("kind", list(OrganisationKind)), name="kind"),
        CheckConstraint("kind <> 'department' OR parent_id IS NOT NULL", name="department_has_parent"),
    )


class Site(Base):
    """A place with a purpose: a canteen, a venue, a workshop."""

    __tablename__ = "sites"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID] = mapped_column(ForeignKey("regions.id"), index=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    pinyin: Mapped[str] = mapped_column(Text)
    # Degrees; a phone that pays at a wall code may be compared with them.
    latitude: Mapped[float | None] = mapped_column(Double)
    longitude: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint(one_of("kind", list(SiteKind)), name="kind"),
        CheckConstraint("num_nonnulls(latitude, longitude) IN (0, 2)", name="coordinates"),
        CheckConstraint("latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180", name="on_earth"),
    )


class PlaceRow(Base):
    """A campus, building, storey, room or area: a node of the tree under a site. It never moves, so its path is kept."""

    __tablename__ = "places"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("sites.id"), index=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("places.id"), index=True)
    # The ids from the root down to this place: what lies below a place is one look into an index.
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    kind: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text, unique=True)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    pinyin: Mapped[str] = mapped_column(Text)
    # Where it stands among its neighbours (the storey's number); without one, by pinyin.
    ordinal: Mapped[int | None] = mapped_column(Integer)
    # Where it is on its parent's plan: 0 is its left and its upper edge, 1 its right and its lower one.
    plan_x: Mapped[float | None] = mapped_column(Double)
    plan_y: Mapped[float | None] = mapped_column(Double)
    # Whether somebody who is not signed in may report something here, with the printed code.
    open_to_strangers: Mapped[bool] = mapped_column(Boolean)
    # The printed code that counts; raising it ends the sheets before.
    code_issue: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(_Moment)
    retired_at: Mapped[datetime | None] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint(one_of("kind", list(PlaceKind)), name="kind"),
        CheckConstraint("path[cardinality(path)] = id", name="path_ends_here"),
        CheckConstraint(
            "parent_id IS NOT DISTINCT FROM path[cardinality(path) - 1] AND cardinality(path) BETWEEN 1 AND 8",
            name="path_through_parent",
        ),
        CheckConstraint("num_nonnulls(plan_x, plan_y) IN (0, 2)", name="plan"),
        CheckConstraint("plan_x BETWEEN 0 AND 1 AND plan_y BETWEEN 0 AND 1", name="on_the_plan"),
        CheckConstraint("code_issue >= 1", name="code_issue"),
        Index("places_path_idx", "path", postgresql_using="gin"),
    )


class Person(Base):
    """Somebody. What they are to an organisation stands in their membership, with its dates."""

    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    # Syllables with spaces between: the order of a list of Chinese names.
    pinyin: Mapped[str] = mapped_column(Text, index=True)
    # `zs` for 张三: what somebody types who looks for him.
    initials: Mapped[str] = mapped_column(Text, index=True)
    staff_number: Mapped[str | None] = mapped_column(Text, unique=True)
    phone: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint(one_of("status", states_of(PERSON)), name="status"),
        CheckConstraint(one_of("language", ["zh", "en"]), name="language"),
        CheckConstraint("length(email) BETWEEN 3 AND 254", name="email"),
    )


class Membership(Base):
    """That a person belonged to an organisation, as what, and from which day until which."""

    __tablename__ = "memberships"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    organisation_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), index=True)
    person_class: Mapped[str] = mapped_column(Text)
    # Half open: the last day is the day before the upper bound; no upper bound means until further notice.
    valid: Mapped[Range[date]] = mapped_column(DATERANGE)
    recorded_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint(one_of("person_class", list(PersonClass)), name="person_class"),
        CheckConstraint("NOT isempty(valid) AND NOT lower_inf(valid)", name="valid"),
        ExcludeConstraint(("person_id", "="), ("valid", "&&"), using="gist", name="memberships_no_overlap"),
    )


class RoleGrantRow(Base):
    """A role that somebody holds, or held: in one organisation, site or region, or everywhere."""

    __tablename__ = "role_grants"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    role: Mapped[str] = mapped_column(Text)
    organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id"))
    region_id: Mapped[UUID | None] = mapped_column(ForeignKey("regions.id"))
    granted_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    granted_at: Mapped[datetime] = mapped_column(_Moment)
    revoked_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    revoked_at: Mapped[datetime | None] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint(one_of("role", [str(role) for role in GRANTED_ROLES]), name="role"),
        CheckConstraint("num_nonnulls(organisation_id, site_id, region_id) <= 1", name="one_place"),
        CheckConstraint("granted_by <> person_id", name="not_to_oneself"),
        Index(
            "role_grants_in_force_key",
            "person_id",
            "role",
            "organisation_id",
            "site_id",
            "region_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )


class Credential(Base):
    """How somebody signs in."""

    __tablename__ = "credentials"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    username: Mapped[str] = mapped_column(Text, unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(_Moment)


class Attempts(Base):
    """How often something was tried in vain of late: sign-ins of a name, known or not, and pairing codes of an address."""

    __tablename__ = "attempts"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime] = mapped_column(_Moment, index=True)
    locked_until: Mapped[datetime | None] = mapped_column(_Moment)


class SignInSession(Base):
    """A sign-in. The token itself is with the person; here is its SHA-256."""

    __tablename__ = "sessions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(_Moment)
    expires_at: Mapped[datetime] = mapped_column(_Moment, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(_Moment)


class Activation(Base):
    """A slip or link with which somebody chooses their own password, once and for a while. Here is its SHA-256."""

    __tablename__ = "activations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    username: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    # None: a link by mail, which its owner asked for.
    issued_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    issued_at: Mapped[datetime] = mapped_column(_Moment)
    expires_at: Mapped[datetime] = mapped_column(_Moment)
    used_at: Mapped[datetime | None] = mapped_column(_Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint("issued_by <> person_id", name="not_for_oneself"),
        Index(
            "activations_live_key",
            "person_id",
            unique=True,
            postgresql_where=text("used_at IS NULL AND revoked_at IS NULL"),
        ),
    )


class SecondFactor(Base):
    """The secret of somebody's authenticator, sealed. It counts once the first code from it has been typed in."""

    __tablename__ = "second_factors"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    sealed_secret: Mapped[bytes] = mapped_column(LargeBinary)
    # The step of 30 seconds whose code was used last: neither it nor an older one opens the door again.
    last_step: Mapped[int] = mapped_column(BigInteger)
    recovery_hashes: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    created_at: Mapped[datetime] = mapped_column(_Moment)
    confirmed_at: Mapped[datetime | None] = mapped_column(_Moment)


class PendingSignIn(Base):
    """A sign-in half done: a code from the authenticator is due, or one must be set up, or a page must fetch it."""

    __tablename__ = "pending_sign_ins"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    waits_for: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(_Moment)
    expires_at: Mapped[datetime] = mapped_column(_Moment, index=True)

    __table_args__ = (CheckConstraint(one_of("waits_for", ["code", "enrolment", "page"]), name="waits_for"),)


class CampusSignIn(Base):
    """Somebody was sent to the campus's sign-in and has not come back yet; good for one return, by one browser."""

    __tablename__ = "campus_sign_ins"

    state_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    nonce: Mapped[str] = mapped_column(Text)
    code_verifier: Mapped[str] = mapped_column(Text)
    return_to: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(_Moment, index=True)


class CampusIdentity(Base):
    """Who a subject of the campus's sign-in is here. Made at the first sign-in by staff number, and kept."""

    __tablename__ = "campus_identities"

    issuer: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    linked_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (UniqueConstraint("issuer", "person_id", name="campus_identities_person_key"),)


class TerminalRow(Base):
    """A till, as it stands in the database; `identity.api.Terminal` is what others see of it."""

    __tablename__ = "terminals"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    site_id: Mapped[UUID] = mapped_column(ForeignKey("sites.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    serial: Mapped[str | None] = mapped_column(Text, unique=True)
    status: Mapped[str] = mapped_column(Text)
    epoch: Mapped[int] = mapped_column(Integer)
    modes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    # Given out by a rotation and not yet used; its first use makes it the token, so an answer lost on the way
    # leaves the till with the token it has.
    next_token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    rotation_due: Mapped[bool]
    pairing_code_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    pairing_expires_at: Mapped[datetime | None] = mapped_column(_Moment)
    configuration_version: Mapped[int] = mapped_column(BigInteger, index=True)
    last_seen_at: Mapped[datetime | None] = mapped_column(_Moment)
    # What the till last said of itself: its program, its queue, its applied configuration.
    health: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint(one_of("status", states_of(TERMINAL)), name="status"),
        CheckConstraint(f"modes <@ ARRAY[{', '.join(repr(str(m)) for m in TerminalMode)}]", name="modes"),
        CheckConstraint("cardinality(modes) > 0", name="some_mode"),
        CheckConstraint("epoch >= 0", name="epoch"),
        CheckConstraint("status NOT IN ('active', 'disabled') OR token_hash IS NOT NULL", name="token"),
        CheckConstraint("num_nonnulls(pairing_code_hash, pairing_expires_at) IN (0, 2)", name="pairing"),
    )


class Approval(Base):
    """Something that one person asked for and another must decide."""

    __tablename__ = "approvals"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(Text)
    # Who may decide: any of these roles, in this place (or everywhere, where no place is named).
    deciding_roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    organisation_id: Mapped[UUID | None] = mapped_column(ForeignKey("organisations.id"))
    site_id: Mapped[UUID | None] = mapped_column(ForeignKey("sites.id"))
    region_id: Mapped[UUID | None] = mapped_column(ForeignKey("regions.id"))
    requested_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    # Whom it would favour; they do not decide on it either.
    beneficiary_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    reason: Mapped[str] = mapped_column(Text)
    requested_at: Mapped[datetime] = mapped_column(_Moment)
    expires_at: Mapped[datetime] = mapped_column(_Moment)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None] = mapped_column(_Moment)
    decision_note: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint(one_of("status", states_of(APPROVAL)), name="status"),
        CheckConstraint("status NOT IN ('approved', 'rejected') OR decided_by <> requested_by", name="two_people"),
        CheckConstraint("status <> 'approved' OR decided_by IS DISTINCT FROM beneficiary_id", name="not_in_own_favour"),
        CheckConstraint("(status = 'pending') = (decided_at IS NULL)", name="decided_at"),
        CheckConstraint("num_nonnulls(organisation_id, site_id, region_id) <= 1", name="one_place"),
        Index("approvals_pending_idx", "expires_at", postgresql_where=text("status = 'pending'")),
    )
