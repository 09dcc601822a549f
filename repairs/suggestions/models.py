"""The tables of the suggestions box."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Index, Integer, SmallInteger, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeEngine

from kernel.db import Base
from repairs.suggestions.states import SUGGESTION, states_of

Instant: TypeEngine[datetime] = DateTime(timezone=True)
_STATES = ", ".join(f"'{state}'" for state in states_of(SUGGESTION))


class Suggestion(Base):
    """What somebody would like to be better, and what the office said to it."""

    __tablename__ = "suggestions"
    __table_args__ = (
        CheckConstraint(f"state IN ({_STATES})", name="state"),
        CheckConstraint("(state IN ('declined', 'answered', 'rated')) = (answer IS NOT NULL)", name="answer"),
        CheckConstraint("(state = 'rated') = (score IS NOT NULL) AND score BETWEEN 1 AND 5", name="score"),
        CheckConstraint("score > 2 OR score_words <> ''", name="low_score_words"),
        UniqueConstraint("raiser_id", "client_id", name="suggestions_client_id_key"),
        Index("suggestions_region_id_idx", "region_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    region_id: Mapped[UUID]
    # Shown to nobody.
    raiser_id: Mapped[UUID]
    client_id: Mapped[UUID]
    title: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    answer: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(Instant)
    score: Mapped[int | None] = mapped_column(SmallInteger)
    score_words: Mapped[str] = mapped_column(Text)
    raised_at: Mapped[datetime] = mapped_column(Instant)
    changed_at: Mapped[datetime] = mapped_column(Instant)


class SuggestionStep(Base):
    """One step of its life. `actor` is the office's person, or `raiser`: who that is stands at the suggestion alone."""

    __tablename__ = "suggestion_steps"

    suggestion_id: Mapped[UUID] = mapped_column(ForeignKey("suggestions.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    trigger: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
