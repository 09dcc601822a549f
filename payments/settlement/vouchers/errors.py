"""What vouchers may answer besides a file.

MappingIncomplete   409     an account that moved has no account in the owner's chart; nothing is made
MappingChanged      409     somebody else has changed the mapping meanwhile
"""

from kernel.errors import GuanjiaError


class MappingIncomplete(GuanjiaError):
    """`data.accounts`: the accounts of ours that have none."""

    code = "MAPPING_INCOMPLETE"
    status = 409
    message_zh = "科目映射不完整，缺少：{names}"
    message_en = "The mapping has no account for: {names}"


class MappingChanged(GuanjiaError):
    """`data.version` is the one in force."""

    code = "MAPPING_CHANGED"
    status = 409
    message_zh = "科目映射已被他人修改，请刷新后再改"
    message_en = "Somebody has changed this mapping meanwhile; look at it again"
