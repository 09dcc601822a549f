"""What the rota may refuse.

NotYourTurn         409     signing in to duty by somebody whose turn is neither now nor soon
ShiftNotYours       409     the shift is not (or no more) that person's, or has begun
TakenAlready        409     the other one stands in the rota at that time
NotInTeam           409     somebody who does not belong to the team
InRotation          409     somebody who still stands in a rotation cannot leave its team
BadRotation         422     slots, people and turns that make no rotation
"""

from kernel.errors import GuanjiaError


class NotYourTurn(GuanjiaError):
    """`data.next_at`: when it is, or null."""

    code = "NOT_YOUR_TURN"
    status = 409
    message_zh = "现在不是您的班，开班前两小时起可以签到"
    message_en = "It is not your turn; you may sign in from two hours before your shift"


class ShiftNotYours(GuanjiaError):
    code = "SHIFT_NOT_YOURS"
    status = 409
    message_zh = "这个班已开始，或已不是您的班"
    message_en = "That shift has begun, or is not yours any more"


class TakenAlready(GuanjiaError):
    code = "TAKEN_ALREADY"
    status = 409
    message_zh = "对方这段时间已有班"
    message_en = "The other one is on the rota at that time already"


class NotInTeam(GuanjiaError):
    """`data.person`."""

    code = "NOT_IN_TEAM"
    status = 409
    message_zh = "此人不在这个值班组"
    message_en = "That person does not belong to the team"


class InRotation(GuanjiaError):
    """`data.person`."""

    code = "IN_ROTATION"
    status = 409
    message_zh = "此人还在轮班表里，请先更换轮班表"
    message_en = "That person still stands in a rotation; change the rotation first"


class BadRotation(GuanjiaError):
    """`data.reason`."""

    code = "BAD_ROTATION"
    status = 422
    message_zh = "轮班表有误：{reason}"
    message_en = "This is no rotation: {reason}"
