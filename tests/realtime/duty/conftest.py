"""The house of identity's stories, for those of the rota."""

from tests.identity.conftest import House, house

__all__ = ["House", "house"]
