"""Tables of work orders: the order and its parties, steps, offers, notes, checks, labour, ratings; categories, technicians, problems."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from repairs.orders.states import CONFIRMED, OPEN, PROBLEM, TAKEN, UNREPAIRED, WORK_ORDER, states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)
URGENCIES: Final = ("low", "normal", "high", "urgent")
DISPATCHES: Final = ("automatic", "pool", "manual")
HOLD_CAUSES: Final = ("waiting_requester", "parts", "contractor", "access", "out_of_hours", "other")
NOTE_KINDS: Final = ("note", "before", "after")
OFFER_WAYS: Final = ("automatic", "claimed", "assigned")
OFFER_OUTCOMES: Final = ("declined", "reassigned", "finished", "ended")


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


class RepairCategory(Base):
    """A kind of repair: a node of a small tree, with the skill that it takes, its usual urgency, and what is to be checked."""

    __tablename__ = "repair_categories"
    __table_args__ = (
        CheckConstraint(f"urgency IN ({_listed(URGENCIES)})", name="urgency"),
        CheckConstraint(f"dispatch IN ({_listed(DISPATCHES)})", name="dispatch"),
        CheckConstraint("problem_threshold BETWEEN 2 AND 100", name="problem_threshold"),
        CheckConstraint("parent_id <> id", name="parent"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("repair_categories.id"))
    code: Mapped[str] = mapped_column(Text, unique=True)
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    icon: Mapped[str] = mapped_column(Text)
    # None: anybody can.
    skill: Mapped[str | None] = mapped_column(Text)
    urgency: Mapped[str] = mapped_column(Text)
    # automatic: the rule picks who goes; pool: whoever claims it; manual: the office accepts it first.
    dispatch: Mapped[str] = mapped_column(Text)
    # [{"zh", "en", "is_required"}]
    checklist: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    # So many in a house within two weeks are one problem.
    problem_threshold: Mapped[int] = mapped_column(SmallInteger)
    ordinal: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    retired_at: Mapped[datetime | None] = mapped_column(Instant)


class Technician(Base):
    """What somebody can repair, where, and how much at a time. The role says that they may; this says what is sent to them."""

    __tablename__ = "technicians"
    __table_args__ = (
        CheckConstraint("load_max BETWEEN 1 AND 50", name="load_max"),
        Index("technicians_region_id_idx", "region_id"),
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    skills: Mapped[list[str]] = mapped_column(ARRAY(Text))
    # Of the tree of places; empty: the whole region.
    place_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    load_max: Mapped[int] = mapped_column(SmallInteger)
    is_active: Mapped[bool] = mapped_column(Boolean)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class RepairGuest(Base):
    """Somebody without a sign-in who has raised an order; their ticket's SHA-256 is here, the ticket itself nowhere."""

    __tablename__ = "repair_guests"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(Text)
    ticket_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)


class RepairProblem(Base):
    """Many of one kind in one house: from one matter to a class of matters."""

    __tablename__ = "repair_problems"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(states_of(PROBLEM))})", name="state"),
        CheckConstraint("(state IN ('solved', 'dismissed')) = (closed_at IS NOT NULL)", name="closed_at"),
        Index(
            "repair_problems_open_key",
            "category_id",
            "scope_id",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("repair_problems_region_id_idx", "region_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    category_id: Mapped[UUID] = mapped_column(ForeignKey("repair_categories.id"))
    # The house, or the region where orders name no place.
    scope_id: Mapped[UUID]
    place_text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    cause: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    closed_at: Mapped[datetime | None] = mapped_column(Instant)


class WorkOrder(Base):
    """Something to repair: what, where, how urgent, how far it has come, and who has it."""

    __tablename__ = "work_orders"
    __table_args__ = (
        CheckConstraint(f"state IN ({_listed(states_of(WORK_ORDER))})", name="state"),
        CheckConstraint(f"urgency IN ({_listed(URGENCIES)})", name="urgency"),
        CheckConstraint("num_nonnulls(raiser_id, guest_id) = 1", name="one_raiser"),
        CheckConstraint(f"(state IN ({_listed((*TAKEN, 'done'))})) <= (assignee_id IS NOT NULL)", name="assignee"),
        CheckConstraint("(state = 'on_hold') = (hold_cause IS NOT NULL)", name="hold"),
        CheckConstraint(f"hold_cause IN ({_listed(HOLD_CAUSES)})", name="hold_cause"),
        CheckConstraint("(state = 'merged') = (merged_into IS NOT NULL) AND merged_into <> id", name="merged_into"),
        CheckConstraint(f"(state IN ({_listed(CONFIRMED)})) = (confirmed_by IS NOT NULL)", name="confirmed"),
        CheckConstraint("confirmed_by IN ('person', 'system')", name="confirmed_by"),
        CheckConstraint("preferred_until > preferred_from", name="preferred"),
        CheckConstraint("version >= 1 AND round >= 1 AND declines >= 0", name="counters"),
        UniqueConstraint("raiser_key", "client_id", name="work_orders_client_id_key"),
        Index("work_orders_region_id_idx", "region_id", "id"),
        # What figures are made of: a span of days of some regions.
        Index("work_orders_raised_at_idx", "region_id", "raised_at"),
        Index(
            "work_orders_finished_at_idx",
            "region_id",
            "finished_at",
            postgresql_where=text("finished_at IS NOT NULL"),
        ),
        Index("work_orders_open_idx", "region_id", "id", postgresql_where=text(f"state IN ({_listed(OPEN)})")),
        Index("work_orders_assignee_id_idx", "assignee_id", "state", postgresql_where=text("assignee_id IS NOT NULL")),
        # Likely twins.
        Index(
            "work_orders_place_id_idx",
            "place_id",
            "category_id",
            postgresql_where=text(f"state IN ({_listed(UNREPAIRED)})"),
        ),
        Index("work_orders_asset_id_idx", "asset_id", postgresql_where=text("asset_id IS NOT NULL")),
        Index("work_orders_category_id_idx", "category_id", "raised_at"),
        Index("work_orders_merged_into_idx", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
        Index("work_orders_guest_id_idx", "guest_id", postgresql_where=text("guest_id IS NOT NULL")),
        Index("work_orders_problem_id_idx", "problem_id", postgresql_where=text("problem_id IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    # Of the place, where one is named.
    site_id: Mapped[UUID | None]
    # `per_...` or `gst_...`, as the audit log names them; with the client's own name for it the same report once.
    raiser_key: Mapped[str] = mapped_column(Text)
    raiser_id: Mapped[UUID | None]
    guest_id: Mapped[UUID | None] = mapped_column(ForeignKey("repair_guests.id"))
    client_id: Mapped[UUID]
    # The unit of the person served, when it was raised: it bears the cost.
    unit_id: Mapped[UUID | None]
    category_id: Mapped[UUID] = mapped_column(ForeignKey("repair_categories.id"))
    place_id: Mapped[UUID | None]
    # From the root of the tree down to the place.
    place_path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    place_text: Mapped[str] = mapped_column(Text)
    asset_id: Mapped[UUID | None]
    words: Mapped[str] = mapped_column(Text)
    phone: Mapped[str] = mapped_column(Text)
    urgency: Mapped[str] = mapped_column(Text)
    preferred_from: Mapped[datetime | None] = mapped_column(Instant)
    preferred_until: Mapped[datetime | None] = mapped_column(Instant)
    state: Mapped[str] = mapped_column(Text)
    # One more with every trigger: who acts on what is no longer so is told.
    version: Mapped[int] = mapped_column(Integer)
    round: Mapped[int] = mapped_column(SmallInteger)
    assignee_id: Mapped[UUID | None]
    declines: Mapped[int] = mapped_column(SmallInteger)
    hold_cause: Mapped[str | None] = mapped_column(Text)
    held_at: Mapped[datetime | None] = mapped_column(Instant)
    hold_until: Mapped[datetime | None] = mapped_column(Instant)
    merged_into: Mapped[UUID | None] = mapped_column(ForeignKey("work_orders.id"))
    problem_id: Mapped[UUID | None] = mapped_column(ForeignKey("repair_problems.id"))
    # The call that it has begun as.
    call_id: Mapped[UUID | None]
    raised_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)
    accepted_at: Mapped[datetime | None] = mapped_column(Instant)
    started_at: Mapped[datetime | None] = mapped_column(Instant)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
    # When silence counts as yes.
    confirm_due_at: Mapped[datetime | None] = mapped_column(Instant)
    confirmed_at: Mapped[datetime | None] = mapped_column(Instant)
    confirmed_by: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class WorkOrderParty(Base):
    """Whose order it is: who raised it and who is served by it, also of those that were merged into it."""

    __tablename__ = "work_order_parties"
    __table_args__ = (
        CheckConstraint("num_nonnulls(person_id, guest_id) = 1", name="one"),
        CheckConstraint("is_raiser OR is_served", name="part"),
        Index("work_order_parties_person_id_idx", "person_id", "order_id"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"), primary_key=True)
    party_key: Mapped[str] = mapped_column(Text, primary_key=True)
    person_id: Mapped[UUID | None]
    guest_id: Mapped[UUID | None] = mapped_column(ForeignKey("repair_guests.id"))
    is_raiser: Mapped[bool] = mapped_column(Boolean)
    is_served: Mapped[bool] = mapped_column(Boolean)
    # The order that was merged into this one.
    came_from: Mapped[UUID | None]


class WorkOrderStep(Base):
    """One step of an order's life: which trigger, whose, and in which words. Its number is the order's version."""

    __tablename__ = "work_order_steps"

    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trigger: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    round: Mapped[int] = mapped_column(SmallInteger)
    actor: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    # Hold cause, assignee, score: what the trigger took.
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # Where a phone without network did it, and when we heard of it.
    happened_at: Mapped[datetime] = mapped_column(Instant)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class WorkOrderOffer(Base):
    """That an order was somebody's, by which way, and how that ended."""

    __tablename__ = "work_order_offers"
    __table_args__ = (
        CheckConstraint(f"way IN ({_listed(OFFER_WAYS)})", name="way"),
        CheckConstraint(f"outcome IN ({_listed(OFFER_OUTCOMES)})", name="outcome"),
        CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="ended"),
        Index("work_order_offers_open_key", "order_id", unique=True, postgresql_where=text("ended_at IS NULL")),
        Index("work_order_offers_order_id_idx", "order_id"),
        Index("work_order_offers_person_id_idx", "person_id", "offered_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"))
    person_id: Mapped[UUID]
    way: Mapped[str] = mapped_column(Text)
    offered_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    outcome: Mapped[str | None] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)


class WorkOrderNote(Base):
    """Words or pictures at an order. Public ones are seen by those it is for; the others by those who work on it."""

    __tablename__ = "work_order_notes"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_listed(NOTE_KINDS)})", name="kind"),
        UniqueConstraint("order_id", "author_key", "client_id", name="work_order_notes_client_id_key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"))
    author_key: Mapped[str] = mapped_column(Text)
    author_id: Mapped[UUID | None]
    client_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    is_public: Mapped[bool] = mapped_column(Boolean)
    happened_at: Mapped[datetime] = mapped_column(Instant)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class WorkOrderCheck(Base):
    """One line of an order's checklist, as its category had it when it was raised."""

    __tablename__ = "work_order_checks"
    __table_args__ = (CheckConstraint("(ticked_by IS NULL) = (ticked_at IS NULL)", name="ticked"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    words_zh: Mapped[str] = mapped_column(Text)
    words_en: Mapped[str] = mapped_column(Text)
    is_required: Mapped[bool] = mapped_column(Boolean)
    ticked_by: Mapped[UUID | None]
    ticked_at: Mapped[datetime | None] = mapped_column(Instant)


class WorkOrderLabour(Base):
    """Time that somebody has spent on an order."""

    __tablename__ = "work_order_labour"
    __table_args__ = (
        CheckConstraint("minutes BETWEEN 1 AND 1440", name="minutes"),
        UniqueConstraint("order_id", "person_id", "client_id", name="work_order_labour_client_id_key"),
        Index("work_order_labour_person_id_idx", "person_id", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"))
    person_id: Mapped[UUID]
    client_id: Mapped[UUID]
    started_at: Mapped[datetime] = mapped_column(Instant)
    minutes: Mapped[int] = mapped_column(SmallInteger)
    words: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class WorkOrderChange(Base):
    """What became of a change that a phone sent under a name of its own: sent again, it gets the same answer."""

    __tablename__ = "work_order_changes"
    __table_args__ = (Index("work_order_changes_recorded_at_idx", "recorded_at"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"), primary_key=True)
    actor: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    outcome: Mapped[dict[str, Any]] = mapped_column(JSONB)
    recorded_at: Mapped[datetime] = mapped_column(Instant)


class WorkOrderRating(Base):
    """What one of those who were served thought of it: the first time, and perhaps once more after the lead's answer."""

    __tablename__ = "work_order_ratings"
    __table_args__ = (
        CheckConstraint("score BETWEEN 1 AND 5", name="score"),
        CheckConstraint("score > 2 OR words <> ''", name="low_says_why"),
        CheckConstraint("num_nonnulls(answered_by, answered_at) IN (0, 2)", name="answered"),
    )

    order_id: Mapped[UUID] = mapped_column(ForeignKey("work_orders.id"), primary_key=True)
    party_key: Mapped[str] = mapped_column(Text, primary_key=True)
    is_second: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    score: Mapped[int] = mapped_column(SmallInteger)
    words: Mapped[str] = mapped_column(Text)
    rated_at: Mapped[datetime] = mapped_column(Instant)
    edited_at: Mapped[datetime | None] = mapped_column(Instant)
    answer: Mapped[str] = mapped_column(Text)
    answered_by: Mapped[UUID | None]
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
