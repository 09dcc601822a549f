"""What Alipay's answers mean, in our words. Pure: the tests try every code without a gateway.

Code 10000 is success, 10003 awaits the payer, 20000 is unknown, 40002 a mistake of ours, 40004 a refusal with a
`sub_code`. Whatever is not understood is a MISS: asking again is always right, guessing never.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from payments.channels.channel import Heard, Word

Answer = Mapping[str, Any]

OK: Final = "10000"
AWAITS_PAYER: Final = "10003"
NOT_THERE: Final = "ACQ.TRADE_NOT_EXIST"
# Refusals of trade.pay after which the money may have moved all the same.
_UNDECIDED: Final = frozenset({"ACQ.SYSTEM_ERROR", "AOP.ACQ.SYSTEM_ERROR", "ACQ.TRADE_HAS_SUCCESS"})
TRANSFER_NOT_THERE: Final = "ORDER_NOT_EXIST"
_TRANSFER_UNDER_WAY: Final = frozenset({"DEALING", "WAIT_PAY", "INIT"})
# Refusals of a transfer that are final by its documents: nothing was sent, nor will be under this name.
_TRANSFER_REFUSED: Final = frozenset(
    {
        "PAYEE_NOT_EXIST",
        "PAYEE_USERINFO_ERROR",
        "PAYEE_USER_INFO_ERROR",
        "PAYEE_ACC_OCUPIED",
        "PAYEE_CERTIFY_LEVEL_LIMIT",
        "PAYER_BALANCE_NOT_ENOUGH",
        "BALANCE_IS_NOT_ENOUGH",
        "EXCEED_LIMIT_SM_AMOUNT",
        "EXCEED_LIMIT_DM_AMOUNT",
        "EXCEED_LIMIT_MM_AMOUNT",
        "PERMIT_NON_BANK_LIMIT_PAYEE",
        "RECEIVE_ACCOUNT_EXCEED_LIMIT",
    }
)
_OF_STATUS: Final[Mapping[str, Word]] = {
    "WAIT_BUYER_PAY": Word.AWAIT,
    "TRADE_CLOSED": Word.CLOSE,
    "TRADE_SUCCESS": Word.PAY,
    "TRADE_FINISHED": Word.PAY,
}
_YUAN: Final = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?", re.ASCII)


def yuan_of(amount_fen: int) -> str:
    """`1800` -> `18.00`: the gateway's amounts are yuan as text, without separators."""
    yuan, fen = divmod(amount_fen, 100)
    return f"{yuan}.{fen:02d}"


def fen_of(yuan: object) -> int | None:
    """`18.00`, `18.0` and `18` -> `1800`; None for what is no amount. On the digits themselves, never by a float."""
    match = _YUAN.fullmatch(yuan) if isinstance(yuan, str) else None
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else None


def heard_of_status(status: object, said: Answer) -> Heard:
    """A trade's status with its amount. A paid trade without an amount that can be read is not understood."""
    word = _OF_STATUS.get(status) if isinstance(status, str) else None
    amount_fen = fen_of(said.get("total_amount"))
    if word is None or (word is Word.PAY and amount_fen is None):
        return _miss(said)
    return Heard(word, amount_fen, _text(said.get("trade_no")), detail=str(status))


def heard_of_preparing(answer: Answer | None) -> Heard:
    """trade.precreate: the QR code, or a refusal."""
    if answer is None:
        return _miss({})
    qr_text = _text(answer.get("qr_code"))
    if answer.get("code") == OK and qr_text:
        return Heard(Word.AWAIT, qr_text=qr_text)
    return _refused(answer)


def heard_of_charging(answer: Answer | None) -> Heard:
    """trade.pay: paid, awaiting the payer, refused, or unknown."""
    if answer is None:
        return _miss({})
    if answer.get("code") == OK:
        return heard_of_status("TRADE_SUCCESS", answer)
    if answer.get("code") == AWAITS_PAYER:
        return Heard(Word.AWAIT, trade_no=_text(answer.get("trade_no")), detail=AWAITS_PAYER)
    return _refused(answer)


def heard_of_asking(answer: Answer | None) -> Heard:
    """trade.query. That it cannot say is never a refusal of the payment."""
    if answer is None:
        return _miss({})
    if answer.get("code") == OK:
        return heard_of_status(answer.get("trade_status"), answer)
    if answer.get("sub_code") == NOT_THERE:
        return Heard(Word.NOT_THERE, detail=NOT_THERE)
    return _miss(answer)


def heard_of_closing(answer: Answer | None) -> Heard:
    """trade.close. What it never knew is closed to it; a trade that was paid meanwhile is asked about again."""
    if answer is None:
        return _miss({})
    if answer.get("code") == OK or answer.get("sub_code") == NOT_THERE:
        return Heard(Word.CLOSE, detail=_detail(answer))
    return _miss(answer)


def heard_of_cancelling(answer: Answer | None) -> Heard:
    """trade.cancel: done only when it says itself that there is nothing to try again."""
    if answer is None:
        return _miss({})
    if answer.get("code") == OK and answer.get("retry_flag") == "N":
        return Heard(Word.CANCEL, trade_no=_text(answer.get("trade_no")), detail=str(answer.get("action", "")))
    return _miss(answer)


def heard_of_refunding(answer: Answer | None, amount_fen: int) -> Heard:
    """trade.refund. `fund_change` says whether this very call has moved money; without it, the query knows."""
    if answer is None:
        return _miss({})
    if answer.get("code") == OK and answer.get("fund_change") == "Y":
        return Heard(Word.PAY, amount_fen, _text(answer.get("trade_no")), detail="fund_change Y")
    return _miss(answer) if answer.get("code") == OK else _refused(answer)


def heard_of_asking_refund(answer: Answer | None) -> Heard:
    """trade.fastpay.refund.query. A known trade without this refund: it was never made, and may be asked for again."""
    if answer is None or answer.get("code") != OK:
        return _miss(answer or {})
    if answer.get("refund_status") == "REFUND_SUCCESS":
        amount_fen = fen_of(answer.get("refund_amount"))
        if amount_fen is None:
            return _miss(answer)
        return Heard(Word.PAY, amount_fen, _text(answer.get("trade_no")), detail="REFUND_SUCCESS")
    return Heard(Word.NOT_THERE, detail="no such refund") if "refund_status" not in answer else _miss(answer)


def heard_of_transferring(answer: Answer | None, amount_fen: int) -> Heard:
    """fund.trans.uni.transfer. Refused is only what is certain not to have moved; of all else the query knows."""
    if answer is None:
        return _miss({})
    if answer.get("code") == OK and answer.get("status") == "SUCCESS":
        return Heard(Word.PAY, amount_fen, _text(answer.get("order_id")), detail="SUCCESS")
    if answer.get("code") == OK and answer.get("status") in _TRANSFER_UNDER_WAY:
        return Heard(Word.AWAIT, trade_no=_text(answer.get("order_id")), detail=str(answer.get("status")))
    if answer.get("code") == "40004" and answer.get("sub_code") in _TRANSFER_REFUSED:
        return Heard(Word.REFUSE, detail=_detail(answer))
    return _miss(answer)


def heard_of_asking_transfer(answer: Answer | None) -> Heard:
    """fund.trans.common.query. REFUND, money that came back later, is for a person: it left once."""
    if answer is None:
        return _miss({})
    if answer.get("sub_code") == TRANSFER_NOT_THERE:
        return Heard(Word.NOT_THERE, detail=TRANSFER_NOT_THERE)
    status, amount_fen = answer.get("status"), fen_of(answer.get("trans_amount"))
    if answer.get("code") != OK:
        return _miss(answer)
    if status == "SUCCESS" and amount_fen is not None:
        return Heard(Word.PAY, amount_fen, _text(answer.get("order_id")), detail="SUCCESS")
    if status in ("FAIL", "CLOSED"):
        return Heard(Word.REFUSE, detail=f"{status} {answer.get('error_code', '')}".strip())
    return Heard(Word.AWAIT, detail=str(status)) if status in _TRANSFER_UNDER_WAY else _miss(answer)


def _refused(answer: Answer) -> Heard:
    if answer.get("code") in ("40002", "40004", "40006") and answer.get("sub_code") not in _UNDECIDED:
        return Heard(Word.REFUSE, detail=_detail(answer))
    return _miss(answer)


def _miss(answer: Answer) -> Heard:
    return Heard(Word.MISS, detail=_detail(answer))


def _detail(answer: Answer) -> str:
    return f"{answer.get('code', '')} {answer.get('sub_code', '')}".strip()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
