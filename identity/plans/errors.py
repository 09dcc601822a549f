"""What plans refuse.

NoWay           409     nothing that is drawn leads from the one place to the other
PlanExists      409     the place has a plan already
"""

from kernel.errors import GuanjiaError


class NoWay(GuanjiaError):
    """`data.reason`: from or to (it stands on no plan), or apart (nothing joins them, or only steps do)."""

    code = "NO_WAY"
    status = 409
    message_zh = "图上没有从这里到那里的路线"
    message_en = "No way from here to there is drawn"


class PlanExists(GuanjiaError):
    """`data.plan`."""

    code = "PLAN_EXISTS"
    status = 409
    message_zh = "这个地点已有平面图"
    message_en = "This place has a plan already"
