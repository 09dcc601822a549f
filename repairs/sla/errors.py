"""What the promise may answer besides a promise.

GuanjiaError
    TargetNotAhead     422   a target begins today or later: what was promised stays promised
    HoursUnsound       422   hours that are empty, overlap, or are in no order
"""

from kernel.errors import GuanjiaError


class TargetNotAhead(GuanjiaError):
    """`data.today`: the first day that is possible."""

    code = "SLA_TARGET_NOT_AHEAD"
    status = 422
    message_zh = "时限从今天或以后生效，已作出的承诺不能更改"
    message_en = "A target begins today or later: what was promised stays promised"


class HoursUnsound(GuanjiaError):
    code = "SLA_HOURS_UNSOUND"
    status = 422
    message_zh = "服务时间须按先后排列，不能为空或重叠"
    message_en = "Service hours are in order, not empty and not overlapping"
