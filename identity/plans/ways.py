"""The shortest way over a graph of points: a pure function. Dijkstra's algorithm is networkx's."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import networkx as nx


@dataclass(frozen=True, slots=True)
class Step:
    """An edge, walked both ways."""

    start: UUID
    end: UUID
    metres: float
    step_free: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The points that one walks through, and how far it is."""

    points: tuple[UUID, ...]
    metres: float


def shortest(
    steps: Sequence[Step], starts: Collection[UUID], ends: Collection[UUID], *, step_free: bool = False
) -> Found | None:
    """From the nearest of `starts` to the nearest of `ends`; None where nothing leads there."""
    graph: nx.Graph[UUID] = nx.Graph()
    graph.add_nodes_from([*starts, *ends])
    for step in steps:
        if step.step_free or not step_free:
            graph.add_edge(step.start, step.end, metres=step.metres)
    if not starts:
        return None
    distances: dict[UUID, float]
    ways: dict[UUID, list[UUID]]
    # With a target its answer is another one, and so its type says both.
    distances, ways = nx.multi_source_dijkstra(graph, set(starts), weight="metres")  # type: ignore[assignment]
    reached = [end for end in ends if end in distances]
    if not reached:
        return None
    nearest = min(reached, key=lambda end: (distances[end], end))
    return Found(tuple(ways[nearest]), float(distances[nearest]))
