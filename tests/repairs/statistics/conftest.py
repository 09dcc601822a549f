"""The workshop of orders, for its figures."""

from tests.repairs.orders.conftest import house, shop

__all__ = ["house", "shop"]
