"""Parts in small stores and what a repair costs; the suggestions box."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_STOCK = """
CREATE TABLE part_stores (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    place_id uuid,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    closed_at timestamptz,
    CONSTRAINT part_stores_pkey PRIMARY KEY (id)
);
CREATE INDEX part_stores_region_id_idx ON part_stores (region_id);
CREATE TABLE parts (
    id uuid NOT NULL,
    store_id uuid NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    unit_cost_fen bigint NOT NULL,
    quantity integer NOT NULL,
    minimum integer NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT parts_pkey PRIMARY KEY (id),
    CONSTRAINT parts_store_id_fkey FOREIGN KEY (store_id) REFERENCES part_stores (id),
    CONSTRAINT parts_quantity_check CHECK (quantity >= 0),
    CONSTRAINT parts_minimum_check CHECK (minimum >= 0),
    CONSTRAINT parts_unit_cost_check CHECK (unit_cost_fen >= 0),
    CONSTRAINT parts_code_key UNIQUE (store_id, code)
);
CREATE TABLE part_moves (
    id uuid NOT NULL,
    part_id uuid NOT NULL,
    kind text NOT NULL,
    quantity integer NOT NULL,
    after integer NOT NULL,
    unit_cost_fen bigint NOT NULL,
    order_id uuid,
    actor_id uuid NOT NULL,
    client_id uuid NOT NULL,
    note text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT part_moves_pkey PRIMARY KEY (id),
    CONSTRAINT part_moves_part_id_fkey FOREIGN KEY (part_id) REFERENCES parts (id),
    CONSTRAINT part_moves_kind_check CHECK (kind IN ('received', 'taken', 'returned', 'counted')),
    CONSTRAINT part_moves_quantity_check CHECK (
        CASE kind WHEN 'taken' THEN quantity < 0 WHEN 'counted' THEN true ELSE quantity > 0 END),
    CONSTRAINT part_moves_after_check CHECK (after >= 0),
    CONSTRAINT part_moves_order_id_check CHECK ((kind IN ('taken', 'returned')) = (order_id IS NOT NULL)),
    CONSTRAINT part_moves_client_id_key UNIQUE (actor_id, client_id)
);
CREATE INDEX part_moves_part_id_idx ON part_moves (part_id, id);
CREATE INDEX part_moves_order_id_idx ON part_moves (order_id) WHERE order_id IS NOT NULL;
CREATE TABLE labour_rates (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    hour_fen bigint NOT NULL,
    effective_from date NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT labour_rates_pkey PRIMARY KEY (id),
    CONSTRAINT labour_rates_hour_check CHECK (hour_fen >= 0),
    CONSTRAINT labour_rates_effective_from_key UNIQUE (region_id, effective_from)
);
CREATE TABLE cost_sheets (
    order_id uuid NOT NULL,
    refused_code text,
    refused_at timestamptz,
    opened_at timestamptz NOT NULL,
    CONSTRAINT cost_sheets_pkey PRIMARY KEY (order_id)
);
CREATE TABLE repair_charges (
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    parts_fen bigint NOT NULL,
    labour_fen bigint NOT NULL,
    amount_fen bigint NOT NULL,
    payer_id uuid NOT NULL,
    payee_id uuid NOT NULL,
    charge_id uuid NOT NULL,
    charged_by text NOT NULL,
    charged_at timestamptz NOT NULL,
    refunded_at timestamptz,
    CONSTRAINT repair_charges_pkey PRIMARY KEY (id),
    CONSTRAINT repair_charges_order_id_fkey FOREIGN KEY (order_id) REFERENCES cost_sheets (order_id),
    CONSTRAINT repair_charges_sum_check CHECK (parts_fen >= 0 AND labour_fen >= 0 AND amount_fen = parts_fen + labour_fen),
    CONSTRAINT repair_charges_amount_check CHECK (amount_fen > 0)
);
CREATE UNIQUE INDEX repair_charges_standing_key ON repair_charges (order_id) WHERE refunded_at IS NULL;
"""

_SUGGESTIONS = """
CREATE TABLE suggestions (
    id uuid NOT NULL,
    region_id uuid NOT NULL,
    raiser_id uuid NOT NULL,
    client_id uuid NOT NULL,
    title text NOT NULL,
    words text NOT NULL,
    state text NOT NULL,
    version integer NOT NULL,
    answer text,
    answered_at timestamptz,
    score smallint,
    score_words text NOT NULL,
    raised_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT suggestions_pkey PRIMARY KEY (id),
    CONSTRAINT suggestions_state_check CHECK (
        state IN ('raised', 'accepted', 'declined', 'answered', 'withdrawn', 'rated')),
    CONSTRAINT suggestions_answer_check CHECK ((state IN ('declined', 'answered', 'rated')) = (answer IS NOT NULL)),
    CONSTRAINT suggestions_score_check CHECK ((state = 'rated') = (score IS NOT NULL) AND score BETWEEN 1 AND 5),
    CONSTRAINT suggestions_low_score_words_check CHECK (score > 2 OR score_words <> ''),
    CONSTRAINT suggestions_client_id_key UNIQUE (raiser_id, client_id)
);
CREATE INDEX suggestions_region_id_idx ON suggestions (region_id, id);
CREATE TABLE suggestion_steps (
    suggestion_id uuid NOT NULL,
    ordinal integer NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    actor text NOT NULL,
    words text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT suggestion_steps_pkey PRIMARY KEY (suggestion_id, ordinal),
    CONSTRAINT suggestion_steps_suggestion_id_fkey FOREIGN KEY (suggestion_id) REFERENCES suggestions (id)
);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in (_STOCK + _SUGGESTIONS).split(";\n"):
        if statement.strip():
            op.execute(statement)
