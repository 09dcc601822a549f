"""Production mode: what may not start in it."""

from sqlalchemy import text

from app.problems import NotForProduction
from kernel.db import Database
from kernel.sealing import DEMO_SECRET_KEY
from kernel.settings import Settings

SECRET_KEY_LENGTH_MIN = 32


def refuse_weak_settings(settings: Settings) -> None:
    """Production needs secrets of its own, and real servers."""
    if not settings.production:
        return
    secret = settings.secret_key.get_secret_value() if settings.secret_key is not None else ""
    if len(secret) < SECRET_KEY_LENGTH_MIN:
        raise NotForProduction(
            f"GUANJIA_PRODUCTION is on: GUANJIA_SECRET_KEY must be set, to at least {SECRET_KEY_LENGTH_MIN} random "
            "characters of your own (for example: openssl rand -base64 36)."
        )
    if secret == DEMO_SECRET_KEY:
        raise NotForProduction("GUANJIA_PRODUCTION is on, and GUANJIA_SECRET_KEY is the demo's, which everybody knows.")
    if len(set(secret)) < SECRET_KEY_LENGTH_MIN // 3:
        raise NotForProduction("GUANJIA_PRODUCTION is on, and GUANJIA_SECRET_KEY is too simple to be random.")
    if settings.alipay_simulator_url or not settings.alipay_gateway.startswith("https://"):
        raise NotForProduction(
            "GUANJIA_PRODUCTION is on: Alipay is asked at an https:// address, and never at a simulator. "
            "Unset GUANJIA_ALIPAY_SIMULATOR_URL and GUANJIA_ALIPAY_GATEWAY."
        )


async def refuse_demo_secrets(settings: Settings, database: Database) -> None:
    """A database that the demo was ever seeded into has logins that everybody knows: it never serves in production."""
    refuse_weak_settings(settings)
    if not settings.production:
        return
    async with database.session() as session:
        if await session.scalar(text("SELECT to_regclass('demo_seed') IS NOT NULL")):
            raise NotForProduction(
                "GUANJIA_PRODUCTION is on, but this database holds the demo's people, passwords and tokens. "
                "Start production with an empty database."
            )
