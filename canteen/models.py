"""The tables of the canteens. What must never be true at once stands in the database as an exclusion constraint."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from canteen.states import MENU, SHIFT, states_of
from kernel.db import Base

_Moment = DateTime(timezone=True)


class Canteen(Base):
    """A place where meals are served. Its name, region and operator are its site's."""

    __tablename__ = "canteens"

    id: Mapped[UUID] = mapped_column(ForeignKey("sites.id"), primary_key=True)
    is_open: Mapped[bool]
    # Else only people of the units in `canteen_units` are served.
    open_to_all: Mapped[bool]
    seats: Mapped[int | None] = mapped_column(Integer)
    # Whether a till may give money back only within a shift, so that somebody signs for it.
    returns_need_shift: Mapped[bool] = mapped_column(server_default=text("false"))
    configuration_version: Mapped[int] = mapped_column(BigInteger, index=True)
    created_at: Mapped[datetime] = mapped_column(_Moment)


class CanteenUnit(Base):
    """A unit whose people may eat here."""

    __tablename__ = "canteen_units"

    canteen_id: Mapped[UUID] = mapped_column(ForeignKey("canteens.id"), primary_key=True)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("organisations.id"), primary_key=True)


class MealPeriod(Base):
    """A window in which a meal is served, on days of one kind. `ends_minute` beyond 1440 lies on the next day."""

    __tablename__ = "meal_periods"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    canteen_id: Mapped[UUID] = mapped_column(ForeignKey("canteens.id"))
    meal: Mapped[str] = mapped_column(Text)
    day_type: Mapped[str] = mapped_column(Text)
    starts_minute: Mapped[int] = mapped_column(SmallInteger)
    ends_minute: Mapped[int] = mapped_column(SmallInteger)
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    configuration_version: Mapped[int] = mapped_column(BigInteger, index=True)


class Price(Base):
    """One row of the price matrix; rows are ended, never changed or deleted. No canteen: every canteen without own."""

    __tablename__ = "price_rows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    canteen_id: Mapped[UUID | None] = mapped_column(ForeignKey("canteens.id"))
    person_class: Mapped[str] = mapped_column(Text)
    meal: Mapped[str] = mapped_column(Text)
    serving: Mapped[int] = mapped_column(SmallInteger)
    order_state: Mapped[str] = mapped_column(Text)
    price_fen: Mapped[int] = mapped_column(BigInteger)
    unit_share_fen: Mapped[int] = mapped_column(BigInteger)
    # Counts on the last serving of its ladder only.
    after_last: Mapped[str] = mapped_column(Text)
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    configuration_version: Mapped[int] = mapped_column(BigInteger, index=True)
    recorded_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (CheckConstraint("serving = 1 OR unit_share_fen = 0", name="one_subsidised_meal"),)


class Limit(Base):
    """How much or how often. No canteen, class or meal: any. A row without a maximum lifts a more general limit."""

    __tablename__ = "canteen_limits"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    canteen_id: Mapped[UUID | None] = mapped_column(ForeignKey("canteens.id"))
    person_class: Mapped[str | None] = mapped_column(Text)
    meal: Mapped[str | None] = mapped_column(Text)
    counted_over: Mapped[str] = mapped_column(Text)
    amount_max_fen: Mapped[int | None] = mapped_column(BigInteger)
    count_max: Mapped[int | None] = mapped_column(Integer)
    effective_from: Mapped[date]
    effective_to: Mapped[date | None]
    configuration_version: Mapped[int] = mapped_column(BigInteger, index=True)
    recorded_at: Mapped[datetime] = mapped_column(_Moment)


class Dish(Base):
    """Something a kitchen makes, with what is in it per portion."""

    __tablename__ = "dishes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    canteen_id: Mapped[UUID] = mapped_column(ForeignKey("canteens.id"))
    name_zh: Mapped[str] = mapped_column(Text)
    name_en: Mapped[str] = mapped_column(Text)
    pinyin: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    price_fen: Mapped[int] = mapped_column(BigInteger)
    nutrition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    allergens: Mapped[list[str]] = mapped_column(ARRAY(Text))
    is_active: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(_Moment)


class Menu(Base):
    """What is offered at one meal of one business date."""

    __tablename__ = "menus"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    canteen_id: Mapped[UUID] = mapped_column(ForeignKey("canteens.id"))
    business_date: Mapped[date] = mapped_column(index=True)
    meal: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    # Whether posting was told to read it since its day came near; see `menus.bring_menus_in`.
    brought_in: Mapped[bool]
    configuration_version: Mapped[int] = mapped_column(BigInteger, index=True)
    changed_at: Mapped[datetime] = mapped_column(_Moment)

    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in states_of(MENU))})", name="state"),
    )


class MenuItem(Base):
    """A dish on a menu, with that day's price."""

    __tablename__ = "menu_items"

    menu_id: Mapped[UUID] = mapped_column(ForeignKey("menus.id"), primary_key=True)
    dish_id: Mapped[UUID] = mapped_column(ForeignKey("dishes.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    price_fen: Mapped[int] = mapped_column(BigInteger)
    sold_out: Mapped[bool]


class MinuteTotal(Base):
    """What a canteen took in one minute; what is given back counts in the minute in which it is."""

    __tablename__ = "canteen_minute_totals"

    canteen_id: Mapped[UUID] = mapped_column(primary_key=True)
    business_date: Mapped[date] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(_Moment, primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    voided_count: Mapped[int] = mapped_column(Integer)
    returned_fen: Mapped[int] = mapped_column(BigInteger)


class LastPayments(Base):
    """The last payments of a canteen with masked names, newest first, as its board shows them."""

    __tablename__ = "canteen_last_payments"

    canteen_id: Mapped[UUID] = mapped_column(primary_key=True)
    payments: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


# ---- the counter


class TillPin(Base):
    """What a cashier or supervisor signs with at a till; set by themselves or by the canteen's manager."""

    __tablename__ = "till_pins"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    pin_hash: Mapped[str] = mapped_column(Text)
    changed_by: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(_Moment)


class Shift(Base):
    """A cashier's time at a till. What was sold in it is a span of the journal, so it can always be counted again."""

    __tablename__ = "shifts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    canteen_id: Mapped[UUID] = mapped_column(ForeignKey("canteens.id"))
    terminal_id: Mapped[UUID] = mapped_column(ForeignKey("terminals.id"))
    cashier_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    state: Mapped[str] = mapped_column(Text)
    business_date: Mapped[date]
    opened_at: Mapped[datetime] = mapped_column(_Moment)
    # Where the journal stood, {lane: n}: the shift holds what came after the one and until the other.
    after: Mapped[dict[str, int]] = mapped_column(JSONB)
    until: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    handed_over_at: Mapped[datetime | None] = mapped_column(_Moment)
    handed_over_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    sheet: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))

    __table_args__ = (
        CheckConstraint(f"state IN ({', '.join(repr(state) for state in states_of(SHIFT))})", name="state"),
        CheckConstraint(
            "(state = 'handed_over') = (sheet IS NOT NULL)"
            " AND num_nonnulls(until, handed_over_at, handed_over_by, sheet) IN (0, 4)",
            name="handed_over",
        ),
        CheckConstraint("handed_over_at >= opened_at", name="order"),
        Index("shifts_one_open_idx", "terminal_id", unique=True, postgresql_where=text("state = 'open'")),
        Index("shifts_canteen_id_idx", "canteen_id", "id"),
        Index("shifts_terminal_id_idx", "terminal_id", "id"),
    )


class ShiftReturn(Base):
    """A void or refund made at a till within a shift, and who signed for it."""

    __tablename__ = "shift_returns"

    shift_id: Mapped[UUID] = mapped_column(ForeignKey("shifts.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    reversal_id: Mapped[UUID] = mapped_column(unique=True)
    payment_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int] = mapped_column(BigInteger)
    signed_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    recorded_at: Mapped[datetime] = mapped_column(_Moment)


class TillPrinter(Base):
    """Where a till's slips are printed."""

    __tablename__ = "till_printers"

    terminal_id: Mapped[UUID] = mapped_column(ForeignKey("terminals.id"), primary_key=True)
    address: Mapped[str] = mapped_column(Text)
    columns: Mapped[int] = mapped_column(SmallInteger)
    changed_at: Mapped[datetime] = mapped_column(_Moment)
