"""Password hashing: slow salted hashes (scrypt) that are stored with their parameters."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from functools import partial

QUICK_COST = 1
LENGTH = 4096  # maximum characters of a password
COST, BLOCK, LANES = 14, 8, 1  # 16 MB and about 40 ms; not more, since each command of a client sends the password


# A pool of two threads, so that a flood of logins cannot use up the memory. The C library keeps the 16 MB reserved for
# each thread that has used them once, so this is limited to these two rather than to every thread that serves requests.
_hashing = ThreadPoolExecutor(2, "passwords")


def make_hash(password: str) -> str:
    """Hash a password; returns the text to store."""
    salt = secrets.token_bytes(16)
    return _text(COST, BLOCK, LANES, salt, _derive(password, salt, COST, BLOCK, LANES))


def quick_hash(password: str) -> str:
    """Hash a random password that cannot be guessed, for which a slow hash is not needed; returns the text to store."""
    salt = secrets.token_bytes(16)
    return _text(QUICK_COST, BLOCK, LANES, salt, _derive(password, salt, QUICK_COST, BLOCK, LANES))


def is_right(password: str, stored: str | None) -> bool:
    """Whether the password matches the stored hash. Takes just as long if there is no hash (None)."""
    _, cost, block, lanes, salt, derived = (stored or _NOBODY).split("$")
    known = base64.b64decode(derived)
    found = _derive(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(found, known) and stored is not None


def _derive(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    memory = 256 * block * (2**cost + lanes)
    # JSON can contain lone surrogates, which UTF-8 cannot encode: such a password has to fail to match, not to encode.
    secret = password.encode("utf-8", "surrogatepass")
    derive = partial(hashlib.scrypt, secret, salt=salt, n=2**cost, r=block, p=lanes, maxmem=memory, dklen=32)
    return _hashing.submit(derive).result()


def _text(cost: int, block: int, lanes: int, salt: bytes, derived: bytes) -> str:
    encoded = (base64.b64encode(salt).decode(), base64.b64encode(derived).decode())
    return "$".join(("scrypt", str(cost), str(block), str(lanes), *encoded))


_NOBODY = _text(COST, BLOCK, LANES, b"\0" * 16, b"\0" * 32)
