"""docs/glossary.md: the words of the trade in Chinese and English, with their names in the code."""

from typing import Final

from app.glossary import SECTIONS, Term
from app.handbook.markdown import page, sentence, table
from app.main import create_app
from kernel.db import Base
from kernel.events import Event, event_classes
from kernel.settings import Settings

_LEAD: Final = "Each word has one meaning, one name in each language, and one in the code."


def glossary_page() -> str:
    """The whole page."""
    documented = classes_to_explain()
    parts = [
        f"## {title}\n\n"
        + table(("中文", "English", "in the code", "meaning"), [_row(term, documented) for term in terms])
        for title, terms in SECTIONS.items()
    ]
    return page("Glossary", _LEAD, *parts)


def classes_to_explain() -> dict[str, type]:
    """Every table's class and every event, by name: what the glossary must hold."""
    create_app(Settings())  # Imports every domain, and with it every table and event.
    tables = {mapper.class_.__name__: mapper.class_ for mapper in Base.registry.mappers}
    events = {event.__name__: event for event in event_classes().values()}
    return {**tables, **events}


def _row(term: Term, documented: dict[str, type]) -> tuple[str, str, str, str]:
    meaning = term.meaning or next(sentence(documented[name]) for name in term.names if name in documented)
    return term.zh, term.en, ", ".join(_name(name, documented) for name in term.names), meaning


def _name(name: str, documented: dict[str, type]) -> str:
    found = documented.get(name)
    event_type = getattr(found, "type", None) if found is not None and issubclass(found, Event) else None
    return f"`{name}` (`{event_type}`)" if event_type else f"`{name}`"
