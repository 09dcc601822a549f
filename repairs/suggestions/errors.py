"""What the suggestions box may answer besides a suggestion.

SuggestionNeedsWords    422    an answer, a refusal and a low score have words
OwnSuggestion           403    nobody takes up or answers their own suggestion
"""

from kernel.errors import GuanjiaError


class SuggestionNeedsWords(GuanjiaError):
    """`data.trigger`."""

    code = "SUGGESTION_NEEDS_WORDS"
    status = 422
    message_zh = "请写明答复或原因"
    message_en = "Please say it in words"


class OwnSuggestion(GuanjiaError):
    code = "OWN_SUGGESTION"
    status = 403
    message_zh = "不能办理自己提出的建议"
    message_en = "Nobody handles their own suggestion"
