"""Codes that nobody was given, by terminal: after ten in a minute the terminal has to wait.

The count is in the database, because a till may talk to any web process. What this process's own lanes have decided
and not yet committed is counted here as well, so that a hundred guesses at once are not ten for each lane.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from kernel import clock
from kernel.errors import TooManyRequests

GUESS_WINDOW: Final = timedelta(seconds=60)
GUESSES_A_MINUTE: Final = 10


class GuessWatch:
    """What one web process knows of guessing terminals."""

    def __init__(self) -> None:
        self._blocked_until: dict[UUID, datetime] = {}
        self._noted: defaultdict[UUID, list[datetime]] = defaultdict(list)

    def refuse_guesser(self, terminal_id: UUID) -> None:
        """TooManyRequests while a terminal has to wait."""
        if terminal_id not in self._blocked_until:
            return
        left_s = (self._blocked_until[terminal_id] - clock.now()).total_seconds()
        if left_s > 0:
            raise TooManyRequests(retry_after_s=min(int(left_s) + 1, 60))
        del self._blocked_until[terminal_id]

    def refuse_another(self, terminal_id: UUID, counted: int, first_at: datetime) -> None:
        """TooManyRequests if `counted` guesses since `first_at`, or those noted here, are enough."""
        self._weigh(terminal_id, counted, first_at)
        self.refuse_guesser(terminal_id)

    def note(self, terminal_id: UUID, at: datetime, counted: int, first_at: datetime) -> None:
        """A guess was decided, after `counted` others since `first_at`; its transaction is still open."""
        self._noted[terminal_id].append(at)
        self._weigh(terminal_id, counted + 1, first_at)

    def take_back(self, guesses: Iterable[tuple[UUID, datetime]]) -> None:
        """The transaction of these guesses was undone."""
        for terminal_id, at in guesses:
            noted = self._noted.get(terminal_id, [])
            if at in noted:  # One that had waited longer than the window is forgotten already.
                noted.remove(at)
            self._blocked_until.pop(terminal_id, None)

    def _weigh(self, terminal_id: UUID, counted: int, first_at: datetime) -> None:
        noted = self._recent(terminal_id)
        if max(counted, len(noted)) >= GUESSES_A_MINUTE:
            self._blocked_until[terminal_id] = min([first_at, *noted]) + GUESS_WINDOW

    def _recent(self, terminal_id: UUID) -> list[datetime]:
        if terminal_id not in self._noted:
            return []
        since = clock.now() - GUESS_WINDOW
        self._noted[terminal_id] = [at for at in self._noted[terminal_id] if at > since]
        return self._noted[terminal_id] or self._noted.pop(terminal_id)
