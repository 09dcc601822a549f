"""The gateway's methods, as Alipay's documents describe them. Pure but for the trades that they change."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from app.simulators.alipay.bills import Bills
from app.simulators.alipay.keys import SELLER_ID
from app.simulators.alipay.notices import Notices
from app.simulators.alipay.phone import Phone
from app.simulators.alipay.trades import CLOSED, PREPARED, WAITING, Trade, Trades, china_time
from app.simulators.alipay.transfers import TransferRefused, Transfers

Inner = dict[str, Any]
Biz = Mapping[str, Any]

_AMOUNT: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,2}))?", re.ASCII)
_LIFE: Final = re.compile(r"(\d{1,5})([mhd])", re.ASCII)
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LIFE_DEFAULT: Final = timedelta(hours=2)
_BUYER: Final = {"buyer_logon_id": "zha***@example.com", "buyer_user_id": "2088000000000099"}


class Refused(Exception):
    """A business failure: 40004 with its sub_code."""

    def __init__(self, sub_code: str, sub_msg: str, **also: Any) -> None:
        super().__init__(sub_code)
        self.inner: Inner = {
            "code": "40004", "msg": "Business Failed", "sub_code": sub_code, "sub_msg": sub_msg, **also,
        }  # fmt: skip  # reads as the answer does


def invalid(sub_code: str, sub_msg: str) -> Inner:
    """40002: arguments or signature."""
    return {"code": "40002", "msg": "Invalid Arguments", "sub_code": sub_code, "sub_msg": sub_msg}


class Gateway:
    """What the simulated Alipay does when it is asked."""

    def __init__(self, trades: Trades, notices: Notices, phone: Phone, qr_base: str) -> None:
        self.trades = trades
        self.notices = notices
        self.phone = phone
        self.qr_base = qr_base
        self.transfers = Transfers()
        self.bills = Bills(trades)
        self._methods: dict[str, Callable[[Biz, str | None], Inner]] = {
            "alipay.trade.precreate": self._precreate,
            "alipay.trade.pay": self._pay,
            "alipay.trade.query": self._query,
            "alipay.trade.cancel": self._cancel,
            "alipay.trade.close": self._close,
            "alipay.trade.refund": self._refund,
            "alipay.trade.fastpay.refund.query": self._query_refund,
            "alipay.fund.trans.uni.transfer": self._transfer,
            "alipay.fund.trans.common.query": self._query_transfer,
            "alipay.data.dataservice.bill.downloadurl.query": self._query_bill,
        }

    def answer(self, parameters: Mapping[str, str]) -> Inner:
        """The inner object of the answer; whatever changed is kept."""
        method = self._methods.get(parameters.get("method", ""))
        if method is None:
            return invalid("isv.invalid-method", "不存在的方法名")
        try:
            biz = json.loads(parameters.get("biz_content") or "{}")
            if not isinstance(biz, dict):
                raise ValueError("not an object")  # noqa: TRY004, TRY301  told as malformed, like all the rest
            return {"code": "10000", "msg": "Success"} | method(biz, parameters.get("notify_url"))
        except Refused as refused:
            return refused.inner
        except (ValueError, KeyError, TypeError) as error:
            return invalid("isv.invalid-parameter", f"参数有误: {error}")
        finally:
            self.trades.keep()

    def _precreate(self, biz: Biz, notify_url: str | None) -> Inner:
        number, total_fen = _number(biz), _fen(biz["total_amount"])
        trade = self.trades.find(number)
        if trade is None:
            trade = self.trades.open(number, total_fen, str(biz["subject"]), notify_url, _life(biz))
        elif trade.is_paid:
            raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        elif trade.status == CLOSED:
            raise Refused("ACQ.TRADE_HAS_CLOSE", "交易已经关闭")
        elif trade.total_fen != total_fen:
            raise Refused("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
        return {"out_trade_no": number, "qr_code": f"{self.qr_base}/qr/{trade.qr_token}"}

    def _pay(self, biz: Biz, notify_url: str | None) -> Inner:
        number, total_fen, auth_code = _number(biz), _fen(biz["total_amount"]), str(biz["auth_code"])
        if biz.get("scene") != "bar_code":
            raise ValueError("scene")
        if self.trades.find(number) is not None:
            raise Refused("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
        if not self.phone.accepts(auth_code):
            raise Refused("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付失败，获取顾客账户信息失败，请顾客刷新付款码后重新收款")
        behaviour = self.phone.use(auth_code)
        if behaviour == "refuse":
            raise Refused("ACQ.BUYER_BALANCE_NOT_ENOUGH", "买家余额不足", out_trade_no=number)
        trade = self.trades.open(number, total_fen, str(biz["subject"]), notify_url, _LIFE_DEFAULT)
        trade.auth_code, trade.status = auth_code, WAITING
        if behaviour in ("wait", "unknown_unpaid"):
            code, msg = (
                ("10003", "order success pay inprocess")
                if behaviour == "wait"
                else ("20000", "Service Currently Unavailable")
            )
            return {**self._facts(trade), "code": code, "msg": msg}
        trade.pay()
        self.notices.tell(trade)
        if behaviour == "unknown":
            return {"code": "20000", "msg": "Service Currently Unavailable", "sub_code": "isp.unknow-error"}
        return {**self._facts(trade), "gmt_payment": china_time(trade.paid_at)}

    def _query(self, biz: Biz, _notify_url: str | None) -> Inner:
        trade = self._existing(biz)
        return {**self._facts(trade), "trade_status": trade.status, "send_pay_date": china_time(trade.paid_at)}

    def _close(self, biz: Biz, _notify_url: str | None) -> Inner:
        trade = self._existing(biz)
        if trade.status != WAITING:
            raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
        trade.status = CLOSED
        return {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no}

    def _cancel(self, biz: Biz, notify_url: str | None) -> Inner:
        """Whatever became of it, afterwards it is closed; also where it has not come in yet."""
        trade = self.trades.find(biz.get("out_trade_no"), biz.get("trade_no"))
        if trade is None:
            trade = self.trades.open(_number(biz), 1, "", notify_url, _LIFE_DEFAULT)
            trade.status = CLOSED
            return {"out_trade_no": trade.out_trade_no, "retry_flag": "N"}
        action = {}
        if trade.is_paid:
            action = {"action": "refund"}
            trade.refund("cancel", trade.total_fen - trade.refunded_fen)
        elif trade.status in (WAITING, PREPARED):
            action = {"action": "close"}
        trade.status = CLOSED
        return {"trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no, "retry_flag": "N", **action}

    def _refund(self, biz: Biz, _notify_url: str | None) -> Inner:
        trade = self._existing(biz)
        amount_fen, number = _fen(biz["refund_amount"]), str(biz.get("out_request_no") or trade.out_trade_no)
        fresh = number not in trade.refunds
        if fresh:
            if not trade.is_paid:
                raise Refused("ACQ.TRADE_STATUS_ERROR", "交易状态不合法")
            if trade.refunded_fen + amount_fen > trade.total_fen:
                raise Refused("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL", "退款金额超限")
            trade.refund(number, amount_fen)
            if trade.refunded_fen == trade.total_fen:
                trade.status = CLOSED
            self.notices.tell(trade, refund_fee=_yuan(trade.refunded_fen), out_biz_no=number)
        elif trade.refunds[number] != amount_fen:
            raise Refused("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额与原请求不一致")
        return {
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "fund_change": "Y" if fresh else "N",
            "refund_fee": _yuan(trade.refunded_fen),
            **_BUYER,
        }

    def _query_refund(self, biz: Biz, _notify_url: str | None) -> Inner:
        trade, number = self._existing(biz), str(biz["out_request_no"])
        facts: Inner = {"trade_no": trade.trade_no, "out_trade_no": trade.out_trade_no}
        if number not in trade.refunds:
            return facts
        return {
            **facts,
            "out_request_no": number,
            "total_amount": _yuan(trade.total_fen),
            "refund_amount": _yuan(trade.refunds[number]),
            "refund_status": "REFUND_SUCCESS",
        }

    def _query_bill(self, biz: Biz, _notify_url: str | None) -> Inner:
        if biz["bill_type"] != "trade":
            raise ValueError("bill_type")
        day = date.fromisoformat(str(biz["bill_date"]))
        if not self.bills.is_ready(day):
            raise Refused("isp.bill_not_exist", "账单不存在")
        return {"bill_download_url": f"{self.qr_base}/bills/{self.bills.tell_address(day)}"}

    def _transfer(self, biz: Biz, _notify_url: str | None) -> Inner:
        if (biz["product_code"], biz["biz_scene"]) != ("TRANS_ACCOUNT_NO_PWD", "DIRECT_TRANSFER"):
            raise ValueError("product_code")
        try:
            return self.transfers.send(str(biz["out_biz_no"]), _fen(biz["trans_amount"]), biz["payee_info"])
        except TransferRefused as refused:
            raise Refused(refused.sub_code, refused.sub_msg) from None

    def _query_transfer(self, biz: Biz, _notify_url: str | None) -> Inner:
        try:
            return self.transfers.query(str(biz["out_biz_no"]))
        except TransferRefused as refused:
            raise Refused(refused.sub_code, refused.sub_msg) from None

    def _existing(self, biz: Biz) -> Trade:
        trade = self.trades.find(biz.get("out_trade_no"), biz.get("trade_no"))
        if trade is None or not trade.exists:
            raise Refused("ACQ.TRADE_NOT_EXIST", "交易不存在")
        return trade

    def _facts(self, trade: Trade) -> Inner:
        total = _yuan(trade.told)
        return {
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "total_amount": total,
            "receipt_amount": total,
            "buyer_pay_amount": total,
            "invoice_amount": total,
            "point_amount": "0.00",
            "seller_id": SELLER_ID,
            "fund_bill_list": [{"amount": total, "fund_channel": "ALIPAYACCOUNT"}] if trade.is_paid else [],
            **_BUYER,
        }


def _number(biz: Biz) -> str:
    number = biz["out_trade_no"]
    if not isinstance(number, str) or not re.fullmatch(r"[0-9A-Za-z_]{1,64}", number):
        raise ValueError("out_trade_no")
    return number


def _fen(yuan: Any) -> int:
    """An amount is text with at most two decimals; a number in the JSON is refused, as floats are no money."""
    match = _AMOUNT.fullmatch(yuan) if isinstance(yuan, str) else None
    fen = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else 0
    if fen <= 0:
        raise ValueError("amount")
    return fen


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


def _life(biz: Biz) -> timedelta:
    text = biz.get("qr_code_timeout_express") or biz.get("timeout_express")
    if text is None:
        return _LIFE_DEFAULT
    match = _LIFE.fullmatch(str(text))
    if match is None:
        raise ValueError("timeout_express")
    return int(match[1]) * _UNITS[match[2]]
