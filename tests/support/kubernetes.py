"""A small kube-apiserver: what a controller needs to list, watch, patch and delete objects, kept in memory."""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Json = dict[str, Any]
Key = tuple[str, str, str]  # plural, namespace or "", name

KINDS = {
    "configmaps": "ConfigMap",
    "endpoints": "Endpoints",
    "endpointslices": "EndpointSlice",
    "events": "Event",
    "leases": "Lease",
    "namespaces": "Namespace",
    "nodes": "Node",
    "pods": "Pod",
    "secrets": "Secret",
    "serviceaccounts": "ServiceAccount",
    "services": "Service",
}
SETS = ("finalizers",)  # lists of texts that a strategic merge patch merges
KEYED = {"conditions": "type"}  # lists of objects that it merges, and by what


class Kubernetes:
    """The objects of a cluster, and everything that happened to them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._objects: dict[Key, Json] = {}
        self._history: list[tuple[int, str, Key, Json]] = []  # version, type of event, key, object
        self._version = 0
        self.is_closed = False

    def apply(self, plural: str, given: Json) -> Json:
        """Create an object, or replace its spec and its metadata's annotations and labels, as kubectl apply does."""
        given = copy.deepcopy(given)
        metadata = given["metadata"]
        if plural == "services":
            metadata.setdefault("namespace", "default")
        key = (plural, metadata.get("namespace", ""), metadata["name"])
        with self._changed:
            known = self._objects.get(key)
            if known is None:
                return self._store("ADDED", key, self._new(plural, given))
            after = {**known, **{name: value for name, value in given.items() if name != "metadata"}}
            after["metadata"] = {**known["metadata"], **metadata}
            return self._store("MODIFIED", key, after)

    def get(self, plural: str, name: str, namespace: str = "") -> Json | None:
        """Return an object; None if it does not exist."""
        with self._changed:
            return copy.deepcopy(self._objects.get((plural, namespace, name)))

    def all(self, plural: str, namespace: str = "") -> tuple[list[Json], int]:
        """Return the objects of a kind, of one namespace or of all, and the version of the whole."""
        with self._changed:
            found = [
                each
                for (kind, place, _), each in sorted(self._objects.items())
                if kind == plural and namespace in ("", place)
            ]
            return copy.deepcopy(found), self._version

    def patch(self, key: Key, patch: Json) -> Json | None:
        """Merge a patch into an object; one that is being deleted goes with its last finalizer."""
        with self._changed:
            known = self._objects.get(key)
            if known is None:
                return None
            return self._settle(key, merged(known, patch))

    def replace(self, key: Key, body: Json) -> Json | None:
        """Replace an object; its identity stays."""
        with self._changed:
            known = self._objects.get(key)
            if known is None:
                return None
            kept = {name: known["metadata"][name] for name in ("uid", "creationTimestamp")}
            return self._settle(key, {**body, "metadata": {**body["metadata"], **kept}})

    def delete(self, plural: str, name: str, namespace: str = "") -> Json | None:
        """Delete an object, once its finalizers are gone."""
        key = (plural, namespace, name)
        with self._changed:
            known = self._objects.get(key)
            if known is None:
                return None
            metadata = {**known["metadata"], "deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
            return self._settle(key, {**known, "metadata": metadata})

    def events(self, plural: str, namespace: str, after: int) -> Iterator[tuple[str, Json]]:
        """Yield what happens to objects of a kind after a version, until the server closes."""
        while True:
            with self._changed:
                if self._version <= after and not self.is_closed:
                    self._changed.wait(1.0)
                if self.is_closed:
                    return
                new = [each for each in self._history if each[0] > after]
                after = self._version
            if not new:
                yield "", {}
            for _, kind, key, found in new:
                if key[0] == plural and namespace in ("", key[1]):
                    yield kind, found

    def close(self) -> None:
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()

    def _new(self, plural: str, given: Json) -> Json:
        metadata = {**given["metadata"], "uid": str(uuid.uuid4()), "creationTimestamp": now()}
        return {"apiVersion": "v1", "kind": KINDS[plural], "status": {}, **given, "metadata": metadata}

    def _settle(self, key: Key, after: Json) -> Json:
        if after["metadata"].get("deletionTimestamp") and not after["metadata"].get("finalizers"):
            return self._store("DELETED", key, after)
        return self._store("MODIFIED", key, after)

    def _store(self, kind: str, key: Key, after: Json) -> Json:
        self._version += 1
        after = copy.deepcopy(after)
        after["metadata"]["resourceVersion"] = str(self._version)
        if kind == "DELETED":
            del self._objects[key]
        else:
            self._objects[key] = after
        self._history.append((self._version, kind, key, after))
        self._changed.notify_all()
        return copy.deepcopy(after)


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def merged(value: Json, patch: Json) -> Json:
    """Return an object with a patch merged into it: a merge patch, or what controllers send of strategic ones."""
    after = dict(value)
    for name, given in patch.items():
        directive, _, target = name.partition("/")
        if directive == "$deleteFromPrimitiveList":
            left = [each for each in after.get(target) or [] if each not in given]
            after[target] = left
        elif name.startswith("$"):
            continue  # the order of lists, and keys to retain
        elif given is None:
            after.pop(name, None)
        elif isinstance(given, dict):
            after[name] = merged(after.get(name) or {}, given)
        elif isinstance(given, list) and name in SETS:
            after[name] = list(dict.fromkeys([*(after.get(name) or []), *given]))
        elif isinstance(given, list) and name in KEYED:
            by = KEYED[name]
            kept = {each[by]: each for each in after.get(name) or []}
            for each in given:
                kept[each[by]] = merged(kept.get(each[by], {}), each)
            after[name] = list(kept.values())
        else:
            after[name] = given
    return after


class Place:
    """A path of the API: /api/v1 or /apis/GROUP/VERSION, a namespace, a plural, a name and a subresource."""

    def __init__(self, path: str) -> None:
        words = path.strip("/").split("/")
        self.group, words = ("/".join(words[1:3]), words[3:]) if words[0] == "apis" else ("v1", words[2:])
        self.namespace = ""
        if words[:1] == ["namespaces"] and len(words) > 2:
            self.namespace, words = words[1], words[2:]
        self.plural, self.name = [*words, "", ""][:2]

    @property
    def key(self) -> Key:
        return self.plural, self.namespace, self.name


def handler(cluster: Kubernetes) -> type[BaseHTTPRequestHandler]:
    """Return the handler of requests to a cluster."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)  # each body is read, or the next request would begin with it
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            path = Place(parts.path)
            if parts.path == "/version":
                self._answer({"major": "1", "minor": "36", "gitVersion": "v1.36.0"})
            elif parts.path in ("/healthz", "/livez", "/readyz"):  # controllers wait for it
                self._send(b"ok", "text/plain")
            elif path.plural not in KINDS:
                self._refuse(404, "NotFound", f"{parts.path} is not here")
            elif self.command == "GET" and not path.name:
                self._list(path, query)
            else:
                self._change(path, json.loads(content) if content else {})

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

        def _list(self, path: Place, query: dict[str, str]) -> None:
            if query.get("watch") in ("true", "1"):
                self._watch(path, query)
                return
            found, version = cluster.all(path.plural, path.namespace)
            metadata = {"resourceVersion": str(version)}
            kind = f"{KINDS[path.plural]}List"
            self._answer({"kind": kind, "apiVersion": path.group, "metadata": metadata, "items": found})

        def _watch(self, path: Place, query: dict[str, str]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for kind, found in cluster.events(path.plural, path.namespace, int(query.get("resourceVersion") or 0)):
                line = json.dumps({"type": kind, "object": found}).encode() + b"\n" if kind else b""
                if line:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")

        def _change(self, path: Place, body: Json) -> None:
            kinds: dict[str, Callable[[], Json | None]] = {
                "GET": lambda: cluster.get(path.plural, path.name, path.namespace),
                "POST": lambda: cluster.apply(path.plural, self._named(path, body)),
                "PUT": lambda: cluster.replace(path.key, body),
                "PATCH": lambda: cluster.patch(path.key, body),
                "DELETE": lambda: cluster.delete(path.plural, path.name, path.namespace),
            }
            found = kinds[self.command]()
            if found is None:
                self._refuse(404, "NotFound", f'{path.plural} "{path.name}" not found')
            else:
                self._answer(found, 201 if self.command == "POST" else 200)

        @staticmethod
        def _named(path: Place, body: Json) -> Json:
            metadata = dict(body.get("metadata") or {})
            metadata.setdefault("name", f"{metadata.get('generateName', '')}{uuid.uuid4().hex[:8]}")
            if path.namespace:
                metadata["namespace"] = path.namespace
            return {**body, "metadata": metadata}

        def _refuse(self, status: int, reason: str, message: str) -> None:
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status}
            self._answer({**body, "metadata": {}, "message": message}, status)

        def _answer(self, body: Json, status: int = 200) -> None:
            self._send(json.dumps(body).encode(), "application/json", status)

        def _send(self, content: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    return Handler


@contextmanager
def cluster(kubeconfig: Path) -> Iterator[Kubernetes]:
    """Serve a cluster on loopback, and write the kubeconfig for its clients."""
    made = Kubernetes()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(made))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "fake", "cluster": {"server": url}}],
        "users": [{"name": "fake", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "current-context": "fake",
    }
    kubeconfig.write_text(yaml.safe_dump(config))
    try:
        yield made
    finally:
        made.close()
        server.shutdown()
        server.server_close()
