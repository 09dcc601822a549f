"""What a call may answer besides a call.

StateConflict (kernel)    409   besides `state`, `trigger`, `allowed` its data has `taken_by` {id, name} where somebody has it
TooManyRequests (kernel)
    PressedTooOften       429   somebody places and cancels calls faster than anybody could come
GuanjiaError
    NowhereToCall         409   neither a place nor a home region says who should ring
    RatedTooLate          409   more than a day has gone by since the call ended
    CauseRequired         422   a missed call ends with a cause in writing
    PolicyUnsound         422   a policy that would ring nobody, or nobody in time
    TargetUnknown         409   nothing of this kind can be handed over to that
"""

from kernel.errors import GuanjiaError, Malformed, TooManyRequests


class PressedTooOften(TooManyRequests):
    code = "CALLED_TOO_OFTEN"
    message_zh = "呼叫过于频繁，请 {retry_after_s} 秒后再试；紧急情况请直接拨打值班电话"
    message_en = "Called too often; try again in {retry_after_s} seconds, or telephone the duty desk"


class NowhereToCall(GuanjiaError):
    code = "NOWHERE_TO_CALL"
    status = 409
    message_zh = "请先选择地点：您没有所属地区，无法确定由谁响应"
    message_en = "Please choose a place first: without a home region nobody knows who should come"


class RatedTooLate(GuanjiaError):
    """`data.until`: the last instant at which it could have been rated."""

    code = "RATED_TOO_LATE"
    status = 409
    message_zh = "呼叫已结束超过 24 小时，不能再评价"
    message_en = "More than a day has gone by since this call ended"


class CauseRequired(Malformed):
    code = "CAUSE_REQUIRED"
    message_zh = "无人应答的呼叫须写明原因才能结案"
    message_en = "A missed call ends with a written cause"


class PolicyUnsound(GuanjiaError):
    """`data.problems`: a list of {where, what}."""

    code = "POLICY_UNSOUND"
    status = 422
    message_zh = "响铃策略有问题，照此不会有人应答"
    message_en = "This policy would leave calls unanswered"


class TargetUnknown(GuanjiaError):
    """`data.targets`: what it can be handed over to."""

    code = "TARGET_UNKNOWN"
    status = 409
    message_zh = "不能移交给该对象"
    message_en = "A call cannot be handed over to that"
