"""The closed lists of reaching."""

from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """What a way is made of."""

    DINGTALK = "dingtalk"
    WECOM = "wecom"
    SMS = "sms"
    VOICE = "voice"
    MAIL = "mail"
    WEB_PUSH = "web_push"


# Speak to a group; set up by an administrator, each for a region or one team of it.
ROBOTS: Final = (Kind.DINGTALK, Kind.WECOM)
# Speak to one telephone; set up by an administrator for a region and all below it.
GATEWAYS: Final = (Kind.SMS, Kind.VOICE)
SET_UP: Final = (*ROBOTS, *GATEWAYS)
# Somebody else's rule: a robot that says more is silenced for ten minutes (DingTalk) or refused (WeCom).
ROBOT_PER_MINUTE: Final = 20
# Of these, so many are kept for what is urgent.
KEPT_FOR_URGENT: Final = 5
