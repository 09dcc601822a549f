"""The kernel's tables: lanes, outbox and handler cursors, configuration version, stored answers, audit log, timers, calendar."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE lanes (
            lane smallint PRIMARY KEY CHECK (lane BETWEEN 0 AND 999),
            opened_at timestamptz NOT NULL
        )
    """)
    op.execute("COMMENT ON TABLE lanes IS 'Sequences of commits: 0 the office, 1.. one posting process each'")
    op.execute("INSERT INTO lanes VALUES (0, timestamptz '2026-01-01T00:00:00Z')")
    op.execute("""
        CREATE TABLE outbox (
            lane smallint NOT NULL,
            n bigint NOT NULL CHECK (n > 0),
            recorded_at timestamptz NOT NULL,
            events text NOT NULL,
            PRIMARY KEY (lane, n)
        );
    """)
    op.execute("CREATE INDEX outbox_recorded_at_idx ON outbox USING brin (recorded_at)")
    op.execute("""
        CREATE TABLE configuration (
            id smallint PRIMARY KEY CHECK (id = 1),
            version bigint NOT NULL
        );
    """)
    op.execute("INSERT INTO configuration VALUES (1, 1)")
    op.execute("""
        CREATE TABLE idempotent_requests (
            caller text NOT NULL,
            key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
            body_hash bytea NOT NULL,
            status smallint NOT NULL,
            answer bytea NOT NULL,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (caller, key)
        );
    """)
    op.execute("CREATE INDEX idempotent_requests_recorded_at_idx ON idempotent_requests (recorded_at)")
    _create_audit_log()
    _create_timers()
    _create_calendar()
    op.execute("""
        CREATE TABLE handler_cursors (
            handler text NOT NULL,
            lane smallint NOT NULL,
            n bigint NOT NULL CHECK (n >= 0),
            PRIMARY KEY (handler, lane)
        )
    """)


def _create_audit_log() -> None:
    op.execute("""
        CREATE TABLE audit_log (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            recorded_at timestamptz NOT NULL,
            actor text NOT NULL,
            action text NOT NULL,
            subject text NOT NULL,
            data text NOT NULL
        )
    """)
    op.execute("CREATE INDEX audit_log_recorded_at_idx ON audit_log (recorded_at)")
    op.execute("CREATE INDEX audit_log_subject_idx ON audit_log (subject, id)")
    op.execute("""
        CREATE TABLE audit_seals (
            n bigint PRIMARY KEY CHECK (n > 0),
            audit_id bigint NOT NULL UNIQUE,
            hash bytea NOT NULL CHECK (octet_length(hash) = 32),
            sealed_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE TABLE audit_unsealed (audit_id bigint PRIMARY KEY)")
    op.execute("""
        CREATE FUNCTION refuse_to_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END
        $$
    """)
    for table in ("audit_log", "audit_seals"):
        op.execute(f"""
            CREATE TRIGGER {table}_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change()
        """)
    op.execute("""
        CREATE FUNCTION queue_for_seal() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO audit_unsealed VALUES (NEW.id);
            RETURN NULL;
        END
        $$
    """)
    op.execute("""
        CREATE TRIGGER audit_log_waits_for_its_seal AFTER INSERT ON audit_log
        FOR EACH ROW EXECUTE FUNCTION queue_for_seal()
    """)


def _create_timers() -> None:
    op.execute("""
        CREATE TABLE timers (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            kind text NOT NULL,
            ref text NOT NULL,
            due_at timestamptz NOT NULL,
            retry_at timestamptz NOT NULL,
            generation integer NOT NULL CHECK (generation > 0),
            payload jsonb NOT NULL,
            attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
            last_error text,
            UNIQUE (kind, ref),
            CHECK (retry_at >= due_at)
        ) WITH (fillfactor = 80)
    """)
    op.execute("CREATE INDEX timers_retry_at_idx ON timers (retry_at, id)")


def _create_calendar() -> None:
    op.execute("""
        CREATE TABLE calendar_days (
            calendar text NOT NULL,
            day date NOT NULL,
            day_type text NOT NULL CHECK (day_type IN ('workday', 'weekend', 'holiday')),
            name text,
            edited boolean NOT NULL DEFAULT false,
            PRIMARY KEY (calendar, day)
        )
    """)
