"""Small pictures as SVG: lines over the time of the lunch, and bars. Drawn here, so that the page needs nothing from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from math import floor, log10
from typing import Final

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 14, 34
_BAR_HEIGHT: Final = 26
_LABEL_WIDTH: Final = 220
_STEPS: Final = 4


@dataclass(frozen=True)
class Series:
    """Points of one line, in order; `colour` is a class of the page's style."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines over seconds. `marks` are moments with a word; `goal` is a level that is wanted."""

    title: str
    unit: str
    series: Sequence[Series]
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)
    goal: float | None = None

    def svg(self) -> str:
        """The picture with its axes and legend."""
        every = [point for series in self.series for point in series.points]
        if not every:
            return f'<figure><figcaption>{escape(self.title)}</figcaption><p class="none">–</p></figure>'
        scale = _Scale.over(every, self.goal)
        inside = [*scale.grid(), *self._goal_line(scale), *self._marks(scale)]
        for series in self.series:
            path = " ".join(f"{scale.x(at):.1f},{scale.y(value):.1f}" for at, value in series.points)
            inside.append(f'<polyline class="line {series.colour}" points="{path}"/>')
        return _figure(self.title, self.unit, inside, self._legend())

    def _goal_line(self, scale: "_Scale") -> list[str]:
        if self.goal is None:
            return []
        y = scale.y(self.goal)
        return [f'<line class="goal" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>']

    def _marks(self, scale: "_Scale") -> list[str]:
        drawn = []
        for at, word in self.marks:
            x = scale.x(at)
            drawn.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
            drawn.append(f'<text class="mark" x="{x + 4:.1f}" y="{_TOP + 10}">{escape(word)}</text>')
        return drawn

    def _legend(self) -> str:
        names = [f'<span class="key {series.colour}">{escape(series.name)}</span>' for series in self.series]
        if self.goal is not None:
            names.append(f'<span class="key wanted">≤ {self.goal:g}</span>')
        return "".join(names)


@dataclass(frozen=True)
class _Scale:
    """From seconds and values to places in the picture."""

    first: float
    last: float
    top: float

    @classmethod
    def over(cls, points: Sequence[tuple[float, float]], goal: float | None) -> "_Scale":
        times, values = [at for at, _ in points], [value for _, value in points]
        return cls(min(0.0, *times), max(1.0, *times), _round_up(max(1e-9, goal or 0.0, *values)))

    def x(self, at: float) -> float:
        return _LEFT + (at - self.first) / (self.last - self.first) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - value / self.top * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self) -> list[str]:
        lines = []
        for step in range(_STEPS + 1):
            value = self.top * step / _STEPS
            y = self.y(value)
            lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            lines.append(f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4:.1f}">{value:,.4g}</text>')
            at = self.first + (self.last - self.first) * step / _STEPS
            anchor = "end" if step == _STEPS else "middle"
            lines.append(f'<text class="tick {anchor}" x="{self.x(at):.1f}" y="{_HEIGHT - 14}">{at:.0f} s</text>')
        return lines


@dataclass(frozen=True)
class Bars:
    """One bar for each name, the longest first."""

    title: str
    unit: str
    rows: Sequence[tuple[str, float]]

    def svg(self) -> str:
        """The picture."""
        if not self.rows:
            return f'<figure><figcaption>{escape(self.title)}</figcaption><p class="none">–</p></figure>'
        most = max(value for _, value in self.rows) or 1.0
        room = _WIDTH - _LABEL_WIDTH - 70
        inside = []
        for number, (name, value) in enumerate(self.rows):
            y = number * _BAR_HEIGHT + 4
            inside.append(f'<text class="tick end" x="{_LABEL_WIDTH - 8}" y="{y + 14}">{escape(name)}</text>')
            inside.append(
                f'<rect class="bar" x="{_LABEL_WIDTH}" y="{y}" width="{max(1.0, value / most * room):.1f}" height="18" rx="2"/>'
            )
            x = _LABEL_WIDTH + value / most * room + 6
            inside.append(f'<text class="tick" x="{x:.1f}" y="{y + 14}">{value:,.4g}</text>')
        return _figure(self.title, self.unit, inside, "", height=len(self.rows) * _BAR_HEIGHT + 8)


def _figure(title: str, unit: str, inside: Sequence[str], legend: str, height: int = _HEIGHT) -> str:
    return (
        f"<figure><figcaption>{escape(title)} <small>{escape(unit)}</small></figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}">{"".join(inside)}</svg>'
        f'<p class="legend">{legend}</p></figure>'
    )


def _round_up(value: float) -> float:
    """To 1, 2 or 5 of its magnitude, so that the ticks are round."""
    magnitude = 10.0 ** floor(log10(value))
    return next(step * magnitude for step in (1, 2, 4, 5, 8, 10) if step * magnitude >= value * 0.999)
