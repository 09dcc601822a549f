"""What units are charged for services: repairs, halls, meetings."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_CHARGES = """
CREATE TABLE service_charges (
    id uuid PRIMARY KEY,
    kind text NOT NULL CONSTRAINT service_charges_kind_check CHECK (kind IN ('repair', 'booking', 'meeting')),
    reference uuid NOT NULL CONSTRAINT service_charges_reference_key UNIQUE,
    unit_id uuid NOT NULL,
    funded_by text NOT NULL
        CONSTRAINT service_charges_funded_by_check CHECK (funded_by IN ('unit_prefund', 'unit_receivable')),
    home_region_id uuid NOT NULL,
    site_id uuid NOT NULL,
    host_region_id uuid NOT NULL,
    amount_fen bigint NOT NULL CONSTRAINT service_charges_amount_check CHECK (amount_fen > 0),
    refunded_fen bigint NOT NULL
        CONSTRAINT service_charges_refunded_check CHECK (refunded_fen BETWEEN 0 AND amount_fen),
    business_date date NOT NULL,
    note text NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX ix_service_charges_unit_id ON service_charges (unit_id);
CREATE INDEX ix_service_charges_site_id ON service_charges (site_id);
CREATE TABLE charge_refunds (
    id uuid PRIMARY KEY,
    charge_id uuid NOT NULL REFERENCES service_charges (id),
    amount_fen bigint NOT NULL CONSTRAINT charge_refunds_amount_check CHECK (amount_fen > 0),
    business_date date NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX ix_charge_refunds_charge_id ON charge_refunds (charge_id);
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    for statement in _CHARGES.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE charge_refunds, service_charges")
