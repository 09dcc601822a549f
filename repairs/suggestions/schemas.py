"""Wire forms of suggestions."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from repairs.suggestions.states import State

PublicId = Annotated[str, StringConstraints(min_length=1, max_length=80)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00]*$")]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SuggestionBody(_Body):
    """What somebody would like to be better."""

    client_id: UUID = Field(description="The suggestion's own name: sent twice, it is one.")
    region: PublicId | None = Field(default=None, description="Whose box; none: that of my own unit.")
    title: Title
    words: Words = ""


class SuggestionStepBody(_Body):
    """A trigger's words: an answer and a refusal need them. With `version`, nothing happens where it has changed."""

    version: int | None = None
    words: Words = ""


class SuggestionRatingBody(_Body):
    """What the raiser thinks of the answer; 2 and less needs words."""

    version: int | None = None
    score: Annotated[int, Field(ge=1, le=5)]
    words: Words = ""


class SuggestionBoxView(BaseModel):
    """A suggestion. Whose it is stands nowhere; `is_mine` is told to its raiser alone."""

    id: str
    region: str
    title: str
    words: str
    state: State
    version: int
    answer: str | None
    answered_at: str | None
    score: int | None
    score_words: str
    raised_at: str
    changed_at: str
    is_mine: bool
    allowed: list[str]
