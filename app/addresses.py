"""Which router an address belongs to, found in one look.

A router is asked route by route, and there are some five hundred of them: an address of the last router would be compared with all
the others first, which costs more than most of what is then done. Two words of the path (`/v1/work_orders`) tell a router that
it is not meant.
"""

from typing import Final

from fastapi import APIRouter
from fastapi.routing import iter_route_contexts
from starlette.routing import Match
from starlette.types import Scope

_ANY: Final = ""


class KnownAddresses(APIRouter):
    """A domain's router, passed over where the path begins like none of its own."""

    def __init__(self, router: APIRouter) -> None:
        super().__init__()
        self.include_router(router)
        self._heads = frozenset(_head_of(route.path or _ANY) for route in iter_route_contexts(self.routes))

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As the router says, where it may be meant."""
        # Below another application (root_path) the path begins with words that are not ours.
        if _head_of(scope["path"]) in self._heads or _ANY in self._heads or scope.get("root_path"):
            return super().matches(scope)
        return Match.NONE, {}


def _head_of(path: str) -> str:
    """Its first two words; none where a word of them is a parameter, or where it has fewer."""
    words = path.split("/", 3)
    head = "/".join(words[1:3])
    return _ANY if "{" in head else head
