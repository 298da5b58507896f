"""Webhooks: what a receiver gets, how it can check that, and what happens while it does not accept events."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from lbclient.resources import EVENT
from lbclient.server.outbound.webhook_file import Webhook
from lbclient.server.outbound.webhooks import Retries, Webhooks
from lbclient.store.feed import Feed, Told
from running import RunningServer, end_server, lbclient, start_server, wait_until
from server_process import run

PATIENCE = 30.0  # s
KEY = b"a key of thirty bytes, or more"
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"


class Receiver:
    """A receiver of webhooks, which answers with `status` and keeps the events that it has accepted."""

    def __init__(self) -> None:
        self.status = 204
        self.attempts: list[str] = []  # IDs
        self.accepted: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: set[str] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self.path, dict(self.headers), body)
                self.send_response(receiver.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        known = {name.lower(): value for name, value in headers.items()}
        signed = f"{known['webhook-id']}.{known['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert known["webhook-signature"] == f"v1,{expected}"
        self.paths.add(path)
        self.attempts.append(known["webhook-id"])
        self.headers.append(known)
        if self.status < 300:
            self.accepted.append(json.loads(body))

    def told(self) -> list[tuple[str, str]]:
        """What was accepted: the type of each event, and the name of its object."""
        return [(each["type"], each["data"]["resource_name"]) for each in self.accepted]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def webhooks(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "webhooks.ini"
    path.write_text(text)
    return path


def do(server: RunningServer, *words: str) -> Any:
    done = subprocess.run(
        lbclient("loadbalancer", *words, "-f", "json"),
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def create(server: RunningServer, name: str) -> Any:
    return do(server, "create", "--name", name, "--vip-subnet-id", "private-subnet", "--wait")


def test_events_are_signed_cloud_events_sent_until_they_are_accepted(
    tmp_path: Path, database_url: str, receiver: Receiver
) -> None:
    file = webhooks(
        tmp_path,
        f"[all]\nurl={receiver.url}/all\nsecret={SECRET}\nactions=create, update\n"
        f"[other]\nurl={receiver.url}/other\nsecret={SECRET}\nproject={'0' * 32}\n",
    )
    options = (f"--database={database_url}", f"--webhooks={file}")
    receiver.status = 302  # refused, and never followed
    server = start_server(tmp_path / "state", *options)
    try:
        one = create(server, "one")
        wait_until(lambda: len(receiver.attempts) >= 2, PATIENCE)
        assert len(set(receiver.attempts)) == 1  # the order stays: the next waits
        receiver.status = 200
        created = ("lbclient.loadbalancer.create", "one")
        wait_until(lambda: len(receiver.told()) >= 2, PATIENCE)
        assert receiver.told() == [created, created]
        made, applied = receiver.accepted
        assert (made["specversion"], made["time"][-1], made["datacontenttype"]) == ("1.0", "Z", "application/json")
        assert made["source"].endswith(f"/lbaas/loadbalancers/{one['id']}")
        assert made["subject"] == f"loadbalancer/{one['id']}"
        assert (made["data"]["how"], applied["data"]["how"]) == (None, "nothing")
        assert made["data"]["id"] == applied["data"]["id"]
        assert made["id"] != applied["id"]
        assert made["data"]["user_name"] == "demo"
        assert made["data"]["project_id"] == one["project_id"]
        assert {each["content-type"] for each in receiver.headers} == {"application/cloudevents+json"}
        assert receiver.headers[-1]["webhook-id"] == applied["id"]
        assert receiver.paths == {"/all"}
        text = requests.get(f"{server.url}/metrics", timeout=PATIENCE).text
        assert 'lbclient_webhook_events_total{outcome="delivered",webhook="all"} 2.0' in text
        assert 'outcome="failed",webhook="all"' in text
    finally:
        end_server(server)


def test_events_outlast_a_restart(tmp_path: Path, database_url: str, receiver: Receiver) -> None:
    file = webhooks(tmp_path, f"[all]\nurl={receiver.url}\nsecret={SECRET}\nactions=create")
    options = (f"--database={database_url}", f"--webhooks={file}")
    server = start_server(tmp_path / "state", *options)
    try:
        create(server, "one")
        wait_until(lambda: len(receiver.told()) == 2, PATIENCE)
        receiver.status = 503
        create(server, "two")
        wait_until(lambda: len(receiver.attempts) > 2, PATIENCE)
    finally:
        end_server(server)
    receiver.status = 200
    again = start_server(tmp_path / "state", *options)
    try:
        wait_until(lambda: "two" in {name for _, name in receiver.told()}, PATIENCE)
        create(again, "three")
        wait_until(lambda: "three" in {name for _, name in receiver.told()}, PATIENCE)
        assert {name for _, name in receiver.told()[:2]} == {"one"}
        assert "one" not in {name for _, name in receiver.told()[2:]}
    finally:
        end_server(again)


def test_a_receiver_that_is_gone_gets_no_more(tmp_path: Path, database_url: str, receiver: Receiver) -> None:
    file = webhooks(
        tmp_path,
        f"[gone]\nurl={receiver.url}/gone\nsecret={SECRET}\n[all]\nurl={receiver.url}/all\nsecret={SECRET}",
    )
    receiver.status = 410
    server = start_server(tmp_path / "state", f"--database={database_url}", f"--webhooks={file}")
    try:
        create(server, "one")
        wait_until(lambda: len(receiver.attempts) == 2, PATIENCE)
        create(server, "two")
        assert len(receiver.attempts) == 2
    finally:
        end_server(server)


def test_a_database_that_does_not_answer_only_delays_events(tmp_path: Path, receiver: Receiver) -> None:
    """At a start behind, events are read from the database, which fails twice."""
    (tmp_path / "shop.one").write_text("1\n")
    told = Told(2, "lb", "project", {**dict.fromkeys(each.name for each in EVENT.fields), "action": "create"})
    answers: list[Any] = [OSError("no answer"), OSError("no answer"), [told]]

    def stored(last: int, scope: Any, limit: int) -> list[Told]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    wanted = [Webhook(name, receiver.url, KEY) for name in ("shop.one",)]
    sender = Webhooks(wanted, Feed(), stored, tmp_path, lambda *_: None, Retries(first=0.01))
    sender.start()
    try:
        wait_until(lambda: (tmp_path / "shop.one").read_text() == "2\n", PATIENCE)
        assert [each["id"] for each in receiver.accepted] == ["2"]
    finally:
        sender.stop()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[a]\nurl=file:///etc/passwd\nsecret=" + SECRET, "url"),
        ("[a]\nurl=http://127.0.0.1\nsecret=short", "secret"),
        ("[a]\nurl=http://127.0.0.1\nsecret=whsec_c2hvcnQ=", "secret"),
        ("[a]\nurl=http://127.0.0.1\nsecret=" + SECRET + "\nactions=explode", "explode"),
        ("[a]\nurl=http://127.0.0.1\nsecret=" + SECRET + "\nsurprise=1", "surprise"),
        ("[../a]\nurl=http://127.0.0.1\nsecret=" + SECRET, "name"),
        ("[..]\nurl=http://127.0.0.1\nsecret=" + SECRET, "name"),
        ("no section", "webhooks.ini"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, word: str) -> None:
    done = run(f"--state-directory={tmp_path}", f"--webhooks={webhooks(tmp_path, text)}", "--bind-port=0")
    assert done.returncode == 1
    assert word in done.stderr
    assert SECRET not in done.stderr
