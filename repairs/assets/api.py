"""The front door of the register: which asset a label means, and some assets by id."""

from repairs.assets.labels import asset_code_of, find_asset_by_code
from repairs.assets.models import Asset
from repairs.assets.queries import assets_by_id, get_asset
from repairs.assets.service import open_asset

__all__ = ["Asset", "asset_code_of", "assets_by_id", "find_asset_by_code", "get_asset", "open_asset"]
