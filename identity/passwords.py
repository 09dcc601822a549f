"""Passwords: argon2id, in threads of their own, so that a wave of sign-ins never stops a till.

A name that nobody has costs the same work as a wrong password, so the time of an answer tells nothing.
"""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError

from identity.errors import PasswordTooWeak
from kernel.errors import TryAgain

PASSWORD_LENGTH_MIN: Final = 10
PASSWORD_LENGTH_MAX: Final = 200
_WAITING_MAX: Final = 100

# OWASP's recommendation for argon2id: 19 MiB, two passes, one lane.
_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
_threads: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


class _Queue:
    """How many are waiting: beyond a bound a sign-in is asked to come back instead of piling up."""

    waiting = 0


async def hash_password(password: str) -> str:
    """The form in which a password is stored."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password is the stored one; with None (no such name) the same work and False."""
    if _Queue.waiting >= _WAITING_MAX:
        raise TryAgain
    _Queue.waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, _verify, stored, password)
    finally:
        _Queue.waiting -= 1


def _verify(stored: str | None, password: str) -> bool:
    try:
        _hasher.verify(stored or _nobodys_hash(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return stored is not None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("nobody has this password")


def normalise_username(username: str) -> str:
    """One spelling for a name, however its keyboard wrote it."""
    return unicodedata.normalize("NFKC", username).strip().casefold()


def check_password_strength(username: str, password: str) -> None:
    """Long enough and not the user name: what current guidance asks for, and nothing that makes people write it down."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise PasswordTooWeak(field="password")
    if normalise_username(password) == normalise_username(username):
        raise PasswordTooWeak(field="password")
