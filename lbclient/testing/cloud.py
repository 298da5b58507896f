"""A new project on a test server, with everything that a client needs to log in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .backend import Backend, get
from .server import Server, wait_until

Values = dict[str, Any]
CLOUD = "test"


class Faults:
    """Faults for the requests of one project."""

    def __init__(self, server: Server, project_id: str) -> None:
        self._server = server
        self._project_id = project_id
        self._ids: list[str] = []

    def add(self, **values: Any) -> Values:
        """Create a fault with attributes of the testing API; it strikes only this project. Raises ValueError."""
        body = {"fault": {"project": self._project_id, **values}}
        made: Values = self._server.testing.ask("POST", "/faults", body)["fault"]
        self._ids.append(made["id"])
        return made

    def list(self) -> list[Values]:
        """Return the faults of this project, with how often each has struck."""
        found = self._server.testing.ask("GET", "/faults")["faults"]
        return [each for each in found if each["id"] in self._ids]

    def clear(self) -> None:
        """Remove the faults of this project."""
        for id_ in self._ids:
            with contextlib.suppress(ValueError):  # a reset has removed it
                self._server.testing.ask("DELETE", f"/faults/{id_}")
        self._ids.clear()


class Cloud:
    """A project with a user, for one test: credentials, faults, paces, snapshots and backends."""

    def __init__(self, server: Server, directory: Path, roles: tuple[str, ...] = ("member",)) -> None:
        """Create the project; `directory` is where its clouds.yaml is written."""
        self.server = server
        self.project: Values = server.testing.ask("POST", "/projects", {"project": {"roles": list(roles)}})["project"]
        self.faults = Faults(server, self.project["id"])
        self._directory = directory
        self._paces: list[str] = []
        self._backends: list[Backend] = []
        self._connections: list[Any] = []

    @property
    def url(self) -> str:
        """The URL of the server, without a path."""
        return self.server.url

    @property
    def token(self) -> str:
        """A token of the project, valid for an hour."""
        return str(self.project["token"])

    @property
    def env(self) -> dict[str, str]:
        """The OS_* environment variables of the project's user."""
        project = self.project
        return {
            "OS_AUTH_TYPE": "password",
            "OS_AUTH_URL": project["auth_url"],
            "OS_USERNAME": project["username"],
            "OS_PASSWORD": project["password"],
            "OS_PROJECT_NAME": project["name"],
            "OS_USER_DOMAIN_ID": project["user_domain_id"],
            "OS_PROJECT_DOMAIN_ID": project["project_domain_id"],
            "OS_REGION_NAME": "RegionOne",
            "OS_IDENTITY_API_VERSION": "3",
        }

    @property
    def clouds_yaml(self) -> Path:
        """The path of a clouds.yaml with the cloud `test`, for OS_CLIENT_CONFIG_FILE; written when first read."""
        path = self._directory / "clouds.yaml"
        if not path.exists():
            import yaml

            path.touch(mode=0o600)
            path.write_text(yaml.safe_dump({"clouds": {CLOUD: self._entry()}}))
        return path

    def openstack(self) -> Any:
        """Return an openstacksdk connection as the project's user; it is closed after the test."""
        from openstack import config, connection

        loader = config.OpenStackConfig(load_yaml_config=False, load_envvars=False)
        made = connection.Connection(config=loader.get_one(**self._entry()))
        self._connections.append(made)
        return made

    def pace(self, **values: Any) -> Values:
        """Create a pace for changes on the server; it is removed after the test. Raises ValueError."""
        made: Values = self.server.testing.ask("POST", "/paces", {"pace": values})["pace"]
        self._paces.append(made["id"])
        return made

    def release(self, loadbalancer_id: str | None = None) -> None:
        """Apply the changes that paces hold back, of one load balancer or of all."""
        self.server.testing.ask("POST", "/release", {"release": {"loadbalancer_id": loadbalancer_id}})

    def requests(self, **filters: Any) -> list[Values]:
        """Return the recorded requests of this project, the oldest first.

        The filters are attributes of a request, such as method, status, or path, in which * matches any text.
        """
        from urllib.parse import urlencode

        query = urlencode({"project_id": self.project["id"], **filters})
        found: list[Values] = self.server.testing.ask("GET", f"/requests?{query}")["requests"]
        return found

    @contextlib.contextmanager
    def snapshot(self, name: str = "test") -> Iterator[None]:
        """Save the whole content of the server, and restore it at the end of the block."""
        testing = self.server.testing
        testing.ask("PUT", f"/snapshots/{name}")
        try:
            yield
        finally:
            testing.ask("POST", f"/snapshots/{name}/restore")
            testing.ask("DELETE", f"/snapshots/{name}")

    @property
    def subnet(self) -> Values:
        """The subnet of VIPs and members."""
        headers = {"X-Auth-Token": self.token}
        answer = get(f"{self.url}/networking/v2.0/subnets?name=private-subnet", headers=headers)
        [found] = answer.json()["subnets"]
        return dict(found)

    def backend(self, text: str, number: int | None = None) -> Backend:
        """Start a web server on an address of the subnet, for a member; it ends with the test.

        `number` is the last part of the address; by default, they are numbered from 4 on. Requests reach it through a
        load balancer only on a server of mode traffic or lab.
        """
        number = len(self._backends) + 4 if number is None else number
        network = self.subnet["cidr"].rpartition(".")[0]
        made = Backend(f"{network}.{number}", text)
        self._backends.append(made)
        return made

    def get(self, url: str, **options: Any) -> Any:
        """Send a GET on a new connection, like a client of a load balancer."""
        return get(url, **options)

    def traffic(self, url: str, count: int = 10) -> list[str]:
        """Send GETs, each on a new connection, and return the texts of the answers."""
        return [get(url).text for _ in range(count)]

    def wait_until(self, condition: Any, seconds: float = 10.0) -> None:
        """Wait until a condition is true. Raises TimeoutError after that many seconds."""
        wait_until(condition, seconds)

    def close(self) -> None:
        """Delete the project with its load balancers, faults and paces, and stop its backends."""
        for connection in self._connections:
            connection.close()
        for backend in self._backends:
            backend.stop()
        self.faults.clear()
        for id_ in self._paces:
            with contextlib.suppress(ValueError):  # a reset has removed it
                self.server.testing.ask("DELETE", f"/paces/{id_}")
        with contextlib.suppress(ValueError):
            self.server.testing.ask("DELETE", f"/projects/{self.project['id']}")

    def _entry(self) -> Values:
        project = self.project
        auth = ("auth_url", "username", "password", "user_domain_id", "project_domain_id")
        return {
            "auth": {**{name: project[name] for name in auth}, "project_name": project["name"]},
            "region_name": "RegionOne",
            "identity_api_version": 3,
        }
