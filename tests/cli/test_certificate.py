"""Certificates from files: stored, shown, deleted, and used by listeners, with no other program."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from certificates import Certified, authority, certified
from running import wait_until

CA = authority("Shop CA")
BETWEEN = certified("Between", CA, is_authority=True)
CREATE = ("loadbalancer", "listener", "create", "--protocol", "TERMINATED_HTTPS", "--wait")


@pytest.fixture(scope="module")
def shop() -> Certified:
    return certified("shop.example.com", BETWEEN, "shop.example.com", "www.example.com")


@pytest.fixture
def files(tmp_path: Path, shop: Certified) -> dict[str, Path]:
    """The same certificate in parts, in one file, and as PKCS12."""
    contents = {
        "shop.crt": shop.pem,
        "shop.key": shop.key_pem(),
        "chain.crt": shop.chain_pem,
        "all.pem": f"{shop.pem}{shop.chain_pem}{shop.key_pem()}",
        "sealed.key": shop.key_pem("secret"),
        "no.pem": "nothing\n",
        "other.key": certified("other.example.com", BETWEEN).key_pem(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "shop.p12").write_bytes(shop.pkcs12())
    return {path.name: path for path in tmp_path.iterdir()}


def certificates(run: Any) -> set[str]:
    return {one["container_ref"] for one in run("certificate", "list", "-f", "json").json}


def shown_to(address: str, port: int, name: str = "shop.example.com") -> dict[str, Any]:
    """The certificate that a client is shown who trusts the CA, with its chain."""
    context = ssl.create_default_context(cadata=CA.pem)
    plain = socket.create_connection((address, port), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname=name) as secure:
        return secure.getpeercert() or {}


def answers(address: str, port: int) -> bool:
    try:
        return bool(shown_to(address, port))
    except OSError:
        return False


@pytest.mark.parametrize(
    "options",
    [
        ("--cert", "shop.crt", "--key", "shop.key", "--chain", "chain.crt"),
        ("--cert", "all.pem"),
    ],
    ids=["parts", "one file"],
)
def test_from_its_files_to_its_end(run, files, name, options):
    words = [str(files.get(word, word)) for word in options]
    made = run("certificate", "create", "--name", name, *words, "-f", "json").json
    assert made["name"] == name
    assert made["subject"] == "CN=shop.example.com"
    assert made["names"] == "shop.example.com,www.example.com"
    assert made["issuer"] == "CN=Between"
    assert made["container_ref"] in certificates(run)
    for word in (name, made["container_ref"], made["container_ref"].rpartition("/")[2]):
        assert run("certificate", "show", word, "-f", "json").json == made
    assert run("certificate", "delete", name).status == 0
    assert made["container_ref"] not in certificates(run)
    gone = run("certificate", "show", name)
    assert (gone.status, gone.err.splitlines()[0][:46]) == (1, f"No certificate has the name or ID '{name}'."[:46])


def test_its_name_is_that_of_the_file(run, files):
    made = run("certificate", "create", "--cert", str(files["all.pem"]), "-f", "json").json
    assert made["name"] == "all"
    again = run("certificate", "create", "--cert", str(files["all.pem"]), "-f", "json").json
    refused = run("certificate", "delete", "all")
    assert (refused.status, "2 certificates have the name 'all': give the reference" in refused.err) == (1, True)
    assert run("certificate", "delete", made["container_ref"], again["container_ref"]).status == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cert", "/nowhere.pem"), "/nowhere.pem cannot be read: No such file or directory."),
        (("--cert", "no.pem"), "has no certificate in PEM"),
        (("--cert", "shop.crt"), "One key is needed (BEGIN PRIVATE KEY), and there are none."),
        (("--cert", "shop.crt", "--key", "shop.crt"), "One key is needed"),
        (("--cert", "shop.crt", "--key", "sealed.key"), "The key has a passphrase"),
        (("--cert", "shop.p12"), "is not in PEM"),
        (("--cert", "shop.crt", "--key", "other.key"), "The key does not belong to the certificate."),
        (("--cert", "chain.crt", "--key", "shop.key"), "The key does not belong to the certificate."),
        (("--cert", "all.pem", "--chain", "shop.key"), "The chain's file has no certificate in PEM"),
    ],
)
def test_files_that_will_not_do(run, files, options, said):
    before = certificates(run)
    result = run("certificate", "create", *(str(files.get(word, word)) for word in options))
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert said in result.err
    assert certificates(run) == before


@pytest.mark.parametrize("given", ["all.pem", "shop.p12", "parts"])
def test_a_listener_with_a_file(run, loadbalancer, files, name, given):
    parts = ("--certificate-key-file", "shop.key", "--certificate-chain-file", "chain.crt")
    words = ("--certificate-file", "shop.crt", *parts) if given == "parts" else ("--certificate-file", given)
    made = run(
        *CREATE,
        *("--protocol-port", "8443", "--name", name),
        *(str(files.get(word, word)) for word in words),
        *(loadbalancer, "-f", "json"),
    ).json
    address = run("loadbalancer", "show", loadbalancer, "-f", "value", "-c", "vip_address").out.strip()
    wait_until(lambda: answers(address, 8443))
    assert made["default_tls_container_ref"]
    assert ("DNS", "www.example.com") in shown_to(address, 8443)["subjectAltName"]


def test_listeners_and_pools_take_its_name(run, loadbalancer, files, name):
    made = run("certificate", "create", "--name", name, "--cert", str(files["all.pem"]), "-f", "json").json
    reference = made["container_ref"]
    id_ = reference.rpartition("/")[2]
    options = ("--sni-container-refs", id_, "--default-tls-container-ref", name)
    listener = run(*CREATE, "--protocol-port", "8450", "--name", name, *options, loadbalancer, "-f", "json").json
    assert listener["default_tls_container_ref"] == reference
    assert listener["sni_container_refs"] == [reference]
    pool = ("loadbalancer", "pool", "create", "--wait", "--protocol", "HTTP", "--lb-algorithm", "ROUND_ROBIN")
    made = run(*pool, "--loadbalancer", loadbalancer, "--enable-tls", "--tls-container-ref", name, "-f", "json").json
    assert made["tls_container_ref"] == reference
    wrong = run("loadbalancer", "listener", "set", name, "--default-tls-container-ref", f"{name}-no")
    assert (wrong.status, wrong.err) == (1, f"No container and no secret has the name or ID '{name}-no'.\n")


def test_a_renewed_one(run, loadbalancer, files, name, tmp_path):
    listener = (*CREATE, "--protocol-port", "8444", "--name", name, "--certificate-file", str(files["all.pem"]))
    assert run(*listener, loadbalancer).status == 0
    address = run("loadbalancer", "show", loadbalancer, "-f", "value", "-c", "vip_address").out.strip()
    wait_until(lambda: answers(address, 8444))
    before = shown_to(address, 8444)["serialNumber"]
    renewed = certified("shop.example.com", BETWEEN, "shop.example.com")
    path = tmp_path / "renewed.pem"
    path.write_text(f"{renewed.pem}{renewed.chain_pem}{renewed.key_pem()}")
    result = run("loadbalancer", "listener", "set", "--wait", "--certificate-file", str(path), name)
    assert result.status == 0, result.err
    wait_until(lambda: shown_to(address, 8444)["serialNumber"] != before)


def test_nothing_stays_of_a_listener_that_is_refused(run, loadbalancer, files):
    before = certificates(run)
    result = run(*CREATE, "--protocol-port", "8445", "--certificate-file", str(files["all.pem"]), f"{loadbalancer}-no")
    assert result.status == 1
    assert certificates(run) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--certificate-key-file", "x"),
            "--certificate-key-file and --certificate-chain-file need --certificate-file.",
        ),
        (
            ("--certificate-file", "x", "--default-tls-container-ref", "http://x/v1/containers/y"),
            "--certificate-file and --default-tls-container-ref cannot be given together.",
        ),
    ],
)
def test_options_that_do_not_go_together(run, options, said):
    result = run(*CREATE, "--protocol-port", "1", *options, "x")
    assert (result.status, result.err) == (2, f"{said}\n")


def test_within_openstack(cloud, files):
    program = "import sys; from openstackclient.shell import main; sys.exit(main(sys.argv[1:]))"
    words = ("certificate", "create", "--name", "osc", "--cert", str(files["all.pem"]), "-f", "json")
    done = subprocess.run(
        [sys.executable, "-c", program, *words], env=cloud.environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["subject"] == "CN=shop.example.com"
