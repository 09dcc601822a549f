"""A suggestion as somebody sees it."""

from identity.api import Principal
from kernel import clock
from kernel.ids import public_id
from repairs.suggestions import queries
from repairs.suggestions.models import Suggestion
from repairs.suggestions.schemas import SuggestionBoxView
from repairs.suggestions.service import side_of
from repairs.suggestions.states import allowed_to


def view_of(suggestion: Suggestion, reader: Principal) -> SuggestionBoxView:
    """With what this reader may do."""
    side = side_of(suggestion, reader)
    return SuggestionBoxView.model_validate(
        {
            "id": public_id(queries.PREFIX, suggestion.id),
            "region": public_id("reg", suggestion.region_id),
            "title": suggestion.title,
            "words": suggestion.words,
            "state": suggestion.state,
            "version": suggestion.version,
            "answer": suggestion.answer,
            "answered_at": clock.rfc3339(suggestion.answered_at) if suggestion.answered_at else None,
            "score": suggestion.score,
            "score_words": suggestion.score_words,
            "raised_at": clock.rfc3339(suggestion.raised_at),
            "changed_at": clock.rfc3339(suggestion.changed_at),
            "is_mine": side == "raiser",
            "allowed": allowed_to(suggestion.state, side) if side is not None else [],
        }
    )
