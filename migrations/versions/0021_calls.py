"""One-touch calls: what was called for and what came of it, policies, wall buttons, who is at the desk."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_CALLS = """
CREATE TABLE calls (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    caller_key text NOT NULL,
    caller_id uuid,
    button_id uuid,
    client_id uuid NOT NULL,
    kind text NOT NULL,
    place_id uuid,
    place_text text NOT NULL,
    words text NOT NULL,
    state text NOT NULL,
    version integer NOT NULL,
    urgency integer NOT NULL,
    policy jsonb NOT NULL,
    step smallint NOT NULL,
    loop smallint NOT NULL,
    ring_round integer NOT NULL,
    is_flagged boolean NOT NULL,
    acker_id uuid,
    joined uuid[] NOT NULL,
    eta_minutes smallint,
    way text,
    asked_at timestamptz,
    handed_team_id uuid,
    handed_to text,
    cause text NOT NULL,
    rating smallint,
    rating_words text NOT NULL,
    due_at timestamptz,
    wait_s integer NOT NULL,
    placed_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    acknowledged_at timestamptz,
    missed_at timestamptz,
    ended_at timestamptz,
    CONSTRAINT calls_pkey PRIMARY KEY (id),
    CONSTRAINT calls_state_check CHECK (
        state IN ('placed', 'ringing', 'queued', 'acknowledged', 'missed', 'cancelled', 'connected', 'on_site',
            'handed_over', 'resolved', 'rated')),
    CONSTRAINT calls_kind_check CHECK (kind IN ('lift', 'medical', 'security', 'lost_property', 'other')),
    CONSTRAINT calls_one_caller_check CHECK (num_nonnulls(caller_id, button_id) = 1),
    CONSTRAINT calls_rating_check CHECK (rating BETWEEN 1 AND 5 AND (state = 'rated') = (rating IS NOT NULL)),
    CONSTRAINT calls_missed_cause_check CHECK (missed_at IS NULL OR state NOT IN ('resolved', 'rated') OR cause <> ''),
    CONSTRAINT calls_due_at_check CHECK (
        (state IN ('ringing', 'queued', 'acknowledged', 'connected', 'on_site', 'handed_over', 'missed'))
        = (due_at IS NOT NULL)),
    CONSTRAINT calls_acker_check CHECK ((state IN ('acknowledged', 'connected', 'on_site')) <= (acker_id IS NOT NULL)),
    CONSTRAINT calls_client_id_key UNIQUE (caller_key, client_id)
);
CREATE UNIQUE INDEX calls_open_key ON calls (caller_key)
    WHERE state IN ('placed', 'ringing', 'queued', 'acknowledged', 'connected', 'on_site', 'handed_over') AND handed_to IS NULL;
CREATE INDEX calls_region_id_idx ON calls (region_id, id);
CREATE INDEX calls_timed_idx ON calls (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE call_steps (
    call_id uuid NOT NULL,
    ordinal integer NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    step smallint NOT NULL,
    loop smallint NOT NULL,
    actor text NOT NULL,
    is_press boolean NOT NULL,
    words text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT call_steps_pkey PRIMARY KEY (call_id, ordinal),
    CONSTRAINT call_steps_call_id_fkey FOREIGN KEY (call_id) REFERENCES calls (id)
);
CREATE INDEX call_steps_presses_idx ON call_steps (actor, recorded_at) WHERE is_press;
CREATE TABLE call_rings (
    call_id uuid NOT NULL,
    ring_round integer NOT NULL,
    person_id uuid NOT NULL,
    step smallint NOT NULL,
    rung_at timestamptz NOT NULL,
    ways smallint NOT NULL,
    CONSTRAINT call_rings_pkey PRIMARY KEY (call_id, ring_round, person_id),
    CONSTRAINT call_rings_call_id_fkey FOREIGN KEY (call_id) REFERENCES calls (id)
);
CREATE INDEX call_rings_person_id_idx ON call_rings (person_id, call_id);
CREATE TABLE call_receipts (
    call_id uuid NOT NULL,
    ring_round integer NOT NULL,
    person_id uuid NOT NULL,
    device text NOT NULL,
    sent_at timestamptz NOT NULL,
    shown_at timestamptz,
    acked_at timestamptz,
    CONSTRAINT call_receipts_pkey PRIMARY KEY (call_id, ring_round, person_id, device),
    CONSTRAINT call_receipts_acked_is_shown_check CHECK (acked_at IS NULL OR shown_at IS NOT NULL),
    CONSTRAINT call_receipts_call_id_fkey FOREIGN KEY (call_id) REFERENCES calls (id)
);
CREATE INDEX call_receipts_sent_at_idx ON call_receipts (sent_at);
CREATE TABLE call_messages (
    id uuid NOT NULL,
    call_id uuid NOT NULL,
    author_id uuid NOT NULL,
    side text NOT NULL,
    client_id uuid NOT NULL,
    words text NOT NULL,
    written_at timestamptz NOT NULL,
    CONSTRAINT call_messages_pkey PRIMARY KEY (id),
    CONSTRAINT call_messages_side_check CHECK (side IN ('caller', 'staff')),
    CONSTRAINT call_messages_client_id_key UNIQUE (call_id, author_id, client_id),
    CONSTRAINT call_messages_call_id_fkey FOREIGN KEY (call_id) REFERENCES calls (id)
);
CREATE INDEX call_messages_call_id_idx ON call_messages (call_id, id);
CREATE TABLE call_policies (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    place_id uuid,
    kind text,
    name text NOT NULL,
    weekdays smallint[] NOT NULL,
    from_minute smallint NOT NULL,
    until_minute smallint NOT NULL,
    steps jsonb NOT NULL,
    fallback jsonb NOT NULL,
    loops smallint NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT call_policies_pkey PRIMARY KEY (id),
    CONSTRAINT call_policies_kind_check CHECK (kind IN ('lift', 'medical', 'security', 'lost_property', 'other')),
    CONSTRAINT call_policies_loops_check CHECK (loops BETWEEN 0 AND 20),
    CONSTRAINT call_policies_minutes_check CHECK (from_minute BETWEEN 0 AND 1439 AND until_minute BETWEEN 0 AND 1439)
);
CREATE INDEX call_policies_region_id_idx ON call_policies (region_id);
CREATE TABLE call_buttons (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    place_id uuid,
    place_text text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    last_pressed_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT call_buttons_pkey PRIMARY KEY (id),
    CONSTRAINT call_buttons_kind_check CHECK (kind IN ('lift', 'medical', 'security', 'lost_property', 'other')),
    CONSTRAINT call_buttons_token_hash_key UNIQUE (token_hash)
);
CREATE INDEX call_buttons_region_id_idx ON call_buttons (region_id, id);
CREATE TABLE desk_presences (
    person_id uuid NOT NULL,
    device text NOT NULL,
    region_id uuid NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT desk_presences_pkey PRIMARY KEY (person_id, device)
);
CREATE INDEX desk_presences_region_id_idx ON desk_presences (region_id, until)
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in _CALLS.split(";\n"):
        op.execute(statement)
