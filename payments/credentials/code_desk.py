"""The codes that many phones ask for at the same moment: whoever waits is served together, in one transaction.

At noon a code is asked for as often as a payment is made. One by one, the questions around it (whose session, which account,
which key) cost several times what the code costs. Nobody waits for others to come: what has arrived while the last transaction
was under way is the next one.
"""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Depends, Request

from identity.api import hash_token, people_of_tokens
from kernel import clock
from kernel.db import Database
from kernel.errors import GuanjiaError, NotFound, Unauthenticated
from payments import queries
from payments.credentials.pay_codes import IssuedCode, issue_or_refuse

AT_ONCE_MAX: Final = 200

Outcome = IssuedCode | GuanjiaError
_Waiting = tuple[bytes, "asyncio.Future[IssuedCode]"]


class CodeDesk:
    """One for each web process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._serving: asyncio.Task[None] | None = None

    async def issue(self, token: str) -> IssuedCode:
        """A fresh code for whoever is signed in with this token, durable. Unauthenticated, NotFound or PaymentRefused where there
        is none for them."""
        issued: asyncio.Future[IssuedCode] = asyncio.get_running_loop().create_future()
        self._waiting.append((hash_token(token), issued))
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve(), name="code desk")
        return await issued

    async def _serve(self) -> None:
        """Until nobody waits."""
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:AT_ONCE_MAX], self._waiting[AT_ONCE_MAX:]
                await self._serve_together(taken)
        finally:
            self._serving = None

    async def _serve_together(self, taken: Sequence[_Waiting]) -> None:
        outcomes: Sequence[Outcome | Exception]
        try:
            outcomes = await self._issue([token_hash for token_hash, _ in taken])
        except Exception as error:  # noqa: BLE001  whatever it was, each of them is told
            outcomes = [error] * len(taken)
        for (_, issued), outcome in zip(taken, outcomes, strict=True):
            if issued.done():
                continue  # Its phone has hung up.
            if isinstance(outcome, Exception):
                issued.set_exception(outcome)
            else:
                issued.set_result(outcome)

    async def _issue(self, hashes: Sequence[bytes]) -> list[Outcome]:
        """In order. Nobody gets a code before it is committed."""
        async with self._database.session() as session:
            people = await people_of_tokens(session, set(hashes), clock.now())
            keys = await queries.holder_keys(session, list(people.values()))
            known = [keys[person] for each in hashes if (person := people.get(each)) is not None and person in keys]
            made = iter(await issue_or_refuse(session, known))
        outcomes: list[Outcome] = []
        for each in hashes:
            person = people.get(each)
            if person is None:
                outcomes.append(Unauthenticated())
            elif person not in keys:
                outcomes.append(NotFound(what="holder"))
            else:
                outcomes.append(next(made))
        return outcomes


def code_desk(request: Request) -> CodeDesk:
    """This process's, opened when the first phone asks."""
    state = request.app.state
    if not hasattr(state, "code_desk"):
        state.code_desk = CodeDesk(state.database)
    found: CodeDesk = state.code_desk
    return found


CodeDeskDep = Annotated[CodeDesk, Depends(code_desk)]
