"""The front door of reaching: `reach` says something to a target on every way that leads there.

It writes rows in the caller's transaction; the worker sends them, with tries, and notes what became of each. Which ways
there are, and whether each was lately proved: `paths_to`, `paths_of_people`, `know`.
"""

from realtime.reaching.kinds import Kind
from realtime.reaching.paths import KnownPath, Path, is_anyone_reached, know, paths_of_people, paths_to
from realtime.reaching.schemas import PathState
from realtime.reaching.service import reach
from realtime.reaching.targets import DeliveryId, Target, Words
from realtime.reaching.views import path_state

__all__ = [
    "DeliveryId",
    "Kind",
    "KnownPath",
    "Path",
    "PathState",
    "Target",
    "Words",
    "is_anyone_reached",
    "know",
    "path_state",
    "paths_of_people",
    "paths_to",
    "reach",
]
