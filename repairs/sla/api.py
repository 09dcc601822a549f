"""The front door of the promise, for whoever keeps orders. Everything joins the caller's transaction.

The caller has locked its order's row first; the clock's row is locked here, and its timer is touched last. What has happened
already may be told again: nothing changes then.
"""

from repairs.sla.kinds import MILESTONES, PAUSE_CAUSES, URGENCIES, Milestone, PauseCause, Urgency
from repairs.sla.schemas import SlaView
from repairs.sla.service import (
    Start,
    change_sla,
    pause_sla,
    reach_milestone,
    reopen_sla,
    resume_sla,
    start_sla,
    start_slas,
    stop_sla,
)
from repairs.sla.views import sla_marks, sla_views

__all__ = [
    "MILESTONES",
    "PAUSE_CAUSES",
    "URGENCIES",
    "Milestone",
    "PauseCause",
    "SlaView",
    "Start",
    "Urgency",
    "change_sla",
    "pause_sla",
    "reach_milestone",
    "reopen_sla",
    "resume_sla",
    "sla_marks",
    "sla_views",
    "start_sla",
    "start_slas",
    "stop_sla",
]
