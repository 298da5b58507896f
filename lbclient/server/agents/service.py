"""The part of the server that serves agents: its own port, with certificates of the hosts' authority."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from ...store import hosts
from ...store.store import Store
from ...vault.authority import Authority
from ..peers import Carrier
from ..web.asgi import PEER, Guards
from ..web.limits import Limits
from ..web.server import Server
from .api import AgentApi
from .cluster import Cluster
from .hub import Hub

LOG = logging.getLogger(__name__)
DIRECTORY = "hosts"  # of the authority, below the state directory
THREADS = 8
STREAM_SILENCE = 1.0  # seconds: both sides notice soon that the other is gone


class AgentService:
    """The port for agents, and the data plane of all hosts."""

    def __init__(self, store: Store, local: Carrier, directory: Path, place: tuple[str, int]) -> None:
        authority = Authority(directory / DIRECTORY)
        self._store = store
        self._fingerprint = authority.fingerprint
        hub = Hub()
        self.cluster = Cluster(store, local, hub)
        self._server = Server(
            AgentApi(store, hub, self.cluster, self.cluster.wake, authority),
            *place,
            THREADS,
            guards=Guards(lambda environ: environ.get(PEER) is not None),  # to enrol takes a small body
            limits=Limits(stream_silence=STREAM_SILENCE, stream_check=STREAM_SILENCE * 5),
            certificate=_Certificate(authority),
        )

    def bind(self) -> None:
        """Bind the port. Raises ListenError."""
        self._server.bind()
        LOG.info("agents are served on %s:%s", *self._server.address)

    def start(self) -> None:
        with self._store.writing() as tx:
            hosts.note_authority(tx, self._fingerprint)
        self._server.start()
        self.cluster.start()

    def stop(self) -> None:
        self._server.stop()
        self.cluster.stop()


class _Certificate:
    """The TLS context, which accepts clients with a certificate of the authority, and those without one, to enrol."""

    def __init__(self, authority: Authority) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.load_cert_chain(authority.server)
        self.context.load_verify_locations(cadata=authority.certificate)
        self.context.verify_mode = ssl.CERT_OPTIONAL

    def refresh(self) -> None:
        """Keep the certificate, which is never replaced."""
