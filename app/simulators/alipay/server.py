"""The process: the gateway at /gateway.do, the control address for programs, and the page for people."""

import asyncio
import signal
import socket
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.problems import NotForProduction
from app.readiness import tell_ready
from app.simulators.alipay import page, wire
from app.simulators.alipay.gateway import Gateway, invalid
from app.simulators.alipay.keys import APP_ID, SELLER_ID, Keys, ensure_keys
from app.simulators.alipay.misbehaviour import TIMEOUT_S, Fault, Misbehaviour
from app.simulators.alipay.notices import RETRIES_S, Notices, Telling
from app.simulators.alipay.phone import Phone
from app.simulators.alipay.trades import CHINA, PREPARED, WAITING, Trade, Trades
from kernel import clock
from kernel.logging import configure_logging
from kernel.settings import Settings

log = structlog.get_logger(__name__)

_CLOCKS_APART_MAX: Final = timedelta(minutes=15)
_UNKNOWN: Final = {"code": "20000", "msg": "Service Currently Unavailable", "sub_code": "isp.unknow-error"}
_CONTENT_TYPE: Final = "text/html;charset=utf-8"  # As Alipay has it.
_LATE_S: Final = 10.0


class AlipaySimulator:
    """All parts together; `app` is what serves them."""

    def __init__(
        self, keys: Keys, base_url: str, *, file: Path | None = None, retries_s: tuple[float, ...] = RETRIES_S
    ) -> None:
        self.keys = keys
        self.trades = Trades(file)
        self.notices = Notices(keys.alipay, retries_s=retries_s)
        self.phone = Phone()
        self.misbehaviour = Misbehaviour()
        self.gateway = Gateway(self.trades, self.notices, self.phone, base_url)
        self.base_url = base_url
        self.app = Starlette(
            routes=[
                Route("/gateway.do", self.answer_call, methods=["GET", "POST"]),
                Route("/pay", self.pay, methods=["POST"]),
                Route("/auth_codes", self.make_code, methods=["POST"]),
                Route("/faults", self.set_fault, methods=["POST"]),
                Route("/faults", self.clear_faults, methods=["DELETE"]),
                Route("/bills/{token}", self.download_bill),
                Route("/bill_faults", self.set_bill_fault, methods=["POST"]),
                Route("/bill_faults", self.clear_bill_faults, methods=["DELETE"]),
                Route("/", self.show_home),
                Route("/codes", self.make_code_by_page, methods=["POST"]),
                Route("/faults/set", self.set_fault_by_page, methods=["POST"]),
                Route("/confirm/{auth_code}", self.confirm_by_page, methods=["POST"]),
                Route("/qr/{token}", self.show_scanned),
                Route("/qr/{token}", self.pay_by_page, methods=["POST"]),
            ],
            exception_handlers={ValueError: _tell_mistake, KeyError: _tell_mistake, TypeError: _tell_mistake},
        )

    # ---- the gateway

    async def answer_call(self, request: Request) -> Response:
        """One signed call."""
        parameters = dict(request.query_params)
        if request.method == "POST":
            parameters |= {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
        method = parameters.get("method", "")
        mistake = self._mistake_of(parameters)
        if mistake is not None:
            return self._signed(method, mistake)
        fault = self.misbehaviour.take(method)
        inner = self.gateway.answer(parameters) if fault is None or fault.acts else _UNKNOWN
        log.info("alipay_simulator.call", method=method, code=inner.get("code"), sub_code=inner.get("sub_code"))
        if fault is None:
            return self._signed(method, inner)
        return await self._answer_badly(method, inner, fault)

    def _mistake_of(self, parameters: dict[str, str]) -> dict[str, Any] | None:
        """What is wrong with a call before anybody looks at what it asks."""
        wrongs = (
            (parameters.get("app_id") != APP_ID, "isv.invalid-app-id", "无效的AppID参数"),
            (parameters.get("sign_type") != "RSA2", "isv.invalid-signature-type", "无效签名类型"),
            (parameters.get("charset", "").lower() != "utf-8", "isv.invalid-charset", "字符集错误"),
            (not wire.is_signed(parameters, self.keys.app.public_key()), "isv.invalid-signature", "无效签名"),
            (not _is_of_now(parameters.get("timestamp", "")), "isv.invalid-timestamp", "非法的时间戳参数"),
        )
        return next((invalid(code, words) for wrong, code, words in wrongs if wrong), None)

    def _signed(self, method: str, inner: dict[str, Any]) -> Response:
        return Response(wire.signed_answer(method, inner, self.keys.alipay), media_type=_CONTENT_TYPE)

    async def _answer_badly(self, method: str, inner: dict[str, Any], fault: Fault) -> Response:
        """As the switch says; what was asked has been done by now."""
        await asyncio.sleep(fault.delay_s if fault.answer != "timeout" else fault.delay_s or TIMEOUT_S)
        text = wire.signed_answer(method, inner, self.keys.alipay)
        match fault.answer:
            case "unknown":
                return self._signed(method, _UNKNOWN)
            case "error_500":
                return Response("<h1>500</h1>", 500, media_type="text/html")
            case "bad_signature":
                at = text.rindex('"sign":"') + 20
                return Response(
                    text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :], media_type=_CONTENT_TYPE
                )
            case "truncated":
                return Response(text[: text.rindex('"sign":"') // 2], media_type=_CONTENT_TYPE)
            case "unbalanced":
                # Valid, and yet a client that counts braces without looking at quotes cannot verify it.
                return self._signed(method, {**inner, "body": "a { in a text"})
        return Response(text, media_type=_CONTENT_TYPE)

    # ---- the control address, for programs

    async def pay(self, request: Request) -> Response:
        """The payer scans and pays; or, by a payment code, enters the password that the till waits for."""
        body = await request.json()
        trade = self._trade_of(str(body["qr_text"]))
        if trade is None:
            return JSONResponse({"error": "there is no such code"}, 404)
        if trade.status not in (PREPARED, WAITING) or (trade.is_expired and not body.get("late")):
            return JSONResponse({"error": f"it cannot be paid: {trade.status}", "expired": trade.is_expired}, 409)
        order = body.get("order", "answer_first")
        if order not in ("notify_first", "answer_first"):
            raise ValueError("order: notify_first or answer_first")
        told_fen = int(body["amount_fen"]) if body.get("amount_fen") is not None else None
        telling = Telling(
            times=max(1, min(int(body.get("times", 1)), 1000)),
            delay_s=float(body.get("delay_s", 0)),
            drop=bool(body.get("drop_notify")),
            forge=bool(body.get("forge")),
            reorder=bool(body.get("reorder")),
        )
        brought = self._pay(trade, told_fen, telling)
        if order == "notify_first":
            await asyncio.gather(*brought)
        return JSONResponse(
            {"out_trade_no": trade.out_trade_no, "trade_no": trade.trade_no, "trade_status": trade.status}
        )

    def _pay(self, trade: Trade, told_fen: int | None, telling: Telling) -> list["asyncio.Task[None]"]:
        trade.pay(told_fen)
        self.trades.keep()
        return self.notices.tell(trade, telling)

    def _trade_of(self, qr_text: str) -> Trade | None:
        return self.trades.find_by_qr(qr_text.rpartition("/")[2]) or self.trades.find_by_auth_code(qr_text)

    async def make_code(self, request: Request) -> Response:
        """A payment code for a till to scan: `{"behaviour": pay | wait | unknown | unknown_unpaid | refuse}`."""
        body = await request.json()
        return JSONResponse({"auth_code": self.phone.new_code(str(body.get("behaviour", "pay")))}, 201)

    async def set_fault(self, request: Request) -> Response:
        """`{"answer", "method"?, "count"?, "delay_s"?, "acts"?}` for the calls to come."""
        return JSONResponse(vars(self.misbehaviour.set(await request.json())), 201)

    async def clear_faults(self, _request: Request) -> Response:
        self.misbehaviour.clear()
        return JSONResponse({})

    # ---- bills

    async def download_bill(self, request: Request) -> Response:
        """By an address that was told less than 30 seconds ago."""
        found = self.gateway.bills.download(request.path_params["token"])
        if found is None:
            return Response("<h1>403</h1>", 403, media_type="text/html")
        day, content = found
        headers = {"Content-Disposition": f'attachment; filename="{SELLER_ID}_{day:%Y%m%d}.csv.zip"'}
        return Response(content, headers=headers, media_type="application/zip")

    async def set_bill_fault(self, request: Request) -> Response:
        """`{"bill": missing | doubled | ..., "day"?: "2026-11-23"}`; stays until it is cleared."""
        body = await request.json()
        self.gateway.bills.set_fault(str(body["bill"]), body.get("day"))
        return JSONResponse(self.gateway.bills.faults_told, 201)

    async def clear_bill_faults(self, _request: Request) -> Response:
        self.gateway.bills.faults.clear()
        return JSONResponse({})

    # ---- the page, for people

    async def show_home(self, request: Request) -> Response:
        return HTMLResponse(
            page.home_page(
                _language(request),
                self.trades,
                self.phone.behaviours,
                [fault.answer for fault in self.misbehaviour.faults],
            )
        )

    async def show_scanned(self, request: Request) -> Response:
        """To open the address in the code is to scan it: from now on there is a trade."""
        trade = self.trades.find_by_qr(request.path_params["token"])
        if trade is None:
            return HTMLResponse(page.message_page(_language(request), "没有这个码", "There is no such code"), 404)
        if trade.status == PREPARED:
            trade.status = WAITING
            self.trades.keep()
        return HTMLResponse(page.pay_page(_language(request), trade))

    async def pay_by_page(self, request: Request) -> Response:
        trade = self.trades.find_by_qr(request.path_params["token"])
        form = await request.form()
        language = "en" if form.get("lang") == "en" else "zh"
        if trade is None:
            return HTMLResponse(page.message_page(language, "没有这个码", "There is no such code"), 404)
        if trade.status in (PREPARED, WAITING) and not trade.is_expired:
            manner = form.get("manner")
            told_fen = trade.total_fen + 1 if manner == "lie" else None
            self._pay(trade, told_fen, _telling_of(str(manner)))
        return RedirectResponse(f"/qr/{trade.qr_token}?lang={language}", 303)

    async def make_code_by_page(self, request: Request) -> Response:
        form = await request.form()
        self.phone.new_code(str(form.get("behaviour")))
        return _home(form.get("lang"))

    async def confirm_by_page(self, request: Request) -> Response:
        """The guest enters the password that the till waits for."""
        trade = self.trades.find_by_auth_code(request.path_params["auth_code"])
        if trade is not None and trade.status == WAITING:
            self._pay(trade, None, Telling())
        return _home((await request.form()).get("lang"))

    async def set_fault_by_page(self, request: Request) -> Response:
        form = await request.form()
        self.misbehaviour.set({"answer": form.get("answer")})
        return _home(form.get("lang"))


def _is_of_now(timestamp: str) -> bool:
    try:
        at = datetime.strptime(timestamp, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA)
    except ValueError:
        return False
    return abs(clock.now() - at) <= _CLOCKS_APART_MAX


def _telling_of(manner: str) -> Telling:
    return {
        "late": Telling(delay_s=_LATE_S),
        "thrice": Telling(times=3),
        "reorder": Telling(reorder=True),
        "drop": Telling(drop=True),
        "forge": Telling(forge=True),
    }.get(manner, Telling())


def _home(language: object) -> Response:
    return RedirectResponse(f"/?lang={'en' if language == 'en' else 'zh'}", 303)


def _language(request: Request) -> str:
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "")
    return "en" if asked.lower().startswith("en") else "zh"


async def _tell_mistake(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


def simulator_url(listener: socket.socket) -> str:
    """Where a listening socket is reached."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def serve(settings: Settings, *, fd: int | None) -> int:
    """Until SIGTERM, on loopback only. Returns the exit status."""
    if settings.production:
        raise NotForProduction("GUANJIA_PRODUCTION is on: the simulated Alipay does not run in production mode.")
    configure_logging(process="alipay", as_json=settings.log_json)
    listener = socket.socket(fileno=fd) if fd is not None else socket.create_server(("127.0.0.1", 0))
    keys = ensure_keys(settings.data_dir)
    simulator = AlipaySimulator(
        keys, simulator_url(listener), file=settings.data_dir / "simulators" / "alipay" / "trades.json"
    )
    server = uvicorn.Server(uvicorn.Config(simulator.app, log_config=None, access_log=False, lifespan="off"))
    # uvicorn ends in order and then raises the signal a second time; being told to stop is no failure.
    for stop_signal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop_signal, lambda *_: None)

    async def run() -> None:
        tell_ready()
        if fd is None:
            log.info("alipay_simulator.listens", url=simulator.base_url)
        try:
            await server.serve(sockets=[listener])
        finally:
            await simulator.notices.stop()

    asyncio.run(run())
    return 0
