"""A service controller in the shape of the cloud provider's: what it lists, watches, patches and asks of the cloud."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
import yaml

from gopher import Gopher

Json = dict[str, Any]

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
OURS = "loadbalancer.openstack.org"
INTERNAL = "service.beta.kubernetes.io/openstack-internal-load-balancer"
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
TIMEOUTS = ("timeout-client-data", "timeout-member-connect", "timeout-member-data", "timeout-tcp-inspect")


class SmallController:
    """Makes load balancers for Services, and keeps them as the Services and the nodes are."""

    def __init__(self, kubeconfig: Path, gopher: Gopher) -> None:
        [cluster] = yaml.safe_load(kubeconfig.read_text())["clusters"]
        self._url = cluster["cluster"]["server"]
        self._cloud = gopher
        self._subnet = gopher.found("subnets", "private-subnet")["id"]
        self._public = gopher.found("networks", "public-net")["id"]
        self._services: dict[str, Json] = {}
        self._nodes: dict[str, Json] = {}
        self._lock = threading.Lock()
        self._is_over = False
        self.failed: list[Exception] = []
        for plural, known, changed in (
            ("nodes", self._nodes, self._nodes_changed),
            ("services", self._services, self._service_changed),
        ):
            threading.Thread(target=self._follow, args=(plural, known, changed), daemon=True).start()

    def stop(self) -> None:
        self._is_over = True

    def _follow(self, plural: str, known: dict[str, Json], changed: Callable[[Json], None]) -> None:
        """List the objects of a kind, then watch them."""
        listed = requests.get(f"{self._url}/api/v1/{plural}", timeout=10).json()
        for each in listed["items"]:
            known[each["metadata"]["name"]] = each
            self._handled(changed, each)
        query = {"watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        with requests.get(f"{self._url}/api/v1/{plural}", params=query, stream=True, timeout=600) as answer:
            for line in answer.iter_lines():
                if self._is_over:
                    return
                event = json.loads(line)
                name = event["object"]["metadata"]["name"]
                if event["type"] == "DELETED":
                    known.pop(name, None)
                else:
                    known[name] = event["object"]
                if plural == "nodes" or event["type"] != "DELETED":
                    self._handled(changed, event["object"])

    def _handled(self, changed: Callable[[Json], None], found: Json) -> None:
        try:
            with self._lock:
                changed(found)
        except Exception as error:  # the test shows it, since the thread has to go on
            self.failed.append(error)

    def _nodes_changed(self, _: Json) -> None:
        for service in list(self._services.values()):
            if service["metadata"].get("finalizers") and not service["metadata"].get("deletionTimestamp"):
                self._ensure(service)

    def _service_changed(self, event: Json) -> None:
        """Act on the Service as it is now, which events may lag behind."""
        answer = requests.get(f"{self._url}/api/v1/namespaces/default/services/{event['metadata']['name']}", timeout=10)
        service = answer.json()
        if answer.status_code == 404 or service["spec"].get("type") != "LoadBalancer":
            return
        finalizers = service["metadata"].get("finalizers", [])
        if service["metadata"].get("deletionTimestamp"):
            if FINALIZER in finalizers:
                self._remove(service)
                self._patch(service, {"metadata": {"finalizers": None}})
            return
        if FINALIZER not in finalizers:
            order = {"$setElementOrder/finalizers": [FINALIZER], "finalizers": [FINALIZER]}
            self._patch(service, {"metadata": order})
        address = self._ensure(service)
        ingress = [{"ip": address, "ipMode": "VIP"}]
        if service.get("status", {}).get("loadBalancer", {}).get("ingress") != ingress:
            self._patch(service, {"status": {"loadBalancer": {"ingress": ingress}}}, "/status")

    def _patch(self, service: Json, patch: Json, part: str = "") -> None:
        place = f"{self._url}/api/v1/namespaces/default/services/{service['metadata']['name']}{part}"
        requests.patch(place, data=json.dumps(patch), headers=STRATEGIC, timeout=10).raise_for_status()

    def _ensure(self, service: Json) -> str:
        """Make the load balancer of a Service as it should be, and return its address."""
        name, notes = service["metadata"]["name"], service["metadata"].get("annotations", {})
        shared = notes.get(f"{OURS}/load-balancer-id")
        balancer = self._balancer(name, shared)
        for port in service["spec"]["ports"]:
            listener = self._listener(service, balancer["id"], port)
            pool = self._pool(service, balancer["id"], listener, port)
            self._members(service, pool, port, balancer["id"])
        if notes.get(INTERNAL) == "true":
            return str(balancer["vip_address"])
        return self._floating(balancer)

    def _balancer(self, name: str, shared: str | None) -> Json:
        if shared:
            found: Json = self._cloud.active(f"loadbalancers/{shared}")
            return found
        known = self._cloud.lb("GET", f"loadbalancers?name=kube_{name}")["loadbalancers"]
        if not known:
            body = {"loadbalancer": {"name": f"kube_{name}", "vip_subnet_id": self._subnet}}
            known = [self._cloud.lb("POST", "loadbalancers", body)["loadbalancer"]]
        return self._cloud.active(f"loadbalancers/{known[0]['id']}")  # type: ignore[no-any-return]

    def _listener(self, service: Json, balancer_id: str, port: Json) -> Json:
        notes = service["metadata"].get("annotations", {})
        values: Json = {"allowed_cidrs": service["spec"].get("loadBalancerSourceRanges", ["0.0.0.0/0"])}
        for name in TIMEOUTS:
            if f"{OURS}/{name}" in notes:
                values[name.replace("-", "_")] = int(notes[f"{OURS}/{name}"])
        named = f"{service['metadata']['name']}_{port['port']}"
        known = self._cloud.lb("GET", f"listeners?name={named}")["listeners"]
        if known:
            if any(known[0][key] != value for key, value in values.items()):
                self._cloud.lb("PUT", f"listeners/{known[0]['id']}", {"listener": values})
                self._cloud.active(f"loadbalancers/{balancer_id}")
            return known[0]  # type: ignore[no-any-return]
        is_http = notes.get(f"{OURS}/x-forwarded-for") == "true"
        values |= {"name": named, "loadbalancer_id": balancer_id, "protocol_port": port["port"]}
        values |= {"protocol": "HTTP" if is_http else port["protocol"]}
        if is_http:
            values["insert_headers"] = {"X-Forwarded-For": "true"}
        made = self._cloud.lb("POST", "listeners", {"listener": values})["listener"]
        self._cloud.active(f"loadbalancers/{balancer_id}")
        return made  # type: ignore[no-any-return]

    def _pool(self, service: Json, balancer_id: str, listener: Json, port: Json) -> Json:
        notes = service["metadata"].get("annotations", {})
        known = self._cloud.lb("GET", f"pools?name={listener['name']}")["pools"]
        if known:
            return known[0]  # type: ignore[no-any-return]
        proxy = {"v2": "PROXYV2", "true": "PROXY"}.get(notes.get(f"{OURS}/proxy-protocol", ""))
        values = {
            "name": listener["name"],
            "listener_id": listener["id"],
            "protocol": proxy or listener["protocol"],
            "lb_algorithm": notes.get(f"{OURS}/lb-method", "ROUND_ROBIN"),
        }
        pool = self._cloud.lb("POST", "pools", {"pool": values})["pool"]
        self._cloud.active(f"loadbalancers/{balancer_id}")
        if notes.get(f"{OURS}/enable-health-monitor") != "false":
            monitor: Json = {"pool_id": pool["id"], "delay": 3, "timeout": 2, "max_retries": 1}
            monitor["type"] = "UDP-CONNECT" if port["protocol"] == "UDP" else "TCP"
            if service["spec"].get("healthCheckNodePort"):
                monitor |= {"type": "HTTP", "url_path": "/healthz", "expected_codes": "200"}
            self._cloud.lb("POST", "healthmonitors", {"healthmonitor": monitor})
            self._cloud.active(f"loadbalancers/{balancer_id}")
        return pool  # type: ignore[no-any-return]

    def _members(self, service: Json, pool: Json, port: Json, balancer_id: str) -> None:
        values: list[Json] = []
        for name, node in sorted(self._nodes.items()):
            address = node["status"]["addresses"][0]["address"]
            member: Json = {"name": name, "address": address, "protocol_port": port["nodePort"]}
            if service["spec"].get("healthCheckNodePort"):
                member["monitor_port"] = service["spec"]["healthCheckNodePort"]
            values.append(member)
        known = self._cloud.lb("GET", f"pools/{pool['id']}/members")["members"]
        if {each["address"] for each in known} != {each["address"] for each in values}:
            self._cloud.ask("PUT", f"v2.0/lbaas/pools/{pool['id']}/members", {"members": values})
            self._cloud.active(f"loadbalancers/{balancer_id}")

    def _floating(self, balancer: Json) -> str:
        port = balancer["vip_port_id"]
        known = self._cloud.net("GET", f"floatingips?port_id={port}")["floatingips"]
        if not known:
            body = {"floatingip": {"floating_network_id": self._public, "port_id": port}}
            known = [self._cloud.net("POST", "floatingips", body)["floatingip"]]
        return str(known[0]["floating_ip_address"])

    def _remove(self, service: Json) -> None:
        """Remove what a Service has; a load balancer that it shares loses its listeners and pools only."""
        name, notes = service["metadata"]["name"], service["metadata"].get("annotations", {})
        shared = notes.get(f"{OURS}/load-balancer-id")
        if shared:
            for plural in ("pools", "listeners"):
                for port in service["spec"]["ports"]:
                    for each in self._cloud.lb("GET", f"{plural}?name={name}_{port['port']}")[plural]:
                        self._cloud.lb("DELETE", f"{plural}/{each['id']}")
                        self._cloud.active(f"loadbalancers/{shared}")
            return
        for balancer in self._cloud.lb("GET", f"loadbalancers?name=kube_{name}")["loadbalancers"]:
            port = balancer["vip_port_id"]
            for each in self._cloud.net("GET", f"floatingips?port_id={port}")["floatingips"]:
                self._cloud.net("DELETE", f"floatingips/{each['id']}")
            self._cloud.lb("DELETE", f"loadbalancers/{balancer['id']}?cascade=true")
            self._cloud.gone(f"loadbalancers/{balancer['id']}")
