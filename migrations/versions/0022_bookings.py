"""Halls, hotel rooms and cars, and the bookings of them, which the database does not let overlap."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_BOOKABLES = """
CREATE TABLE bookables (
    id uuid PRIMARY KEY,
    kind text NOT NULL CONSTRAINT bookables_kind_check CHECK (kind IN ('venue', 'hotel_room', 'car')),
    name_zh text NOT NULL,
    name_en text NOT NULL,
    pinyin text NOT NULL,
    region_id uuid NOT NULL,
    place_id uuid,
    unit_id uuid,
    unit_only boolean NOT NULL,
    capacity integer NOT NULL CONSTRAINT bookables_capacity_check CHECK (capacity > 0),
    features text[] NOT NULL,
    zone text NOT NULL,
    opens_at time,
    closes_at time,
    weekdays smallint[] NOT NULL,
    setup_minutes integer NOT NULL CONSTRAINT bookables_setup_minutes_check CHECK (setup_minutes BETWEEN 0 AND 1440),
    cleanup_minutes integer NOT NULL
        CONSTRAINT bookables_cleanup_minutes_check CHECK (cleanup_minutes BETWEEN 0 AND 1440),
    needs_approval boolean NOT NULL,
    pending_blocks boolean NOT NULL,
    window_days integer NOT NULL CONSTRAINT bookables_window_days_check CHECK (window_days BETWEEN 1 AND 730),
    minutes_max integer NOT NULL CONSTRAINT bookables_minutes_max_check CHECK (minutes_max BETWEEN 15 AND 44640),
    open_max integer CONSTRAINT bookables_open_max_check CHECK (open_max > 0),
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT bookables_hours_check CHECK (num_nonnulls(opens_at, closes_at) <> 1),
    CONSTRAINT bookables_unit_only_check CHECK (NOT unit_only OR unit_id IS NOT NULL)
);
COMMENT ON COLUMN bookables.opens_at IS 'Local wall time of the zone; with closes_at null it is open round the clock';
COMMENT ON COLUMN bookables.weekdays IS 'Monday is 0';
CREATE INDEX bookables_region_id_idx ON bookables (region_id, kind, id);
CREATE INDEX bookables_place_id_idx ON bookables (place_id) WHERE place_id IS NOT NULL;
"""

# NULL and empty ranges would pass the constraint, so there are none. The table is never partitioned by time: a
# constraint reaches no further than its partition.
_BOOKINGS = """
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE booking_series (
    id uuid PRIMARY KEY,
    bookable_id uuid NOT NULL REFERENCES bookables,
    organiser_id uuid NOT NULL,
    request_id uuid NOT NULL,
    rule text NOT NULL,
    zone text NOT NULL,
    first_starts_at timestamptz NOT NULL,
    first_ends_at timestamptz NOT NULL,
    is_cut boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT booking_series_times_check CHECK (first_starts_at < first_ends_at)
);
COMMENT ON COLUMN booking_series.rule IS 'An RRULE of iCalendar, in local time of the zone; each occurrence is a booking';
CREATE UNIQUE INDEX booking_series_organiser_id_request_id_key ON booking_series (organiser_id, request_id);
CREATE TABLE bookings (
    id uuid PRIMARY KEY,
    bookable_id uuid NOT NULL REFERENCES bookables,
    organiser_id uuid NOT NULL,
    served_id uuid,
    request_id uuid NOT NULL,
    series_id uuid REFERENCES booking_series,
    title text NOT NULL,
    attendees integer NOT NULL CONSTRAINT bookings_attendees_check CHECK (attendees >= 0),
    during tstzrange NOT NULL
        CONSTRAINT bookings_during_check CHECK (NOT isempty(during) AND lower_inc(during) AND NOT upper_inc(during)
            AND NOT lower_inf(during) AND NOT upper_inf(during)),
    blocked tstzrange NOT NULL
        CONSTRAINT bookings_blocked_check CHECK (blocked @> during AND NOT lower_inf(blocked) AND NOT upper_inf(blocked)),
    blocks boolean NOT NULL,
    state text NOT NULL CONSTRAINT bookings_state_check CHECK (state IN (
        'held', 'confirmed', 'pending_approval', 'cancelled', 'expired', 'superseded', 'rejected', 'checked_in',
        'no_show', 'in_use', 'completed', 'waitlisted', 'offered', 'closed', 'reopened')),
    version integer NOT NULL,
    due_at timestamptz,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT bookings_blocks_check CHECK (
        blocks = (state IN ('held', 'offered', 'confirmed', 'checked_in', 'in_use', 'completed', 'closed'))
        OR state = 'pending_approval'),
    CONSTRAINT bookings_no_overlap EXCLUDE USING gist (bookable_id WITH =, blocked WITH &&) WHERE (blocks)
);
COMMENT ON COLUMN bookings.blocked IS 'During, with the time to set up and to clean';
COMMENT ON COLUMN bookings.blocks IS 'Whether it keeps others out; written together with the state';
COMMENT ON COLUMN bookings.request_id IS 'Named by the caller: the same request sent twice is one booking';
CREATE UNIQUE INDEX bookings_organiser_id_request_id_key ON bookings (organiser_id, request_id);
CREATE INDEX bookings_series_id_idx ON bookings (series_id, id) WHERE series_id IS NOT NULL;
CREATE INDEX bookings_served_id_idx ON bookings (served_id, id) WHERE served_id IS NOT NULL;
CREATE INDEX bookings_waiting_idx ON bookings (bookable_id, id) WHERE state = 'waitlisted';
CREATE INDEX bookings_pending_idx ON bookings (bookable_id, id) WHERE state = 'pending_approval';
CREATE TABLE booking_steps (
    booking_id uuid NOT NULL REFERENCES bookings,
    version integer NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    actor text NOT NULL,
    words text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (booking_id, version)
);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in (_BOOKABLES + _BOOKINGS).split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE booking_steps, bookings, booking_series, bookables")
