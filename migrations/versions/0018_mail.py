"""Mail: letters that wait for the worker, people's addresses, and links that somebody asked for without an administrator."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("ALTER TABLE people ADD COLUMN email text CHECK (length(email) BETWEEN 3 AND 254)")
    # A link by mail is nobody's gift: it was asked for.
    op.execute("ALTER TABLE activations ALTER COLUMN issued_by DROP NOT NULL")
    op.execute("""
        CREATE TABLE mails (
            id uuid PRIMARY KEY,
            to_address text NOT NULL,
            subject text NOT NULL,
            sealed bytea,
            created_at timestamptz NOT NULL,
            due_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            attempts integer NOT NULL CHECK (attempts >= 0),
            sent_at timestamptz,
            last_error text
        )
    """)
    op.execute("CREATE INDEX mails_due_idx ON mails (due_at) WHERE sealed IS NOT NULL")
