"""Reaching people who have no page open, and the duty rota."""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_REACHING = """
CREATE TABLE reach_channels (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    team_id uuid,
    kind text NOT NULL,
    name text NOT NULL,
    address_hint text NOT NULL,
    sealed_address bytea NOT NULL,
    sealed_secret bytea,
    state text NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT reach_channels_kind_check CHECK (kind IN ('dingtalk', 'wecom', 'sms', 'voice')),
    CONSTRAINT reach_channels_state_check CHECK (state IN ('enabled', 'disabled'))
);
CREATE INDEX reach_channels_region_id_idx ON reach_channels (region_id);
CREATE INDEX reach_channels_team_id_idx ON reach_channels (team_id);
CREATE TABLE push_devices (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    endpoint_hash bytea NOT NULL,
    sealed_subscription bytea NOT NULL,
    label text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT push_devices_endpoint_hash_key UNIQUE (endpoint_hash)
);
CREATE INDEX push_devices_person_id_idx ON push_devices (person_id);
CREATE TABLE push_keys (
    id smallint NOT NULL,
    public_key text NOT NULL,
    sealed_private_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT push_keys_one_row_check CHECK (id = 1)
);
CREATE TABLE reach_deliveries (
    id uuid NOT NULL,
    ref text NOT NULL,
    path text NOT NULL,
    kind text NOT NULL,
    person_id uuid,
    channel_id uuid,
    device_id uuid,
    mail_id uuid,
    sealed_number bytea,
    language text NOT NULL,
    is_urgent boolean NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    link text,
    state text NOT NULL,
    attempts integer NOT NULL,
    due_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    sent_at timestamptz,
    receipt text,
    shown_at timestamptz,
    last_error text,
    PRIMARY KEY (id),
    CONSTRAINT reach_deliveries_kind_check CHECK (kind IN ('dingtalk', 'wecom', 'sms', 'voice', 'mail', 'web_push')),
    CONSTRAINT reach_deliveries_state_check CHECK (state IN ('pending', 'sent', 'failed', 'delivered'))
);
CREATE INDEX reach_deliveries_created_at_idx ON reach_deliveries (created_at);
CREATE INDEX reach_deliveries_due_idx ON reach_deliveries (due_at) WHERE state = 'pending';
CREATE INDEX reach_deliveries_mail_id_idx ON reach_deliveries (mail_id);
CREATE INDEX reach_deliveries_person_id_idx ON reach_deliveries (person_id, id);
CREATE UNIQUE INDEX reach_deliveries_ref_path_key ON reach_deliveries (ref, path);
CREATE TABLE reach_attempts (
    delivery_id uuid NOT NULL,
    attempt integer NOT NULL,
    channel_id uuid,
    started_at timestamptz NOT NULL,
    took_ms integer,
    status integer,
    error text,
    PRIMARY KEY (delivery_id, attempt)
);
CREATE INDEX reach_attempts_channel_id_idx ON reach_attempts (channel_id, started_at);
CREATE TABLE reach_proofs (
    path text NOT NULL,
    proved_at timestamptz,
    failed_at timestamptz,
    error text,
    PRIMARY KEY (path)
)
"""

_DUTY = """
CREATE TABLE duty_teams (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    role text NOT NULL,
    place_ids uuid[] NOT NULL,
    zone text NOT NULL,
    needed_weekdays smallint[] NOT NULL,
    needed_from time NOT NULL,
    needed_until time NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT duty_teams_closed_at_check CHECK (closed_at IS NULL OR closed_at >= created_at)
);
CREATE INDEX duty_teams_region_id_idx ON duty_teams (region_id);
CREATE TABLE duty_members (
    team_id uuid NOT NULL,
    person_id uuid NOT NULL,
    is_lead boolean NOT NULL,
    joined_at timestamptz NOT NULL,
    PRIMARY KEY (team_id, person_id),
    CONSTRAINT duty_members_team_id_fkey FOREIGN KEY (team_id) REFERENCES duty_teams (id)
);
CREATE INDEX duty_members_person_id_idx ON duty_members (person_id);
CREATE TABLE duty_rotations (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    name text NOT NULL,
    zone text NOT NULL,
    starts_on date NOT NULL,
    ends_on date,
    ends_at timestamptz,
    slots jsonb NOT NULL,
    people uuid[] NOT NULL,
    turn_days smallint NOT NULL,
    advance smallint NOT NULL,
    seats smallint NOT NULL,
    created_by uuid,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (id),
    CONSTRAINT duty_rotations_turn_days_check CHECK (turn_days BETWEEN 1 AND 366),
    CONSTRAINT duty_rotations_advance_check CHECK (advance BETWEEN 0 AND 100),
    CONSTRAINT duty_rotations_seats_check CHECK (seats BETWEEN 1 AND cardinality(people)),
    CONSTRAINT duty_rotations_ends_on_check CHECK (ends_on IS NULL OR ends_on > starts_on),
    CONSTRAINT duty_rotations_team_id_fkey FOREIGN KEY (team_id) REFERENCES duty_teams (id)
);
CREATE INDEX duty_rotations_team_id_idx ON duty_rotations (team_id);
CREATE TABLE duty_overrides (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    person_out uuid,
    person_in uuid,
    reason text NOT NULL,
    swap_id uuid,
    created_by uuid,
    created_at timestamptz NOT NULL,
    cancelled_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT duty_overrides_span_check CHECK (ends_at > starts_at),
    CONSTRAINT duty_overrides_people_check CHECK (num_nonnulls(person_out, person_in) >= 1 AND person_out IS DISTINCT FROM person_in),
    CONSTRAINT duty_overrides_team_id_fkey FOREIGN KEY (team_id) REFERENCES duty_teams (id)
);
CREATE INDEX duty_overrides_team_id_idx ON duty_overrides (team_id, ends_at);
CREATE TABLE duty_swaps (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    asker_id uuid NOT NULL,
    taker_id uuid NOT NULL,
    shift_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    return_shift_id uuid,
    return_starts_at timestamptz,
    return_ends_at timestamptz,
    words text NOT NULL,
    state text NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT duty_swaps_state_check CHECK (state IN ('asked', 'accepted', 'declined', 'withdrawn', 'lapsed')),
    CONSTRAINT duty_swaps_two_people_check CHECK (asker_id <> taker_id),
    CONSTRAINT duty_swaps_return_check CHECK (num_nonnulls(return_shift_id, return_starts_at, return_ends_at) IN (0, 3)),
    CONSTRAINT duty_swaps_team_id_fkey FOREIGN KEY (team_id) REFERENCES duty_teams (id)
);
CREATE UNIQUE INDEX duty_swaps_asked_key ON duty_swaps (shift_id, asker_id) WHERE state = 'asked';
CREATE INDEX duty_swaps_asker_id_idx ON duty_swaps (asker_id);
CREATE INDEX duty_swaps_taker_id_idx ON duty_swaps (taker_id, id);
CREATE INDEX duty_swaps_team_id_idx ON duty_swaps (team_id);
CREATE TABLE duty_notes (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    author_id uuid NOT NULL,
    words text NOT NULL,
    written_at timestamptz NOT NULL,
    done_by uuid,
    done_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT duty_notes_team_id_fkey FOREIGN KEY (team_id) REFERENCES duty_teams (id)
);
CREATE INDEX duty_notes_team_id_idx ON duty_notes (team_id, id);
CREATE TABLE duty_sign_ins (
    id uuid NOT NULL,
    person_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    ended_by text,
    PRIMARY KEY (id),
    CONSTRAINT duty_sign_ins_span_check CHECK (ended_at >= started_at),
    CONSTRAINT duty_sign_ins_ended_check CHECK ((ended_at IS NULL) = (ended_by IS NULL)),
    CONSTRAINT duty_sign_ins_ended_by_check CHECK (ended_by IN ('person', 'system'))
);
CREATE UNIQUE INDEX duty_sign_ins_open_key ON duty_sign_ins (person_id) WHERE ended_at IS NULL;
CREATE INDEX duty_sign_ins_person_id_idx ON duty_sign_ins (person_id, started_at);
CREATE TABLE duty_feeds (
    person_id uuid NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (person_id),
    CONSTRAINT duty_feeds_token_hash_key UNIQUE (token_hash)
);
CREATE TABLE duty_rings (
    shift_id uuid NOT NULL,
    person_id uuid NOT NULL,
    kind text NOT NULL,
    team_id uuid NOT NULL,
    rung_at timestamptz NOT NULL,
    ways smallint NOT NULL,
    PRIMARY KEY (shift_id, person_id, kind),
    CONSTRAINT duty_rings_kind_check CHECK (kind IN ('start', 'ahead'))
);
CREATE INDEX duty_rings_rung_at_idx ON duty_rings (rung_at);
CREATE TABLE duty_warnings (
    id uuid NOT NULL,
    team_id uuid NOT NULL,
    kind text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    gone_at timestamptz,
    PRIMARY KEY (id),
    CONSTRAINT duty_warnings_kind_check CHECK (kind IN ('gap', 'unreachable')),
    CONSTRAINT duty_warnings_team_id_fkey FOREIGN KEY (team_id) REFERENCES duty_teams (id)
);
CREATE INDEX duty_warnings_open_idx ON duty_warnings (team_id) WHERE gone_at IS NULL
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statements in (_REACHING, _DUTY):
        for statement in statements.split(";\n"):
            if statement.strip():
                op.execute(statement)
