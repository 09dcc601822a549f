"""People, places, devices: the tables of identity."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # For "no two memberships of one person on the same day": a trusted extension, no superuser needed.
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    _create_places()
    _create_people()
    _create_sign_in()
    _create_terminals()
    _create_approvals()


def _create_places() -> None:
    op.execute("""
        CREATE TABLE regions (
            id uuid PRIMARY KEY,
            parent_id uuid REFERENCES regions,
            code text NOT NULL UNIQUE,
            name_zh text NOT NULL,
            name_en text NOT NULL,
            pinyin text NOT NULL,
            timezone text NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT regions_not_its_own_parent_check CHECK (parent_id <> id)
        )
    """)
    op.execute("CREATE INDEX regions_parent_id_idx ON regions (parent_id)")
    op.execute("""
        CREATE TABLE organisations (
            id uuid PRIMARY KEY,
            parent_id uuid REFERENCES organisations,
            home_region_id uuid NOT NULL REFERENCES regions,
            kind text NOT NULL CONSTRAINT organisations_kind_check CHECK (kind IN ('unit', 'department', 'operator')),
            code text NOT NULL UNIQUE,
            name_zh text NOT NULL,
            name_en text NOT NULL,
            pinyin text NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT organisations_not_its_own_parent_check CHECK (parent_id <> id),
            CONSTRAINT organisations_department_has_parent_check CHECK (kind <> 'department' OR parent_id IS NOT NULL)
        )
    """)
    op.execute("CREATE INDEX organisations_parent_id_idx ON organisations (parent_id)")
    op.execute("CREATE INDEX organisations_home_region_id_idx ON organisations (home_region_id)")
    op.execute("""
        CREATE TABLE sites (
            id uuid PRIMARY KEY,
            region_id uuid NOT NULL REFERENCES regions,
            operator_id uuid NOT NULL REFERENCES organisations,
            kind text NOT NULL CONSTRAINT sites_kind_check CHECK (kind IN ('canteen', 'venue', 'workshop', 'office')),
            code text NOT NULL UNIQUE,
            name_zh text NOT NULL,
            name_en text NOT NULL,
            pinyin text NOT NULL,
            created_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX sites_region_id_idx ON sites (region_id)")
    op.execute("CREATE INDEX sites_operator_id_idx ON sites (operator_id)")


def _create_people() -> None:
    op.execute("""
        CREATE TABLE people (
            id uuid PRIMARY KEY,
            name text NOT NULL,
            pinyin text NOT NULL,
            initials text NOT NULL,
            staff_number text UNIQUE,
            phone text,
            status text NOT NULL CONSTRAINT people_status_check CHECK (status IN ('active', 'suspended', 'left')),
            language text NOT NULL CONSTRAINT people_language_check CHECK (language IN ('zh', 'en')),
            created_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX people_pinyin_idx ON people (pinyin)")
    op.execute("CREATE INDEX people_initials_idx ON people (initials)")
    op.execute("""
        CREATE TABLE memberships (
            id uuid PRIMARY KEY,
            person_id uuid NOT NULL REFERENCES people,
            organisation_id uuid NOT NULL REFERENCES organisations,
            person_class text NOT NULL CONSTRAINT memberships_person_class_check
                CHECK (person_class IN ('staff', 'contract', 'retired', 'family', 'visitor')),
            valid daterange NOT NULL
                CONSTRAINT memberships_valid_check CHECK (NOT isempty(valid) AND NOT lower_inf(valid)),
            recorded_at timestamptz NOT NULL,
            CONSTRAINT memberships_no_overlap EXCLUDE USING gist (person_id WITH =, valid WITH &&)
        )
    """)
    op.execute("CREATE INDEX memberships_organisation_id_idx ON memberships (organisation_id)")
    op.execute("""
        CREATE TABLE role_grants (
            id uuid PRIMARY KEY,
            person_id uuid NOT NULL REFERENCES people,
            role text NOT NULL CONSTRAINT role_grants_role_check CHECK (role IN (
                'cashier', 'technician', 'dispatcher', 'duty_staff', 'canteen_manager', 'finance',
                'system_admin', 'security_admin', 'audit_admin')),
            organisation_id uuid REFERENCES organisations,
            site_id uuid REFERENCES sites,
            region_id uuid REFERENCES regions,
            granted_by uuid REFERENCES people,
            granted_at timestamptz NOT NULL,
            revoked_by uuid REFERENCES people,
            revoked_at timestamptz,
            CONSTRAINT role_grants_one_place_check CHECK (num_nonnulls(organisation_id, site_id, region_id) <= 1),
            CONSTRAINT role_grants_not_to_oneself_check CHECK (granted_by <> person_id)
        )
    """)
    op.execute("CREATE INDEX role_grants_person_id_idx ON role_grants (person_id)")
    op.execute("""
        CREATE UNIQUE INDEX role_grants_in_force_key
        ON role_grants (person_id, role, organisation_id, site_id, region_id) NULLS NOT DISTINCT
        WHERE revoked_at IS NULL
    """)


def _create_sign_in() -> None:
    op.execute("""
        CREATE TABLE credentials (
            person_id uuid PRIMARY KEY REFERENCES people,
            username text NOT NULL UNIQUE,
            password_hash text NOT NULL,
            changed_at timestamptz NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE attempts (
            key text PRIMARY KEY,
            failures integer NOT NULL,
            last_at timestamptz NOT NULL,
            locked_until timestamptz
        )
    """)
    op.execute("CREATE INDEX attempts_last_at_idx ON attempts (last_at)")
    op.execute("""
        CREATE TABLE sessions (
            id uuid PRIMARY KEY,
            person_id uuid NOT NULL REFERENCES people,
            token_hash bytea NOT NULL UNIQUE,
            created_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            revoked_at timestamptz
        )
    """)
    op.execute("CREATE INDEX sessions_person_id_idx ON sessions (person_id)")
    op.execute("CREATE INDEX sessions_expires_at_idx ON sessions (expires_at)")


def _create_terminals() -> None:
    op.execute("""
        CREATE TABLE terminals (
            id uuid PRIMARY KEY,
            site_id uuid NOT NULL REFERENCES sites,
            name text NOT NULL,
            serial text UNIQUE,
            status text NOT NULL
                CONSTRAINT terminals_status_check CHECK (status IN ('pairing', 'active', 'disabled', 'revoked')),
            epoch integer NOT NULL CONSTRAINT terminals_epoch_check CHECK (epoch >= 0),
            modes text[] NOT NULL
                CONSTRAINT terminals_modes_check CHECK (modes <@ ARRAY['keyed', 'fixed', 'menu', 'count'])
                CONSTRAINT terminals_some_mode_check CHECK (cardinality(modes) > 0),
            token_hash bytea UNIQUE,
            next_token_hash bytea UNIQUE,
            rotation_due boolean NOT NULL,
            pairing_code_hash bytea UNIQUE,
            pairing_expires_at timestamptz,
            configuration_version bigint NOT NULL,
            last_seen_at timestamptz,
            health jsonb NOT NULL,
            created_at timestamptz NOT NULL,
            CONSTRAINT terminals_token_check CHECK (status NOT IN ('active', 'disabled') OR token_hash IS NOT NULL),
            CONSTRAINT terminals_pairing_check CHECK (num_nonnulls(pairing_code_hash, pairing_expires_at) IN (0, 2))
        )
    """)
    op.execute("CREATE INDEX terminals_site_id_idx ON terminals (site_id)")
    op.execute("CREATE INDEX terminals_configuration_version_idx ON terminals (configuration_version)")


def _create_approvals() -> None:
    op.execute("""
        CREATE TABLE approvals (
            id uuid PRIMARY KEY,
            kind text NOT NULL,
            subject text NOT NULL,
            payload jsonb NOT NULL,
            status text NOT NULL CONSTRAINT approvals_status_check
                CHECK (status IN ('pending', 'approved', 'rejected', 'withdrawn', 'expired')),
            deciding_roles text[] NOT NULL,
            organisation_id uuid REFERENCES organisations,
            site_id uuid REFERENCES sites,
            region_id uuid REFERENCES regions,
            requested_by uuid NOT NULL REFERENCES people,
            beneficiary_id uuid REFERENCES people,
            reason text NOT NULL,
            requested_at timestamptz NOT NULL,
            expires_at timestamptz NOT NULL,
            decided_by uuid REFERENCES people,
            decided_at timestamptz,
            decision_note text,
            CONSTRAINT approvals_two_people_check
                CHECK (status NOT IN ('approved', 'rejected') OR decided_by <> requested_by),
            CONSTRAINT approvals_not_in_own_favour_check
                CHECK (status <> 'approved' OR decided_by IS DISTINCT FROM beneficiary_id),
            CONSTRAINT approvals_decided_at_check CHECK ((status = 'pending') = (decided_at IS NULL)),
            CONSTRAINT approvals_one_place_check CHECK (num_nonnulls(organisation_id, site_id, region_id) <= 1)
        )
    """)
    op.execute("CREATE INDEX approvals_requested_by_idx ON approvals (requested_by)")
    op.execute("CREATE INDEX approvals_pending_idx ON approvals (expires_at) WHERE status = 'pending'")
