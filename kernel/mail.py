"""Mail: written down in the transaction that wants it, sent by the worker, tried again until its time is over.

What stands in a letter may be a secret (a link that sets a password), so it is sealed while it waits and gone once it
is sent. A worker that dies between the sending and the noting sends the same letter again, under the same Message-ID.
"""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from secrets import token_bytes
from typing import Any, Final, Literal
from uuid import UUID

import aiosmtplib
import structlog
from sqlalchemy import DateTime, Integer, LargeBinary, Text, delete, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from kernel import clock
from kernel.db import Base, Database
from kernel.ids import uuid7
from kernel.sealing import seal, unseal
from kernel.settings import Settings, get_settings

_LOOK_EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 20
# Longer than one try can take: another worker may then believe that this one is gone.
_LEASE: Final = timedelta(minutes=2)
_RETRY_FIRST: Final = timedelta(seconds=10)
_RETRY_LONGEST: Final = timedelta(minutes=10)
_KEPT: Final = timedelta(days=30)

log = structlog.get_logger(__name__)


class Mail(Base):
    """One letter. `sealed` is its text until it is sent or given up; the address and the subject stay for a month."""

    __tablename__ = "mails"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    to_address: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    # An invitation that goes with it, and its METHOD.
    sealed_calendar: Mapped[bytes | None] = mapped_column(LargeBinary)
    calendar_method: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    attempts: Mapped[int] = mapped_column(Integer)
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_error: Mapped[str | None] = mapped_column(Text)


MailState = Literal["waiting", "retrying", "sent", "failed"]


@dataclass(frozen=True, slots=True)
class Invitation:
    """A calendar that goes with a letter (RFC 6047): `method` is REQUEST or CANCEL, as it stands in it."""

    method: str
    calendar: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it is sent."""

    id: UUID
    to_address: str
    subject: str
    body: str
    attempts: int
    invitation: Invitation | None = None


def is_set_up(settings: Settings | None = None) -> bool:
    """Whether this installation sends mail at all; where it does not, nobody is offered any."""
    settings = settings or get_settings()
    # An environment file that leaves them empty means none, too.
    return bool(settings.smtp_host and settings.smtp_from)


async def write_mail(
    session: AsyncSession,
    to_address: str,
    subject: str,
    body: str,
    *,
    life: timedelta,
    invitation: Invitation | None = None,
) -> UUID:
    """Let a letter go out after this transaction; after `life` nobody would want it any more."""
    now = clock.now()
    mail = Mail(
        id=uuid7(),
        to_address=to_address,
        subject=subject,
        sealed=seal(body.encode(), token_bytes(12)),
        sealed_calendar=seal(invitation.calendar, token_bytes(12)) if invitation else None,
        calendar_method=invitation.method if invitation else None,
        created_at=now,
        due_at=now,
        expires_at=now + life,
        attempts=0,
        sent_at=None,
        last_error=None,
    )
    session.add(mail)
    await session.flush()
    return mail.id


async def states_of(session: AsyncSession, mails: Collection[UUID]) -> dict[UUID, MailState]:
    """How far some letters have come; one that was forgotten after its month is absent."""
    rows = await session.scalars(select(Mail).where(Mail.id.in_(mails)))
    return {mail.id: _state(mail) for mail in rows}


def _state(mail: Mail) -> MailState:
    if mail.sent_at is not None:
        return "sent"
    if mail.expires_at <= clock.now():
        return "failed"
    return "waiting" if mail.last_error is None else "retrying"


# ---- the worker's


async def send_for_ever(db: Database) -> None:
    """The worker's loop; where no mail server is set it has nothing to do."""
    while True:
        while is_set_up() and await send_next(db):
            pass
        await asyncio.sleep(_LOOK_EVERY_S)


async def send_next(db: Database) -> bool:
    """Send one letter that is due, outside of any transaction; False where there is none."""
    letter = await _claim(db)
    if letter is None:
        return False
    try:
        await _hand_over(letter, get_settings())
    except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
        # One letter that cannot be written (ValueError) must not stand before all others.
        log.warning("mail.not_sent", mail=str(letter.id), attempts=letter.attempts, error=type(error).__name__)
        await _note(db, letter.id, due_at=clock.now() + _wait_after(letter.attempts), last_error=str(error)[:500])
    else:
        await _note(db, letter.id, sealed=None, sealed_calendar=None, sent_at=clock.now(), last_error=None)
    return True


async def _claim(db: Database) -> Letter | None:
    now = clock.now()
    async with db.session() as session:
        mail = await session.scalar(
            select(Mail)
            .where(Mail.sealed.is_not(None), Mail.due_at <= now, Mail.expires_at > now)
            .order_by(Mail.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if mail is None:
            return None
        assert mail.sealed is not None, "the query asks for it"
        mail.due_at = now + _LEASE
        mail.attempts += 1
        return _opened(mail, mail.sealed)


def _opened(mail: Mail, sealed: bytes) -> Letter:
    invitation = None
    if mail.sealed_calendar is not None and mail.calendar_method is not None:
        invitation = Invitation(mail.calendar_method, unseal(mail.sealed_calendar))
    return Letter(mail.id, mail.to_address, mail.subject, unseal(sealed).decode(), mail.attempts, invitation)


async def waiting_invitations(session: AsyncSession, limit: int) -> list[Letter]:
    """Where no mail server is set: the invitations that would have gone out, newest first."""
    rows = await session.scalars(
        select(Mail)
        .where(Mail.sealed.is_not(None), Mail.calendar_method.is_not(None))
        .order_by(Mail.id.desc())
        .limit(limit)
    )
    return [_opened(mail, mail.sealed) for mail in rows if mail.sealed is not None]


async def _hand_over(letter: Letter, settings: Settings) -> None:
    sender = settings.smtp_from or ""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, letter.to_address, letter.subject
    message["Date"] = clock.now()
    message["Message-ID"] = f"<{letter.id.hex}@{sender.rpartition('@')[2].rstrip('>')}>"
    # Nobody's holiday notice answers this.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.body)
    if letter.invitation is not None:
        # Beside the words and not attached: a mail program then shows it as an invitation.
        calendar = letter.invitation.calendar.decode()
        message.add_alternative(calendar, subtype="calendar", params={"method": letter.invitation.method})
    password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
    await aiosmtplib.send(
        message,
        hostname=settings.smtp_host,
        port=settings.smtp_port,
        username=settings.smtp_user or None,
        password=password or None,
        use_tls=settings.smtp_security == "tls",
        start_tls=settings.smtp_security == "starttls",
        timeout=_TIMEOUT_S,
    )


def _wait_after(attempts: int) -> timedelta:
    return min(_RETRY_FIRST * (1 << min(attempts - 1, 10)), _RETRY_LONGEST)


async def _note(db: Database, mail_id: UUID, **changes: Any) -> None:
    async with db.session() as session:
        await session.execute(update(Mail).where(Mail.id == mail_id).values(**changes))


async def forget_old_mails(db: Database) -> None:
    """Secrets of letters that nobody could be sent any more go at once, the rest after a month."""
    now = clock.now()
    async with db.session() as session:
        over = update(Mail).where(Mail.sealed.is_not(None), Mail.expires_at <= now)
        await session.execute(over.values(sealed=None, sealed_calendar=None))
        await session.execute(
            delete(Mail).where(Mail.created_at < now - _KEPT, or_(Mail.sealed.is_(None), Mail.expires_at <= now))
        )
