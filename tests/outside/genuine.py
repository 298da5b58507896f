"""The genuine Keystone and Barbican, out of their packages, each on SQLite in a directory of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests

BIN = Path(sys.executable).parent
ADMIN_PASSWORD = "opensesame"
SERVE = """
from cheroot.wsgi import Server
{application}
Server(("127.0.0.1", {port}), application, numthreads=4).start()
"""

KEYSTONE = """
[DEFAULT]
log_file = {directory}/keystone.log
[database]
connection = sqlite:///{directory}/keystone.db
[fernet_tokens]
key_repository = {directory}/fernet
[credential]
key_repository = {directory}/credential
[fernet_receipts]
key_repository = {directory}/fernet
[token]
provider = fernet
"""

BARBICAN = """
[DEFAULT]
log_file = {directory}/barbican.log
host_href = http://127.0.0.1:{port}
db_auto_create = true
sql_connection = sqlite:///{directory}/barbican.db
[database]
connection = sqlite:///{directory}/barbican.db
[queue]
enable = false
[secretstore]
enabled_secretstore_plugins = store_crypto
[crypto]
enabled_crypto_plugins = simple_crypto
[simple_crypto_plugin]
kek = YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
[keystone_authtoken]
www_authenticate_uri = {keystone}/v3
auth_url = {keystone}/v3
auth_type = password
username = admin
password = {password}
project_name = admin
user_domain_name = Default
project_domain_name = Default
service_token_roles_required = false
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class Service:
    """A WSGI application of a package in a process."""

    def __init__(self, directory: Path, name: str, application: str, environment: dict[str, str]) -> None:
        """`application` is the code that imports or makes it."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._directory = directory
        self._log = directory / f"{name}.out"
        self._application = application
        self._environment = {**os.environ, **environment}

    def run(self, *command: str) -> None:
        done = subprocess.run(command, env=self._environment, cwd=self._directory, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]

    def start(self) -> None:
        program = SERVE.format(application=self._application, port=self.port)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program], env=self._environment, cwd=self._directory, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < deadline, f"{self._log} tells why it does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)

    def _answers(self) -> bool:
        try:
            return requests.get(self.url, timeout=5).status_code < 500
        except requests.ConnectionError:
            return False


def keystone(directory: Path) -> Service:
    """A Keystone with the user admin of the project admin."""
    file = directory / "keystone.conf"
    application = "from keystone.wsgi.api import application"
    service = Service(directory, "keystone", application, {"OS_KEYSTONE_CONFIG_FILES": str(file)})
    file.write_text(KEYSTONE.format(directory=directory))
    manage = [str(BIN / "keystone-manage"), "--config-file", str(file)]
    owner = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
    service.run(*manage, "db_sync")
    service.run(*manage, "fernet_setup", *owner)
    service.run(*manage, "credential_setup", *owner)
    url = f"{service.url}/v3"
    urls = [f"--bootstrap-{kind}-url={url}" for kind in ("admin", "internal", "public")]
    service.run(*manage, "bootstrap", "--bootstrap-password", ADMIN_PASSWORD, "--bootstrap-region-id", "one", *urls)
    service.start()
    return service


def barbican(directory: Path, keystone_url: str) -> Service:
    """A Barbican that asks that Keystone."""
    paste = Path(sys.prefix) / "etc/barbican/barbican-api-paste.ini"
    application = f"from paste import deploy; application = deploy.loadapp('config:{paste}')"
    service = Service(directory, "barbican", application, {"HOME": str(directory)})  # where it looks for its file
    (directory / "barbican.conf").write_text(
        BARBICAN.format(directory=directory, port=service.port, keystone=keystone_url, password=ADMIN_PASSWORD)
    )
    service.start()
    return service
