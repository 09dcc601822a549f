"""What the figures are, one model for each table of them. The workbook has a sheet for each, made of these very values.

All of it is about the orders that were raised from the first to the last day asked for, by the wall clock of their region;
`flow` alone counts what was finished on the day on which it was finished. Times are seconds of working time in the hours of
the place, pauses taken out, as the order's clock has counted them. A median is the least value that half of all do not exceed,
a ninetieth percentile likewise: one that was measured, not one between two. Shares are percent with one decimal, means have two.
"""

from datetime import date
from typing import Literal

from pydantic import BaseModel, Field

from repairs.orders.schemas import State, Urgency
from repairs.sla.kinds import Milestone
from repairs.statistics.figures import Step


class NamedFigures(BaseModel):
    """Of what the figures of a row are; null stands for what has no name, such as orders without a place."""

    id: str | None
    name_zh: str
    name_en: str


class OrderCounts(BaseModel):
    """Each order is finished (done, confirmed or rated), open (not repaired yet) or called off (refused, merged, taken back)."""

    raised: int
    finished: int
    open: int
    called_off: int
    declined: int = Field(description="Orders that somebody to whom they were given has said no to.")
    declines: int = Field(description="How often that was.")
    reopened: int = Field(description="Orders that the person served did not find done.")
    reopenings: int = Field(description="How often that was.")


class OrderCountsOf(NamedFigures, OrderCounts):
    """The same of a category or a place."""


class StateCount(BaseModel):
    """How many are in a state now."""

    state: State
    orders: int


class FlowPoint(BaseModel):
    """A week or a month, by its first day: what came in, and what was finished in it, whenever it was raised."""

    begins: date
    raised: int
    finished: int


class PromiseFigures(BaseModel):
    """One promise of many orders. Those that wait, and those that were called off before, are in no share."""

    milestone: Milestone
    kept: int
    broken: int
    waiting: int
    kept_percent: float | None = Field(description="Of those kept or broken.")
    median_s: int | None
    p90_s: int | None
    promise_s: int = Field(description="The median of what was promised.")


class PromisesOfCategory(NamedFigures, PromiseFigures):
    """The same of a category."""


class PromisesOfUrgency(PromiseFigures):
    """The same of an urgency."""

    urgency: Urgency


class TimeBin(BaseModel):
    """Orders that took more than the bin before and up to so many seconds to be done."""

    up_to_s: int | None = Field(description="Null: longer than all others.")
    kept: int
    late: int


class TechnicianFigures(BaseModel):
    """What somebody was given of these orders and what came of it; and, of all orders, what they have under way now."""

    id: str
    name: str
    under_way: int
    load_max: int | None = Field(description="Null for who is no technician of these regions any more.")
    given: int
    done: int
    declined: int
    minutes: int
    ratings: int
    mean_score: float | None = Field(description="Of the first ratings of what they finished.")


class SatisfactionFigures(BaseModel):
    """The mean score beside the share of those who have said anything. Confirmed by silence is neither."""

    confirmed_by_person: int
    confirmed_by_system: int
    rated: int = Field(description="Orders that a person has confirmed and somebody has rated.")
    response_percent: float | None = Field(description="Rated of those that a person has confirmed.")
    ratings: int = Field(description="First ratings of these; several who were served may each give one.")
    mean_score: float | None


class SatisfactionOfCategory(NamedFigures, SatisfactionFigures):
    """The same of a category."""


class SatisfactionPoint(SatisfactionFigures):
    """The same of what was raised in a week or a month, by its first day."""

    begins: date


class SatisfactionSummary(SatisfactionFigures):
    """All of it, with how often each score was given, and what came of the low ones."""

    scores: list[int] = Field(description="How many gave 1, 2, 3, 4 and 5, of the ratings of the mean.")
    ratings_after_silence: int = Field(description="First ratings of what silence had confirmed: in no mean.")
    low: int = Field(description="First ratings of 1 or 2, also after silence.")
    low_answered: int
    low_waiting: int
    second_ratings: int = Field(description="Given once more after the answer: in no mean but their own.")
    second_mean_score: float | None


class CostFigures(BaseModel):
    """Time that was spent, by the rate of its day, and parts less those that came back."""

    minutes: int
    labour_fen: int
    parts_fen: int
    total_fen: int


class CostOf(NamedFigures, CostFigures):
    """The same of a unit or a category."""


class OpenProblem(BaseModel):
    """Many of one kind in one house."""

    id: str
    category_zh: str
    category_en: str
    place_text: str
    state: Literal["open", "identified"]
    orders: int
    opened_at: str


class ProblemFigures(BaseModel):
    """How many began within the days, how many are open now whenever they began, and the newest of these."""

    opened: int
    open: int
    rows: list[OpenProblem]


class RepairStatistics(BaseModel):
    """All figures of one question."""

    first_day: date
    last_day: date
    by: Step
    counted_at: str
    regions: list[NamedFigures]
    category: NamedFigures | None
    place: NamedFigures | None
    totals: OrderCounts
    by_category: list[OrderCountsOf]
    by_place: list[OrderCountsOf] = Field(description="Houses; of a place asked for, what stands right below it.")
    by_state: list[StateCount]
    flow: list[FlowPoint]
    promises: list[PromiseFigures]
    promises_by_category: list[PromisesOfCategory]
    promises_by_urgency: list[PromisesOfUrgency]
    times: list[TimeBin]
    technicians: list[TechnicianFigures]
    satisfaction: SatisfactionSummary
    satisfaction_over_time: list[SatisfactionPoint]
    satisfaction_by_category: list[SatisfactionOfCategory]
    costs: CostFigures
    costs_by_unit: list[CostOf]
    costs_by_category: list[CostOf]
    problems: ProblemFigures
