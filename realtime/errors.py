"""What a socket can be told besides the kernel's errors.

    TooManyRequests (kernel)
        TooManySubscriptions    429     one socket, at most so many channels
    Malformed (kernel)
        MessageTooLarge         422     a message of a client is a few words, never a document

Close codes: 4001 not signed in (any more), 4008 read too slowly, 1009 message too large.
"""

from typing import Final

from kernel.errors import Malformed, TooManyRequests

CLOSE_UNAUTHENTICATED: Final = 4001
CLOSE_SLOW_READER: Final = 4008
CLOSE_TOO_LARGE: Final = 1009


class TooManySubscriptions(TooManyRequests):
    code = "TOO_MANY_SUBSCRIPTIONS"
    message_zh = "一个连接订阅的频道过多"
    message_en = "Too many channels on one socket"


class MessageTooLarge(Malformed):
    code = "MESSAGE_TOO_LARGE"
    message_zh = "消息过长"
    message_en = "This message is too large"
