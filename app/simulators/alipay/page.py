"""What a person sees: the payer's phone, with its misbehaviour to choose, and the last trades. Plain HTML, both languages."""

import io
from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

import qrcode
import qrcode.image.svg

from app.simulators.alipay.trades import CLOSED, PAID, PREPARED, WAITING, Trade, china_time

# How a payment by the page can go: name, Chinese, English.
MANNERS: Final = (
    ("normal", "正常付款", "As it should be"),
    ("late", "通知晚 10 秒到", "The notice comes 10 seconds late"),
    ("thrice", "同一通知来三次", "The same notice comes three times at once"),
    ("reorder", "旧通知后到", "An older notice arrives after the newer one"),
    ("drop", "通知丢失，永不到达", "The notice is lost for good"),
    ("forge", "通知被改过一个字", "One digit of the notice was changed on its way"),
    ("lie", "谎报金额（多一分）", "It tells of one fen more than was paid"),
)
CODES: Final = (
    ("pay", "立即付款", "Pays at once"),
    ("wait", "要输密码", "Asks for the password first"),
    ("unknown", "已付款，答复丢失", "Pays, and the answer is lost"),
    ("unknown_unpaid", "未付款，答复不明", "Does not pay, and the answer is unclear"),
    ("refuse", "余额不足", "Has no money"),
)
FAULTS: Final = (
    ("unknown", "答“未知”（20000）", "Answers “unknown” (20000)"),
    ("timeout", "不答复", "Does not answer"),
    ("error_500", "答 500", "Answers 500"),
    ("bad_signature", "签名是错的", "Signs wrongly"),
    ("truncated", "答复只有一半", "Sends half of its answer"),
)
_STATUS: Final = {
    PREPARED: ("未扫码", "not scanned yet"),
    WAITING: ("等待付款", "waiting for the payer"),
    PAID: ("已付款", "paid"),
    CLOSED: ("已关闭", "closed"),
}
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b2733;--soft:#586673;--paper:#f2f6fb;--card:#fff;--line:#d9e1ea;--blue:#0d5fd0;--on:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e7edf4;--soft:#a3b1bf;--paper:#0e151d;--card:#17212c;--line:#2b3947;--blue:#7db4ff;--on:#08131f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 "PingFang SC","Noto Sans SC","Noto Sans CJK SC",system-ui,sans-serif}
header{display:flex;align-items:center;gap:12px;max-width:560px;margin:0 auto;padding:16px}
header strong{flex:1;font-size:20px}
header a,td a{color:var(--blue)}
main{display:grid;gap:16px;max-width:560px;margin:0 auto;padding:0 16px 40px}
section{padding:20px;border-radius:14px;background:var(--card);border:1px solid var(--line)}
h1,h2{margin:0 0 8px;font-size:18px}
p{margin:4px 0}
.soft{color:var(--soft);font-size:14px}
.sum{margin:8px 0 16px;font-size:44px;font-weight:650;line-height:1.15;font-variant-numeric:tabular-nums}
fieldset{display:grid;margin:0 0 16px;padding:0;border:0}
legend{padding:0;margin-bottom:4px;color:var(--soft);font-size:14px}
label{display:flex;align-items:center;gap:10px;min-height:44px;border-bottom:1px solid var(--line);cursor:pointer}
label:last-child{border-bottom:0}
input[type=radio]{width:20px;height:20px;margin:0;accent-color:var(--blue);flex:none}
button{width:100%;min-height:52px;border:0;border-radius:12px;background:var(--blue);color:var(--on);font:inherit;font-weight:600;cursor:pointer}
button.plain{background:none;border:1px solid var(--blue);color:var(--blue)}
button:focus-visible,a:focus-visible,input:focus-visible{outline:3px solid var(--blue);outline-offset:2px}
table{width:100%;border-collapse:collapse;font-size:14px}
td,th{padding:8px 8px 8px 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400;vertical-align:top}
.code{margin:12px 0;font:600 20px/1.4 ui-monospace,monospace;letter-spacing:.06em;overflow-wrap:anywhere}
.qr{width:180px;margin:12px 0;padding:4px;border-radius:8px;background:#fff}
.qr svg{display:block;width:100%;height:auto}
.done{border-left:6px solid var(--blue)}
"""


class Words:
    """Chooses the language."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, zh: str, en: str) -> str:
        return escape(en if self.language == "en" else zh)


def _frame(say: Words, body: str, here: str) -> str:
    other = "zh" if say.language == "en" else "en"
    title = say("模拟支付宝", "Simulated Alipay")
    return (
        f'<!doctype html><html lang="{"en" if say.language == "en" else "zh-CN"}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><header><strong>{title}</strong>"
        f'<a href="/?lang={say.language}">{say("全部", "All")}</a>'
        f'<a href="{here}?lang={other}" lang="{"zh-CN" if other == "zh" else "en"}">'
        f"{'中文' if other == 'zh' else 'English'}</a></header><main>{body}</main></body></html>"
    )


def home_page(language: str, trades: Iterable[Trade], codes: Mapping[str, str], faults: Iterable[str] = ()) -> str:
    """The last trades, a payment code for a till, and the gateway's switches."""
    say = Words(language)
    lang = f'<input type="hidden" name="lang" value="{language}">'
    lead = say(
        "这里没有真钱。它说的是支付宝真实的签名协议，并且会按您的要求出错。",
        "No money is real here. It speaks Alipay's real signed protocol, and fails on request.",
    )
    code = "".join(_code_card(say, digits, kind) for digits, kind in list(codes.items())[-1:])
    return _frame(
        say,
        f'<p class="soft">{lead}</p>'
        f"<section><h2>{say('付款码', 'Payment code')}</h2>"
        f'<p class="soft">{say("给消费机扫的码，只能用一次。", "For a till to scan; good once.")}</p>{code}'
        f'<form method="post" action="/codes">{lang}{_choices("behaviour", say("扫了以后", "Once scanned, it"), CODES, say)}'
        f"<button>{say('生成付款码', 'Make a payment code')}</button></form></section>"
        f"<section><h2>{say('最近的交易', 'Last trades')}</h2>{_table(say, trades)}</section>"
        f"<section><h2>{say('网关故障', 'Faults of the gateway')}</h2>"
        f'<p class="soft">{say("下一次调用照办，然后：", "The next call is done as asked, and then it:")}</p>{_set(say, faults)}'
        f'<form method="post" action="/faults/set">{lang}{_choices("answer", "", FAULTS, say)}'
        f'<button class="plain">{say("让下一次调用出错", "Let the next call fail")}</button></form></section>',
        "/",
    )


def pay_page(language: str, trade: Trade) -> str:
    """The payer's phone after a scan."""
    say = Words(language)
    here = f"/qr/{trade.qr_token}"
    if trade.status != WAITING or trade.is_expired:
        status = ("已过期", "expired") if trade.status == WAITING else _STATUS.get(trade.status, (trade.status,) * 2)
        return _frame(
            say,
            f'<section class="done" role="status"><h1>{say(*status)}</h1>{_sum(trade)}<p>{escape(trade.subject)}</p>'
            f'<p class="soft">{escape(trade.out_trade_no)}</p></section>',
            here,
        )
    return _frame(
        say,
        f"<section><h1>{say('付款', 'Pay')}</h1><p>{escape(trade.subject)}</p>{_sum(trade)}"
        f'<form method="post" action="{here}"><input type="hidden" name="lang" value="{language}">'
        f"{_choices('manner', say('这一次', 'This time'), MANNERS, say)}"
        f"<button>{say('用支付宝付', 'Pay as Alipay')}</button></form>"
        f'<p class="soft">{escape(trade.out_trade_no)}</p></section>',
        here,
    )


def message_page(language: str, zh: str, en: str) -> str:
    """One sentence."""
    say = Words(language)
    return _frame(say, f'<section class="done" role="status"><h1>{say(zh, en)}</h1></section>', "/")


def _choices(name: str, legend: str, options: tuple[tuple[str, str, str], ...], say: Words) -> str:
    labels = "".join(
        f'<label><input type="radio" name="{name}" value="{value}"{" checked" if at == 0 else ""}>{say(zh, en)}</label>'
        for at, (value, zh, en) in enumerate(options)
    )
    return f"<fieldset><legend>{legend}</legend>{labels}</fieldset>"


def _set(say: Words, faults: Iterable[str]) -> str:
    """The switches that wait for a call."""
    named = [say(zh, en) for answer in faults for value, zh, en in FAULTS if value == answer]
    return f'<p role="status"><strong>{say("已设：", "Set: ")}</strong>{" · ".join(named)}</p>' if named else ""


def _code_card(say: Words, digits: str, kind: str) -> str:
    words = next((zh, en) for value, zh, en in CODES if value == kind)
    spaced = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
    return f'<div class="qr">{_svg(digits)}</div><p class="code">{spaced}</p><p class="soft">{say(*words)}</p>'


def _table(say: Words, trades: Iterable[Trade]) -> str:
    rows = "".join(_row(say, trade) for trade in list(trades)[:-11:-1])
    if not rows:
        hint = (
            "还没有。在手机页上充值，或让消费机扫付款码。",
            "None yet. Top up on the phone page, or let a till scan a code.",
        )
        return f'<p class="soft">{say(*hint)}</p>'
    heads = f"<tr><th>{say('金额', 'Amount')}</th><th>{say('状态', 'Status')}</th><th>{say('时间', 'Time')}</th></tr>"
    return f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table>"


def _row(say: Words, trade: Trade) -> str:
    status = say(*_STATUS.get(trade.status, (trade.status,) * 2))
    if trade.status in (PREPARED, WAITING) and not trade.is_expired:
        if trade.auth_code:
            status += (
                f'<form method="post" action="/confirm/{trade.auth_code}"><input type="hidden" name="lang" '
                f'value="{say.language}"><button class="plain">{say("输入密码", "Enter the password")}</button></form>'
            )
        else:
            status = f'<a href="/qr/{trade.qr_token}?lang={say.language}">{status}</a>'
    return f"<tr><td>¥{_yuan(trade)}</td><td>{status}</td><td>{china_time(trade.created_at)[11:]}</td></tr>"


def _sum(trade: Trade) -> str:
    return f'<p class="sum">¥{_yuan(trade)}</p>'


def _yuan(trade: Trade) -> str:
    return f"{trade.total_fen // 100}.{trade.total_fen % 100:02d}"


def _svg(text: str) -> str:
    image = qrcode.make(text, image_factory=qrcode.image.svg.SvgPathImage, border=2)
    drawn = io.BytesIO()
    image.save(drawn)
    svg = drawn.getvalue().decode()
    return svg[svg.index("<svg") :]
