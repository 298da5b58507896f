"""The commands of certificates: store them in the key manager from files, list, show and delete them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...client import certificates, errors
from ...client.rest import Json
from ...client.services import Services
from ..command import Command, Lister, ShowOne

COLUMNS = ("name", "status", "created", "container_ref")
PARTS = ("subject", "names", "issuer", "not_before", "not_after")  # columns read from the certificate itself
ROWS = ("name", "container_ref", "status", "created", *PARTS)
FILES = (
    ("certificate-file", "certificate", "The certificate in PEM, or certificate and key as PKCS12; its file may hold"
     " the key and the chain, too. It is stored in the key manager."),
    ("certificate-key-file", "key", "The file of the certificate's key, if it is another one."),
    ("certificate-chain-file", "chain", "The file of the certificates above it, if it is another one."),
)  # fmt: skip

Shown = tuple[Sequence[str], Sequence[Any]]


class CreateCertificate(ShowOne):
    """Store a certificate and its key, from files, for listeners and pools.

    They go into the key manager, as a container of type certificate. Its reference is what --default-tls-container-ref,
    --sni-container-refs and --tls-container-ref take; its name will do as well.
    """

    examples = (
        "--name shop --cert server.crt --key server.key --chain chain.crt",
        "--cert server.pem -f value -c container_ref",
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--name", metavar="<name>", help="The name (that of the file, without its ending).")
        parser.add_argument(
            "--cert", metavar="<file>", required=True, help="The certificate, in PEM. Its file may hold all."
        )
        parser.add_argument("--key", metavar="<file>", help="The key of the certificate, in PEM.")
        parser.add_argument("--chain", metavar="<file>", help="The certificates above it, in PEM.")

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        wanted = certificates.material(*(_content(name) for name in (parsed.cert, parsed.key, parsed.chain)))
        if wanted.pkcs12 is not None:
            raise errors.WrongInput(f"{parsed.cert} is not in PEM; a listener's --certificate-file takes PKCS12, too.")
        service = self.services.key_manager
        reference = certificates.store(service, parsed.name or Path(parsed.cert).stem, wanted)
        return _shown(self.services, certificates.find(service, reference))


class ListCertificate(Lister):
    """List certificates."""

    examples = ("",)

    def take_action(self, parsed: argparse.Namespace) -> tuple[Sequence[str], list[Sequence[Any]]]:
        found = certificates.listed(self.services.key_manager)
        return COLUMNS, [[one.get(name) for name in COLUMNS] for one in found]


class ShowCertificate(ShowOne):
    """Show a certificate: what it is for, who has signed it, and when it ends.

    Reading what is in it needs the package `cryptography`, which comes with the server.
    """

    examples = ("shop", "shop -f value -c not_after")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("certificate", metavar="<certificate>", help="The certificate (name, ID or reference).")

    def take_action(self, parsed: argparse.Namespace) -> Shown:
        return _shown(self.services, certificates.find(self.services.key_manager, parsed.certificate))


class DeleteCertificate(Command):
    """Delete certificates, with their keys and chains."""

    examples = ("shop",)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "certificate", metavar="<certificate>", nargs="+", help="What to delete (names, IDs or references)."
        )

    def take_action(self, parsed: argparse.Namespace) -> None:
        service = self.services.key_manager
        found = [certificates.find(service, word) for word in parsed.certificate]
        for container in found:
            certificates.remove(service, container["container_ref"])


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options of a listener for a certificate in files."""
    for flag, _, words in FILES:
        parser.add_argument(f"--{flag}", metavar="<file>", help=words)


@contextmanager
def stored(services: Services, parsed: argparse.Namespace, name: str) -> Iterator[None]:
    """Store the certificate from the options and set its reference; remove it again if the block fails."""
    given = [getattr(parsed, flag.replace("-", "_")) for flag, _, _ in FILES]
    if given[0] is None:
        if any(given):
            raise errors.WrongUsage("--certificate-key-file and --certificate-chain-file need --certificate-file.")
        yield
        return
    if parsed.default_tls_container_ref:
        raise errors.WrongUsage("--certificate-file and --default-tls-container-ref cannot be given together.")
    service = services.key_manager
    reference = certificates.store(service, name, certificates.material(*map(_content, given)))
    parsed.default_tls_container_ref = reference
    try:
        yield
    except BaseException:
        parsed.default_tls_container_ref = None
        certificates.remove(service, reference)
        raise


def _content(name: str | None) -> Any:
    """Return the content of a file. Raises WrongInput."""
    if name is None:
        return None
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise errors.WrongInput(f"{name} cannot be read: {error.strerror}.") from error


def _shown(services: Services, container: Json) -> Shown:
    values = {**container, **_read(certificates.text(services.key_manager, container))}
    return ROWS, [values.get(name) for name in ROWS]


def _read(pem: str) -> Json:
    """Return the columns of a certificate; {} if it cannot be parsed."""
    try:
        from cryptography import x509  # imported late: the command line alone does not install it
    except ImportError:
        return {}
    certificate = x509.load_pem_x509_certificate(pem.encode())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        alternatives = [str(each.value) for each in names]
    except x509.ExtensionNotFound:
        alternatives = []
    return {
        "subject": certificate.subject.rfc4514_string(),
        "names": ",".join(alternatives),
        "issuer": certificate.issuer.rfc4514_string(),
        "not_before": f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%S}",
        "not_after": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%S}",
    }
