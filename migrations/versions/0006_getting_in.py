"""Getting in: activation slips, second factors, sign-ins that wait for one, and the campus's own sign-in."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE activations (
            id uuid PRIMARY KEY,
            person_id uuid NOT NULL REFERENCES people,
            username text NOT NULL,
            token_hash bytea NOT NULL UNIQUE,
            issued_by uuid NOT NULL REFERENCES people,
            issued_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            revoked_at timestamptz,
            CONSTRAINT activations_not_for_oneself_check CHECK (issued_by <> person_id)
        )
    """)
    # A new slip makes the one before worthless; two at once would leave one lying about that still opens the door.
    op.execute("""
        CREATE UNIQUE INDEX activations_live_key ON activations (person_id)
        WHERE used_at IS NULL AND revoked_at IS NULL
    """)
    op.execute("""
        CREATE TABLE second_factors (
            person_id uuid PRIMARY KEY REFERENCES people,
            sealed_secret bytea NOT NULL,
            last_step bigint NOT NULL,
            recovery_hashes bytea[] NOT NULL,
            created_at timestamptz NOT NULL,
            confirmed_at timestamptz
        )
    """)
    op.execute("""
        CREATE TABLE pending_sign_ins (
            id uuid PRIMARY KEY,
            person_id uuid NOT NULL REFERENCES people,
            token_hash bytea NOT NULL UNIQUE,
            waits_for text NOT NULL
                CONSTRAINT pending_sign_ins_waits_for_check CHECK (waits_for IN ('code', 'enrolment', 'page')),
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX pending_sign_ins_person_id_idx ON pending_sign_ins (person_id)")
    op.execute("CREATE INDEX pending_sign_ins_expires_at_idx ON pending_sign_ins (expires_at)")
    op.execute("""
        CREATE TABLE campus_sign_ins (
            state_hash bytea PRIMARY KEY,
            browser_hash bytea NOT NULL,
            nonce text NOT NULL,
            code_verifier text NOT NULL,
            return_to text NOT NULL,
            expires_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX campus_sign_ins_expires_at_idx ON campus_sign_ins (expires_at)")
    op.execute("""
        CREATE TABLE campus_identities (
            issuer text NOT NULL,
            subject text NOT NULL,
            person_id uuid NOT NULL REFERENCES people,
            linked_at timestamptz NOT NULL,
            PRIMARY KEY (issuer, subject),
            CONSTRAINT campus_identities_person_key UNIQUE (issuer, person_id)
        )
    """)
    op.execute("CREATE INDEX campus_identities_person_id_idx ON campus_identities (person_id)")
