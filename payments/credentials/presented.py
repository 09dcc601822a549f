"""What a payment is made with besides a pay code, as plain data: found before the queue, decided within it. Pure."""

from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from kernel.money import format_yuan
from payments.posting_rule import Refusal

CredentialKind = Literal["card", "staff_pin", "wall_code"]


@dataclass(frozen=True, slots=True)
class Presented:
    """A credential as far as it is known before the queue.

    `refusal` is what its presenter is told at the place of "code" in the order of refusals; then nobody is named.
    `meal_max_fen` bounds what it may pay in one meal. `context` is stored with the payment.
    """

    kind: CredentialKind
    bucket: int = -1
    holder_id: UUID | None = None
    card_id: UUID | None = None
    refusal: Refusal | None = None
    meal_max_fen: int | None = None
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def stored_context(self) -> dict[str, Any]:
        """What stands beside a payment's own context."""
        return {"credential": self.kind, **self.context}

    def sentence(self) -> dict[str, Any]:
        """Its step in the trace."""
        zh, en = _SENTENCES[self.kind]
        if self.meal_max_fen is not None:
            yuan = format_yuan(self.meal_max_fen)
            zh, en = f"{zh}，每餐最多 {yuan} 元", f"{en}, which pays at most {yuan} yuan a meal"
        return {"code": f"credential.{self.kind}", "zh": zh, "en": en}


_SENTENCES: Final[dict[CredentialKind, tuple[str, str]]] = {
    "card": ("凭实体卡支付", "Paid by card"),
    "staff_pin": ("凭工号和支付密码支付", "Paid by staff number and PIN"),
    "wall_code": ("扫食堂的收款码支付", "Paid by scanning the canteen's code"),
}
