"""Vouchers' mappings with their history; regions of other installations, and the statements that those have sent."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_TABLES = """
CREATE TABLE voucher_mappings (
    owner_kind text NOT NULL CONSTRAINT voucher_mappings_owner_kind_check CHECK (owner_kind IN ('unit', 'canteen', 'region')),
    owner_id uuid NOT NULL,
    version integer NOT NULL CHECK (version > 0),
    entries json NOT NULL,
    note text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (owner_kind, owner_id, version)
);
COMMENT ON TABLE voucher_mappings IS 'Our accounts in somebody''s own chart of accounts; each change is a row, the last is in force';

CREATE TABLE partner_regions (
    region_id uuid PRIMARY KEY REFERENCES regions,
    root_key bytea NOT NULL CHECK (length(root_key) = 32),
    pinned_by text NOT NULL,
    pinned_at timestamptz NOT NULL
);
COMMENT ON TABLE partner_regions IS 'Regions whose books another installation keeps, and the root key that vouches for them';

CREATE TABLE partner_statements (
    id uuid PRIMARY KEY,
    region_id uuid NOT NULL,
    partner_id uuid NOT NULL,
    period text NOT NULL CHECK (period ~ '^[0-9]{4}-[0-9]{2}$'),
    sha256 text NOT NULL CHECK (length(sha256) = 64),
    signature bytea NOT NULL,
    final boolean NOT NULL,
    ours_final boolean NOT NULL,
    line_count bigint NOT NULL,
    booked_count bigint NOT NULL,
    booked_fen bigint NOT NULL,
    ours_fen bigint NOT NULL,
    theirs_fen bigint NOT NULL,
    difference_count integer NOT NULL CHECK (difference_count >= 0),
    differences json NOT NULL,
    received_by text NOT NULL,
    received_at timestamptz NOT NULL,
    UNIQUE (region_id, partner_id, sha256)
);
COMMENT ON TABLE partner_statements IS 'Signed line files of other installations: what was booked of them, and where they differ';
"""


def upgrade() -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
