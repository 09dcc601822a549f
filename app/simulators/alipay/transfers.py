"""Money that a merchant sends to somebody's account: `alipay.fund.trans.*`, one transfer for each out_biz_no.

The account decides how it goes, so that a story needs no switch: `nobody...` does not exist, `other...` belongs to
somebody of another name, `poor...` finds our own balance too low, `slow...` is under way until it is asked about twice.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kernel import clock

_REFUSED: Final[Mapping[str, tuple[str, str]]] = {
    "nobody": ("PAYEE_NOT_EXIST", "收款账号不存在"),
    "other": ("PAYEE_USER_INFO_ERROR", "支付宝账号和姓名不匹配，请确认姓名是否正确"),
    "poor": ("PAYER_BALANCE_NOT_ENOUGH", "付款方余额不足"),
}


class TransferRefused(Exception):
    """40004 with its sub_code."""

    def __init__(self, sub_code: str, sub_msg: str) -> None:
        super().__init__(sub_code)
        self.sub_code, self.sub_msg = sub_code, sub_msg


@dataclass
class Transfer:
    """One, made once."""

    order_id: str
    amount_fen: int
    account: str
    status: str
    asked: int = 0


@dataclass
class Transfers:
    """All of them, by our number."""

    made: dict[str, Transfer] = field(default_factory=dict)

    def send(self, number: str, amount_fen: int, payee: Mapping[str, Any]) -> dict[str, Any]:
        """The first time it is made; afterwards the same answer, and nothing moves."""
        if payee["identity_type"] != "ALIPAY_LOGON_ID":
            raise ValueError("identity_type")
        account = str(payee["identity"])
        transfer = self.made.get(number)
        if transfer is None:
            for prefix, (sub_code, sub_msg) in _REFUSED.items():
                if account.startswith(prefix):
                    raise TransferRefused(sub_code, sub_msg)
            status = "DEALING" if account.startswith("slow") else "SUCCESS"
            transfer = Transfer(f"{clock.now():%Y%m%d}{secrets.randbelow(10**20):020d}", amount_fen, account, status)
            self.made[number] = transfer
        elif (transfer.amount_fen, transfer.account) != (amount_fen, account):
            raise TransferRefused("INVALID_PARAMETER", "同一商户订单号的参数不一致")
        return {"out_biz_no": number, "order_id": transfer.order_id, "status": transfer.status}

    def query(self, number: str) -> dict[str, Any]:
        """Where it stands; one that was never made does not exist."""
        transfer = self.made.get(number)
        if transfer is None:
            raise TransferRefused("ORDER_NOT_EXIST", "转账订单不存在")
        transfer.asked += 1
        if transfer.status == "DEALING" and transfer.asked > 1:
            transfer.status = "SUCCESS"
        return {
            "out_biz_no": number,
            "order_id": transfer.order_id,
            "status": transfer.status,
            "trans_amount": f"{transfer.amount_fen // 100}.{transfer.amount_fen % 100:02d}",
        }

    @property
    def sent_fen(self) -> int:
        """What has left the merchant's account."""
        return sum(transfer.amount_fen for transfer in self.made.values() if transfer.status == "SUCCESS")
