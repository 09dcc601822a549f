"""What reaching may refuse.

AddressNotAllowed   422     an address that is not https, or leads where nothing may be sent
TooManyDevices      409     more browsers than somebody carries about
BadReceipt          401     a receipt that nobody with the channel's secret has signed
"""

from kernel.errors import GuanjiaError


class AddressNotAllowed(GuanjiaError):
    """`data.reason` says why."""

    code = "ADDRESS_NOT_ALLOWED"
    status = 422
    message_zh = "这个地址不能使用：{reason}"
    message_en = "This address cannot be used: {reason}"


class TooManyDevices(GuanjiaError):
    """`data.limit`."""

    code = "TOO_MANY_DEVICES"
    status = 409
    message_zh = "最多 {limit} 台设备可以接收通知，请先移除一台"
    message_en = "At most {limit} devices can be notified; remove one first"


class BadReceipt(GuanjiaError):
    code = "BAD_RECEIPT"
    status = 401
    message_zh = "回执的签名无效"
    message_en = "The receipt's signature is not good"
