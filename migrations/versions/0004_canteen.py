"""Canteens: meal periods, the price matrix, limits, dishes and menus, and the takings of each minute."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MEALS = "('breakfast', 'lunch', 'dinner', 'night')"
_CLASSES = "('staff', 'contract', 'retired', 'family', 'visitor')"
# Stands for "every canteen", "every class", "every meal" where an exclusion constraint must compare it.
_ANY_ID = "'00000000-0000-0000-0000-000000000000'::uuid"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    _create_canteens()
    _create_prices()
    _create_menus()
    _create_totals()


def _create_canteens() -> None:
    op.execute("""
        CREATE TABLE canteens (
            id uuid PRIMARY KEY REFERENCES sites,
            is_open boolean NOT NULL,
            open_to_all boolean NOT NULL,
            seats integer CONSTRAINT canteens_seats_check CHECK (seats BETWEEN 1 AND 100000),
            configuration_version bigint NOT NULL,
            created_at timestamptz NOT NULL
        )
    """)
    op.execute("CREATE INDEX canteens_configuration_version_idx ON canteens (configuration_version)")
    op.execute("""
        CREATE TABLE canteen_units (
            canteen_id uuid NOT NULL REFERENCES canteens,
            unit_id uuid NOT NULL REFERENCES organisations,
            PRIMARY KEY (canteen_id, unit_id)
        )
    """)
    op.execute(f"""
        CREATE TABLE meal_periods (
            id uuid PRIMARY KEY,
            canteen_id uuid NOT NULL REFERENCES canteens,
            meal text NOT NULL CONSTRAINT meal_periods_meal_check CHECK (meal IN {_MEALS}),
            day_type text NOT NULL CONSTRAINT meal_periods_day_type_check
                CHECK (day_type IN ('workday', 'weekend', 'holiday', 'any')),
            starts_minute smallint NOT NULL
                CONSTRAINT meal_periods_starts_minute_check CHECK (starts_minute BETWEEN 0 AND 1439),
            ends_minute smallint NOT NULL CONSTRAINT meal_periods_ends_minute_check
                CHECK (ends_minute > starts_minute AND ends_minute <= starts_minute + 1440),
            effective_from date NOT NULL,
            effective_to date
                CONSTRAINT meal_periods_effective_to_check CHECK (effective_to >= effective_from),
            configuration_version bigint NOT NULL,
            CONSTRAINT meal_periods_one_meal_at_a_time EXCLUDE USING gist (
                canteen_id WITH =, day_type WITH =, int4range(starts_minute, ends_minute) WITH &&,
                daterange(effective_from, effective_to) WITH &&),
            CONSTRAINT meal_periods_one_window_per_meal EXCLUDE USING gist (
                canteen_id WITH =, day_type WITH =, meal WITH =, daterange(effective_from, effective_to) WITH &&)
        )
    """)
    op.execute("CREATE INDEX meal_periods_configuration_version_idx ON meal_periods (configuration_version)")


def _create_prices() -> None:
    op.execute(f"""
        CREATE TABLE price_rows (
            id uuid PRIMARY KEY,
            canteen_id uuid REFERENCES canteens,
            person_class text NOT NULL
                CONSTRAINT price_rows_person_class_check CHECK (person_class IN {_CLASSES}),
            meal text NOT NULL CONSTRAINT price_rows_meal_check CHECK (meal IN {_MEALS}),
            serving smallint NOT NULL CONSTRAINT price_rows_serving_check CHECK (serving BETWEEN 1 AND 20),
            order_state text NOT NULL CONSTRAINT price_rows_order_state_check
                CHECK (order_state IN ('ordered_and_ate', 'ordered_no_show', 'walk_in')),
            price_fen bigint NOT NULL CONSTRAINT price_rows_price_fen_check CHECK (price_fen BETWEEN 1 AND 1000000),
            unit_share_fen bigint NOT NULL CONSTRAINT price_rows_unit_share_fen_check
                CHECK (unit_share_fen BETWEEN 0 AND price_fen),
            after_last text NOT NULL
                CONSTRAINT price_rows_after_last_check CHECK (after_last IN ('refuse', 'guest')),
            effective_from date NOT NULL,
            effective_to date CONSTRAINT price_rows_effective_to_check CHECK (effective_to >= effective_from),
            configuration_version bigint NOT NULL,
            recorded_at timestamptz NOT NULL,
            CONSTRAINT price_rows_one_subsidised_meal_check CHECK (serving = 1 OR unit_share_fen = 0),
            CONSTRAINT price_rows_no_overlap EXCLUDE USING gist (
                coalesce(canteen_id, {_ANY_ID}) WITH =, person_class WITH =, meal WITH =, serving WITH =,
                order_state WITH =, daterange(effective_from, effective_to) WITH &&)
        )
    """)
    op.execute("CREATE INDEX price_rows_configuration_version_idx ON price_rows (configuration_version)")
    op.execute(f"""
        CREATE TABLE canteen_limits (
            id uuid PRIMARY KEY,
            canteen_id uuid REFERENCES canteens,
            person_class text CONSTRAINT canteen_limits_person_class_check CHECK (person_class IN {_CLASSES}),
            meal text CONSTRAINT canteen_limits_meal_check CHECK (meal IN {_MEALS}),
            counted_over text NOT NULL CONSTRAINT canteen_limits_counted_over_check
                CHECK (counted_over IN ('transaction', 'period', 'day')),
            amount_max_fen bigint
                CONSTRAINT canteen_limits_amount_max_fen_check CHECK (amount_max_fen BETWEEN 1 AND 100000000),
            count_max integer CONSTRAINT canteen_limits_count_max_check CHECK (count_max BETWEEN 1 AND 1000),
            effective_from date NOT NULL,
            effective_to date CONSTRAINT canteen_limits_effective_to_check CHECK (effective_to >= effective_from),
            configuration_version bigint NOT NULL,
            recorded_at timestamptz NOT NULL,
            CONSTRAINT canteen_limits_no_count_of_one_check CHECK (counted_over <> 'transaction' OR count_max IS NULL),
            CONSTRAINT canteen_limits_no_overlap EXCLUDE USING gist (
                coalesce(canteen_id, {_ANY_ID}) WITH =, coalesce(person_class, '') WITH =, coalesce(meal, '') WITH =,
                counted_over WITH =, daterange(effective_from, effective_to) WITH &&)
        )
    """)
    op.execute("CREATE INDEX canteen_limits_configuration_version_idx ON canteen_limits (configuration_version)")


def _create_menus() -> None:
    op.execute("""
        CREATE TABLE dishes (
            id uuid PRIMARY KEY,
            canteen_id uuid NOT NULL REFERENCES canteens,
            name_zh text NOT NULL,
            name_en text NOT NULL,
            pinyin text NOT NULL,
            category text NOT NULL CONSTRAINT dishes_category_check
                CHECK (category IN ('staple', 'meat', 'fish', 'vegetable', 'soup', 'snack', 'fruit', 'drink')),
            price_fen bigint NOT NULL CONSTRAINT dishes_price_fen_check CHECK (price_fen BETWEEN 0 AND 1000000),
            nutrition jsonb NOT NULL,
            allergens text[] NOT NULL CONSTRAINT dishes_allergens_check CHECK (allergens <@ ARRAY[
                'gluten', 'crustaceans', 'fish', 'eggs', 'peanuts', 'soy', 'milk', 'nuts', 'sesame', 'molluscs']),
            is_active boolean NOT NULL,
            created_at timestamptz NOT NULL,
            UNIQUE (canteen_id, name_zh)
        )
    """)
    op.execute(f"""
        CREATE TABLE menus (
            id uuid PRIMARY KEY,
            canteen_id uuid NOT NULL REFERENCES canteens,
            business_date date NOT NULL,
            meal text NOT NULL CONSTRAINT menus_meal_check CHECK (meal IN {_MEALS}),
            state text NOT NULL CONSTRAINT menus_state_check CHECK (state IN ('draft', 'published', 'withdrawn')),
            brought_in boolean NOT NULL,
            configuration_version bigint NOT NULL,
            changed_at timestamptz NOT NULL,
            UNIQUE (canteen_id, business_date, meal)
        )
    """)
    op.execute("CREATE INDEX menus_configuration_version_idx ON menus (configuration_version)")
    op.execute("CREATE INDEX menus_business_date_idx ON menus (business_date)")
    op.execute("""
        CREATE TABLE menu_items (
            menu_id uuid NOT NULL REFERENCES menus,
            dish_id uuid NOT NULL REFERENCES dishes,
            position smallint NOT NULL,
            price_fen bigint NOT NULL CONSTRAINT menu_items_price_fen_check CHECK (price_fen BETWEEN 0 AND 1000000),
            sold_out boolean NOT NULL,
            PRIMARY KEY (menu_id, dish_id)
        )
    """)
    op.execute("CREATE INDEX menu_items_dish_id_idx ON menu_items (dish_id)")


def _create_totals() -> None:
    op.execute("""
        CREATE TABLE canteen_minute_totals (
            canteen_id uuid NOT NULL,
            business_date date NOT NULL,
            minute timestamptz NOT NULL,
            count integer NOT NULL CHECK (count >= 0),
            amount_fen bigint NOT NULL CHECK (amount_fen >= 0),
            voided_count integer NOT NULL CHECK (voided_count >= 0),
            returned_fen bigint NOT NULL CHECK (returned_fen >= 0),
            PRIMARY KEY (canteen_id, business_date, minute)
        ) WITH (fillfactor = 70)
    """)
    op.execute("""
        CREATE TABLE canteen_last_payments (
            canteen_id uuid PRIMARY KEY,
            payments jsonb NOT NULL
        ) WITH (fillfactor = 50)
    """)
