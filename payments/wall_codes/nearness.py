"""Whether a phone that pays at a wall code is where the code should hang. Pure; coordinates are compared, never kept.

A code that was stuck over another canteen's still names its own canteen, on the screen and in the signature. Where the
phone says where it is, and the site's coordinates are known, the distance tells as well.
"""

import math
from dataclasses import dataclass
from typing import Final

# A phone indoors is often a few hundred metres off, and our page rounds to about one hundred.
FAR_M: Final = 1_000
# What a phone says of its own doubt is believed up to here: who doubts everything would be near everything.
DOUBT_MAX_M: Final = 2_000
_EARTH_RADIUS_M: Final = 6_371_000


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Degrees, and how far they may be off."""

    latitude: float
    longitude: float
    accuracy_m: int = 0


def distance_m(one: Coordinates, other: Coordinates) -> int:
    """Along the surface (haversine), in whole metres."""
    north = math.radians(other.latitude - one.latitude)
    east = math.radians(other.longitude - one.longitude)
    cosines = math.cos(math.radians(one.latitude)) * math.cos(math.radians(other.latitude))
    chord = math.sin(north / 2) ** 2 + cosines * math.sin(east / 2) ** 2
    return int(2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord))))


def far_m(phone: Coordinates | None, site: Coordinates | None) -> int | None:
    """The distance where the phone is certainly elsewhere; None where it is near or nobody knows."""
    if phone is None or site is None:
        return None
    distance = distance_m(phone, site)
    return distance if distance - min(phone.accuracy_m, DOUBT_MAX_M) > FAR_M else None
