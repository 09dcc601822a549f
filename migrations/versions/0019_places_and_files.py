"""The tree of places under a site, and the files that people send."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute("""
        CREATE TABLE places (
            id uuid PRIMARY KEY,
            site_id uuid NOT NULL REFERENCES sites (id),
            parent_id uuid REFERENCES places (id),
            path uuid[] NOT NULL,
            kind text NOT NULL,
            code text NOT NULL,
            name_zh text NOT NULL,
            name_en text NOT NULL,
            pinyin text NOT NULL,
            ordinal integer,
            plan_x double precision,
            plan_y double precision,
            open_to_strangers boolean NOT NULL,
            code_issue integer NOT NULL,
            created_at timestamptz NOT NULL,
            retired_at timestamptz,
            CONSTRAINT places_code_key UNIQUE (code),
            CONSTRAINT places_kind_check CHECK (kind IN ('campus', 'building', 'storey', 'room', 'area')),
            CONSTRAINT places_path_ends_here_check CHECK (path[cardinality(path)] = id),
            CONSTRAINT places_path_through_parent_check CHECK (
                parent_id IS NOT DISTINCT FROM path[cardinality(path) - 1] AND cardinality(path) BETWEEN 1 AND 8
            ),
            CONSTRAINT places_plan_check CHECK (num_nonnulls(plan_x, plan_y) IN (0, 2)),
            CONSTRAINT places_on_the_plan_check CHECK (plan_x BETWEEN 0 AND 1 AND plan_y BETWEEN 0 AND 1),
            CONSTRAINT places_code_issue_check CHECK (code_issue >= 1)
        )
    """)
    op.execute("CREATE INDEX places_site_id_idx ON places (site_id)")
    op.execute("CREATE INDEX places_parent_id_idx ON places (parent_id)")
    op.execute("CREATE INDEX places_path_idx ON places USING gin (path)")
    op.execute("""
        CREATE TABLE files (
            id uuid PRIMARY KEY,
            owner text NOT NULL,
            kind text NOT NULL,
            media_type text NOT NULL,
            sha256 bytea NOT NULL,
            size_bytes integer NOT NULL,
            width integer,
            height integer,
            used_by text,
            created_at timestamptz NOT NULL,
            stored_at timestamptz,
            CONSTRAINT files_kind_check CHECK (kind IN ('picture', 'voice')),
            CONSTRAINT files_sha256_check CHECK (length(sha256) = 32),
            CONSTRAINT files_size_bytes_check CHECK (size_bytes > 0)
        )
    """)
    op.execute("CREATE INDEX files_sha256_idx ON files (sha256)")
    op.execute("CREATE INDEX files_used_by_idx ON files (used_by)")
    op.execute("CREATE INDEX files_unused_idx ON files (created_at) WHERE used_by IS NULL")
