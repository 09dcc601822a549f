"""What is promised of work orders: targets, the hours of places, and each order's clock with its milestones and pauses."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_TARGETS = """
CREATE TABLE sla_targets (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    category_id uuid,
    urgency text NOT NULL,
    response_s integer NOT NULL,
    arrival_s integer NOT NULL,
    resolution_s integer NOT NULL,
    warn_percent smallint NOT NULL,
    hours text NOT NULL,
    effective_from date NOT NULL,
    effective_until date,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT sla_targets_pkey PRIMARY KEY (id),
    CONSTRAINT sla_targets_urgency_check CHECK (urgency IN ('low', 'normal', 'high', 'urgent')),
    CONSTRAINT sla_targets_in_order_check CHECK (0 < response_s AND response_s <= arrival_s AND arrival_s <= resolution_s),
    CONSTRAINT sla_targets_warn_percent_check CHECK (warn_percent BETWEEN 50 AND 95),
    CONSTRAINT sla_targets_hours_check CHECK (hours IN ('place', 'always')),
    CONSTRAINT sla_targets_effective_check CHECK (effective_until >= effective_from),
    -- Of the same thing one target counts on a day.
    CONSTRAINT sla_targets_effective_excl EXCLUDE USING gist (
        region_id WITH =,
        coalesce(category_id, '00000000-0000-0000-0000-000000000000') WITH =,
        urgency WITH =,
        daterange(effective_from, effective_until) WITH &&
    )
);
CREATE INDEX sla_targets_region_id_idx ON sla_targets (region_id, urgency);
CREATE TABLE sla_hours (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    place_id uuid,
    days text[] NOT NULL,
    shifts jsonb NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT sla_hours_pkey PRIMARY KEY (id),
    CONSTRAINT sla_hours_days_check CHECK (cardinality(days) > 0)
);
CREATE UNIQUE INDEX sla_hours_live_key ON sla_hours (region_id, place_id) NULLS NOT DISTINCT WHERE retired_at IS NULL;
"""

_CLOCKS = """
CREATE TABLE sla_clocks (
    order_id uuid NOT NULL,
    region_id uuid NOT NULL,
    place_id uuid,
    category_id uuid,
    urgency text NOT NULL,
    target_id uuid,
    zone text NOT NULL,
    hours jsonb NOT NULL,
    warn_percent smallint NOT NULL,
    state text NOT NULL,
    round smallint NOT NULL,
    calendar_mark text NOT NULL,
    years_missing smallint[] NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT sla_clocks_pkey PRIMARY KEY (order_id),
    CONSTRAINT sla_clocks_urgency_check CHECK (urgency IN ('low', 'normal', 'high', 'urgent')),
    CONSTRAINT sla_clocks_state_check CHECK (state IN ('running', 'paused', 'reached', 'stopped'))
);
CREATE INDEX sla_clocks_calendar_mark_idx ON sla_clocks (calendar_mark) WHERE state = 'running';
CREATE TABLE sla_milestones (
    order_id uuid NOT NULL,
    milestone text NOT NULL,
    target_s integer NOT NULL,
    due_at timestamptz,
    warn_at timestamptz,
    warned_at timestamptz,
    breached_at timestamptz,
    reached_at timestamptz,
    first_reached_at timestamptz,
    CONSTRAINT sla_milestones_pkey PRIMARY KEY (order_id, milestone),
    CONSTRAINT sla_milestones_order_id_fkey FOREIGN KEY (order_id) REFERENCES sla_clocks (order_id),
    CONSTRAINT sla_milestones_milestone_check CHECK (milestone IN ('response', 'arrival', 'resolution')),
    CONSTRAINT sla_milestones_target_s_check CHECK (target_s > 0),
    CONSTRAINT sla_milestones_warn_at_check CHECK (warn_at <= due_at)
);
CREATE TABLE sla_pauses (
    order_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    cause text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz,
    CONSTRAINT sla_pauses_pkey PRIMARY KEY (order_id, ordinal),
    CONSTRAINT sla_pauses_order_id_fkey FOREIGN KEY (order_id) REFERENCES sla_clocks (order_id),
    CONSTRAINT sla_pauses_cause_check CHECK (
        cause IN ('waiting_requester', 'parts', 'contractor', 'access', 'out_of_hours', 'done')),
    CONSTRAINT sla_pauses_in_order_check CHECK (ends_at >= starts_at)
);
CREATE UNIQUE INDEX sla_pauses_open_key ON sla_pauses (order_id) WHERE ends_at IS NULL;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in (_TARGETS + _CLOCKS).split(";\n"):
        if statement.strip():
            op.execute(statement)
