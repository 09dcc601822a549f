"""The front door of the rota: who is on duty, and who should be.

`who_is_on_duty` is rota + sign-in, and the live lease too where a `Presence` is handed in. `who_is_in_the_rota` is for when
nobody is: those people may be reached at home (realtime/reaching). Who asks both, or for several roles, reads `Near` once.
`shifts_between` is a team's rota; `stands_in` asks of rows of one's own whether somebody still belongs to a team.
"""

from realtime.duty.queries import stands_in
from realtime.duty.rota import (
    Near,
    OnDuty,
    Presence,
    is_on_duty,
    read_near,
    shifts_between,
    who_is_in_the_rota,
    who_is_on_duty,
)

__all__ = [
    "Near",
    "OnDuty",
    "Presence",
    "is_on_duty",
    "read_near",
    "shifts_between",
    "stands_in",
    "who_is_in_the_rota",
    "who_is_on_duty",
]
