"""Who pays whom once everybody's debts are set against each other. Pure.

An obligation `H>Q` means that H owes Q. A net position is + for who receives. What moves is the positive side of the net;
the transfers that move it pair debtors with creditors in a fixed order, so that two runs give the same instructions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID


class Obligation(NamedTuple):
    """The debtor owes the creditor."""

    debtor: UUID
    creditor: UUID
    amount_fen: int


@dataclass(slots=True)
class _Side:
    region: UUID
    left_fen: int


def gross_fen(obligations: Iterable[Obligation]) -> int:
    """What would move without netting."""
    return sum(owed.amount_fen for owed in obligations)


def net_positions(obligations: Iterable[Obligation]) -> dict[UUID, int]:
    """What each region receives (+) or pays (-); they sum to zero."""
    positions: dict[UUID, int] = {}
    for owed in obligations:
        positions[owed.debtor] = positions.get(owed.debtor, 0) - owed.amount_fen
        positions[owed.creditor] = positions.get(owed.creditor, 0) + owed.amount_fen
    return positions


def transfers(positions: Mapping[UUID, int]) -> list[Obligation]:
    """The payments that bring every position to zero: at most one fewer than there are regions."""
    ordered = sorted(positions, key=lambda region: region.int)
    owing = [_Side(region, -positions[region]) for region in ordered if positions[region] < 0]
    owed = [_Side(region, positions[region]) for region in ordered if positions[region] > 0]
    found: list[Obligation] = []
    while owing and owed:
        amount_fen = min(owing[0].left_fen, owed[0].left_fen)
        found.append(Obligation(owing[0].region, owed[0].region, amount_fen))
        for side in (owing, owed):
            side[0].left_fen -= amount_fen
            if not side[0].left_fen:
                side.pop(0)
    assert not owing, "positions sum to zero"
    assert not owed, "positions sum to zero"
    return found


def connected(regions: Iterable[UUID], obligations: Sequence[Obligation], start: UUID) -> set[UUID]:
    """The regions that owe each other, directly or through others, together with `start`: they are netted at once."""
    known = set(regions)
    reached, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for owed in obligations:
            for one, other in ((owed.debtor, owed.creditor), (owed.creditor, owed.debtor)):
                if one == here and other in known and other not in reached:
                    reached.add(other)
                    waiting.append(other)
    return reached
