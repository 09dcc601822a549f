"""Ways to pay in the demo province besides the phone's code: printed codes, a card for each demo employee, a few PINs."""

from typing import Any, Final

from app.demo_data.kitchens import Kitchens
from app.demo_data.people import Population, Resident
from app.demo_data.places import ACTOR, Places
from kernel.db import Database
from payments.api import issue_place_code, reissue_card, set_payment_pin

# Hashing a PIN takes as long as hashing a password: a few are enough to try it.
_WITH_PIN: Final = 3
_PIN: Final = "274911"


async def hang_wall_codes(db: Database, places: Places, kitchens: Kitchens) -> None:
    """A printed code for each canteen and each of its tills."""
    async with db.session() as session:
        for code, tills in kitchens.tills.items():
            for till_id in (None, *[till.id for till in tills]):
                await issue_place_code(session, places.canteens[code], till_id, actor=ACTOR)


async def give_cards(db: Database, population: Population) -> None:
    """Numbers that can be told beside the passwords, and typed as a reader would."""
    async with db.session() as session:
        for resident, told in _told(population):
            await reissue_card(session, resident.id, actor=ACTOR, number=told["card"])
    for resident, told in _told(population):
        if "pin" in told:
            await set_payment_pin(db, resident.id, told["pin"], actor=ACTOR)


def tell_credentials(population: Population, employees: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`employees` of `guanjia demo --json`, with the number of each card and the PINs that were set."""
    return [login | told for login, (_, told) in zip(employees, _told(population), strict=True)]


def _told(population: Population) -> list[tuple[Resident, dict[str, str]]]:
    return [
        (resident, {"card": f"88{n:08d}"} | ({"pin": _PIN} if n <= _WITH_PIN else {}))
        for n, resident in enumerate(population.employees, start=1)
    ]
