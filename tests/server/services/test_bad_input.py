"""Random requests to identity, network and key manager never get an answer of 500 or more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lbclient.server.identity import attributes as identity
from lbclient.server.identity.routes import ROUTES as IDENTITY
from lbclient.server.keymanager import containers, secrets
from lbclient.server.keymanager.routes import ROUTES as KEY_MANAGER
from lbclient.server.network import attributes as network
from lbclient.server.network import qos
from lbclient.server.network.routes import ROUTES as NETWORKING
from quick import examples

V3, V2 = "/identity/v3", "/networking/v2.0"
WORDS = [
    *(attribute.name for kind in network.KINDS for attribute in kind.attributes),
    *(attribute.name for kind in qos.RULES.values() for attribute in kind.attributes),
    *(attribute.name for kind in (identity.USERS, identity.CREDENTIALS) for attribute in kind.attributes),
    *("roles", "access_rules", "tags"),
    *(each.name for each in (*secrets.PROPERTIES, *containers.PROPERTIES)),
    *("name", "URL", "service", "resource_type", "resource_id", "read", "users", "project-access", "secret_ref"),
    *("start", "end", "subnet_id", "ip_address", "auth", "identity", "methods", "token", "scope", "domain", "id"),
]
TEXTS = ["", " ", "\0", "a\nb", "ä" * 300, "10.0.0.1", "10.0.0.0/24", "::1%eth0", "0/0", "9" * 5000, "true", "-1"]
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(TEXTS), st.text(max_size=9)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)
KEYS = (
    *("user", "project", "domain", "role", "auth", "tags", "application_credential"),
    *(name for kind in network.KINDS for name in (kind.name, kind.plural)),
    *(kind.name for kind in qos.RULES.values()),
)
BODIES = st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYS), st.dictionaries(st.sampled_from(WORDS), VALUES)))


def paths() -> Iterator[tuple[str, str]]:
    for mount, routes in (("/identity", IDENTITY), ("/networking", NETWORKING), ("/key-manager", KEY_MANAGER)):
        for route in routes:
            yield route.method, mount + route.path


WRITES = sorted({each for each in paths() if each[0] in ("POST", "PUT", "PATCH")})
READS = sorted({path for method, path in paths() if method == "GET"})


@pytest.fixture
def known(front: Any, admin: Any) -> dict[str, str]:
    """An ID of each kind for the places in paths."""
    project = admin.made(f"{V3}/projects", "project", name="p")["id"]
    user = admin.made(f"{V3}/users", "user", name="u")["id"]
    role = admin.made(f"{V3}/roles", "role", name="r")["id"]
    floating = admin.made(f"{V2}/floatingips", "floatingip", floating_network_id=front.world.public_net)["id"]
    port = admin.made(f"{V2}/ports", "port", network_id=front.world.private_net)["id"]
    group = admin.made(f"{V2}/security-groups", "security_group", name="g")
    policy = admin.made(f"{V2}/qos/policies", "policy", name="p")["id"]
    limits = f"{V2}/qos/policies/{policy}/bandwidth_limit_rules"
    limit = admin.made(limits, "bandwidth_limit_rule", max_kbps=1)["id"]
    router = admin.made(f"{V2}/routers", "router", name="r")["id"]
    secret, container = (
        answer.headers["Location"].rpartition("/")[2]
        for answer in (
            admin.ask("POST", "/key-manager/v1/secrets", {}),
            admin.ask("POST", "/key-manager/v1/containers", {"type": "generic"}),
        )
    )
    own = front.log_in("admin").json["token"]["user"]["id"]
    return {
        "{user_id}/application_credentials": f"{own}/application_credentials",
        "secrets/{id_}": f"secrets/{secret}",
        "containers/{id_}": f"containers/{container}",
        "{project_id}": project,
        "{scope_id}": project,
        "{user_id}": user,
        "{role_id}": role,
        "{domain_id}": "default",
        "networks/{id_}": f"networks/{front.world.private_net}",
        "subnets/{id_}": f"subnets/{front.world.private_subnet}",
        "ports/{id_}": f"ports/{port}",
        "floatingips/{id_}": f"floatingips/{floating}",
        "security-groups/{id_}": f"security-groups/{group['id']}",
        "security-group-rules/{id_}": f"security-group-rules/{group['security_group_rules'][0]['id']}",
        "{policy_id}/bandwidth_limit_rules/{id_}": f"{policy}/bandwidth_limit_rules/{limit}",
        "policies/{id_}": f"policies/{policy}",
        "{policy_id}": policy,
        "routers/{id_}": f"routers/{router}",
    }


def filled(path: str, known: dict[str, str]) -> str:
    for place, value in known.items():
        path = path.replace(place, value)
    return path


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_no_body_breaks_anything(admin: Any, known: dict[str, str], method: str, path: str) -> None:
    @settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
    @given(BODIES)
    def sends(body: Any) -> None:
        answer = admin.ask(method, filled(path, known), body if body is not None else [])
        # A token that was ended by a change of its user is not what is looked for here.
        assert answer.status_code < 500, (body, answer.text)

    sends()


RAW = [
    b"",
    b"{",
    b"\xff\xfe",
    b'{"a": NaN}',
    b"[" * 5000,
    b'"\\ud800"',
    b"null",
    b'{"network": {"name": "\\u0000"}, "name": "\\u0000"}',
]


@pytest.mark.parametrize("raw", RAW)
def test_what_is_no_json(front: Any, admin: Any, known: dict[str, str], raw: bytes) -> None:
    for method, path in WRITES:
        if "/roles/" in path or "/tags/" in path:  # bodies are not looked at
            continue
        answer = front.client.simulate_request(
            method, filled(path, known), body=raw, headers={"X-Auth-Token": admin.token}
        )
        assert 400 <= answer.status_code < 500, (method, path, answer.text)
        assert answer.json


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    path=st.sampled_from(READS),
    query=st.dictionaries(
        st.sampled_from([*WORDS, "limit", "marker", "sort_key", "sort_dir", "fields", "tags", "fixed_ips"]),
        st.sampled_from(TEXTS) | st.text(max_size=9),
        max_size=3,
    ),
    place=st.sampled_from(["x", "%00", "..", "a%0ab", "%f0%9f%92%a9", "'", '"', "a" * 3000]),
)
def test_no_query_breaks_anything(front: Any, path: str, query: dict[str, str], place: str) -> None:
    admin = STANDING.setdefault(id(front), front.admin)
    for name in (
        "{project_id}",
        "{scope_id}",
        "{user_id}",
        "{role_id}",
        "{domain_id}",
        "{id_}",
        "{policy_id}",
        "{alias}",
    ):
        path = path.replace(name, place)
    headers = {"X-Auth-Token": admin.token}
    answer = front.client.simulate_get(path, params=query, headers=headers)
    assert answer.status_code < 500, (path, query, answer.text)


STANDING: dict[int, Any] = {}


def test_an_error_has_the_format_of_its_service(demo: Any) -> None:
    identity_error = demo.ask("GET", f"{V3}/users").json
    assert json.loads(json.dumps(identity_error)) == {
        "error": {
            "code": 403,
            "title": "Forbidden",
            "message": "You are not authorized to perform the requested action: identity:list_users.",
        }
    }
    assert demo.ask("GET", f"{V2}/networks/x").json == {
        "NeutronError": {"type": "NetworkNotFound", "message": "Network x could not be found.", "detail": ""}
    }
