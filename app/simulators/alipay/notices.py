"""What Alipay comes to tell by itself: a signed form to the address that the order named, again until it is heard.

Alipay comes again after 4 and 10 minutes, 10 minutes, 1, 2, 6 and 15 hours; here a minute takes a second.
"""

import asyncio
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from app.simulators.alipay import wire
from app.simulators.alipay.keys import APP_ID, SELLER_ID
from app.simulators.alipay.trades import Trade, china_time
from kernel import clock

log = structlog.get_logger(__name__)

RETRIES_S: Final = (4.0, 10.0, 10.0, 60.0, 120.0, 360.0, 900.0)
_TIMEOUT_S: Final = 15


@dataclass(frozen=True)
class Telling:
    """How a notice is told. As it should be, unless something is asked for."""

    times: int = 1
    delay_s: float = 0.0
    drop: bool = False
    forge: bool = False
    # After it, the older notice that the trade waits: as if it had been held up on its way.
    reorder: bool = False


AS_IT_SHOULD_BE: Final = Telling()


class Notices:
    """Those that are on their way."""

    def __init__(self, key: RSAPrivateKey, *, retries_s: tuple[float, ...] = RETRIES_S) -> None:
        self._key = key
        self._retries_s = retries_s
        self._on_their_way: set[asyncio.Task[None]] = set()

    def tell(self, trade: Trade, telling: Telling = AS_IT_SHOULD_BE, **also: str) -> list["asyncio.Task[None]"]:
        """Send it off; returns what is on its way, for whoever wants to wait until it was heard."""
        if telling.drop or not trade.notify_url:
            return []
        forms = [self.form(trade, **also)] * telling.times
        if telling.reorder:
            forms.append(self.form(trade, trade_status="WAIT_BUYER_PAY"))
        if telling.forge:
            forms = [_forged(form) for form in forms]
        started = [asyncio.create_task(self._bring(trade.notify_url, form, telling)) for form in forms]
        for task in started:
            self._on_their_way.add(task)
            task.add_done_callback(self._on_their_way.discard)
        return started

    async def stop(self) -> None:
        """Forget what is on its way."""
        for task in list(self._on_their_way):
            task.cancel()
        await asyncio.gather(*self._on_their_way, return_exceptions=True)

    def form(self, trade: Trade, **also: str) -> dict[str, str]:
        """The signed fields."""
        total = f"{trade.told // 100}.{trade.told % 100:02d}"
        fields = {
            "notify_id": secrets.token_hex(17),
            "notify_time": china_time(clock.now().isoformat()),
            "notify_type": "trade_status_sync",
            "app_id": APP_ID,
            "auth_app_id": APP_ID,
            "charset": "utf-8",
            "version": "1.0",
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "seller_id": SELLER_ID,
            "trade_status": trade.status,
            "total_amount": total,
            "receipt_amount": total,
            "buyer_pay_amount": total,
            "subject": trade.subject,
            "buyer_id": "2088000000000099",
            "fund_bill_list": f'[{{"amount":"{total}","fundChannel":"ALIPAYACCOUNT"}}]',
            "gmt_create": china_time(trade.created_at),
            "gmt_payment": china_time(trade.paid_at),
            **also,
        }
        return wire.signed_notice({name: value for name, value in fields.items() if value}, self._key)

    async def _bring(self, url: str, form: dict[str, str], telling: Telling) -> None:
        await asyncio.sleep(telling.delay_s)
        for wait_s in (0.0, *self._retries_s):
            await asyncio.sleep(wait_s)
            heard = await asyncio.to_thread(post_form, url, form)
            log.info("alipay_simulator.notice", order=form["out_trade_no"], status=form["trade_status"], answer=heard)
            if heard == "success" or telling.forge:
                return


def _forged(form: dict[str, str]) -> dict[str, str]:
    """One digit of the amount another than what was signed."""
    last = form["total_amount"][-1]
    return {**form, "total_amount": form["total_amount"][:-1] + str((int(last) + 1) % 10)}


def post_form(url: str, form: dict[str, str]) -> str:
    """Post and read the answer; what could not be reached is told in words."""
    request = urllib.request.Request(url, urlencode(form).encode(), method="POST")  # noqa: S310  the product gave it
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310  as above
            text: str = answer.read(200).decode("utf-8", "replace")
            return text
    except urllib.error.HTTPError as error:
        error.close()
        return f"HTTP {error.code}"
    except OSError as error:
        return str(error)
