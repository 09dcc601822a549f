"""Covers: so many places at one meal, held for a meeting; the kitchen sees how many come and what they cannot eat.

Owns: how many covers a kitchen makes for others at each meal, and who has them. Invariant: the covers of one meal of one
day never exceed its capacity, because the database adds them up itself and does not let them. What a cover costs is the
price matrix's word for visitors, or, where it has none, the tariff of official meals.
`MeetingMeals` (service.py) is what meetings hold meals by; app/wiring.py registers it there.
"""
