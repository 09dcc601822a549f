"""What the invited answer, and which letter told them."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_COLUMNS = """
ALTER TABLE booking_invitees
    ADD COLUMN answer text,
    ADD COLUMN answered_at timestamptz,
    ADD COLUMN mail_id uuid,
    ADD CONSTRAINT booking_invitees_answer_check CHECK (answer IN ('accepted', 'tentative', 'declined')),
    ADD CONSTRAINT booking_invitees_answered_at_check CHECK ((answer IS NULL) = (answered_at IS NULL));
COMMENT ON COLUMN booking_invitees.mail_id IS 'The last letter; letters are forgotten after a month'
"""
_INDEX = """
CREATE INDEX booking_invitees_person_id_idx ON booking_invitees (person_id)
    WHERE person_id IS NOT NULL AND removed_at IS NULL
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in (*_COLUMNS.split(";\n"), _INDEX):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP INDEX booking_invitees_person_id_idx")
    op.execute("""
        ALTER TABLE booking_invitees DROP COLUMN mail_id, DROP COLUMN answered_at CASCADE, DROP COLUMN answer CASCADE""")
