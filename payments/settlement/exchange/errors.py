"""What the exchange between installations may answer.

StatementRefused    422     a file that is not as it was signed, or not for us
PartnerNotPinned    409     no root key is pinned for the region that the file speaks of
"""

from kernel.errors import GuanjiaError, Malformed


class StatementRefused(Malformed):
    """`data`: zh, en, line (of the file, where one is wrong)."""

    code = "STATEMENT_REFUSED"
    message_zh = "对账单不予采信：{zh}"
    message_en = "The statement is refused: {en}"


class PartnerNotPinned(GuanjiaError):
    """`data.code`: the region's."""

    code = "PARTNER_NOT_PINNED"
    status = 409
    message_zh = "没有为地区 {region_code} 登记对方平台的根密钥"
    message_en = "No root key is pinned for the region {region_code}"
