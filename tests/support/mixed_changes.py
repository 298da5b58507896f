"""Random changes of one load balancer through the API, such as leave everything served that was served before."""

from __future__ import annotations

import base64
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from certificates import Certified, authority, certified

HOST = "shop.example"
CA = authority()
LBAAS = "/load-balancer/v2.0/lbaas"
PATIENCE = 30.0  # s until a change is in effect
MOST = 4  # of anything that comes and goes
LOADED = ("/new", "/kept", "/slow", "/two")  # what the load asks for
CIDRS = {4: ("127.0.0.0/8", "10.0.0.0/8", "192.168.0.0/16"), 6: ("::1/128", "fd00::/8", "2001:db8::/32")}
LOOPBACK6 = "::1/128"  # the only IPv6 address that a machine has without being asked


class Api:
    """The administrator's requests."""

    def __init__(self, url: str, clouds: Path) -> None:
        self.url = url
        self.writes = 0
        self.session = requests.Session()
        auth = yaml.safe_load(clouds.read_text())["clouds"]["lbclient-admin"]["auth"]
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        answer = self.session.post(f"{url}/identity/v3/auth/tokens", json=body, timeout=PATIENCE)
        self.session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        self.writes += method != "GET"
        answer = self.session.request(method, f"{self.url}{path}", json=body, timeout=PATIENCE)
        assert answer.ok, f"{method} {path} {body}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def create(self, kind: str, path: str, **values: Any) -> Any:
        return self.ask("POST", f"{LBAAS}/{path}", {kind: values})[kind]

    def update(self, kind: str, path: str, **values: Any) -> None:
        self.ask("PUT", f"{LBAAS}/{path}", {kind: values})

    def delete(self, path: str) -> None:
        self.ask("DELETE", f"{LBAAS}/{path}")

    def kept(self, made: Certified) -> str:
        """The reference of a certificate's secret."""
        payload = base64.b64encode(made.pkcs12()).decode()
        octets = {"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
        reference: str = self.ask("POST", "/key-manager/v1/secrets", {"payload": payload, **octets})["secret_ref"]
        return reference


@dataclass
class Balancer:
    """A load balancer with listeners for HTTP, TLS and TCP, and members that stay."""

    api: Api
    ports: dict[str, Any]  # of the members: see load_members.py
    free: list[int]  # for listeners
    families: tuple[int, ...] = (4,)  # IP versions of its addresses
    certificates: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)  # listeners that come and go
    policies: list[str] = field(default_factory=list)
    added: dict[str, list[tuple[str, int]]] = field(default_factory=lambda: {"main": [], "raw": []})

    def __post_init__(self) -> None:
        self.certificates = [self.api.kept(certified(HOST, CA, HOST)) for _ in range(3)]
        first, *others = [self._subnet(version) for version in self.families]
        places = {"vip_subnet_id": first, "additional_vips": [{"subnet_id": other} for other in others]}
        made = self.api.create("loadbalancer", "loadbalancers", **places)
        self.id = made["id"]
        self.addresses = [made["vip_address"], *(vip["ip_address"] for vip in made["additional_vips"])]
        self.wait()
        self.pools = {
            name: self.new_pool(protocol, port)
            for name, protocol, port in (
                ("main", "HTTP", self.ports["http"][0]),
                ("spare", "HTTP", self.ports["http"][1]),
                ("chat", "HTTP", self.ports["chat"]),
                ("raw", "TCP", self.ports["echo"][0]),
            )
        }
        tls = {"default_tls_container_ref": self.certificates[0], "alpn_protocols": ["h2", "http/1.1"]}
        self.listeners = {
            "http": self._listener("HTTP", self.free[0], "main"),
            "https": self._listener("TERMINATED_HTTPS", self.free[1], "main", **tls),
            "tcp": self._listener("TCP", self.free[2], "raw"),
        }
        for name in ("http", "https"):
            rule = {"type": "HEADER", "key": "Upgrade", "compare_type": "EQUAL_TO", "value": "websocket"}
            self.policy(name, [rule], action="REDIRECT_TO_POOL", redirect_pool_id=self.pools["chat"])

    def _subnet(self, version: int) -> str:
        [subnet] = self.api.ask("GET", "/networking/v2.0/subnets?name=private-subnet")["subnets"]
        if version == 6:
            place = {"network_id": subnet["network_id"], "cidr": LOOPBACK6, "ip_version": 6, "gateway_ip": None}
            subnet = self.api.ask("POST", "/networking/v2.0/subnets", {"subnet": place})["subnet"]
        return str(subnet["id"])

    def plan(self) -> dict[str, Any]:
        """For load.py."""
        ports = dict(zip(self.listeners, self.free, strict=False))
        return {"addresses": self.addresses, "authority": CA.pem, "host": HOST, **ports}

    def wait(self) -> None:
        """Until the last change is in effect."""
        deadline = time.monotonic() + PATIENCE
        while (status := self.shown()["provisioning_status"]) != "ACTIVE":
            assert status != "ERROR", self.api.ask("GET", f"{LBAAS}/loadbalancers/{self.id}/events")
            assert time.monotonic() < deadline, status
            time.sleep(0.005)

    def shown(self) -> Any:
        return self.api.ask("GET", f"{LBAAS}/loadbalancers/{self.id}")["loadbalancer"]

    def new_pool(self, protocol: str, port: int) -> str:
        values = {"protocol": protocol, "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": self.id}
        made: str = self.api.create("pool", "pools", **values)["id"]
        self.wait()
        self.api.create("member", f"pools/{made}/members", address="127.0.0.1", protocol_port=port)
        self.wait()
        return made

    def _listener(self, protocol: str, port: int, pool: str | None = None, **values: Any) -> str:
        values["default_pool_id"] = self.pools[pool] if pool else None
        values |= {"loadbalancer_id": self.id, "protocol": protocol, "protocol_port": port}
        made: str = self.api.create("listener", "listeners", **values)["id"]
        self.wait()
        return made

    def policy(self, listener: str, rules: Iterable[Any], **values: Any) -> str:
        made: str = self.api.create("l7policy", "l7policies", listener_id=self.listeners[listener], **values)["id"]
        self.wait()
        for rule in rules:
            self.api.create("rule", f"l7policies/{made}/rules", **rule)
            self.wait()
        return made

    def add_listener(self, protocol: str, port: int) -> None:
        self.extra.append(self._listener(protocol, port))


class Mixer:
    """One random change after another; what changes is counted by its name."""

    def __init__(self, balancer: Balancer, seed: int) -> None:
        self.on = balancer
        self.api = balancer.api
        self.chance = random.Random(seed)
        self.made: Counter[str] = Counter()
        self.kinds: tuple[Callable[[], None], ...] = (
            self.member_comes,
            self.member_goes,
            self.member_changes,
            self.members_all_at_once,
            self.pool_changes,
            self.pool_comes_and_goes,
            self.monitor,
            self.policy_comes,
            self.policy_goes,
            self.policy_changes,
            self.certificate,
            self.tls,
            self.timeouts,
            self.limits,
            self.listener_comes,
            self.listener_goes,
            self.failover,
        )

    def change(self) -> str:
        """Makes one, and waits until it is in effect; its name."""
        before = self.api.writes
        while self.api.writes == before:
            kind = self.chance.choice(self.kinds)
            kind()  # nothing, where nothing is there that it could change
        self.on.wait()
        self.made[kind.__name__] += 1
        return kind.__name__

    def member_comes(self) -> None:
        name, kind = self.chance.choice((("main", "http"), ("raw", "echo")))
        there = {port for _, port in self.on.added[name]}
        free = [port for port in self.on.ports[kind][2:] if port not in there]
        if free:
            values = {"address": "127.0.0.1", "protocol_port": free[0], "weight": self.chance.randint(0, 256)}
            made = self.api.create("member", f"pools/{self.on.pools[name]}/members", **values)
            self.on.added[name].append((made["id"], free[0]))

    def member_goes(self) -> None:
        name = self.chance.choice(("main", "raw"))
        if self.on.added[name]:
            made, _ = self.on.added[name].pop(self.chance.randrange(len(self.on.added[name])))
            self.api.delete(f"pools/{self.on.pools[name]}/members/{made}")

    def member_changes(self) -> None:
        name = self.chance.choice(("main", "raw"))
        for made, _ in self.on.added[name][:1]:
            values = ({"weight": self.chance.randint(0, 256)}, {"admin_state_up": self.chance.random() < 0.5})
            path = f"pools/{self.on.pools[name]}/members/{made}"
            self.api.update("member", path, **self.chance.choice((*values, {"backup": self.chance.random() < 0.2})))

    def members_all_at_once(self) -> None:
        pool = f"{LBAAS}/pools/{self.on.pools['main']}/members"
        first, _, *others = self.on.ports["http"]
        chosen = [first, *self.chance.sample(others, self.chance.randint(0, len(others)))]
        members = [{"address": "127.0.0.1", "protocol_port": port, "weight": 5} for port in chosen]
        self.api.ask("PUT", pool, {"members": members})
        found = self.api.ask("GET", pool)["members"]
        living = [each for each in found if each["provisioning_status"] != "PENDING_DELETE"]
        self.on.added["main"] = [
            (each["id"], each["protocol_port"]) for each in living if each["protocol_port"] != first
        ]

    def pool_changes(self) -> None:
        algorithm = self.chance.choice(("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP"))
        persistence = self.chance.choice((None, {"type": "SOURCE_IP"}, {"type": "HTTP_COOKIE"}))
        values = {"lb_algorithm": algorithm, "session_persistence": persistence}
        self.api.update("pool", f"pools/{self.on.pools['main']}", **values)

    def pool_comes_and_goes(self) -> None:
        pool = self.on.new_pool("HTTP", self.on.ports["http"][0])
        rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": self.chance.choice(LOADED)}
        policy = self.on.policy("http", [rule], action="REDIRECT_TO_POOL", redirect_pool_id=pool)
        self.api.delete(f"l7policies/{policy}")
        self.on.wait()
        self.api.delete(f"pools/{pool}")

    def monitor(self) -> None:
        pool = self.api.ask("GET", f"{LBAAS}/pools/{self.on.pools['main']}")["pool"]
        if pool.get("healthmonitor_id"):
            self.api.delete(f"healthmonitors/{pool['healthmonitor_id']}")
            return
        times = {"delay": self.chance.randint(1, 5), "timeout": 5, "max_retries": 1, "max_retries_down": 10}
        self.api.create("healthmonitor", "healthmonitors", pool_id=pool["id"], type="HTTP", **times)

    def policy_comes(self) -> None:
        """One that nothing matches, or one that sends a part of the load elsewhere."""
        if len(self.on.policies) >= MOST:
            return
        is_met = self.chance.random() < 0.5
        path = self.chance.choice(LOADED) if is_met else "/never"
        rule = {"type": "PATH", "compare_type": "STARTS_WITH", "value": path, "invert": False}
        away = {"action": "REDIRECT_TO_POOL", "redirect_pool_id": self.on.pools["spare"]}
        others = (away, {"action": "REJECT"}, {"action": "REDIRECT_TO_URL", "redirect_url": "http://other.example/"})
        values = away if is_met else self.chance.choice(others)
        position = self.chance.randint(1, 3)
        # Without a rule it decides nothing: so its rules can come one after another.
        self.on.policies.append(
            self.on.policy(self.chance.choice(("http", "https")), [rule], position=position, **values)
        )

    def policy_goes(self) -> None:
        if self.on.policies:
            self.api.delete(f"l7policies/{self.on.policies.pop(0)}")

    def policy_changes(self) -> None:
        for policy in self.on.policies[-1:]:
            rule = {"type": "COOKIE", "key": "a", "compare_type": "REGEX", "value": f"^{self.chance.randint(0, 9)}$"}
            self.api.create("rule", f"l7policies/{policy}/rules", **rule)
            self.on.wait()
            self.api.update("l7policy", f"l7policies/{policy}", position=self.chance.randint(1, 4))

    def certificate(self) -> None:
        first, *others = self.chance.sample(self.on.certificates, 3)
        values = {"default_tls_container_ref": first, "sni_container_refs": others[: self.chance.randint(0, 1)]}
        self._set("https", **values)

    def tls(self) -> None:
        versions = self.chance.choice((["TLSv1.2", "TLSv1.3"], ["TLSv1.3"]))
        self._set("https", tls_versions=versions, hsts_max_age=self.chance.choice((0, 600)))

    def timeouts(self) -> None:
        names = ("timeout_client_data", "timeout_member_connect", "timeout_member_data")
        self._set(None, **{name: self.chance.randint(20_000, 60_000) for name in names})

    def _cidrs(self) -> list[str]:
        count = self.chance.randint(1, 3)
        return [cidr for version in self.on.families for cidr in CIDRS[version][:count]]

    def limits(self) -> None:
        values = (
            {"connection_limit": self.chance.choice((-1, 1000, 2000))},
            {"allowed_cidrs": self.chance.choice((None, self._cidrs()))},
        )
        self._set(None, **self.chance.choice(values))

    def listener_comes(self) -> None:
        if len(self.on.extra) < MOST:
            free = self.on.free[3 + sum(self.made.values()) % (len(self.on.free) - 3)]
            protocols = ("HTTP", "TCP", "UDP", "PROMETHEUS")
            taken = {each["protocol_port"] for each in self.api.ask("GET", f"{LBAAS}/listeners")["listeners"]}
            if free not in taken:
                self.on.add_listener(self.chance.choice(protocols), free)

    def listener_goes(self) -> None:
        if self.on.extra:
            self.api.delete(f"listeners/{self.on.extra.pop(0)}")

    def failover(self) -> None:
        self.api.ask("PUT", f"{LBAAS}/loadbalancers/{self.on.id}/failover")

    def _set(self, listener: str | None, **values: Any) -> None:
        name = listener or self.chance.choice(("http", "https", "tcp"))
        self.api.update("listener", f"listeners/{self.on.listeners[name]}", **values)
