"""The keys of payments are derived like everybody's (`kernel.sealing`)."""

from kernel.sealing import DEMO_SECRET_KEY, WrongSecretKey, derived_key, seal, secret_key, unseal

__all__ = ["DEMO_SECRET_KEY", "WrongSecretKey", "derived_key", "seal", "secret_key", "unseal"]
