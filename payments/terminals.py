"""The tills, as this process knows them: looked up by token for every payment, reloaded when the configuration moves.

A revoked token is told at the next batch everywhere, because each batch reads the configuration version with the
statement that locks the holders, and a terminal's every change raises it.
"""

from uuid import UUID

import asyncpg

from identity.api import Terminal, hash_token, load_terminals


class TerminalCache:
    """By token and by id. Written by posting's committer only, between two statements of one event loop."""

    def __init__(self) -> None:
        self._by_token: dict[bytes, Terminal] = {}
        self._by_id: dict[UUID, Terminal] = {}

    def by_token(self, token: str) -> Terminal | None:
        """The till with this token, as far as this process knows."""
        return self._by_token.get(hash_token(token))

    def by_id(self, terminal_id: UUID) -> Terminal | None:
        return self._by_id.get(terminal_id)

    async def refresh(self, connection: "asyncpg.Connection[asyncpg.Record]", since_version: int) -> None:
        """Load what changed after a configuration version; 0 loads everything anew."""
        changed = await load_terminals(connection, since_version)
        if since_version == 0:
            # Only now: a database that went away meanwhile must not leave us without any till.
            self._by_token.clear()
            self._by_id.clear()
        for terminal in changed:
            before = self._by_id.get(terminal.id)
            if before is not None:
                self._by_token.pop(before.token_hash, None)
            self._by_id[terminal.id] = terminal
            if terminal.token_hash:
                self._by_token[terminal.token_hash] = terminal
