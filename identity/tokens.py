"""Secrets that are given out once and kept as a hash only.

Tokens have 256 random bits, so a plain SHA-256 is enough to keep them; passwords are argon2's matter (`passwords.py`).
"""

import hashlib
import secrets

SESSION_PREFIX = "gjs_"
TERMINAL_PREFIX = "gjt_"
PENDING_PREFIX = "gjp_"

# No 0 and O, no 1, I and L: a code is read from one screen and typed at another.
PAIRING_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
PAIRING_LENGTH = 8
_ACTIVATION_GROUPS = 4


def hash_token(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def new_session_token() -> str:
    return SESSION_PREFIX + secrets.token_urlsafe(32)


def new_pending_token() -> str:
    """For a sign-in half done; it opens nothing but the rest of that sign-in."""
    return PENDING_PREFIX + secrets.token_urlsafe(32)


def new_terminal_token() -> str:
    return TERMINAL_PREFIX + secrets.token_urlsafe(32)


def new_pairing_code() -> str:
    """Eight letters and digits: 39 bits for a quarter of an hour, with guesses counted."""
    return "".join(secrets.choice(PAIRING_ALPHABET) for _ in range(PAIRING_LENGTH))


def new_activation_code() -> str:
    """`ABCD-EFGH-JKMN-PQRS`: 79 bits, to be read from paper and typed; it is good for days, and kept as a hash."""
    groups = ("".join(secrets.choice(PAIRING_ALPHABET) for _ in range(4)) for _ in range(_ACTIVATION_GROUPS))
    return "-".join(groups)


def hash_code(code: str) -> bytes:
    """What is stored of a code that people type: however they space and case it."""
    return hash_token("".join(sign for sign in code.upper() if sign.isalnum()))
