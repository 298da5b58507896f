"""Checks before a start: what the server refuses at its start, and `lbclient server check-config` without one.

`check` changes nothing, and the start calls it, too. The rest of a start does something, such as binding a port, and
`rehearse` tries the same and takes it back: it is for `check-config` alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..dataplane.haproxy import local_routes
from ..dataplane.haproxy.attachments import AttachmentFailed, attachment
from ..dataplane.haproxy.binary import NotFound, find_haproxy
from ..dataplane.haproxy.links import Assignment
from ..dataplane.haproxy.unprivileged import User
from ..store.migrations import Unfit
from ..vault.keys import DamagedKey
from . import assembly, key_rings, preparation, privileges, state
from .access.enforcer import Enforcer, InvalidPolicyFile
from .config import Config, ConfigError
from .errors import Unavailable
from .external.keystone import Keystone
from .identity import clouds_yaml
from .outbound import webhook_file
from .outbound.webhook_file import InvalidWebhooks
from .preparation import DatabaseError
from .web import server as web
from .web.server import ListenError
from .web.tls import Certificate, CertificateError

REFUSALS = (
    AttachmentFailed,
    CertificateError,
    ConfigError,
    DamagedKey,
    DatabaseError,
    InvalidPolicyFile,
    InvalidWebhooks,
    ListenError,
    NotFound,
    Unavailable,
    Unfit,
    clouds_yaml.Damaged,
    state.StateError,
)


@dataclass(frozen=True)
class Checked:
    """The results of the checks that the start uses."""

    certificate: Certificate | None
    haproxy: str  # its path; empty if the server carries no traffic
    user: User | None
    rules: Enforcer
    keystone: Keystone | None


def check(config: Config) -> Checked:
    """Check files, programs and users that the configuration names. Raises one of REFUSALS."""
    with naming("tls_certificate", *(["tls_key"] if config.tls_key else [])):
        certificate = assembly.certificate_of(config)
    with naming("haproxy"):
        haproxy = find_haproxy(config.haproxy) if config.has_agent else ""
    user = privileges.haproxy_user(config)
    clouds_yaml.read(config.clouds_file)  # refuse a damaged file before anything is created
    key_rings.check(config)
    if config.webhooks:
        with naming("webhooks"):
            webhook_file.read(config.webhooks)
    with naming(*(["policy_file"] if config.policy_file else [])):
        rules = Enforcer(config.policy_path, is_required=config.policy_file is not None)
    return Checked(certificate, haproxy, user, rules, assembly.keystone_of(config))


def rehearse(config: Config) -> None:
    """Check, try what a start does besides, and leave nothing behind. Raises one of REFUSALS.

    A server that runs on this state directory already may hold its ports and addresses.
    """
    is_running = state.holder(config.state_directory) is not None
    state.check(config.state_directory)
    checked = check(config)
    _check_request_log(config)
    if config.has_agent:
        _check_attachment(config, is_running)
    with naming("bind_host", "bind_port"):
        web.check_place(config.bind_host, config.bind_port, may_be_in_use=is_running)
    if config.agents:
        with naming("agents"):
            web.check_place(*config.agents, may_be_in_use=is_running)
    preparation.check(config, checked.keystone)


@contextmanager
def naming(*options: str) -> Iterator[None]:
    """Put the names of options, if there are any, before the refusal that the block raises."""
    try:
        yield
    except (AttachmentFailed, CertificateError, InvalidPolicyFile, InvalidWebhooks, ListenError, NotFound) as error:
        raise type(error)(f"{', '.join(options)}: {error}" if options else str(error)) from None


def attachment_options(config: Config) -> tuple[str, ...]:
    """Return the names of the options that an attachment depends on."""
    others = (("interface", bool(config.interface)), ("announce", config.is_announcing))
    return ("attachment", *(name for name, is_given in others if is_given))


def _check_attachment(config: Config, is_running: bool) -> None:
    with naming(*attachment_options(config)):
        attachment(config.attachment, [Assignment(*each) for each in config.interface], config.is_announcing).check()
        if config.takes_addresses and not is_running:
            local_routes.claim_namespace().close()


def _check_request_log(config: Config) -> None:
    """Check that the log can be written; an existing one is opened, but not changed. Raises ConfigError."""
    path = config.request_log
    if path is None:
        return
    with assembly.request_log_trouble(config):
        if path.exists():
            path.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=path.parent).close()
