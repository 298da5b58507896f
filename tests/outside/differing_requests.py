"""The requests that are compared: every attribute of every resource, as it may be and as it may not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from tests.outside.differences import Call, Pair

from lbclient.resources import ALL, Api, Field, Resource, Type

BASE = "/v2.0/lbaas"
PROJECT = "a" * 32
OTHER = "b" * 32
SUBNET = "11111111-1111-4111-8111-111111111111"
UNKNOWN = "99999999-9999-4999-8999-999999999999"

# What a POST has in the least.
LEAST: dict[str, dict[str, Any]] = {
    "loadbalancer": {"vip_subnet_id": SUBNET, "project_id": PROJECT},
    "listener": {"loadbalancer_id": "<lb>", "protocol": "HTTP", "protocol_port": 8000},
    "pool": {"loadbalancer_id": "<lb>", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
    "member": {"address": "10.0.0.99", "protocol_port": 8000},
    "healthmonitor": {"pool_id": "<free>", "type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 3},
    "l7policy": {"listener_id": "<listener>", "action": "REJECT"},
    "l7rule": {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"},
}
PLACES = {"pool_id": "<pool>", "l7policy_id": "<policy>"}
ODD: tuple[Any, ...] = (None, "", "x", True, 1, -1, 1.5, [], ["x"], {}, [1], [None])


def path(resource: Resource, under: str = BASE) -> str:
    found = resource.path.removeprefix("/lbaas")
    for name, id_ in PLACES.items():
        found = found.replace(f"{{{name}}}", id_)
    return under + found


def create(resource: Resource, values: dict[str, Any], keep: str = "") -> Call:
    return Call("POST", path(resource), {resource.key: values}, keep=keep)


def values(field: Field) -> Iterator[Any]:
    """Yield values for an attribute: of its type, at its bounds and beyond them, and of other types."""
    if not field.api & (Api.POST | Api.PUT):
        yield "x"
        return
    yield from ODD
    if field.type in (Type.STRING, Type.URL):
        yield from ("y" * length for length in (field.length, field.length + 1))
    yield from BY_TYPE.get(field.type, ())
    yield from field.choices
    yield from ([each] for each in field.choices)
    if field.choices:
        yield field.choices[0].lower()
    for bound in (field.minimum, field.maximum):
        if bound is not None:
            yield from (bound - 1, bound, bound + 1, str(bound))


BY_TYPE: dict[Type, tuple[Any, ...]] = {
    Type.STRING: ("é", "日本", "a b", "a\tb", "a\nb", "a\r\nb", "\x00", "\x7f", "\ud800", " ", "none", "a/b", "😀"),
    Type.INTEGER: ("1", "1.0", "0x1", " 1 ", "1e3", "-1", 1.0, 2.0, 2**31 - 1, 2**31, 2**63, 10**30, -(2**31), 0, 300),
    Type.BOOLEAN: (False, "true", "True", "TRUE", "false", "t", "f", "yes", "no", "on", "off", "0", "1", 0, 2, "maybe"),
    Type.UUID: (UNKNOWN, UNKNOWN.replace("-", ""), UNKNOWN.upper(), f"{{{UNKNOWN}}}", "<lb>", "<listener>", "<pool>"),
    Type.ADDRESS: (
        *(
            "10.0.0.7",
            "10.0.0.256",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.7/24",
            "::1",
            "2001:DB8::1",
            "fe80::1%eth0",
            " 10.0.0.7",
        ),
        *(
            "0.0.0.0",
            "255.255.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "example.com",
            "1",
            "::ffff:10.0.0.1",
        ),
    ),
    Type.URL: (
        *(
            "http://e.example/",
            "https://e.example:8443/a?b=c#d",
            "ftp://e.example/",
            "http://",
            "http:///a",
            "e.example",
        ),
        *(
            "http://e.example/a b",
            "http://e.example/\x01",
            "http://e.example/\n",
            "HTTP://E.EXAMPLE/",
            "/path",
            "http://e",
        ),
        *("http://10.0.0.1", "http://[::1]/", "http://e.example:99999/", "http://u:p@e.example/", "http://é.example/"),
    ),
    Type.STRINGS: (
        *(["a", "a"], ["a", "b"], ["y" * 255], ["y" * 256], [""], ["é"], ["a,b"], "a,b", [UNKNOWN], [SUBNET, SUBNET]),
        *(
            ["10.0.0.0/8"],
            ["10.0.0.1/8"],
            ["10.0.0.1"],
            ["2001:db8::/32"],
            ["10.0.0.0/33"],
            ["10.0.0.0/8", "10.0.0.0/8"],
        ),
    ),
    Type.MAPPING: (
        *(
            {"type": "SOURCE_IP"},
            {"type": "HTTP_COOKIE"},
            {"type": "APP_COOKIE"},
            {"type": "APP_COOKIE", "cookie_name": "a"},
        ),
        *({"type": "SOURCE_IP", "cookie_name": "a"}, {"type": "HTTP_COOKIE", "cookie_name": "a"}, {"cookie_name": "a"}),
        *(
            {"type": "SOURCE_IP", "persistence_timeout": 5},
            {"type": "SOURCE_IP", "persistence_granularity": "255.255.0.0"},
        ),
        *({"type": "APP_COOKIE", "cookie_name": "a b"}, {"type": "APP_COOKIE", "cookie_name": "a;b"}, {"type": None}),
        *(
            {"type": "APP_COOKIE", "cookie_name": "y" * 256},
            {"type": "SOURCE_IP", "cookie_name": None},
            {"type": "source_ip"},
        ),
        *(
            {"X-Forwarded-For": "true"},
            {"X-Forwarded-For": "True"},
            {"X-Forwarded-For": True},
            {"X-Forwarded-For": "false"},
        ),
        *({"X-Forwarded-For": "maybe"}, {"x-forwarded-for": "true"}, {"X-Nope": "true"}, {"X-SSL-Client-CN": "true"}),
        *({"X-Forwarded-For": None}, {"X-Forwarded-For": 1}, {"X-Forwarded-For": "true", "X-Forwarded-Port": "true"}),
    ),
    Type.OBJECTS: (
        *([{"subnet_id": UNKNOWN}], [{"subnet_id": UNKNOWN, "ip_address": "10.1.0.7"}], [{"ip_address": "10.1.0.7"}]),
        *([{"subnet_id": SUBNET}], [{"subnet_id": UNKNOWN}, {"subnet_id": UNKNOWN}], [{"subnet_id": UNKNOWN, "x": 1}]),
        *([{"subnet_id": "x"}], [{}], [{"subnet_id": None}], [{"subnet_id": UNKNOWN, "ip_address": "x"}]),
        *([{"subnet_id": UNKNOWN, "port_id": UNKNOWN}], [{"subnet_id": UNKNOWN, "ip_address": None}]),
    ),
}
# What the names of attributes ask for beside their types.
BY_NAME: dict[str, tuple[Any, ...]] = {
    "tls_ciphers": ("ECDHE-RSA-AES128-GCM-SHA256:!MD5", "A B", "a;b", "DHE+AES:@STRENGTH"),
    "tls_versions": (["TLSv1.2", "TLSv1.3"], ["TLSv1.2", "TLSv1.2"], ["TLSv9"]),
    "alpn_protocols": (["h2", "http/1.1"], ["h3"]),
    "expected_codes": (
        "200",
        "200,202",
        "200, 202",
        "200-204",
        "2000",
        "99",
        "600",
        "200-",
        "200,",
        "a",
        "200-204,301",
        200,
    ),
    "url_path": ("/", "/a", "a", "/a b", "/a?b=c", "/é", "/a\n", "/%20", "//a", "/a#b", "http://e/"),
    "http_version": (1.0, 1.1, 2.0, "1.0", "1.1", 1, "1", "2"),
    "domain_name": ("e.example", "-e", "e_e", "E.EXAMPLE.", "a" * 64 + ".example", "10.0.0.1", "e", "e..e"),
    "redirect_http_code": (301, 302, 303, 304, 307, 308, "301"),
    "provider": ("noop_driver", "noop_driver-alt", "nope", "NOOP_DRIVER"),
    "flavor_id": ("<flavor>", "<disabled>"),
    "availability_zone": ("nope", "<zone>", "<closed>"),
    "project_id": (PROJECT, OTHER, "p" * 36, "p" * 37),
    "default_pool_id": ("<free>", "<tcp>", "<foreign>"),
    "redirect_pool_id": ("<free>", "<tcp>", "<foreign>"),
    "loadbalancer_id": ("<away>",),
    "position": (2, 5),
}


def posts(resource: Resource) -> Iterator[dict[str, Any]]:
    """Bodies of POST: one attribute at a time that is another one than in the least."""
    least = LEAST[resource.name]
    yield least
    yield {**least, "tenant_id": PROJECT}
    yield {**least, "tenant_id": OTHER, "project_id": PROJECT}
    yield from ({key: least[key] for key in least if key != name} for name in least)
    for field in own(resource):
        for value in given(field):
            yield {**least, field.name: value}
    yield from ({**least, name: 1} for name in ("bogus", "a b", "é", "ID", "_id", "__class__", "links"))


def puts(resource: Resource) -> Iterator[dict[str, Any]]:
    """Bodies of PUT: one attribute each."""
    yield {}
    for field in own(resource):
        writable = Api.PUT in field.api
        yield from (
            {field.name: value}
            for value in (given(field) if writable else (None, "x", 1, LEAST[resource.name].get(field.name)))
        )
    yield from ({name: "x"} for name in ("bogus", "tenant_id", "id", "loadbalancer_id", "links"))


def own(resource: Resource) -> list[Field]:
    """Its attributes; what every resource has in the same way is asked of load balancers and members only."""
    everywhere = ("name", "description", "tags", "admin_state_up", "project_id")
    is_asked = resource.name in ("loadbalancer", "member")
    return [field for field in resource.fields if is_asked or field.name not in everywhere]


def given(field: Field) -> Iterator[Any]:
    seen = set()
    for value in (*values(field), *BY_NAME.get(field.name, ())):
        if repr(value) not in seen:
            seen.add(repr(value))
            yield value


def compare_posts(pair: Pair, resource: Resource) -> None:
    for body in posts(resource):
        attempt(pair, create(resource, body, "new"), f"{path(resource)}/<new>")


def attempt(pair: Pair, call: Call, made: str, seen: bool = False) -> None:
    """A POST whose object goes again, after another look at it if asked."""
    answers = pair.ask(call)
    if seen and all(each.status == 201 for each in answers):
        pair.ask(Call("GET", made))
    for side, answer in zip((pair.theirs, pair.ours), answers, strict=True):
        if answer.status == 201:
            side.ask(Call("DELETE", f"{made}?cascade=true" if "loadbalancers/" in made else made))
            side.settle()


class Kept:
    """An object on both sides that is tried on; where the answers differ, both sides get a new one."""

    def __init__(self, pair: Pair, made: Call) -> None:
        self._pair = pair
        self._made = made
        self.path = f"{made.path}/<{made.keep}>"

    def __enter__(self) -> Kept:
        self._pair.quietly(self._made)
        return self

    def __exit__(self, *_: object) -> None:
        self._pair.quietly(Call("DELETE", self.path))

    def change(self, values: Any) -> None:
        """A PUT of these attributes, and how the object is then."""
        [key] = self._made.body
        self.ask(Call("PUT", self.path, {key: values}))

    def ask(self, call: Call) -> None:
        """A request about it, or to something that it has."""
        before = len(self._pair.found)
        answers = self._pair.ask(call)
        if call.method != "GET" and all(each.status < 300 for each in answers):
            self._pair.ask(Call("GET", self.path))
        if len(self._pair.found) > before:
            self.renew()

    def renew(self) -> None:
        self.__exit__()
        self.__enter__()


def compare_puts(pair: Pair, resource: Resource) -> None:
    with Kept(pair, create(resource, LEAST[resource.name], "target")) as target:
        for body in puts(resource):
            target.change(body)


def build(pair: Pair) -> None:
    """Create the objects that requests refer to by <name>, a second apart so that both servers order them alike."""
    lb, listener, pool, member, monitor, policy, rule = ALL
    for name in ("lb", "away"):
        pair.ask(create(lb, {**LEAST[lb.name], "name": name}, name))
        time.sleep(A_SECOND)
    pair.ask(create(listener, {**LEAST[listener.name], "protocol_port": 80, "name": "listener"}, "listener"))
    for name, more in (
        ("pool", {}),
        ("free", {}),
        ("tcp", {"protocol": "TCP"}),
        ("foreign", {"loadbalancer_id": "<away>"}),
    ):
        pair.ask(create(pool, {**LEAST[pool.name], "name": name, **more}, name))
        time.sleep(A_SECOND)
    pair.ask(create(member, {**LEAST[member.name], "address": "10.0.0.1", "name": "member"}, "member"))
    pair.ask(create(monitor, {**LEAST[monitor.name], "pool_id": "<pool>", "name": "monitor"}, "monitor"))
    pair.ask(create(policy, {**LEAST[policy.name], "name": "policy"}, "policy"))
    pair.ask(create(rule, LEAST[rule.name], "rule"))
    for profile, collection, data, offer, offers, names in OFFERED:
        values: dict[str, Any] = {"name": "usual", "provider_name": "noop_driver", data: "{}"}
        pair.ask(Call("POST", f"{BASE}/{collection}", {profile: values}, keep=f"{offer}_profile"))
        for name, enabled in names.items():
            _build_behind(pair, offer, offers, name, enabled)


A_SECOND = 1.01  # what has been made in one second is in no particular order in Octavia


def _build_behind(pair: Pair, offer: str, offers: str, name: str, enabled: bool) -> None:
    """Flavors and zones are in the order of their IDs or names in Octavia: one that comes last."""
    values = {"name": name, "enabled": enabled, PROFILE_OF[offer]: f"<{offer}_profile>"}
    while True:
        pair.ask(Call("POST", f"{BASE}/{offers}", {offer: values}, keep=name))
        there = pair.theirs.ask(Call("GET", f"{BASE}/{offers}")).body[f"{offer}s"]
        if there[-1]["name"] == name:
            return
        pair.quietly(Call("DELETE", f"{BASE}/{offers}/<{name}>"))


PROFILE_OF = {"flavor": "flavor_profile_id", "availability_zone": "availability_zone_profile_id"}
OFFERED = (
    *[("flavorprofile", "flavorprofiles", "flavor_data", "flavor", "flavors", {"flavor": True, "disabled": False})],
    (
        *("availability_zone_profile", "availabilityzoneprofiles", "availability_zone_data"),
        *("availability_zone", "availabilityzones", {"closed": False, "zone": True}),
    ),
)
