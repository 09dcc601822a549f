"""The counters of the demo province: PINs, the shifts of the last days at the first canteen's first till, heartbeats."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from app.demo_data.kitchens import Kitchens
from app.demo_data.people import TILL_PINS, Population
from app.demo_data.places import ACTOR
from canteen.api import hand_over, open_shift, set_pin
from identity.api import Role, authenticate_terminal, note_heartbeat, principal_of, today
from kernel.db import Database

# With today's, a week is more than fits on a screen and less than makes a start slow.
_SHIFTS_FROM_DAYS_AGO: Final = 3
_FIRST_CANTEEN: Final = "C1"


async def set_pins(db: Database, population: Population) -> None:
    """What cashier and manager sign with; told beside their passwords."""
    for role, pin in TILL_PINS.items():
        await set_pin(db, population.staff_id(role), pin, actor=ACTOR)


@asynccontextmanager
async def cashiers_shift(
    db: Database, kitchens: Kitchens, population: Population, day: date, last_day: date
) -> AsyncIterator[None]:
    """What is sold meanwhile at the first till is the cashier's shift, on the last days before today and today."""
    if day < last_day - timedelta(days=_SHIFTS_FROM_DAYS_AGO):
        yield
        return
    till, cashier_id = kitchens.tills[_FIRST_CANTEEN][0], population.staff_id(Role.CASHIER)
    async with db.session() as session:
        terminal = await authenticate_terminal(session, till.token)
    shift_id = await open_shift(db, terminal, cashier_id, TILL_PINS[Role.CASHIER])
    yield
    async with db.session() as session:
        await hand_over(session, shift_id, await principal_of(session, cashier_id, today()))


async def report_in(db: Database, kitchens: Kitchens) -> None:
    """The tills say that they are there: whoever looks at a board first sees them in service."""
    for tills in kitchens.tills.values():
        for till in tills:
            async with db.session() as session:
                await note_heartbeat(session, await authenticate_terminal(session, till.token), {})


def supervisor_of(population: Population) -> UUID:
    """Who signs for what the first canteen's tills give back."""
    return population.staff_id(Role.CANTEEN_MANAGER)
