"""Robots of groups: DingTalk's with its signature, WeCom's with the key in its address. Text, and everybody called where it is urgent.

Both answer 200 whatever they think, and say it in `errcode`.
"""

import base64
import hmac
from typing import Any, Final
from urllib.parse import quote_plus

import msgspec

from kernel.outgoing import Tried
from realtime.reaching.wire import USER_AGENT, Came, Message, Outcome, Request, by_status, cut_to_bytes

_HEADERS: Final = {"content-type": "application/json; charset=utf-8", "user-agent": USER_AGENT}
_DINGTALK_BYTES_MAX: Final = 18_000
_WECOM_BYTES_MAX: Final = 2_048
# Busy, or too many in a minute; DingTalk then says nothing for ten.
_DINGTALK_LATER: Final = {-1: 5, 130101: 60, 130102: 60, 410100: 60}
_WECOM_LATER: Final = {-1: 5, 45009: 60, 45033: 60}


def dingtalk_signature(secret: str, timestamp_ms: int) -> str:
    """As DingTalk has it: HMAC-SHA256 with the secret over the time and the secret, base64, escaped for an address."""
    signed = f"{timestamp_ms}\n{secret}".encode()
    return quote_plus(base64.b64encode(hmac.new(secret.encode(), signed, "sha256").digest()))


def dingtalk_request(address: str, secret: str, message: Message, text: str, timestamp_ms: int) -> Request:
    """One text to a group, signed."""
    join = "&" if "?" in address else "?"
    url = f"{address}{join}timestamp={timestamp_ms}&sign={dingtalk_signature(secret, timestamp_ms)}"
    body = {
        "msgtype": "text",
        "text": {"content": cut_to_bytes(text, _DINGTALK_BYTES_MAX)},
        "at": {"isAtAll": message.is_urgent},
    }
    return Request(url, msgspec.json.encode(body), _HEADERS)


def wecom_request(address: str, message: Message, text: str) -> Request:
    """One text to a group; who has the address may write to it."""
    content: dict[str, Any] = {"content": cut_to_bytes(text, _WECOM_BYTES_MAX)}
    if message.is_urgent:
        content["mentioned_list"] = ["@all"]
    return Request(address, msgspec.json.encode({"msgtype": "text", "text": content}), _HEADERS)


def read_dingtalk(tried: Tried) -> Outcome:
    """What its robot thinks of it."""
    return _read(tried, _DINGTALK_LATER)


def read_wecom(tried: Tried) -> Outcome:
    """What its robot thinks of it."""
    return _read(tried, _WECOM_LATER)


def _read(tried: Tried, later: dict[int, int]) -> Outcome:
    if not tried.arrived:
        return by_status(tried)
    try:
        answer = msgspec.json.decode(tried.answer)
        code = int(answer["errcode"])
    except (msgspec.DecodeError, ValueError, KeyError, TypeError):
        return Outcome(Came.LATER, error=f"the answer is none of a robot's: {tried.answer[:120]}")
    if code == 0:
        return Outcome(Came.SENT)
    error = f"errcode {code}: {str(answer.get('errmsg', ''))[:300]}"
    if code in later:
        return Outcome(Came.LATER, error=error, wait_s=later[code])
    return Outcome(Came.REFUSED, error=error)
