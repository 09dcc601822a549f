"""The house of identity's stories, for those of reaching."""

from tests.identity.conftest import House, house

__all__ = ["House", "house"]
