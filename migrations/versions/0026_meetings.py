"""Meetings: what they hold, whom they invite, what they cost; covers of meals with each kitchen's capacity."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_MEETINGS = """
CREATE TABLE meetings (
    id uuid PRIMARY KEY,
    region_id uuid NOT NULL,
    organiser_id uuid NOT NULL,
    unit_id uuid,
    request_id uuid NOT NULL,
    copied_from_id uuid REFERENCES meetings,
    title text NOT NULL,
    words text NOT NULL,
    attendees integer NOT NULL CONSTRAINT meetings_attendees_check CHECK (attendees >= 1),
    zone text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    agenda jsonb NOT NULL,
    contacts jsonb NOT NULL,
    helper_ids uuid[] NOT NULL,
    needs_approval boolean NOT NULL,
    state text NOT NULL CONSTRAINT meetings_state_check CHECK (state IN (
        'held', 'confirmed', 'pending_approval', 'cancelled', 'expired', 'rejected', 'in_progress', 'completed',
        'settled', 'refunded')),
    version integer NOT NULL,
    due_at timestamptz,
    estimate_fen bigint NOT NULL CONSTRAINT meetings_estimate_fen_check CHECK (estimate_fen >= 0),
    fee_fen bigint NOT NULL CONSTRAINT meetings_fee_fen_check CHECK (fee_fen >= 0),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT meetings_times_check CHECK (starts_at < ends_at),
    CONSTRAINT meetings_due_at_check CHECK ((state = 'held') = (due_at IS NOT NULL))
);
CREATE UNIQUE INDEX meetings_organiser_id_request_id_key ON meetings (organiser_id, request_id);
CREATE INDEX meetings_organiser_id_idx ON meetings (organiser_id, id);
CREATE INDEX meetings_region_id_idx ON meetings (region_id, state, id);
CREATE TABLE meeting_lines (
    id uuid PRIMARY KEY,
    meeting_id uuid NOT NULL REFERENCES meetings,
    ordinal smallint NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    wanted jsonb NOT NULL,
    refs uuid[] NOT NULL,
    state text NOT NULL CONSTRAINT meeting_lines_state_check CHECK (state IN ('held', 'confirmed', 'released')),
    starts_at timestamptz,
    ends_at timestamptz,
    quantity integer NOT NULL CONSTRAINT meeting_lines_quantity_check CHECK (quantity >= 1),
    estimate_fen bigint NOT NULL CONSTRAINT meeting_lines_estimate_fen_check CHECK (estimate_fen >= 0),
    needs_approval boolean NOT NULL,
    scan_rule text NOT NULL CONSTRAINT meeting_lines_scan_rule_check CHECK (scan_rule IN ('once', 'daily', 'always')),
    had_quantity integer CONSTRAINT meeting_lines_had_quantity_check CHECK (had_quantity >= 0),
    had_fen bigint CONSTRAINT meeting_lines_had_fen_check CHECK (had_fen >= 0),
    CONSTRAINT meeting_lines_had_check CHECK (num_nonnulls(had_quantity, had_fen) <> 1)
);
COMMENT ON COLUMN meeting_lines.refs IS 'Rows of its kind: bookings, covers';
CREATE INDEX meeting_lines_meeting_id_idx ON meeting_lines (meeting_id, ordinal);
CREATE TABLE meeting_steps (
    meeting_id uuid NOT NULL REFERENCES meetings,
    version integer NOT NULL,
    trigger text NOT NULL,
    state text NOT NULL,
    actor text NOT NULL,
    words text NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (meeting_id, version)
);
CREATE TABLE meeting_guests (
    id uuid PRIMARY KEY,
    meeting_id uuid NOT NULL REFERENCES meetings,
    ordinal integer NOT NULL,
    name text NOT NULL,
    unit_name text NOT NULL,
    phone text NOT NULL,
    email text NOT NULL,
    language text NOT NULL CONSTRAINT meeting_guests_language_check CHECK (language IN ('zh', 'en')),
    diet text[] NOT NULL,
    diet_words text NOT NULL,
    code_issue smallint NOT NULL CONSTRAINT meeting_guests_code_issue_check CHECK (code_issue >= 1),
    told_at timestamptz,
    created_at timestamptz NOT NULL,
    removed_at timestamptz
);
CREATE UNIQUE INDEX meeting_guests_name_key ON meeting_guests (meeting_id, name) WHERE removed_at IS NULL;
CREATE INDEX meeting_guests_meeting_id_idx ON meeting_guests (meeting_id, ordinal);
CREATE TABLE meeting_scans (
    meeting_id uuid NOT NULL REFERENCES meetings,
    nonce uuid NOT NULL,
    guest_id uuid NOT NULL REFERENCES meeting_guests,
    line_id uuid NOT NULL REFERENCES meeting_lines,
    outcome text NOT NULL CONSTRAINT meeting_scans_outcome_check CHECK (outcome IN ('counted', 'repeated')),
    counted_for text NOT NULL,
    actor text NOT NULL,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (meeting_id, nonce)
);
COMMENT ON COLUMN meeting_scans.nonce IS 'The scanner''s own: a scan that is uploaded twice counts once';
CREATE UNIQUE INDEX meeting_scans_counted_key ON meeting_scans (line_id, guest_id, counted_for)
    WHERE outcome = 'counted';
CREATE TABLE meeting_notices (
    meeting_id uuid NOT NULL REFERENCES meetings,
    ordinal integer NOT NULL,
    words_zh text NOT NULL,
    words_en text NOT NULL,
    recorded_at timestamptz NOT NULL,
    told_at timestamptz,
    PRIMARY KEY (meeting_id, ordinal)
);
CREATE TABLE meeting_charges (
    meeting_id uuid NOT NULL REFERENCES meetings,
    payee_id uuid NOT NULL,
    reference uuid NOT NULL,
    amount_fen bigint NOT NULL CONSTRAINT meeting_charges_amount_fen_check CHECK (amount_fen > 0),
    refunded_fen bigint NOT NULL
        CONSTRAINT meeting_charges_refunded_fen_check CHECK (refunded_fen BETWEEN 0 AND amount_fen),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (meeting_id, payee_id)
);
CREATE UNIQUE INDEX meeting_charges_reference_key ON meeting_charges (reference);
CREATE TABLE meeting_policies (
    region_id uuid PRIMARY KEY,
    badge_fen bigint NOT NULL CONSTRAINT meeting_policies_badge_fen_check CHECK (badge_fen >= 0),
    free_cancel_hours integer NOT NULL
        CONSTRAINT meeting_policies_free_cancel_hours_check CHECK (free_cancel_hours BETWEEN 0 AND 8760),
    late_fee_percent integer NOT NULL
        CONSTRAINT meeting_policies_late_fee_percent_check CHECK (late_fee_percent BETWEEN 0 AND 100),
    approval_above_fen bigint CONSTRAINT meeting_policies_approval_above_fen_check CHECK (approval_above_fen >= 0),
    version integer NOT NULL,
    changed_at timestamptz NOT NULL
);
"""

# What is taken of a meal is counted by the database itself, whoever writes the covers, and cannot exceed the capacity.
_COVERS = """
CREATE TABLE cover_capacities (
    canteen_id uuid NOT NULL REFERENCES canteens,
    meal text NOT NULL,
    covers_max integer NOT NULL CONSTRAINT cover_capacities_covers_max_check CHECK (covers_max >= 0),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (canteen_id, meal)
);
CREATE TABLE cover_days (
    canteen_id uuid NOT NULL REFERENCES canteens,
    business_date date NOT NULL,
    meal text NOT NULL,
    capacity integer NOT NULL,
    taken integer NOT NULL DEFAULT 0,
    PRIMARY KEY (canteen_id, business_date, meal),
    CONSTRAINT cover_days_capacity_check CHECK (taken BETWEEN 0 AND capacity)
);
COMMENT ON COLUMN cover_days.taken IS 'The sum of the covers that are not released; kept by a trigger of covers';
CREATE TABLE covers (
    id uuid PRIMARY KEY,
    canteen_id uuid NOT NULL,
    business_date date NOT NULL,
    meal text NOT NULL,
    title text NOT NULL,
    covers integer NOT NULL CONSTRAINT covers_covers_check CHECK (covers > 0),
    price_fen bigint NOT NULL CONSTRAINT covers_price_fen_check CHECK (price_fen >= 0),
    needs jsonb NOT NULL,
    state text NOT NULL CONSTRAINT covers_state_check CHECK (state IN ('held', 'confirmed', 'released')),
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT covers_day_fkey FOREIGN KEY (canteen_id, business_date, meal)
        REFERENCES cover_days (canteen_id, business_date, meal)
);
CREATE INDEX covers_day_idx ON covers (canteen_id, business_date, meal)
"""

_COUNTING = """
CREATE FUNCTION count_covers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.state <> 'released' THEN
        UPDATE cover_days SET taken = taken - OLD.covers
        WHERE canteen_id = OLD.canteen_id AND business_date = OLD.business_date AND meal = OLD.meal;
    END IF;
    IF TG_OP <> 'DELETE' AND NEW.state <> 'released' THEN
        UPDATE cover_days SET taken = taken + NEW.covers
        WHERE canteen_id = NEW.canteen_id AND business_date = NEW.business_date AND meal = NEW.meal;
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in (_MEETINGS + _COVERS).split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(_COUNTING)
    op.execute("""
        CREATE TRIGGER covers_are_counted AFTER INSERT OR DELETE OR UPDATE OF covers, state, canteen_id, business_date, meal
        ON covers FOR EACH ROW EXECUTE FUNCTION count_covers()
    """)


def downgrade() -> None:
    op.execute("DROP TABLE covers, cover_days, cover_capacities")
    op.execute("DROP FUNCTION count_covers()")
    op.execute("""
        DROP TABLE meeting_policies, meeting_charges, meeting_notices, meeting_scans, meeting_guests, meeting_steps,
            meeting_lines, meetings""")
