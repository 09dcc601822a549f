"""Wire form of a charge."""

from datetime import date
from typing import Literal

from pydantic import BaseModel


class ChargeView(BaseModel):
    """What a unit was charged for one service. `reference` is the id of the work order, booking or meeting."""

    id: str
    kind: Literal["repair", "booking", "meeting"]
    reference: str
    unit: str
    unit_name_zh: str
    unit_name_en: str
    site: str
    site_name_zh: str
    site_name_en: str
    funded_by: Literal["unit_prefund", "unit_receivable"]
    amount_fen: int
    refunded_fen: int
    business_date: date
    note: str
    recorded_at: str
