"""Repairs: assets with labels, categories, technicians, work orders with all that belongs to them, problems."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE repair_assets (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    place_id uuid NOT NULL,
    code text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    pinyin text NOT NULL,
    category_id uuid,
    model text NOT NULL,
    serial text NOT NULL,
    installed_on date,
    label_issue integer NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT repair_assets_pkey PRIMARY KEY (id),
    CONSTRAINT repair_assets_label_issue_check CHECK (label_issue BETWEEN 1 AND 65535),
    CONSTRAINT repair_assets_code_key UNIQUE (code)
);
CREATE INDEX repair_assets_place_id_idx ON repair_assets (place_id);
CREATE INDEX repair_assets_region_id_idx ON repair_assets (region_id, id);
CREATE TABLE repair_categories (
    id uuid NOT NULL,
    parent_id uuid,
    code text NOT NULL,
    name_zh text NOT NULL,
    name_en text NOT NULL,
    icon text NOT NULL,
    skill text,
    urgency text NOT NULL,
    dispatch text NOT NULL,
    checklist jsonb NOT NULL,
    problem_threshold smallint NOT NULL,
    ordinal integer NOT NULL,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT repair_categories_pkey PRIMARY KEY (id),
    CONSTRAINT repair_categories_urgency_check CHECK (urgency IN ('low', 'normal', 'high', 'urgent')),
    CONSTRAINT repair_categories_dispatch_check CHECK (dispatch IN ('automatic', 'pool', 'manual')),
    CONSTRAINT repair_categories_problem_threshold_check CHECK (problem_threshold BETWEEN 2 AND 100),
    CONSTRAINT repair_categories_parent_check CHECK (parent_id <> id),
    CONSTRAINT repair_categories_parent_id_fkey FOREIGN KEY(parent_id) REFERENCES repair_categories (id),
    CONSTRAINT repair_categories_code_key UNIQUE (code)
);
CREATE TABLE technicians (
    person_id uuid NOT NULL,
    region_id uuid NOT NULL,
    skills text[] NOT NULL,
    place_ids uuid[] NOT NULL,
    load_max smallint NOT NULL,
    is_active boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT technicians_pkey PRIMARY KEY (person_id),
    CONSTRAINT technicians_load_max_check CHECK (load_max BETWEEN 1 AND 50)
);
CREATE INDEX technicians_region_id_idx ON technicians (region_id);
CREATE TABLE repair_guests (
    id uuid NOT NULL,
    name text NOT NULL,
    phone text NOT NULL,
    ticket_hash bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT repair_guests_pkey PRIMARY KEY (id),
    CONSTRAINT repair_guests_ticket_hash_key UNIQUE (ticket_hash)
);
CREATE TABLE repair_problems (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    category_id uuid NOT NULL,
    scope_id uuid NOT NULL,
    place_text text NOT NULL,
    state text NOT NULL,
    cause text NOT NULL,
    words text NOT NULL,
    opened_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT repair_problems_pkey PRIMARY KEY (id),
    CONSTRAINT repair_problems_state_check CHECK (state IN ('open', 'identified', 'solved', 'dismissed')),
    CONSTRAINT repair_problems_closed_at_check CHECK ((state IN ('solved', 'dismissed')) = (closed_at IS NOT NULL)),
    CONSTRAINT repair_problems_category_id_fkey FOREIGN KEY(category_id) REFERENCES repair_categories (id)
);
CREATE UNIQUE INDEX repair_problems_open_key ON repair_problems (category_id, scope_id) WHERE closed_at IS NULL;
CREATE INDEX repair_problems_region_id_idx ON repair_problems (region_id, id);
CREATE TABLE work_orders (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    site_id uuid,
    raiser_key text NOT NULL,
    raiser_id uuid,
    guest_id uuid,
    client_id uuid NOT NULL,
    unit_id uuid,
    category_id uuid NOT NULL,
    place_id uuid,
    place_path uuid[] NOT NULL,
    place_text text NOT NULL,
    asset_id uuid,
    words text NOT NULL,
    phone text NOT NULL,
    urgency text NOT NULL,
    preferred_from timestamptz,
    preferred_until timestamptz,
    state text NOT NULL,
    version integer NOT NULL,
    round smallint NOT NULL,
    assignee_id uuid,
    declines smallint NOT NULL,
    hold_cause text,
    held_at timestamptz,
    hold_until timestamptz,
    merged_into uuid,
    problem_id uuid,
    call_id uuid,
    raised_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    accepted_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    confirm_due_at timestamptz,
    confirmed_at timestamptz,
    confirmed_by text,
    ended_at timestamptz,
    CONSTRAINT work_orders_pkey PRIMARY KEY (id),
    CONSTRAINT work_orders_state_check CHECK (state IN ('submitted', 'accepted', 'rejected', 'merged', 'withdrawn', 'cancelled', 'assigned', 'en_route', 'in_progress', 'on_hold', 'done', 'confirmed', 'disputed', 'rated', 'follow_up', 'answered')),
    CONSTRAINT work_orders_urgency_check CHECK (urgency IN ('low', 'normal', 'high', 'urgent')),
    CONSTRAINT work_orders_one_raiser_check CHECK (num_nonnulls(raiser_id, guest_id) = 1),
    CONSTRAINT work_orders_assignee_check CHECK ((state IN ('assigned', 'en_route', 'in_progress', 'on_hold', 'done')) <= (assignee_id IS NOT NULL)),
    CONSTRAINT work_orders_hold_check CHECK ((state = 'on_hold') = (hold_cause IS NOT NULL)),
    CONSTRAINT work_orders_hold_cause_check CHECK (hold_cause IN ('waiting_requester', 'parts', 'contractor', 'access', 'out_of_hours', 'other')),
    CONSTRAINT work_orders_merged_into_check CHECK ((state = 'merged') = (merged_into IS NOT NULL) AND merged_into <> id),
    CONSTRAINT work_orders_confirmed_check CHECK ((state IN ('confirmed', 'rated', 'follow_up', 'answered')) = (confirmed_by IS NOT NULL)),
    CONSTRAINT work_orders_confirmed_by_check CHECK (confirmed_by IN ('person', 'system')),
    CONSTRAINT work_orders_preferred_check CHECK (preferred_until > preferred_from),
    CONSTRAINT work_orders_counters_check CHECK (version >= 1 AND round >= 1 AND declines >= 0),
    CONSTRAINT work_orders_client_id_key UNIQUE (raiser_key, client_id),
    CONSTRAINT work_orders_guest_id_fkey FOREIGN KEY(guest_id) REFERENCES repair_guests (id),
    CONSTRAINT work_orders_category_id_fkey FOREIGN KEY(category_id) REFERENCES repair_categories (id),
    CONSTRAINT work_orders_merged_into_fkey FOREIGN KEY(merged_into) REFERENCES work_orders (id),
    CONSTRAINT work_orders_problem_id_fkey FOREIGN KEY(problem_id) REFERENCES repair_problems (id)
);
CREATE INDEX work_orders_asset_id_idx ON work_orders (asset_id) WHERE asset_id IS NOT NULL;
CREATE INDEX work_orders_assignee_id_idx ON work_orders (assignee_id, state) WHERE assignee_id IS NOT NULL;
CREATE INDEX work_orders_category_id_idx ON work_orders (category_id, raised_at);
CREATE INDEX work_orders_guest_id_idx ON work_orders (guest_id) WHERE guest_id IS NOT NULL;
CREATE INDEX work_orders_merged_into_idx ON work_orders (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX work_orders_open_idx ON work_orders (region_id, id) WHERE state IN ('submitted', 'accepted', 'assigned', 'en_route', 'in_progress', 'on_hold', 'done', 'disputed', 'follow_up');
CREATE INDEX work_orders_place_id_idx ON work_orders (place_id, category_id) WHERE state IN ('submitted', 'accepted', 'assigned', 'en_route', 'in_progress', 'on_hold', 'disputed');
CREATE INDEX work_orders_problem_id_idx ON work_orders (problem_id) WHERE problem_id IS NOT NULL;
CREATE INDEX work_orders_region_id_idx ON work_orders (region_id, id);
CREATE TABLE work_order_parties (
    order_id uuid NOT NULL,
    party_key text NOT NULL,
    person_id uuid,
    guest_id uuid,
    is_raiser boolean NOT NULL,
    is_served boolean NOT NULL,
    came_from uuid,
    CONSTRAINT work_order_parties_pkey PRIMARY KEY (order_id, party_key),
    CONSTRAINT work_order_parties_one_check CHECK (num_nonnulls(person_id, guest_id) = 1),
    CONSTRAINT work_order_parties_part_check CHECK (is_raiser OR is_served),
    CONSTRAINT work_order_parties_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id),
    CONSTRAINT work_order_parties_guest_id_fkey FOREIGN KEY(guest_id) REFERENCES repair_guests (id)
);
CREATE INDEX work_order_parties_person_id_idx ON work_order_parties (person_id, order_id);
CREATE TABLE work_order_steps (
    order_id uuid NOT NULL,
    ordinal integer NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    round smallint NOT NULL,
    actor text NOT NULL,
    words text NOT NULL,
    data jsonb NOT NULL,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT work_order_steps_pkey PRIMARY KEY (order_id, ordinal),
    CONSTRAINT work_order_steps_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id)
);
CREATE TABLE work_order_offers (
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    person_id uuid NOT NULL,
    way text NOT NULL,
    offered_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text,
    words text NOT NULL,
    CONSTRAINT work_order_offers_pkey PRIMARY KEY (id),
    CONSTRAINT work_order_offers_way_check CHECK (way IN ('automatic', 'claimed', 'assigned')),
    CONSTRAINT work_order_offers_outcome_check CHECK (outcome IN ('declined', 'reassigned', 'finished', 'ended')),
    CONSTRAINT work_order_offers_ended_check CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT work_order_offers_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id)
);
CREATE UNIQUE INDEX work_order_offers_open_key ON work_order_offers (order_id) WHERE ended_at IS NULL;
CREATE INDEX work_order_offers_order_id_idx ON work_order_offers (order_id);
CREATE INDEX work_order_offers_person_id_idx ON work_order_offers (person_id, offered_at);
CREATE TABLE work_order_notes (
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    author_key text NOT NULL,
    author_id uuid,
    client_id uuid NOT NULL,
    kind text NOT NULL,
    words text NOT NULL,
    is_public boolean NOT NULL,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT work_order_notes_pkey PRIMARY KEY (id),
    CONSTRAINT work_order_notes_kind_check CHECK (kind IN ('note', 'before', 'after')),
    CONSTRAINT work_order_notes_client_id_key UNIQUE (order_id, author_key, client_id),
    CONSTRAINT work_order_notes_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id)
);
CREATE TABLE work_order_checks (
    order_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    words_zh text NOT NULL,
    words_en text NOT NULL,
    is_required boolean NOT NULL,
    ticked_by uuid,
    ticked_at timestamptz,
    CONSTRAINT work_order_checks_pkey PRIMARY KEY (order_id, ordinal),
    CONSTRAINT work_order_checks_ticked_check CHECK ((ticked_by IS NULL) = (ticked_at IS NULL)),
    CONSTRAINT work_order_checks_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id)
);
CREATE TABLE work_order_labour (
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    person_id uuid NOT NULL,
    client_id uuid NOT NULL,
    started_at timestamptz NOT NULL,
    minutes smallint NOT NULL,
    words text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT work_order_labour_pkey PRIMARY KEY (id),
    CONSTRAINT work_order_labour_minutes_check CHECK (minutes BETWEEN 1 AND 1440),
    CONSTRAINT work_order_labour_client_id_key UNIQUE (order_id, person_id, client_id),
    CONSTRAINT work_order_labour_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id)
);
CREATE INDEX work_order_labour_person_id_idx ON work_order_labour (person_id, started_at);
CREATE TABLE work_order_changes (
    order_id uuid NOT NULL,
    actor text NOT NULL,
    client_id uuid NOT NULL,
    outcome jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT work_order_changes_pkey PRIMARY KEY (order_id, actor, client_id),
    CONSTRAINT work_order_changes_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id)
);
CREATE INDEX work_order_changes_recorded_at_idx ON work_order_changes (recorded_at);
CREATE TABLE work_order_ratings (
    order_id uuid NOT NULL,
    party_key text NOT NULL,
    is_second boolean NOT NULL,
    score smallint NOT NULL,
    words text NOT NULL,
    rated_at timestamptz NOT NULL,
    edited_at timestamptz,
    answer text NOT NULL,
    answered_by uuid,
    answered_at timestamptz,
    CONSTRAINT work_order_ratings_pkey PRIMARY KEY (order_id, party_key, is_second),
    CONSTRAINT work_order_ratings_score_check CHECK (score BETWEEN 1 AND 5),
    CONSTRAINT work_order_ratings_low_says_why_check CHECK (score > 2 OR words <> ''),
    CONSTRAINT work_order_ratings_answered_check CHECK (num_nonnulls(answered_by, answered_at) IN (0, 2)),
    CONSTRAINT work_order_ratings_order_id_fkey FOREIGN KEY(order_id) REFERENCES work_orders (id)
);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute(
        "DROP TABLE work_order_ratings, work_order_changes, work_order_labour, work_order_checks, work_order_notes,"
        " work_order_offers, work_order_steps, work_order_parties, work_orders, repair_problems, repair_guests, technicians,"
        " repair_categories, repair_assets"
    )
