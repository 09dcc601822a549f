"""From a token to a caller: the FastAPI dependencies with which every route says who may call it.

A person's token comes as Bearer or as the cookie `guanjia_session`; a till's comes as Bearer.

A route whose use case takes `db` (and opens its own transactions) asks for its caller by a dependency `...Apart`:
one request that holds two connections at once is how a pool locks itself up.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import date
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from identity import queries
from identity.errors import TerminalDisabled
from identity.kinds import Role
from identity.principal import Principal, Terminal
from identity.tokens import SESSION_PREFIX, TERMINAL_PREFIX, hash_token
from kernel import clock
from kernel.db import DatabaseDep, SessionDep
from kernel.errors import Forbidden, Unauthenticated
from kernel.settings import get_settings

SESSION_COOKIE: Final = "guanjia_session"
_TOKEN_LENGTH_MAX = 200


def today() -> date:
    """The day by which a membership counts: local, from midnight on."""
    return clock.now().astimezone(get_settings().zone).date()


async def authenticate(session: AsyncSession, token: str) -> Principal:
    """The person behind a session token; Unauthenticated for one that is unknown, expired or revoked."""
    principal = None
    if token.startswith(SESSION_PREFIX):
        principal = await queries.find_principal(session, hash_token(token), today(), clock.now())
    if principal is None:
        raise Unauthenticated
    return principal


async def authenticate_many(session: AsyncSession, tokens: Collection[str]) -> dict[str, Principal]:
    """The people behind the session tokens of many requests, in one question; one that is no good is absent."""
    hashes = {token: hash_token(token) for token in tokens if token.startswith(SESSION_PREFIX)}
    found = await queries.find_principals(session, set(hashes.values()), today(), clock.now())
    return {token: found[hashed] for token, hashed in hashes.items() if hashed in found}


async def authenticate_terminal(session: AsyncSession, token: str) -> Terminal:
    """The till behind a terminal token, disabled ones included; Unauthenticated for an unknown or revoked one."""
    terminal = None
    if token.startswith(TERMINAL_PREFIX):
        terminal = await queries.find_terminal_by_token(session, hash_token(token))
    if terminal is None or terminal.status not in ("active", "disabled"):
        raise Unauthenticated
    return terminal


async def authenticate_caller(session: AsyncSession, token: str) -> Principal | Terminal:
    """A person or a till, whichever the token belongs to: for callers that do not come by HTTP."""
    if token.startswith(TERMINAL_PREFIX):
        return await authenticate_terminal(session, token)
    return await authenticate(session, token)


def token_of(request: Request) -> str:
    """The token that a request carries: `Authorization: Bearer ...` before the cookie."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = request.cookies.get(SESSION_COOKIE, "")
    token = token.strip()
    if not token or len(token) > _TOKEN_LENGTH_MAX:
        raise Unauthenticated
    return token


async def current_person(request: Request, session: SessionDep) -> Principal:
    """The person who is signed in."""
    return await authenticate(session, token_of(request))


async def current_person_apart(request: Request, db: DatabaseDep) -> Principal:
    """The person who is signed in, read in a short transaction that is over before the route begins."""
    async with db.session() as session:
        return await authenticate(session, token_of(request))


async def current_terminal_apart(request: Request, db: DatabaseDep) -> Terminal:
    """The till that calls, in service, read in a short transaction that is over before the route begins."""
    async with db.session() as session:
        return await current_terminal(request, session)


async def current_caller_apart(request: Request, db: DatabaseDep) -> Principal | Terminal:
    """A person or a till, read in a short transaction that is over before the route begins."""
    async with db.session() as session:
        return await current_caller(request, session)


async def known_terminal(request: Request, session: SessionDep) -> Terminal:
    """The till that calls, also when it was put out of service."""
    return await authenticate_terminal(session, token_of(request))


async def current_terminal(request: Request, session: SessionDep) -> Terminal:
    """The till that calls, in service."""
    terminal = await known_terminal(request, session)
    if terminal.status == "disabled":
        raise TerminalDisabled
    return terminal


async def current_caller(request: Request, session: SessionDep) -> Principal | Terminal:
    """A person or a till, whichever the token belongs to."""
    if token_of(request).startswith(TERMINAL_PREFIX):
        return await current_terminal(request, session)
    return await current_person(request, session)


def require_role(*roles: Role | str) -> Callable[..., Awaitable[Principal]]:
    """A dependency: somebody who holds one of these roles somewhere. Where it counts is for the use case to ask."""

    async def person_with_role(person: CurrentPerson) -> Principal:
        if not person.holds(*roles):
            raise Forbidden(roles=[str(role) for role in roles])
        return person

    return person_with_role


CurrentPerson = Annotated[Principal, Depends(current_person, scope="function")]
# For a route that asks only that somebody is signed in, whoever it is.
SIGNED_IN: Final = [Depends(current_person, scope="function")]
CurrentTerminal = Annotated[Terminal, Depends(current_terminal, scope="function")]
KnownTerminal = Annotated[Terminal, Depends(known_terminal, scope="function")]
CallerDep = Annotated[Principal | Terminal, Depends(current_caller, scope="function")]
CurrentPersonApart = Annotated[Principal, Depends(current_person_apart, scope="function")]
CurrentTerminalApart = Annotated[Terminal, Depends(current_terminal_apart, scope="function")]
CallerApart = Annotated[Principal | Terminal, Depends(current_caller_apart, scope="function")]
