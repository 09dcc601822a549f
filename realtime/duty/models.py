"""Tables of the rota. Shifts are not among them: they are a function of rotations and overrides."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    Time,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from realtime.duty.states import SWAP, states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)
_SWAP_STATES = ", ".join(f"'{state}'" for state in states_of(SWAP))


class DutyTeam(Base):
    """People who take turns at one job: for a region and all below it, or for some places of it."""

    __tablename__ = "duty_teams"
    __table_args__ = (CheckConstraint("closed_at IS NULL OR closed_at >= created_at", name="closed_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID] = mapped_column(index=True)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    # What its members do: a policy rings a role.
    role: Mapped[str] = mapped_column(Text)
    # Places of the tree that it serves; empty: the whole region.
    place_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    zone: Mapped[str] = mapped_column(Text)
    # When somebody has to be there; the same time twice is round the clock.
    needed_weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger))
    needed_from: Mapped[time] = mapped_column(Time)
    needed_until: Mapped[time] = mapped_column(Time)
    created_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)


class DutyMember(Base):
    """That somebody belongs to a team; its leads keep its rota."""

    __tablename__ = "duty_members"

    team_id: Mapped[UUID] = mapped_column(ForeignKey("duty_teams.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)
    is_lead: Mapped[bool] = mapped_column(Boolean)
    joined_at: Mapped[datetime] = mapped_column(Instant)


class DutyRotation(Base):
    """Who takes which slot of which day. Never edited but for its end: the next one begins where it stops."""

    __tablename__ = "duty_rotations"
    __table_args__ = (
        CheckConstraint("turn_days BETWEEN 1 AND 366", name="turn_days"),
        CheckConstraint("advance BETWEEN 0 AND 100", name="advance"),
        CheckConstraint("seats BETWEEN 1 AND cardinality(people)", name="seats"),
        CheckConstraint("ends_on IS NULL OR ends_on > starts_on", name="ends_on"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("duty_teams.id"), index=True)
    name: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    starts_on: Mapped[date] = mapped_column(Date)
    ends_on: Mapped[date | None] = mapped_column(Date)
    # The instant at which it was ended, where that was in the middle of a day.
    ends_at: Mapped[datetime | None] = mapped_column(Instant)
    # [{"starts": "08:00", "name", "weekdays", "is_staffed"}], from the hand-off on.
    slots: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    people: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    turn_days: Mapped[int] = mapped_column(SmallInteger)
    advance: Mapped[int] = mapped_column(SmallInteger)
    seats: Mapped[int] = mapped_column(SmallInteger)
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(Instant)


class DutyOverride(Base):
    """That one person's shifts of a span are another's, or nobody's; or that there is an extra hand."""

    __tablename__ = "duty_overrides"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="span"),
        CheckConstraint(
            "num_nonnulls(person_out, person_in) >= 1 AND person_out IS DISTINCT FROM person_in", name="people"
        ),
        Index("duty_overrides_team_id_idx", "team_id", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("duty_teams.id"))
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)
    person_out: Mapped[UUID | None]
    person_in: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)
    swap_id: Mapped[UUID | None]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(Instant)
    cancelled_at: Mapped[datetime | None] = mapped_column(Instant)


class DutySwap(Base):
    """Somebody asks a colleague to take a shift, perhaps for one of theirs."""

    __tablename__ = "duty_swaps"
    __table_args__ = (
        CheckConstraint(f"state IN ({_SWAP_STATES})", name="state"),
        CheckConstraint("asker_id <> taker_id", name="two_people"),
        CheckConstraint("num_nonnulls(return_shift_id, return_starts_at, return_ends_at) IN (0, 3)", name="return"),
        Index("duty_swaps_asked_key", "shift_id", "asker_id", unique=True, postgresql_where=text("state = 'asked'")),
        Index("duty_swaps_taker_id_idx", "taker_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("duty_teams.id"), index=True)
    asker_id: Mapped[UUID] = mapped_column(index=True)
    taker_id: Mapped[UUID]
    shift_id: Mapped[UUID]
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)
    return_shift_id: Mapped[UUID | None]
    return_starts_at: Mapped[datetime | None] = mapped_column(Instant)
    return_ends_at: Mapped[datetime | None] = mapped_column(Instant)
    words: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(Instant)
    decided_at: Mapped[datetime | None] = mapped_column(Instant)


class DutyNote(Base):
    """What the next one has to know; it stands there until somebody says that it is done."""

    __tablename__ = "duty_notes"
    __table_args__ = (Index("duty_notes_team_id_idx", "team_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("duty_teams.id"))
    author_id: Mapped[UUID]
    words: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(Instant)
    done_by: Mapped[UUID | None]
    done_at: Mapped[datetime | None] = mapped_column(Instant)


class DutySignIn(Base):
    """That somebody has said "I am on duty", and until when it was so."""

    __tablename__ = "duty_sign_ins"
    __table_args__ = (
        Index("duty_sign_ins_open_key", "person_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("duty_sign_ins_person_id_idx", "person_id", "started_at"),
        CheckConstraint("ended_at >= started_at", name="span"),
        CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended"),
        CheckConstraint("ended_by IN ('person', 'system')", name="ended_by"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    started_at: Mapped[datetime] = mapped_column(Instant)
    # When the rota ends their turn; without a word of theirs it ends then.
    until: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_by: Mapped[str | None] = mapped_column(Text)


class DutyFeed(Base):
    """The secret address of somebody's calendar. The token itself is in it; here is its SHA-256."""

    __tablename__ = "duty_feeds"

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class DutyRing(Base):
    """A test ring of a shift's start (or of the half day before it): once for each shift and person."""

    __tablename__ = "duty_rings"

    shift_id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    team_id: Mapped[UUID]
    rung_at: Mapped[datetime] = mapped_column(Instant, index=True)
    ways: Mapped[int] = mapped_column(SmallInteger)

    __table_args__ = (CheckConstraint("kind IN ('start', 'ahead')", name="kind"),)


class DutyWarning(Base):
    """A gap, or hours in which nobody would be reached, as it was found; `gone_at` once it is no more."""

    __tablename__ = "duty_warnings"
    __table_args__ = (
        CheckConstraint("kind IN ('gap', 'unreachable')", name="kind"),
        Index("duty_warnings_open_idx", "team_id", postgresql_where=text("gone_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[UUID] = mapped_column(ForeignKey("duty_teams.id"))
    kind: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)
    found_at: Mapped[datetime] = mapped_column(Instant)
    gone_at: Mapped[datetime | None] = mapped_column(Instant)
