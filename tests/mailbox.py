"""A mail server on this machine, that keeps what it is given: for tests that wait for a letter."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from kernel.settings import get_settings


@dataclass
class Mailbox:
    """Where letters arrive; `refuses` is what the server says instead of taking the next ones."""

    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    refuses: str | None = None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  the library's names
        if self.refuses:
            return self.refuses
        letter = message_from_bytes(cast("bytes", envelope.content), policy=policy.default)
        self.letters.append(letter)
        return "250 OK"


@asynccontextmanager
async def mailbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mailbox]:
    """The server, and the settings that lead to it."""
    box = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    async with server:
        box.port = server.sockets[0].getsockname()[1]
        told = {"smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
        for name, value in {**told, "smtp_from": "card@guanjia.test", "public_url": "https://card.test"}.items():
            monkeypatch.setattr(get_settings(), name, value)
        yield box
