"""The label on a machine: a signed code that says which one it is. As those of places, with a mark of its own.

45 letters: base32 of the asset's id (16 bytes), the issue (2) and a tag (10), the beginning of an HMAC-SHA256 over `HZA1`, id
and issue. Only the server reads it. One issue counts; a new one ends the labels before it.
"""

import base64
import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity.api import Label, place_summary
from identity.errors import PlaceLabelEnded, PlaceLabelUnknown
from kernel.sealing import derived_key
from repairs.assets.models import Asset

SIGNED_PREFIX: Final = b"HZA1"
_TAG_LENGTH: Final = 10
_PADDING: Final = "==="


def asset_code_of(asset: Asset) -> str:
    """The 45 letters that are printed."""
    head = asset.id.bytes + asset.label_issue.to_bytes(2)
    return base64.b32encode(head + _tag(head)).decode().rstrip("=")


def _tag(head: bytes) -> bytes:
    return hmac.digest(derived_key("asset-label"), SIGNED_PREFIX + head, "sha256")[:_TAG_LENGTH]


def read_asset_code(letters: str) -> tuple[UUID, int]:
    """(asset, issue) of a label that is ours; PlaceLabelUnknown for any other text."""
    try:
        block = base64.b32decode(letters + _PADDING)
    except ValueError as error:
        raise PlaceLabelUnknown from error
    head, tag = block[:18], block[18:]
    if not hmac.compare_digest(_tag(head), tag) or base64.b32encode(block).decode().rstrip("=") != letters:
        raise PlaceLabelUnknown
    return UUID(bytes=head[:16]), int.from_bytes(head[16:])


async def find_asset_by_code(session: AsyncSession, letters: str) -> Asset:
    """The asset that a scanned label hangs at; PlaceLabelUnknown, or PlaceLabelEnded where it was replaced or the asset is out
    of use."""
    asset_id, issue = read_asset_code(letters)
    asset = await session.get(Asset, asset_id)
    if asset is None:
        raise PlaceLabelUnknown
    if asset.label_issue != issue or asset.retired_at is not None:
        raise PlaceLabelEnded
    return asset


async def labels_of(session: AsyncSession, assets: Sequence[Asset], address: str) -> list[Label]:
    """What is printed for some assets: a scan opens the form of a report."""
    places = await place_summary(session, {asset.place_id for asset in assets})
    return [
        Label(
            name_zh=asset.name_zh,
            name_en=asset.name_en,
            way_zh=places[asset.place_id].full_name_zh,
            way_en=places[asset.place_id].full_name_en,
            code=asset.code,
            issue=asset.label_issue,
            url=f"{address}/repair/{asset_code_of(asset)}",
        )
        for asset in assets
    ]
