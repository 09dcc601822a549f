"""Whatever two people may be asked for has a name on the approvals page, in both languages."""

import re
from pathlib import Path

import pytest

from app import wiring  # noqa: F401  by then every domain has said what it asks two people for
from identity import approvals

MESSAGES = Path(__file__).resolve().parents[2] / "frontend" / "src" / "identity" / "door" / "messages.ts"
# Asked for by older versions; still carried out, never asked for again.
OLD = {"grant_administrator"}


@pytest.mark.parametrize("kind", sorted(set(approvals._executors) - OLD))
def test_each_kind_has_a_name_in_both_languages(kind: str) -> None:
    tables = re.findall(r"approvals: \{.*?\bkind: \{(.*?)\n    \}", MESSAGES.read_text(encoding="utf-8"), re.DOTALL)
    assert len(tables) == 2
    for table in tables:
        assert re.search(rf"^\s+{kind.replace('.', '_')}: ['\"]", table, re.MULTILINE), kind
