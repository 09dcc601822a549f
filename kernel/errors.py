"""The error tree. One base, one handler (`kernel.http`), one wire form: `{code, message, data, request_id}`.

    GuanjiaError                        code, status, a sentence in Chinese and in English, typed data
        Malformed               422     what was sent cannot be read as what the call takes
        Unauthenticated         401     no token, or one that is not good any more
        Forbidden               403     known, but not allowed
        NotFound                404     names nothing that the caller may see
        StateConflict           409     the state does not allow the trigger; `data.allowed` lists what it does allow
        IdempotencyKeyRequired  400     a money POST without an Idempotency-Key
        IdempotencyKeyReused    409     the same key with another body
        TooManyRequests         429     slow down; Retry-After says for how long
        TryAgain                503     nothing was done; the same request may be sent again

Domains hang their own classes under these in their `errors.py`. 422 is for malformed input only.
"""

from typing import Any, ClassVar


class GuanjiaError(Exception):
    """An answer to a caller that is not the one they hoped for. `code` is stable; the sentences may improve."""

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    message_zh: ClassVar[str] = "系统出错了，请稍后再试"
    message_en: ClassVar[str] = "Something went wrong on our side; please try again"

    def __init__(self, **data: Any) -> None:
        super().__init__(self.code)
        self.data = data

    def message(self, language: str) -> str:
        """The sentence in `zh` or `en`, with the data's values filled in."""
        sentence = self.message_en if language == "en" else self.message_zh
        return sentence.format_map(_Lenient(self.data))


class _Lenient(dict[str, Any]):
    """Leaves a placeholder empty rather than failing while an error is being told."""

    def __missing__(self, key: str) -> str:
        return ""


class Malformed(GuanjiaError):
    code = "MALFORMED"
    status = 422
    message_zh = "请求内容有误：{reason}"
    message_en = "The request cannot be read: {reason}"


class Unauthenticated(GuanjiaError):
    code = "UNAUTHENTICATED"
    status = 401
    message_zh = "请先登录"
    message_en = "Please sign in first"


class Forbidden(GuanjiaError):
    code = "FORBIDDEN"
    status = 403
    message_zh = "没有权限"
    message_en = "You are not allowed to do this"


class NotFound(GuanjiaError):
    code = "NOT_FOUND"
    status = 404
    message_zh = "没有找到"
    message_en = "There is nothing here by that name"


class StateConflict(GuanjiaError):
    """`data`: state, trigger, allowed (list of triggers)."""

    code = "STATE_CONFLICT"
    status = 409
    message_zh = "当前状态不允许这样操作"
    message_en = "The present state does not allow this"


class IdempotencyKeyRequired(GuanjiaError):
    code = "IDEMPOTENCY_KEY_REQUIRED"
    status = 400
    message_zh = "缺少 Idempotency-Key 请求头（1 至 255 个字符）"
    message_en = "An Idempotency-Key header of 1 to 255 characters is required"


class IdempotencyKeyReused(GuanjiaError):
    code = "IDEMPOTENCY_KEY_REUSED"
    status = 409
    message_zh = "同一个 Idempotency-Key 已用于另一个请求"
    message_en = "This Idempotency-Key was used with another body"


class TooManyRequests(GuanjiaError):
    """`data.retry_after_s` becomes the Retry-After header."""

    code = "TOO_MANY_REQUESTS"
    status = 429
    message_zh = "请求过于频繁，请 {retry_after_s} 秒后再试"
    message_en = "Too many requests; try again in {retry_after_s} seconds"


class TryAgain(GuanjiaError):
    code = "TRY_AGAIN"
    status = 503
    message_zh = "系统繁忙，请重试"
    message_en = "Busy; nothing was done, please send the same request again"


def error_classes() -> list[type[GuanjiaError]]:
    """Every error class that has been imported, in order of code: the source of the catalogue."""
    found: dict[str, type[GuanjiaError]] = {}
    waiting: list[type[GuanjiaError]] = [GuanjiaError]
    while waiting:
        cls = waiting.pop()
        found.setdefault(cls.code, cls)
        waiting.extend(cls.__subclasses__())
    return [found[code] for code in sorted(found)]
