"""The database of these settings, from the command line: the one of an address, the running embedded one, or one
started for the moment."""

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from app.embedded.child import remembered_secret
from app.embedded.postgres import EmbeddedPostgres
from app.problems import NotConfigured
from kernel.sealing import DEMO_SECRET_KEY
from kernel.settings import Settings


@contextmanager
def reached_database(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """Its address. What was started for this is stopped afterwards."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    if not postgres.cluster.exists() and not create:
        raise NotConfigured(
            f"There is no database in {settings.data_dir} yet: `guanjia run` makes one, or set GUANJIA_DATABASE_URL."
        )
    if postgres.attach():
        yield postgres.url
        return
    postgres.start()
    try:
        yield postgres.url
    finally:
        postgres.stop()


def installation_secret(settings: Settings) -> str:
    """The secret key that the processes of this installation use."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    kept = settings.data_dir / "secret_key"
    return remembered_secret(kept) if kept.exists() else DEMO_SECRET_KEY


def fingerprint(secret: str) -> str:
    """Says whether two secrets are the same, and nothing else of them."""
    return hmac.new(secret.encode(), b"guanjia/backup", hashlib.sha256).hexdigest()[:32]
