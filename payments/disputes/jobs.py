"""What happens later to a dispute: its clock strikes."""

from collections.abc import Mapping
from typing import Final

from kernel.timers import TimerHandler
from payments.disputes import deadlines, service

TIMERS: Final[Mapping[str, TimerHandler]] = {deadlines.TIMER_KIND: service.strike}
