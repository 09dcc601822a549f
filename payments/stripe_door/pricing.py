"""What is sold at a merchant that is no canteen: the amount that its program names, out of cash, without a unit's share.

A canteen's sales are priced by the canteens' own rule whoever asks; this rule stands around it and answers for the other
sites that have a secret key.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from kernel import clock
from kernel.ids import public_id
from kernel.money import AMOUNT_FEN_MAX, format_yuan
from payments.posting_rule import DeductionStep, DenyCode, Payer, PostingRule, Quote, Refusal, Sale, Usage

_CASH_ONLY: Final = (DeductionStep("cash"),)

_MERCHANTS: Final = """
    SELECT DISTINCT s.id, s.region_id, s.name_zh, s.name_en, r.timezone
      FROM secret_keys k JOIN sites s ON s.id = k.site_id JOIN regions r ON r.id = s.region_id
     WHERE k.configuration_version > $1 AND s.kind <> 'canteen'
"""


class _Merchant(NamedTuple):
    """A site with a secret key, as far as a price reads it."""

    region_id: UUID
    name_zh: str
    name_en: str
    zone: ZoneInfo


class MerchantPricing:
    """Implements `PostingRule` around the rule of the canteens; registered in app/wiring.py."""

    def __init__(self, canteens: PostingRule) -> None:
        self._canteens = canteens
        self._merchants: dict[UUID, _Merchant] = {}

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None:
        """Learn what changed after a configuration version. A site stays a merchant: its keys are what is revoked."""
        await self._canteens.refresh(connection, since_version)
        for row in await connection.fetch(_MERCHANTS, since_version):
            zone = ZoneInfo(row["timezone"])
            self._merchants[row["id"]] = _Merchant(row["region_id"], row["name_zh"], row["name_en"], zone)

    def counter_keys(self, sale: Sale) -> tuple[str, ...]:
        """None at a merchant's: nothing is counted there."""
        return () if sale.site_id in self._merchants else self._canteens.counter_keys(sale)

    def quote(self, sale: Sale, payer: Payer, usage: Mapping[str, Usage]) -> Quote | Refusal:
        """The amount as it was named."""
        merchant = self._merchants.get(sale.site_id)
        if merchant is None:
            return self._canteens.quote(sale, payer, usage)
        amount_fen = sale.amount_fen
        if amount_fen is None:
            return Refusal(DenyCode.TERMINAL, {"reason": "no_amount"})
        if amount_fen > AMOUNT_FEN_MAX:
            return Refusal(DenyCode.AMOUNT_LIMIT, {"limit_fen": AMOUNT_FEN_MAX, "amount_fen": amount_fen})
        on = clock.business_date(sale.at, merchant.zone)
        yuan = format_yuan(amount_fen)
        return Quote(
            amount_fen=amount_fen,
            unit_share_fen=0,
            business_date=on,
            accounting_period=f"{on:%Y-%m}",
            host_region_id=merchant.region_id,
            site_id=sale.site_id,
            lot_tags=frozenset(),
            counters=(),
            context={"merchant": public_id("sit", sale.site_id)},
            trace=(
                {
                    "code": "amount.merchant",
                    "zh": f"{merchant.name_zh}收取 {yuan} 元，只用现金钱包",
                    "en": f"{yuan} was asked by the merchant, out of the cash purse only",
                },
            ),
            deduction=_CASH_ONLY,
        )

    def site_label(self, site_id: UUID) -> str:
        """The merchant's Chinese name, or the canteen's."""
        merchant = self._merchants.get(site_id)
        return merchant.name_zh if merchant is not None else self._canteens.site_label(site_id)

    def site_label_en(self, site_id: UUID) -> str:
        """The same in English."""
        merchant = self._merchants.get(site_id)
        return merchant.name_en if merchant is not None else self._canteens.site_label_en(site_id)
