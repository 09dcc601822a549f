"""XML of the ISO 20022 family: read without expanding anything, and held against the standard's own schema."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from lxml import etree

SCHEMAS: Final = Path(__file__).parent / "schemas"
NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:"


class XmlRefused(Exception):
    """Not XML, or not by its schema; `reason` is xml or schema."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason, self.said = reason, said[:200]


def read_document(content: bytes, messages: tuple[str, ...]) -> etree._Element:
    """The root of a document of one of these messages, valid by its schema."""
    # No entities, no network, no DTD, and no tree without bounds: the file comes from anywhere.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise XmlRefused("xml", str(error)) from error
    if root.getroottree().docinfo.doctype:
        raise XmlRefused("xml", "a document type is declared")
    message = message_of(root)
    if message not in messages:
        raise XmlRefused("schema", f"{message or 'another family'}: one of {', '.join(messages)} is read")
    validate(root, message)
    return root


def validate(root: etree._Element, message: str) -> None:
    """XmlRefused with the first thing that the schema has against it."""
    schema = load_schema(message)
    if not schema.validate(root):
        first = schema.error_log[0]
        raise XmlRefused("schema", f"line {first.line}: {first.message.replace('{' + NAMESPACE + message + '}', '')}")


@lru_cache
def load_schema(message: str) -> etree.XMLSchema:
    """Once for each process."""
    return etree.XMLSchema(etree.parse(SCHEMAS / f"{message}.xsd"))


def message_of(root: etree._Element) -> str:
    """`camt.053.001.08`, as the document's namespace says; empty for another family."""
    return (etree.QName(root).namespace or "").removeprefix(NAMESPACE) if isinstance(root.tag, str) else ""
