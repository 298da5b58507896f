"""Passwords: kept as slow salted hashes that carry their own parameters."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial

QUICK_COST = 1
LENGTH = 4096  # characters that a password may have
COST, BLOCK, LANES = 14, 8, 1  # 16 MB and some 40 ms: each command of a command line sends its password


# Two threads of their own: a flood of logins cannot take all memory, and the 16 MB that the C library keeps back for a
# thread that has used them once are kept for these two, not for every thread that answers requests.
_hashing = ThreadPoolExecutor(2, "passwords")


def make_hash(password: str) -> str:
    """The text to store."""
    salt = secrets.token_bytes(16)
    return _text(COST, BLOCK, LANES, salt, _derive(password, salt, COST, BLOCK, LANES))


def quick_hash(password: str) -> str:
    """The text to store of a password that nobody can guess: slowness would protect nothing."""
    salt = secrets.token_bytes(16)
    return _text(QUICK_COST, BLOCK, LANES, salt, _derive(password, salt, QUICK_COST, BLOCK, LANES))


def is_right(password: str, stored: str | None) -> bool:
    """Whether the password fits; it takes as long where there is nothing that it could fit."""
    _, cost, block, lanes, salt, derived = (stored or _NOBODY).split("$")
    known = base64.b64decode(derived)
    found = _derive(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(found, known) and stored is not None


def _derive(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    memory = 256 * block * (2**cost + lanes)
    # A lone surrogate is no text that UTF-8 has, yet JSON can carry it: such a password fits nobody.
    secret = password.encode("utf-8", "surrogatepass")
    derive = partial(hashlib.scrypt, secret, salt=salt, n=2**cost, r=block, p=lanes, maxmem=memory, dklen=32)
    return _hashing.submit(derive).result()


def _text(cost: int, block: int, lanes: int, salt: bytes, derived: bytes) -> str:
    encoded = (base64.b64encode(salt).decode(), base64.b64encode(derived).decode())
    return "$".join(("scrypt", str(cost), str(block), str(lanes), *encoded))


_NOBODY = _text(COST, BLOCK, LANES, b"\0" * 16, b"\0" * 32)
