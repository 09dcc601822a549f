"""What the promise may answer besides a promise.

GuanjiaError
    TargetNotAhead     422   a target begins today or later: what was promised stays promised
    HoursUnsound       422   hours that are empty, overlap, or are in no order
    PromiseOutOfReach  422   hours so few, or a time so long, that the promise would not be due within two years
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


class PromiseOutOfReach(GuanjiaError):
    """`data.hours`: the working hours of the promise, `data.days_max`: the days in which they have to come."""

    code = "SLA_PROMISE_OUT_OF_REACH"
    status = 422
    message_zh = "按这样的服务时间，{hours} 小时的时限在 {days_max} 天内也走不完；请延长服务时间或缩短时限"
    message_en = "In these hours a promise of {hours} hours would not be due within {days_max} days: work longer, or promise less"
