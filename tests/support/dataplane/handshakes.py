"""TLS clients for tests: what they trust, show and ask for, and what came of it."""

from __future__ import annotations

import http.client
import socket
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pki
import vips
from world import Answer

from certificates import Certified


@dataclass(frozen=True)
class Session:
    """The parameters that a handshake agreed on, and the answer to a request over it."""

    version: str | None
    cipher: str
    alpn: str | None
    certificate: str  # the name that the server proved
    serial: int
    answer: Answer = field(repr=False)

    @property
    def name(self) -> str:
        return self.answer.name

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that arrived at the member."""
        return dict(self.answer.json["headers"])


def trusting(
    authority: str | None = "ca", shows: Certified | None = None, ciphers: str | None = None
) -> ssl.SSLContext:
    """A client's context; without an authority it takes whatever comes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=pki.authority(authority).pem)
    if shows:
        load(context, shows)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def serving(shows: Certified, wants: str | None = None, required: bool = False) -> ssl.SSLContext:
    """A server's context, which may want certificates of an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(context, shows)
    if wants:
        context.load_verify_locations(cadata=pki.authority(wants).pem)
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def load(context: ssl.SSLContext, shows: Certified) -> None:
    """Python takes certificates from files only."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shown.pem"
        path.write_text(shows.pem + shows.chain_pem + shows.key_pem())
        context.load_cert_chain(path)


def shake(
    port: int,
    name: str | None = "shop.example",
    context: ssl.SSLContext | None = None,
    *,
    path: str = "/",
    alpn: Sequence[str] = (),
    headers: Mapping[str, str] | None = None,
    address: str | None = None,
) -> Session:
    """One request over a TLS connection of its own. Raises OSError where there is none."""
    context, address = context or trusting(), address or vips.at(port)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    with (
        socket.create_connection((address, port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        connection = http.client.HTTPConnection(name or address, port)
        connection.sock = secured
        connection.request("GET", path, headers=dict(headers or {}))
        answer = Answer(connection.getresponse())
        proved = secured.getpeercert() or {}
        names = dict(each for names in proved.get("subject", ()) for each in names)
        return Session(
            version=secured.version(),
            cipher=(secured.cipher() or ("",))[0],
            alpn=secured.selected_alpn_protocol(),
            certificate=str(names.get("commonName", "")),
            serial=int(str(proved.get("serialNumber", "0")), 16),
            answer=answer,
        )


def refused(port: int, name: str | None = "shop.example", context: ssl.SSLContext | None = None) -> str:
    """Why the handshake, or what comes after it, fails; a client of TLS 1.3 learns it with its first read."""
    try:
        session = shake(port, name, context)
    except ssl.SSLError as error:
        return str(error.reason or error)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
    raise AssertionError(f"was not refused: {session}")
