"""What halls, rooms and cars are like and cost, quotas, delegates, drivers, secret addresses; plans and the ways on them."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_BOOKABLES = """
ALTER TABLE bookables
    ADD COLUMN layouts jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN room_type text
        CONSTRAINT bookables_room_type_check CHECK (room_type IN ('single', 'twin', 'double', 'suite', 'accessible')),
    ADD COLUMN arrive_at time,
    ADD COLUMN leave_at time,
    ADD COLUMN plate text,
    ADD COLUMN with_driver boolean NOT NULL DEFAULT false,
    ADD COLUMN unit_books boolean NOT NULL DEFAULT false,
    ADD COLUMN no_show_minutes integer NOT NULL DEFAULT 15
        CONSTRAINT bookables_no_show_minutes_check CHECK (no_show_minutes BETWEEN 5 AND 1440),
    ADD COLUMN rate_fen bigint CONSTRAINT bookables_rate_fen_check CHECK (rate_fen > 0),
    ADD COLUMN rate_per text CONSTRAINT bookables_rate_per_check CHECK (rate_per IN ('hour', 'night', 'booking')),
    ADD COLUMN free_cancel_hours integer NOT NULL DEFAULT 24
        CONSTRAINT bookables_free_cancel_hours_check CHECK (free_cancel_hours BETWEEN 0 AND 8760),
    ADD COLUMN late_refund_percent integer NOT NULL DEFAULT 0
        CONSTRAINT bookables_late_refund_percent_check CHECK (late_refund_percent BETWEEN 0 AND 100),
    ADD COLUMN version integer NOT NULL DEFAULT 1,
    ADD CONSTRAINT bookables_nights_check CHECK (num_nonnulls(arrive_at, leave_at) <> 1),
    ADD CONSTRAINT bookables_rate_check CHECK (num_nonnulls(rate_fen, rate_per) <> 1);
COMMENT ON COLUMN bookables.layouts IS 'How many fit in by layout: {"theatre": 120}';
COMMENT ON COLUMN bookables.arrive_at IS 'Local wall time; with leave_at, it is booked by nights';
COMMENT ON COLUMN bookables.unit_books IS 'People of its own unit need no approval';
ALTER TABLE bookings
    ADD COLUMN unit_id uuid,
    ADD COLUMN meeting_id uuid,
    ADD COLUMN driver_id uuid,
    ADD COLUMN layout text,
    ADD COLUMN occurrence_at timestamptz,
    ADD COLUMN cost_fen bigint NOT NULL DEFAULT 0 CONSTRAINT bookings_cost_fen_check CHECK (cost_fen >= 0),
    ADD COLUMN charge_reference uuid,
    ADD COLUMN charged_fen bigint NOT NULL DEFAULT 0 CONSTRAINT bookings_charged_fen_check CHECK (charged_fen >= 0),
    ADD COLUMN refunded_fen bigint NOT NULL DEFAULT 0
        CONSTRAINT bookings_refunded_fen_check CHECK (refunded_fen BETWEEN 0 AND charged_fen),
    ADD CONSTRAINT bookings_charge_check CHECK (charged_fen = 0 OR charge_reference IS NOT NULL),
    ADD CONSTRAINT bookings_driver_no_overlap EXCLUDE USING gist (driver_id WITH =, blocked WITH &&)
        WHERE (blocks AND driver_id IS NOT NULL);
COMMENT ON COLUMN bookings.unit_id IS 'The unit of who it is for, when it was made: its quota, and who pays';
COMMENT ON COLUMN bookings.occurrence_at IS 'When the rule of its series has it begin, wherever it was moved';
COMMENT ON COLUMN bookings.charged_fen IS 'Of the charge that stands; a dearer one after a move has another reference';
CREATE INDEX bookings_meeting_id_idx ON bookings (meeting_id, id) WHERE meeting_id IS NOT NULL;
CREATE INDEX bookings_unit_id_idx ON bookings (unit_id, id) WHERE unit_id IS NOT NULL;
"""

_AROUND = """
CREATE TABLE booking_drivers (
    bookable_id uuid NOT NULL REFERENCES bookables,
    person_id uuid NOT NULL,
    PRIMARY KEY (bookable_id, person_id)
);
CREATE TABLE booking_quotas (
    id uuid PRIMARY KEY,
    region_id uuid NOT NULL,
    kind text NOT NULL CONSTRAINT booking_quotas_kind_check CHECK (kind IN ('venue', 'hotel_room', 'car')),
    unit_id uuid,
    per text NOT NULL CONSTRAINT booking_quotas_per_check CHECK (per IN ('unit', 'person')),
    period text NOT NULL CONSTRAINT booking_quotas_period_check CHECK (period IN ('week', 'month')),
    hours_max integer NOT NULL CONSTRAINT booking_quotas_hours_max_check CHECK (hours_max BETWEEN 1 AND 100000),
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    ended_at timestamptz
);
COMMENT ON COLUMN booking_quotas.unit_id IS 'Null: each unit of its own';
CREATE UNIQUE INDEX booking_quotas_live_key ON booking_quotas (region_id, kind, unit_id, per, period) NULLS NOT DISTINCT
    WHERE ended_at IS NULL;
CREATE TABLE booking_delegates (
    person_id uuid NOT NULL,
    delegate_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (person_id, delegate_id),
    CONSTRAINT booking_delegates_other_check CHECK (person_id <> delegate_id)
);
CREATE INDEX booking_delegates_delegate_id_idx ON booking_delegates (delegate_id);
CREATE TABLE booking_invitees (
    id uuid PRIMARY KEY,
    booking_id uuid NOT NULL REFERENCES bookings,
    person_id uuid,
    name text NOT NULL,
    address text NOT NULL,
    created_at timestamptz NOT NULL,
    removed_at timestamptz
);
CREATE UNIQUE INDEX booking_invitees_address_key ON booking_invitees (booking_id, address) WHERE removed_at IS NULL;
CREATE TABLE booking_addresses (
    kind text NOT NULL CONSTRAINT booking_addresses_kind_check CHECK (kind IN ('person', 'bookable', 'door')),
    owner_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (kind, owner_id)
);
COMMENT ON TABLE booking_addresses IS 'Secret addresses: the calendar of a person or a bookable, and the display at a door';
CREATE UNIQUE INDEX booking_addresses_token_hash_key ON booking_addresses (token_hash);
"""

_MAILS = """
ALTER TABLE mails ADD COLUMN sealed_calendar bytea, ADD COLUMN calendar_method text;
COMMENT ON COLUMN mails.sealed_calendar IS 'An invitation of iCalendar that goes with the letter; gone with it';
"""

_PLANS = """
CREATE TABLE plans (
    id uuid PRIMARY KEY,
    place_id uuid NOT NULL REFERENCES places,
    file_id uuid NOT NULL,
    metres_wide double precision NOT NULL CONSTRAINT plans_metres_wide_check CHECK (metres_wide BETWEEN 1 AND 10000),
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);
CREATE UNIQUE INDEX plans_place_id_key ON plans (place_id) WHERE retired_at IS NULL;
CREATE TABLE plan_points (
    id uuid PRIMARY KEY,
    plan_id uuid NOT NULL REFERENCES plans,
    key text NOT NULL,
    x double precision NOT NULL CONSTRAINT plan_points_x_check CHECK (x BETWEEN 0 AND 1),
    y double precision NOT NULL CONSTRAINT plan_points_y_check CHECK (y BETWEEN 0 AND 1),
    kind text NOT NULL CONSTRAINT plan_points_kind_check CHECK (kind IN ('way', 'door', 'stairs', 'lift')),
    place_id uuid REFERENCES places,
    label text NOT NULL,
    CONSTRAINT plan_points_plan_id_key_key UNIQUE (plan_id, key)
);
CREATE INDEX plan_points_place_id_idx ON plan_points (place_id) WHERE place_id IS NOT NULL;
CREATE TABLE plan_edges (
    from_id uuid NOT NULL REFERENCES plan_points ON DELETE CASCADE,
    to_id uuid NOT NULL REFERENCES plan_points ON DELETE CASCADE,
    metres double precision NOT NULL CONSTRAINT plan_edges_metres_check CHECK (metres BETWEEN 0 AND 100000),
    step_free boolean NOT NULL,
    PRIMARY KEY (from_id, to_id),
    CONSTRAINT plan_edges_order_check CHECK (from_id < to_id)
);
COMMENT ON TABLE plan_edges IS 'Walked both ways; between points of two plans: stairs, a lift, a door';
CREATE INDEX plan_edges_to_id_idx ON plan_edges (to_id);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in (_BOOKABLES + _AROUND + _MAILS + _PLANS).split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE plan_edges, plan_points, plans")
    op.execute("ALTER TABLE mails DROP COLUMN sealed_calendar, DROP COLUMN calendar_method")
    op.execute(
        "DROP TABLE booking_addresses, booking_invitees, booking_delegates, booking_quotas, booking_drivers CASCADE"
    )
    op.execute("""
        ALTER TABLE bookings DROP CONSTRAINT bookings_driver_no_overlap, DROP COLUMN unit_id, DROP COLUMN meeting_id,
            DROP COLUMN driver_id, DROP COLUMN layout, DROP COLUMN occurrence_at, DROP COLUMN cost_fen,
            DROP COLUMN charge_reference, DROP COLUMN charged_fen CASCADE, DROP COLUMN refunded_fen""")
    op.execute("""
        ALTER TABLE bookables DROP COLUMN layouts, DROP COLUMN room_type, DROP COLUMN arrive_at, DROP COLUMN leave_at,
            DROP COLUMN plate, DROP COLUMN with_driver, DROP COLUMN unit_books, DROP COLUMN no_show_minutes,
            DROP COLUMN rate_fen CASCADE, DROP COLUMN rate_per CASCADE, DROP COLUMN free_cancel_hours,
            DROP COLUMN late_refund_percent, DROP COLUMN version""")
