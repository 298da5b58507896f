"""Several at once: delete with several names for each resource, and lists that take their time."""

from __future__ import annotations

import http.server
import json
import threading
import time
import uuid

from console import Console

WAIT = ("--wait", "--name")


def words(line: str) -> list[str]:
    return line.split()


CREATED = {  # what is deleted -> (how one is made, in which the name comes last; what delete is told first)
    "listener": ("listener create --protocol TCP --protocol-port PORT LB --wait --name", ""),
    "pool": ("pool create --protocol HTTP --lb-algorithm ROUND_ROBIN --loadbalancer LB --wait --name", ""),
    "member": ("member create --address 127.0.0.4 --protocol-port PORT LB-pool --wait --name", "LB-pool"),
    "l7policy": ("l7policy create --action REJECT LB-listener --wait --name", ""),
}


def test_several_names(run, pool):
    for noun in CREATED:
        delete_several(run, pool.removesuffix("-pool"), noun)


def delete_several(run, loadbalancer, noun):
    create, first = (text.replace("LB", loadbalancer) for text in CREATED[noun])
    names = [f"two words {noun}", f"--{noun}", f"grüße-{noun}"]
    for number, name in enumerate(names):
        line = words(f"loadbalancer {create.replace('PORT', str(8100 + number))}")
        assert run(*line[:-1], f"--name={name}").status == 0
    delete = ("loadbalancer", noun, "delete", "--wait", "--", *words(first), *names[:2], "not there", names[2])
    result = run(*delete)
    assert result.status == 1
    said = result.err.splitlines()
    assert said[0].startswith("not there: No ")
    assert said[1:] == ["1 of 4 could not be deleted: not there."]
    listed = run("loadbalancer", noun, "list", *words(first), "-f", "json").json
    assert not {each["name"] for each in listed} & set(names)


def test_several_load_balancers_monitors_and_rules(run, pool, listener, name):
    monitor = words(
        "loadbalancer healthmonitor create --type TCP --delay 5 --timeout 2 --max-retries 2 --wait --name m"
    )
    assert run(*monitor, pool).status == 0
    assert run("loadbalancer", "healthmonitor", "delete", "--wait", "m", "m2").status == 1
    assert run("loadbalancer", "l7policy", "create", "--action", "REJECT", *WAIT, name, listener).status == 0
    rule = words("loadbalancer l7rule create --type PATH --compare-type EQUAL_TO --value /x --wait -f value -c id")
    rules = [run(*rule, name).lines[0] for _ in range(2)]
    assert run("loadbalancer", "l7rule", "delete", "--wait", name, *rules).status == 0
    assert run("loadbalancer", "l7rule", "list", name, "-f", "json").json == []
    create = words("loadbalancer create --vip-subnet-id private-subnet --wait --name")
    assert [run(*create, f"{name}{number}").status for number in range(2)] == [0, 0]
    assert run("loadbalancer", "delete", "--wait", f"{name}0", f"{name}1").status == 0
    assert f"{name}0" not in run("loadbalancer", "list").out


def test_several_offers(run, name):
    admin = ("--os-cloud", "lbclient-admin", "loadbalancer")
    create = ("flavorprofile", "create", "--provider", "octavia", "--flavor-data", "{}", "--name")
    assert [run(*admin, *create, f"{name}{number}").status for number in range(2)] == [0, 0]
    assert run(*admin, "flavorprofile", "delete", f"{name}0", f"{name}1").status == 0
    result = run(*admin, "flavorprofile", "delete", f"{name}0", f"{name}1")
    assert (result.status, result.err.splitlines()[-1]) == (
        1,
        f"2 of 2 could not be deleted: {name}0, {name}1.",
    )


class Slow(http.server.BaseHTTPRequestHandler):
    """A long list in pages, each of which takes a while."""

    def do_GET(self) -> None:
        is_first = "marker" not in self.path
        time.sleep(0.1 if is_first else 1.0)
        records = [{"id": str(uuid.uuid4()), "name": f"pool {number}"} for number in range(100)]
        links = [{"rel": "next", "href": f"http://x/?marker={records[-1]['id']}"}] if is_first else []
        body = json.dumps({"pools": records, "pools_links": links}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


def test_a_long_list_says_how_far_it_is(cloud):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    login = ("--os-auth-type", "none", "--os-endpoint", f"http://127.0.0.1:{server.server_port}")
    environment = {name: value for name, value in cloud.environment().items() if not name.startswith("OS_")}
    console = Console(environment, *login, "loadbalancer", "pool", "list", "-f", "value", "-c", "name")
    try:
        console.wait_for("101 pools, ")
        assert console.end() == 0
        assert console.text.count("\npool 99\n") == 2
    finally:
        console.close()
        server.shutdown()
        server.server_close()
