"""The workshop of orders, for its box."""

from tests.repairs.orders.conftest import house, shop

__all__ = ["house", "shop"]
