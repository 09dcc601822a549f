"""Every address of the product, and which of the three administrators it is for: who grants rights uses none of them,
who audits changes nothing."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.wiring import ROUTERS
from identity.api import ADMINISTRATORS, Role

# Where the security administrator changes something: rights, and what protects them.
GRANTING = {
    "POST /v1/people/{who}/roles",
    "POST /v1/people/{who}/roles/preview",
    "POST /v1/people/{who}/roles/{grant}/end",
    "POST /v1/people/{who}/roles/{grant}/end/preview",
    "DELETE /v1/people/{who}/roles/{grant}",
}
PROTECTING = {
    "POST /v1/people/{who}/credential/reset",
    "POST /v1/people/{who}/second_factor/reset",
    # Suspend and resume; to leave and to return are the system administrator's.
    "POST /v1/people/{who}/{trigger}",
}
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


def routes() -> Iterator[tuple[str, APIRoute]]:
    for router in ROUTERS:
        for route in _flat(router):
            for method in sorted(route.methods or ()):
                yield f"{method} {route.path}", route


def _flat(router: APIRouter) -> Iterator[APIRoute]:
    """A router's own addresses and those of the routers that it includes."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if isinstance(inner, APIRouter):
            yield from _flat(inner)
        elif isinstance(route, APIRoute):
            yield route


def roles_of(route: APIRoute) -> set[Role]:
    """The roles that a route names: itself, in the functions of its file that it calls, and in its dependencies."""
    found = _roles_in(route.endpoint, set())
    for call in _calls(route.dependant):
        found |= _roles_in(call, set())
        for cell in getattr(call, "__closure__", None) or ():
            found |= _as_roles(cell.cell_contents)
    return found


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    for each in dependant.dependencies:
        if each.call is not None:
            yield each.call
        yield from _calls(each)


def _roles_in(function: Any, seen: set[str]) -> set[Role]:
    if not isinstance(function, FunctionType) or function.__qualname__ in seen:
        return set()
    seen.add(function.__qualname__)
    found: set[Role] = set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        value = _value_of(node, function.__globals__)
        found |= _as_roles(value)
        if isinstance(value, FunctionType) and value.__module__ == function.__module__:
            found |= _roles_in(value, seen)
    return found


def _value_of(node: ast.AST, names: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return getattr(names.get(node.value.id), node.attr, None)
    return None


def _as_roles(value: Any) -> set[Role]:
    if isinstance(value, Role):
        return {value}
    if isinstance(value, tuple | list | set | frozenset):
        return {role for role in value if isinstance(role, Role)}
    return set()


CHANGES = [(name, route) for name, route in routes() if name.split()[0] in CHANGING]


class TestEveryAddress:
    def test_the_walk_sees_what_it_is_to_see(self) -> None:
        seen = {name: roles_of(route) for name, route in routes()}
        assert seen["POST /v1/people/{who}/roles"] == {Role.SECURITY_ADMIN, Role.EMPLOYEE}
        assert seen["POST /v1/regions"] == {Role.SYSTEM_ADMIN}
        assert seen["GET /v1/people"] >= ADMINISTRATORS

    @pytest.mark.parametrize(("name", "route"), CHANGES, ids=[name for name, _ in CHANGES])
    def test_is_not_for_both_hands_of_one_administrator(self, name: str, route: APIRoute) -> None:
        roles = roles_of(route)
        if name in GRANTING:
            assert roles & ADMINISTRATORS == {Role.SECURITY_ADMIN}, "only who uses nothing grants"
        elif name not in PROTECTING:
            assert Role.SECURITY_ADMIN not in roles, "who grants rights uses none"
        assert Role.AUDIT_ADMIN not in roles, "who audits changes nothing"

    def test_the_lists_above_name_addresses_that_there_are(self) -> None:
        assert {name for name, _ in CHANGES} >= GRANTING | PROTECTING
