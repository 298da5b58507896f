"""The requests that are compared beyond attributes: queries of lists, paths, methods, bodies, types of content."""

from __future__ import annotations

import re

from tests.outside.differences import Call, Pair
from tests.outside.differing_requests import BASE, LEAST, OTHER, PROJECT, UNKNOWN, attempt, path

from lbclient.resources import ALL, AMPHORA, FLAVORS_AND_ZONES, QUOTA
from lbclient.server.loadbalancer.routes import LOAD_BALANCING

QUERIES = (
    *(
        "limit=1",
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1.5",
        "limit=99999999999999999999999",
        "limit=infinite",
    ),
    *(
        "limit=1&limit=2",
        "marker=" + UNKNOWN,
        "marker=x",
        "marker=",
        "page_reverse=True",
        "page_reverse=x",
        "page_reverse=true",
    ),
    *(
        "sort=name",
        "sort=name:desc",
        "sort=name:up",
        "sort=bogus",
        "sort=",
        "sort=name:asc,id:desc",
        "sort=name,id",
        "sort=:",
    ),
    *(
        "sort=name:",
        "sort=name:asc:desc",
        "sort_key=name",
        "sort_key=name&sort_dir=desc",
        "sort_key=bogus",
        "sort_dir=desc",
    ),
    *("sort_key=name&sort_dir=up", "sort_key=name&sort_key=id", "sort_key=name&sort_key=id&sort_dir=desc&sort_dir=asc"),
    *(
        "sort=name&sort_key=id",
        "sort=name:DESC",
        "sort_key=name,id",
        "sort=name&sort=id:desc",
        "sort=tags",
        "sort=created_at",
    ),
    *(
        "fields=id",
        "fields=id&fields=name",
        "fields=id,name",
        "fields=bogus",
        "fields=",
        "fields=tenant_id",
        "fields=ID",
    ),
    *(
        "bogus=1",
        "a%20b=1",
        "=1",
        "&",
        "?",
        "name",
        "name=",
        "id=&name=",
        "name=a&name=b",
        "id=" + UNKNOWN,
        "id=x",
        "%FF=1",
    ),
    *("name=%FF", "name=%00", "name=%E9", "tags=a", "tags=", "tags=a,b", "tags=a&tags=b", "tags-any=a,b", "not-tags=a"),
    *("not-tags-any=a,b", "tags-any=", "project_id=" + PROJECT, "project_id=x", "tenant_id=" + PROJECT, "tenant_id=x"),
    *("project_id=" + OTHER, "admin_state_up=true", "admin_state_up=True", "admin_state_up=false", "admin_state_up=x"),
    *(
        "admin_state_up=1",
        "admin_state_up=",
        "provisioning_status=ACTIVE",
        "provisioning_status=active",
        "limit=2&fields=id",
    ),
    *(
        "created_at=2020-01-01T00:00:00",
        "updated_at=x",
        "created_at=x",
        "operating_status=x",
        "links=x",
        "sort=project_id",
    ),
    *(
        "sort=tenant_id",
        "sort=links",
        "name=a%00b",
        "sort=name%00",
        "limit=1&sort=name:desc&fields=name",
        "project_id=",
    ),
)


def compare_lists(pair: Pair) -> None:
    """Every query of QUERIES on every collection, every attribute as a filter and as a key to sort by."""
    for resource in ALL:
        for query in QUERIES:
            pair.ask(Call("GET", f"{path(resource)}?{query}"))
            pair.ask(Call("GET", f"{path(resource)}/<{IN_WORLD[resource.name]}>?{query}"))
        names = {each.name for each in resource.fields}
        for name in sorted({*names, "loadbalancer", "listener", "pool", "vip", "members", "rules", "loadbalancer_id"}):
            for value in ("", "x", "1", UNKNOWN, "<lb>", "<pool>", "<listener>", "true", "HTTP"):
                pair.ask(Call("GET", f"{path(resource)}?{name}={value}&fields=id"))
            pair.ask(Call("GET", f"{path(resource)}?sort={name}&fields=id"))
            pair.ask(Call("GET", f"{path(resource)}?fields={name}"))
    for offer in FLAVORS_AND_ZONES:
        for query in QUERIES:
            pair.ask(Call("GET", f"{path(offer)}?{query}"))
        for name in sorted({each.name for each in offer.fields} | {"id"}):
            pair.ask(Call("GET", f"{path(offer)}?{name}=x"))
            pair.ask(Call("GET", f"{path(offer)}?sort={name}"))
            pair.ask(Call("GET", f"{path(offer)}?fields={name}"))
    for resource in (QUOTA, AMPHORA):
        under = "/v2.0" if resource is AMPHORA else BASE
        for query in QUERIES:
            pair.ask(Call("GET", f"{path(resource, under)}?{query}"))
        for name in sorted({each.name for each in resource.fields} | {"id"}):
            pair.ask(Call("GET", f"{path(resource, under)}?{name}=x"))
            pair.ask(Call("GET", f"{path(resource, under)}?sort={name}"))


def compare_arguments(pair: Pair) -> None:
    """Compare queries with arguments that an operation does not have."""
    for route in LOAD_BALANCING:
        place = route.path
        for name, id_ in {"{pool_id}": "<pool>", "{l7policy_id}": "<policy>", "{project_id}": PROJECT}.items():
            place = place.replace(name, id_)
        kind = route.operation.resource.name if route.operation else ""
        place = re.sub(r"{\w+}", f"<{IN_WORLD.get(kind, kind)}>", place)
        for query in ("bogus=1", "cascade=false", "additive_only=true", "limit=1", "fields=id", "id=x", "name=x"):
            if route.path.startswith("/lbaas") and route.method in ("GET", "DELETE"):
                pair.ask(
                    Call(route.method, f"/v2.0{place}?{query}" if route.method == "GET" else f"/v2.0{place}x?{query}")
                )
    for resource in ALL:
        one = f"{path(resource)}/<{IN_WORLD[resource.name]}>"
        for query in ("bogus=1", "limit=1", "fields=id"):
            pair.ask(Call("PUT", f"{one}?{query}", {resource.key: {"admin_state_up": True}}))
            pair.ask(Call("POST", f"{path(resource)}?{query}", {resource.key: {}}))
            attempt(
                pair,
                Call("POST", f"{path(resource)}?{query}", {resource.key: LEAST[resource.name]}, keep="new"),
                f"{path(resource)}/<new>",
            )


IN_WORLD = {
    "loadbalancer": "lb", "listener": "listener", "pool": "pool", "member": "member", "healthmonitor": "monitor",
    "l7policy": "policy", "l7rule": "rule",
}  # fmt: skip


def compare_paths(pair: Pair) -> None:
    """Paths, methods, bodies and types of content that fit and that do not."""
    roots = [
        "",
        "/",
        "/v1",
        "/v2",
        "/v2/",
        "/v2.0",
        "/v2.0/",
        "/v2.0/lbaas",
        "/v2.0/lbaas/",
        "/v2/lbaas",
        "/v2.1",
        "/v3",
        "/healthcheck",
    ]
    roots += ["/v2.0/octavia", "/v2.0/octavia/amphorae", "/v2.0/amphorae", "/v2.0/bogus", "/bogus", "/v2.0/lbaas/bogus"]
    names = [*(path(each) for each in (*ALL, *FLAVORS_AND_ZONES, QUOTA)), f"{BASE}/providers", "/v2.0/octavia/amphorae"]
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BOGUS"):
        for place in (*roots, *names):
            body = {"bogus": 1} if method in ("POST", "PUT", "PATCH") else None
            pair.ask(Call(method, place or "/", body))
            if place in names:
                pair.ask(Call(method, f"{place}/{UNKNOWN}", body))
                pair.ask(Call(method, f"{place}/x/y", body))
    for place in names:
        collection = place.replace("/lbaas", "")
        for form in (
            collection,
            place.replace("v2.0", "v2"),
            f"{place}/",
            f"{place}.json",
            f"{place}.xml",
            f"{place}//",
            place.upper(),
        ):
            pair.ask(Call("GET", form))
        for id_ in (
            "x",
            UNKNOWN.upper(),
            "%00",
            "a%20b",
            "%FF",
            "..",
            "é".encode().hex(),
            UNKNOWN + ".json",
            "a" * 300,
            "%2e%2e",
            "a%2Fb",
        ):
            pair.ask(Call("GET", f"{place}/{id_}"))
            pair.ask(Call("PUT", f"{place}/{id_}", {"x": {}}))
            pair.ask(Call("DELETE", f"{place}/{id_}"))
    for resource in ALL:
        one = f"{path(resource)}/<{IN_WORLD[resource.name]}>"
        for end in (
            "",
            ".json",
            "/",
            "/stats",
            "/status",
            "/statuses",
            "/failover",
            "/bogus",
            "/stats/x",
            "?cascade=x",
        ):
            pair.ask(Call("GET", one + end))
            if end not in ("", "/", ".json", "?cascade=x"):
                pair.ask(Call("PUT", one + end, {}))
                pair.ask(Call("POST", one + end, {}))
        for end in ("/stats", "/status", "/failover", "/bogus"):
            pair.ask(Call("PUT", f"{path(resource)}/{UNKNOWN}{end}", {}))
            pair.ask(Call("GET", f"{path(resource)}/{UNKNOWN}{end}"))
        for method, place in (("POST", path(resource)), ("PUT", one)):
            for raw in RAW:
                pair.ask(Call(method, place, raw=raw.replace(b"KEY", resource.key.encode())))
            for kind in TYPES:
                pair.ask(Call(method, place, {resource.key: {}}, {"Content-Type": kind}))
            for kind in ACCEPTED:
                pair.ask(Call(method, place, {resource.key: {"bogus": 1}}, {"Accept": kind}))
    for kind in ACCEPTED:
        pair.ask(Call("GET", f"{BASE}/loadbalancers", headers={"Accept": kind}))
        pair.ask(Call("GET", "/", headers={"Accept": kind}))
    for name in ("pool_id", "l7policy_id"):
        child, other = ("members", "pools") if name == "pool_id" else ("rules", "l7policies")
        for parent in (UNKNOWN, "x", "<lb>", "<free>"):
            place = f"{BASE}/{other}/{parent}/{child}"
            one = "<member>" if child == "members" else "<rule>"
            key = {"members": "member", "rules": "rule"}[child]
            for method in ("GET", "PUT", "DELETE"):
                pair.ask(Call(method, f"{place}/{one}", {key: {"tags": []}} if method == "PUT" else None))
            pair.ask(Call("GET", place))
            pair.ask(
                Call("POST", place, {key: LEAST["member" if key == "member" else "l7rule"]})
                if parent != "<free>"
                else Call("GET", place)
            )
            if child == "members":
                pair.ask(Call("PUT", place, {"members": []}))


RAW = (
    *(b"", b"{", b"[]", b"null", b"1", b'"x"', b"{}", b'{"KEY": null}', b'{"KEY": []}', b'{"KEY": 1}', b'{"KEY": "x"}'),
    *(
        b'{"KEY": {}, "more": 1}',
        b'{"KEY": {}}x',
        b'{"KEY": {"name": "\xff"}}',
        b"\xff\xfe",
        b'{"KEY": {"name": NaN}}',
        b"not json",
    ),
    *(
        b'{"KEY": {"name": 1e999}}',
        b"[" * 2000,
        b'{"KEY": {"name": "a", "name": "b", "bogus": 1}}',
        b'{"keY": {}}',
        b" ",
    ),
    *(b'{"KEY": {"bogus": 1, "name": 1}}', b'{"KEY": [{}]}', b'{"KEY": {"": 1}}', b"true", b"'x'"),
)
TYPES = (
    *(
        "application/json",
        "application/json; charset=utf-8",
        "application/json; charset=latin-1",
        "text/plain",
        None,
        "",
    ),
    *(
        "application/xml",
        "application/x-www-form-urlencoded",
        "APPLICATION/JSON",
        "application/json;",
        "garbage",
        "*/*",
    ),
    *("multipart/form-data; boundary=x", "application/vnd.api+json", "application/octet-stream", "text/json"),
)
ACCEPTED = (
    "*/*",
    "application/json",
    "text/html",
    "application/xml",
    "text/plain",
    "application/*",
    "",
    "garbage",
    "text/html, */*;q=0.1",
    "application/json;q=0",
)
