"""Alipay's gateway, through python-alipay-sdk.

The SDK is synchronous and opens a connection for each call, so it runs in threads of its own, few of them, each call
with a timeout. It raises for what it cannot verify, possibly after money has moved (an unbalanced brace inside a
signed string is enough), and a socket that is silent raises TimeoutError: all of that is one word, MISS.
"""

import asyncio
import binascii
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import httpx2
import structlog
from alipay import AliPay, DCAliPay  # type: ignore[import-untyped]  # the SDK has no types
from alipay.exceptions import AliPayException  # type: ignore[import-untyped]  # as above
from alipay.utils import AliPayConfig  # type: ignore[import-untyped]  # as above

from kernel import clock
from payments.channels import alipay_words as words
from payments.channels.alipay_bill import read_bill
from payments.channels.bill import Bill, BillAbsent
from payments.channels.channel import Heard, Notice, NoticeRefused

log = structlog.get_logger(__name__)

# The gateway's timestamps are China's, wherever the server stands.
CHINA: Final = ZoneInfo("Asia/Shanghai")
CALL_TIMEOUT_S: Final = 6.0
CALLS_AT_ONCE_MAX: Final = 16
NOTICE_FIELDS_MAX: Final = 100
BILL_BYTES_MAX: Final = 64 * 1024 * 1024
BILL_TIMEOUT_S: Final = 60.0
_BILL_NOT_THERE: Final = "isp.bill_not_exist"
_WITHOUT_BRACES: Final = str.maketrans("{}", "()")
_TIME: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class AlipayCertificates:
    """Ours, Alipay's own, and the chain of roots, as PEM: without them Alipay sends no money out."""

    app: str
    alipay: str
    root: str


@dataclass(frozen=True)
class AlipayAccount:
    """Who we are to Alipay, and how to know that it is Alipay who speaks. Keys are PEM, or the bare base64 of it."""

    app_id: str
    app_private_key: str
    alipay_public_key: str
    gateway: str
    notify_url: str | None = None
    seller_id: str | None = None
    # Where they are set, Alipay's public key is the one in its certificate.
    certificates: AlipayCertificates | None = None
    # Not by keys alone; the simulated Alipay does not ask.
    sends_money: bool = True


class AlipayChannel:
    """One account at Alipay."""

    name = "alipay"
    zone = CHINA

    def __init__(self, account: AlipayAccount, *, timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._account = account
        self.sends_money = account.sends_money
        self._timeout_s = timeout_s
        self._client = _client_of(account)
        # A silent socket is given up before the call as a whole is.
        self._client._config = AliPayConfig(timeout=timeout_s * 0.9)  # noqa: SLF001  only one of its two classes takes it
        self._client._gateway = account.gateway  # noqa: SLF001  the SDK knows only its own two gateways
        self._threads = ThreadPoolExecutor(CALLS_AT_ONCE_MAX, thread_name_prefix="alipay")

    def close_client(self) -> None:
        """Wait for nobody: what is still being asked is asked again by the worker."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def prepare(self, order_name: str, amount_fen: int, subject: str, expires_at: datetime) -> Heard:
        minutes = max(1, -(-int((expires_at - clock.now()).total_seconds()) // 60))
        asked = {
            "out_trade_no": order_name,
            "total_amount": words.yuan_of(amount_fen),
            "subject": subject,
            "timeout_express": f"{minutes}m",
        }
        return words.heard_of_preparing(await self._call("alipay.trade.precreate", asked, self._notify()))

    async def charge(self, order_name: str, amount_fen: int, subject: str, auth_code: str) -> Heard:
        asked = {
            "out_trade_no": order_name,
            "total_amount": words.yuan_of(amount_fen),
            "subject": subject,
            "scene": "bar_code",
            "auth_code": auth_code,
        }
        return words.heard_of_charging(await self._call("alipay.trade.pay", asked, self._notify()))

    async def ask(self, order_name: str) -> Heard:
        return words.heard_of_asking(await self._call("alipay.trade.query", {"out_trade_no": order_name}))

    async def close(self, order_name: str) -> Heard:
        return words.heard_of_closing(await self._call("alipay.trade.close", {"out_trade_no": order_name}))

    async def cancel(self, order_name: str) -> Heard:
        return words.heard_of_cancelling(await self._call("alipay.trade.cancel", {"out_trade_no": order_name}))

    async def refund(self, order_name: str, number: str, amount_fen: int, reason: str) -> Heard:
        asked = {
            "out_trade_no": order_name,
            "out_request_no": number,
            "refund_amount": words.yuan_of(amount_fen),
            # A brace in a signed text is what the SDK cannot verify.
            "refund_reason": reason.translate(_WITHOUT_BRACES)[:80],
        }
        return words.heard_of_refunding(await self._call("alipay.trade.refund", asked), amount_fen)

    async def ask_refund(self, order_name: str, number: str) -> Heard:
        asked = {"out_trade_no": order_name, "out_request_no": number}
        return words.heard_of_asking_refund(await self._call("alipay.trade.fastpay.refund.query", asked))

    async def fetch_bill(self, day: date) -> bytes:
        """Ask where the bill is, and fetch it within the 30 seconds that the address lives."""
        asked = {"bill_type": "trade", "bill_date": day.isoformat()}
        answer = await self._call("alipay.data.dataservice.bill.downloadurl.query", asked)
        url = (answer or {}).get("bill_download_url")
        if answer is None or not isinstance(url, str) or not url:
            sub_code = str((answer or {}).get("sub_code", ""))
            raise BillAbsent(sub_code or "no answer", not_ready=sub_code.lower() == _BILL_NOT_THERE)
        try:
            async with asyncio.timeout(BILL_TIMEOUT_S):
                return await _download(url)
        except (httpx2.HTTPError, TimeoutError, OSError) as error:
            raise BillAbsent(_short(error)) from error

    def read_bill(self, content: bytes, day: date) -> Bill:
        return read_bill(content, day, self._account.seller_id)

    async def transfer(self, order_name: str, amount_fen: int, account: str, name: str, title: str) -> Heard:
        asked = {
            "out_biz_no": order_name,
            "trans_amount": words.yuan_of(amount_fen),
            "product_code": "TRANS_ACCOUNT_NO_PWD",
            "biz_scene": "DIRECT_TRANSFER",
            "order_title": title,
            "payee_info": {"identity": account, "identity_type": "ALIPAY_LOGON_ID", "name": name},
        }
        return words.heard_of_transferring(await self._call("alipay.fund.trans.uni.transfer", asked), amount_fen)

    async def ask_transfer(self, order_name: str) -> Heard:
        asked = {"out_biz_no": order_name, "product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER"}
        return words.heard_of_asking_transfer(await self._call("alipay.fund.trans.common.query", asked))

    def _notify(self) -> dict[str, str]:
        return {"notify_url": self._account.notify_url} if self._account.notify_url else {}

    async def _call(
        self, method: str, asked: dict[str, Any], also: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """The inner object of the answer, its signature verified; None for anything else."""
        # Given to the SDK, which would write the server's own local time.
        timestamp = clock.now().astimezone(CHINA).strftime(_TIME)
        order = asked.get("out_trade_no") or asked.get("out_biz_no")
        call = partial(self._client.server_api, method, asked, timestamp=timestamp, **(also or {}))
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except Exception as error:  # noqa: BLE001  the border: whatever went wrong out there, we do not know
            log.warning("alipay.no_answer", method=method, order=order, error=_short(error))
            return None
        if not isinstance(answer, dict):
            return None
        log.info(
            "alipay.answer",
            method=method,
            order=order,
            code=answer.get("code"),
            sub_code=answer.get("sub_code"),
            status=answer.get("trade_status"),
        )
        return answer

    def read_notice(self, body: bytes) -> Notice:
        said = _fields_of(body)
        if not self._is_signed(said):
            raise NoticeRefused("the signature is not Alipay's")
        if said.get("app_id") != self._account.app_id:
            raise NoticeRefused("it is for another app")
        if self._account.seller_id and said.get("seller_id") != self._account.seller_id:
            raise NoticeRefused("it is for another seller")
        name, notice_id = said.get("out_trade_no"), said.get("notify_id")
        if not name or not notice_id:
            raise NoticeRefused("it names no order, or not itself")
        return Notice(notice_id, name, _heard_of_notice(said))

    def _is_signed(self, said: Mapping[str, str]) -> bool:
        signature = said.get("sign")
        if not signature or said.get("sign_type") != "RSA2":
            return False
        # A copy, because verify() takes sign_type out of what it is given.
        signed = {name: value for name, value in said.items() if name != "sign"}
        try:
            return bool(self._client.verify(signed, signature))
        except (AliPayException, binascii.Error, ValueError, TypeError):
            return False


def _heard_of_notice(said: Mapping[str, str]) -> Heard:
    """A refund's notice repeats TRADE_SUCCESS: that says nothing new. Its amount stays the order's."""
    return words.heard_of_status(said.get("trade_status"), said)


def _fields_of(body: bytes) -> dict[str, str]:
    """The form's fields; one that is given twice could be read one way here and another way in the signature."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=NOTICE_FIELDS_MAX,
        )
    except ValueError as error:
        raise NoticeRefused("it is not a form") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NoticeRefused("a field is given twice")
    if any("\0" in value for value in fields.values()):
        raise NoticeRefused("a field holds a NUL")
    return fields


async def _download(url: str) -> bytes:
    async with httpx2.AsyncClient(timeout=CALL_TIMEOUT_S) as client, client.stream("GET", url) as answer:
        if answer.status_code != 200:
            raise BillAbsent(f"download: {answer.status_code}")
        content = bytearray()
        async for part in answer.aiter_bytes():
            content += part
            if len(content) > BILL_BYTES_MAX:
                raise BillAbsent("download: more than 64 MB")
    return bytes(content)


def _client_of(account: AlipayAccount) -> Any:
    """The SDK's client, by certificates where there are any, else by bare keys."""
    private_key = _pem(account.app_private_key, "RSA PRIVATE KEY")
    held = account.certificates
    if held is None:
        public_key = _pem(account.alipay_public_key, "PUBLIC KEY")
        return AliPay(account.app_id, account.notify_url, private_key, public_key)
    return DCAliPay(account.app_id, private_key, held.app, held.alipay, held.root, app_notify_url=account.notify_url)


def _pem(key: str, label: str) -> str:
    """Alipay's own tools give keys as bare base64."""
    text = key.strip().replace("\\n", "\n")
    return text if text.startswith("-----BEGIN") else f"-----BEGIN {label}-----\n{text}\n-----END {label}-----"


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
