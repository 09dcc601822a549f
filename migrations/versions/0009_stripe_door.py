"""The Stripe-compatible door: secret keys, payment intents, kept answers, refunds, events, webhook endpoints, deliveries."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Numbers of attempts to pay, handed out to the web processes by the thousand.
    op.execute("CREATE SEQUENCE door_attempts START 1 INCREMENT 1000")
    op.execute("""
        CREATE TABLE secret_keys (
            id uuid PRIMARY KEY,
            site_id uuid NOT NULL REFERENCES sites,
            name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
            state text NOT NULL CHECK (state IN ('active', 'revoked')),
            key_hash bytea NOT NULL UNIQUE,
            hint text NOT NULL,
            made_by text NOT NULL,
            made_at timestamptz NOT NULL,
            revoked_at timestamptz,
            configuration_version bigint NOT NULL
        )
    """)
    op.execute("CREATE INDEX secret_keys_site_id_idx ON secret_keys (site_id)")
    op.execute("CREATE INDEX secret_keys_configuration_version_idx ON secret_keys (configuration_version)")
    op.execute("""
        CREATE TABLE payment_intents (
            site_id uuid NOT NULL,
            id uuid NOT NULL,
            state text NOT NULL CHECK (state IN
                ('requires_payment_method', 'requires_confirmation', 'processing', 'canceled', 'succeeded')),
            amount_fen bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 1000000),
            description text,
            metadata_json text NOT NULL,
            method_id uuid,
            pay_code text,
            attempts integer NOT NULL,
            attempt_seq bigint,
            attempt_by uuid,
            attempted_at timestamptz,
            payment_id uuid,
            last_error_json text,
            canceled_at timestamptz,
            cancellation_reason text,
            created_at timestamptz NOT NULL,
            version integer NOT NULL,
            PRIMARY KEY (site_id, id),
            CHECK ((state = 'succeeded') = (payment_id IS NOT NULL))
        ) WITH (fillfactor = 70)
    """)
    # Those under way: a handful at any time, looked through for what a killed process has left.
    op.execute("""
        CREATE INDEX payment_intents_processing_idx ON payment_intents (attempted_at) WHERE state = 'processing'
    """)
    op.execute("""
        CREATE TABLE door_requests (
            site_id uuid NOT NULL,
            key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
            fingerprint bytea NOT NULL,
            status smallint NOT NULL,
            body bytea NOT NULL,
            intent_id uuid,
            recorded_at timestamptz NOT NULL,
            PRIMARY KEY (site_id, key)
        ) WITH (fillfactor = 70)
    """)
    op.execute("CREATE INDEX door_requests_recorded_at_idx ON door_requests USING brin (recorded_at)")
    op.execute("CREATE INDEX door_requests_open_idx ON door_requests (recorded_at) WHERE status = 0")
    op.execute("""
        CREATE TABLE door_refunds (
            site_id uuid NOT NULL,
            id uuid NOT NULL,
            intent_id uuid NOT NULL,
            payment_id uuid NOT NULL,
            amount_fen bigint NOT NULL CHECK (amount_fen > 0),
            reason text,
            metadata_json text NOT NULL,
            created_at timestamptz NOT NULL,
            PRIMARY KEY (site_id, id)
        )
    """)
    op.execute("CREATE INDEX door_refunds_payment_id_idx ON door_refunds (payment_id)")
    op.execute("""
        CREATE TABLE door_events (
            ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            site_id uuid NOT NULL,
            id uuid NOT NULL,
            type text NOT NULL,
            stream uuid NOT NULL,
            data_json text NOT NULL,
            request_id text,
            idempotency_key text,
            created_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX door_events_site_id_idx ON door_events (site_id, ordinal)")
    op.execute("CREATE UNIQUE INDEX door_events_id_key ON door_events (id)")
    op.execute("CREATE INDEX door_events_created_at_idx ON door_events USING brin (created_at)")
    op.execute("""
        CREATE TABLE webhook_endpoints (
            id uuid PRIMARY KEY,
            site_id uuid NOT NULL REFERENCES sites,
            url text NOT NULL CHECK (length(url) BETWEEN 8 AND 2000),
            enabled_events text[] NOT NULL,
            description text,
            metadata_json text NOT NULL,
            state text NOT NULL CHECK (state IN ('enabled', 'disabled')),
            sealed_secret bytea NOT NULL,
            sealed_old_secret bytea,
            old_secret_until timestamptz,
            failing_since timestamptz,
            created_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX webhook_endpoints_site_id_idx ON webhook_endpoints (site_id)")
    op.execute("""
        CREATE TABLE webhook_deliveries (
            endpoint_id uuid NOT NULL,
            ordinal bigint NOT NULL,
            stream uuid NOT NULL,
            state text NOT NULL CHECK (state IN ('pending', 'delivered', 'abandoned')),
            attempts integer NOT NULL,
            next_at timestamptz NOT NULL,
            first_at timestamptz NOT NULL,
            delivered_at timestamptz,
            PRIMARY KEY (endpoint_id, ordinal)
        ) WITH (fillfactor = 70)
    """)
    # What is due at a receiver, and whether an earlier event of the same intent is still to come before it.
    op.execute("""
        CREATE INDEX webhook_deliveries_due_idx ON webhook_deliveries (endpoint_id, next_at) WHERE state = 'pending'
    """)
    op.execute("""
        CREATE INDEX webhook_deliveries_stream_idx ON webhook_deliveries (endpoint_id, stream, ordinal)
         WHERE state = 'pending'
    """)
    op.execute("CREATE INDEX webhook_deliveries_ordinal_idx ON webhook_deliveries (ordinal)")
    op.execute("""
        CREATE TABLE webhook_attempts (
            endpoint_id uuid NOT NULL,
            ordinal bigint NOT NULL,
            attempt integer NOT NULL,
            started_at timestamptz NOT NULL,
            took_ms integer NOT NULL,
            status smallint,
            error text,
            answer text NOT NULL,
            PRIMARY KEY (endpoint_id, ordinal, attempt)
        )
    """)
