"""Explanations of connection errors: the address and the reason, extracted from nested exceptions of libraries."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

ADDRESS = re.compile(r"(?:connection to|connecting to|Attempted|endpoints for|at) (https?://[^\s,']+?)[.:,]?(?:\s|$)")
REASON = re.compile(r"\[Errno -?\d+\] ([^'\")\[\]]+)")
UNTRUSTED = re.compile(r"certificate verify failed: (.*?) \(_ssl")
PROXY_VARIABLES = ("{}_proxy", "{}_PROXY", "all_proxy", "ALL_PROXY")

RUNNING = "Is the server running, and is its address right?"
KEYSTONE = "Give the address of Keystone as auth_url; it often ends in /identity, /identity/v3, :5000 or :5000/v3."
TRUST = "Name the authority's certificate with --os-cacert, or use --insecure to trust anyone."


def explained(error: BaseException, environ: Mapping[str, str] = os.environ) -> str:
    """Return one line with the address, the reason and advice."""
    text = " ".join(" ".join(str(each).split()) for each in _chain(error))
    found = ADDRESS.search(text)
    address = found[1] if found else ""
    reasons = REASON.findall(text)
    reason = reasons[-1].strip().lower() if reasons else ""
    untrusted = UNTRUSTED.search(text)
    if untrusted:
        return f"The certificate of {address} is not trusted: {untrusted[1].rstrip('.')}. {TRUST}"
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text:
        return f"{address} does not speak TLS: is its address http:// rather than https://?"
    if "[SSL" in text:
        return f"{_one_line(error)} {TRUST}"
    proxy = _proxy(address, environ) if "ProxyError" in text or "to proxy" in text else ""
    if proxy:
        return f"{address} cannot be reached, as the proxy cannot: {proxy}{f', {reason}' if reason else ''}."
    if "RemoteDisconnected" in text and address.startswith("http://"):
        return f"{address} closed the connection without an answer: is its address https:// rather than http://?"
    if address and reason:
        return f"{address} cannot be reached: {reason}. {RUNNING}"
    if "Cannot use v2 authentication" in text or ("versioned identity endpoints" in text and "(HTTP 5" not in text):
        return f"What answers at auth_url is no identity service. {KEYSTONE}"
    return f"{_one_line(error)} {RUNNING}"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error, then the errors that it was raised from or during."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _proxy(address: str, environ: Mapping[str, str]) -> str:
    """Return the variable that sets the proxy of an address, with its value but without credentials; "" if none."""
    scheme = address.partition(":")[0]
    names = (name.format(scheme if name.endswith("y") else scheme.upper()) for name in PROXY_VARIABLES)
    named = ((name, re.sub(r"//[^/]*@", "//", environ[name])) for name in names if environ.get(name))
    return next((f"{name} is {value}" for name, value in named), "")


def _one_line(error: BaseException) -> str:
    line = " ".join(str(error).split()).rstrip(".")
    return f"{line}."
