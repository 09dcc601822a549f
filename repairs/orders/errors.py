"""What a work order may answer besides an order.

StateConflict (kernel)       409   besides `state`, `trigger`, `allowed` its data has `version`, and `taken_by` {id, name} where somebody has it
    ChecklistOpen            409   required lines of the checklist are not ticked
Forbidden (kernel)
    RaterInvolved            403   whoever worked on it, or leads those who did, does not rate it
TooManyRequests (kernel)
    ReportedTooOften         429   more reports from one address, or about one place, than people make
Malformed (kernel)
    WordsRequired            422   a refusal, an objection or a low score says why
GuanjiaError
    NowhereToRepair          409   neither a place nor a home region says whose office it is
    CategoryUnfit            409   a category that is retired, unknown, or stands below itself
    SkillMissing             409   somebody without the skill, the area or the role for it
    RatedTooLate             409   the days in which it could be rated, or changed, are over
    AlreadyMerged            409   into itself, or into what was merged away
    TicketUnknown            404   no order is followed by this ticket
"""

from kernel.errors import Forbidden, GuanjiaError, Malformed, NotFound, StateConflict, TooManyRequests


class ChecklistOpen(StateConflict):
    """`data.missing`: the ordinals of the lines."""

    code = "CHECKLIST_OPEN"
    message_zh = "检查清单还有必做项没有勾选"
    message_en = "Required lines of the checklist are not ticked yet"


class RaterInvolved(Forbidden):
    code = "RATER_INVOLVED"
    message_zh = "处理人及其负责人不能评价这张工单"
    message_en = "Whoever worked on it, or leads those who did, cannot rate it"


class ReportedTooOften(TooManyRequests):
    code = "REPORTED_TOO_OFTEN"
    message_zh = "报修过于频繁，请 {retry_after_s} 秒后再试；紧急情况请直接拨打值班电话"
    message_en = "Reported too often; try again in {retry_after_s} seconds, or telephone the duty desk"


class WordsRequired(Malformed):
    code = "WORDS_REQUIRED"
    message_zh = "请写明原因"
    message_en = "Please say why"


class NowhereToRepair(GuanjiaError):
    code = "NOWHERE_TO_REPAIR"
    status = 409
    message_zh = "请先选择地点：您没有所属地区，无法确定由谁处理"
    message_en = "Please choose a place first: without a home region nobody knows whose office it is"


class CategoryUnfit(GuanjiaError):
    code = "CATEGORY_UNFIT"
    status = 409
    message_zh = "这个类别不能使用"
    message_en = "This category cannot be used"


class SkillMissing(GuanjiaError):
    """`data.reasons`: skill, area, role, inactive, served."""

    code = "SKILL_MISSING"
    status = 409
    message_zh = "此人不适合处理这张工单"
    message_en = "This person does not fit this order"


class RatedTooLate(GuanjiaError):
    """`data.until`: the last instant at which it could have been."""

    code = "ORDER_RATED_TOO_LATE"
    status = 409
    message_zh = "评价期已过"
    message_en = "It is too late to rate this order"


class AlreadyMerged(GuanjiaError):
    code = "ALREADY_MERGED"
    status = 409
    message_zh = "不能并入这张工单"
    message_en = "It cannot be merged into that order"


class TicketUnknown(NotFound):
    code = "TICKET_UNKNOWN"
    message_zh = "没有找到这个查询码对应的报修"
    message_en = "No order is followed by this ticket"
