"""A forgotten password: a link by mail, good once and for half an hour, that leads to the page of the activation slips.

Whoever asks hears the same, whether the name is somebody's or not, and after the same work: the question is written
down as a timer, and only the worker looks whose name it is. Administrators' passwords are no matter of a mailbox: two
other administrators see to them, and the letter says so. A second factor stays as it is.
"""

from datetime import timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity.activation import issue_link
from identity.attempts import AttemptPolicy, count_attempt
from identity.models import Credential, Person
from identity.passwords import normalise_username
from identity.roles import holds_administrators_role
from kernel import audit_log, clock, mail, timers
from kernel.db import Database
from kernel.errors import NotFound, TooManyRequests
from kernel.ids import public_id
from kernel.settings import get_settings

TIMER_KIND: Final = "password.reset"
LIFE: Final = timedelta(minutes=30)
# Three letters for a name, then ever fewer; a unit's people share an address, so that one bears more.
_OF_A_NAME: Final = AttemptPolicy(3, timedelta(hours=1), timedelta(minutes=15), timedelta(hours=2))
_FROM_AN_ADDRESS: Final = AttemptPolicy(20, timedelta(minutes=15), timedelta(minutes=1), timedelta(minutes=30))

_SUBJECT: Final = {"zh": "设置新密码", "en": "Choose a new password"}
_LETTER: Final = {
    "zh": "{name}，您好：\n\n请用下面的链接为账号 {username} 设置新密码。链接 30 分钟内有效，只能用一次：\n\n{link}\n\n"
    "如果不是您本人申请，不用理会这封邮件，密码不会改变。\n",
    "en": "Dear {name},\n\nwith this link you choose a new password for your account {username}. It is good for 30 minutes, once:\n\n"
    "{link}\n\nIf it was not you who asked, ignore this letter; nothing changes.\n",
}
_TO_AN_ADMINISTRATOR: Final = {
    "zh": "{name}，您好：\n\n有人为账号 {username} 申请了重置密码。管理员的密码不能用邮件重置，请联系另外两位管理员办理。\n\n"
    "如果不是您本人申请，请告知安全管理员。\n",
    "en": "Dear {name},\n\nsomebody asked for a new password for your account {username}. An administrator's password is not reset by\n"
    "mail: please turn to two other administrators. If it was not you who asked, tell the security administrator.\n",
}


def is_offered() -> bool:
    """Where mail is sent, and the address of our pages is the operator's word: a caller's would lead links astray."""
    return mail.is_set_up() and bool(get_settings().public_url)


async def ask_for_reset(db: Database, username: str, address: str) -> None:
    """Somebody says that they have forgotten their password; TooManyRequests for a name or an address that says it often."""
    if not is_offered():
        raise NotFound(what="password_reset")
    name = normalise_username(username)
    async with db.session() as session:
        waits_s = [
            await count_attempt(session, f"password_reset:{name}", _OF_A_NAME),
            await count_attempt(session, f"password_reset_from:{address}", _FROM_AN_ADDRESS),
        ]
        if not any(waits_s):
            await timers.schedule(session, TIMER_KIND, uuid4().hex, clock.now(), {"username": name})
    if any(waits_s):
        raise TooManyRequests(retry_after_s=max(waits_s))


async def send_link(session: AsyncSession, timer: timers.Timer) -> None:
    """The timer's work: a letter to whoever has this name, an address, and may sign in; to nobody else."""
    found = await session.execute(
        select(Person.id, Person.name, Person.email, Person.language, Credential.username)
        .join(Credential, Credential.person_id == Person.id)
        .where(Credential.username == timer.payload["username"], Person.status == "active", Person.email.is_not(None))
    )
    person = found.one_or_none()
    if person is None or not is_offered():
        return
    language = person.language if person.language in _LETTER else "zh"
    words = {"name": person.name, "username": person.username}
    if await holds_administrators_role(session, person.id):
        letter = _TO_AN_ADMINISTRATOR[language].format(**words)
    else:
        code = await issue_link(session, person.id, person.username, LIFE)
        address = (get_settings().public_url or "").rstrip("/")
        letter = _LETTER[language].format(**words, link=f"{address}/activate/{code}")
    await mail.write_mail(session, person.email, _SUBJECT[language], letter, life=LIFE)
    subject = public_id("per", person.id)
    await audit_log.record(session, actor="system", action="password_reset.send", subject=subject, data={})
