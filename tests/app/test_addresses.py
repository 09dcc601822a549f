"""An address is found without asking the routers of everybody else."""

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Match

from app.main import create_app


def test_every_address_is_still_found() -> None:
    app = create_app()
    asked = [
        (method, path)
        for route in iter_route_contexts(app.routes)
        if route.path is not None
        for path in [re.sub(r"\{[^}]*\}", "1", route.path)]
        for method in route.methods or ()
        # A parameter may want more than a digit.
        if route.path_regex.match(path)
    ]
    assert len(asked) > 400
    lost = [(method, path) for method, path in asked if not _is_found(app.router.routes, method, path)]
    assert lost == []


def _is_found(routes: Any, method: str, path: str) -> bool:
    # The pages of the front end take every address that nobody else does.
    found = (
        type(route).__name__
        for route in routes
        if route.matches({"type": "http", "method": method, "path": path, "headers": []})[0] == Match.FULL
    )
    return next(found, "PagesMount") != "PagesMount"


def test_an_address_is_compared_with_few_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are hundreds of routes; a request that is compared with each costs a millisecond before anything is done."""
    app, compared, really = create_app(), [0], APIRoute.matches

    def counted(route: APIRoute, scope: Any) -> Any:
        compared[0] += 1
        return really(route, scope)

    assert _is_found(app.router.routes, "POST", "/v1/work_orders")
    monkeypatch.setattr(APIRoute, "matches", counted)
    assert _is_found(app.router.routes, "POST", "/v1/work_orders")
    assert 0 < compared[0] < 60
