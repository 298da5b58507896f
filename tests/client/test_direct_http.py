"""Requests with the standard library alone: what is sent, what is left to keystoneauth1, what goes wrong."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from certificates import authority, certified
from lbclient.client import direct_http
from lbclient.client.errors import Unreachable
from running import wait_until


class Echo(http.server.BaseHTTPRequestHandler):
    """Says what it was asked, in one of several ways."""

    protocol_version = "HTTP/1.1"
    server: Any

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        if "user-agent" in headers:  # a HAProxy of another test that checks a member which had this port has none
            self.server.asked.append((self.command, self.path, headers, body, self.client_address))
        if self.path == "/silent":
            self.server.patience.wait(20)
        if self.path in ("/gone", "/silent"):
            self.close_connection = True
            return
        content = json.dumps({"body": body}).encode()
        self.send_response(302 if self.path == "/elsewhere" else 200)
        if self.path == "/last":
            self.close_connection = True  # without a word about it
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = _answer

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.asked, server.patience = [], threading.Event()
    server.handle_error = lambda *arguments: None  # a client that does not trust it
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.url = f"{'https' if context else 'http'}://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.patience.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def server() -> Iterator[Any]:
    with listening() as started:
        yield started


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server with a certificate of an authority that only its file knows."""
    folder = tmp_path_factory.mktemp("tls")
    above = authority()
    own = certified("localhost", above, "localhost")
    for name, text in (("ca", above.pem), ("own", own.pem), ("key", own.key_pem())):
        (folder / name).write_text(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "own", folder / "key")
    with listening(context) as started:
        started.authority = str(folder / "ca")
        yield started


@pytest.fixture
def ask(server: Any) -> Callable[..., Any]:
    client = direct_http.DirectHttp(True, 5)
    return lambda method, path, **more: client.request(method, f"{server.url}{path}", {"X-Auth-Token": "t"}, **more)


def test_what_is_sent(server, ask) -> None:
    answer = ask("POST", "/a", params={"name": "ä b", "tags": ["x", "y"], "none": None, "on": True}, json={"n": 1})
    assert (answer.status_code, answer.json(), answer.request.method) == (200, {"body": '{"n": 1}'}, "POST")
    [(method, path, headers, _, _)] = server.asked
    assert (method, path) == ("POST", "/a?name=%C3%A4+b&tags=x&tags=y&on=True")
    assert (headers["x-auth-token"], headers["content-type"]) == ("t", "application/json")
    assert headers["user-agent"].startswith("lbclient/")


def test_a_change_without_a_body(server, ask) -> None:
    assert ask("PUT", "/failover").content
    assert (server.asked[0][2]["content-length"], "content-type" in server.asked[0][2]) == ("0", False)


def test_a_connection_is_kept(server, ask) -> None:
    for _ in range(3):
        ask("GET", "/")
    assert len({asked[4] for asked in server.asked}) == 1


def test_a_connection_that_the_server_has_closed_is_made_anew(server) -> None:
    client = direct_http.DirectHttp(True, 5)
    client.request("GET", f"{server.url}/last", {})
    [connection] = client._connections.values()
    wait_until(lambda: direct_http._is_over(connection.sock))
    assert client.request("DELETE", f"{server.url}/", {}).status_code == 200
    assert len(server.asked) == 2


@pytest.mark.parametrize("path", ["/gone", "/silent"])
def test_a_request_that_gets_no_answer_is_not_repeated(server, path) -> None:
    with pytest.raises(Unreachable) as caught:
        direct_http.DirectHttp(True, 0.3).request("POST", f"{server.url}{path}", {}, json={})
    assert server.url in str(caught.value)
    assert len(server.asked) == 1


@contextmanager
def saying(answer: bytes) -> Iterator[str]:
    """A server that says these bytes to every request and closes the connection; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.0 200\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n", b"hi!"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1", b"1"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
)
def test_every_form_of_an_answer_is_read(answer: bytes, content: bytes) -> None:
    with saying(answer) as url:
        found = direct_http.DirectHttp(True, 5).request("GET", url, {})
        assert found is not None
        assert found.content == content


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\nhi",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 70000,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70000,
    ],
)
def test_an_answer_that_is_none_names_the_server(answer: bytes) -> None:
    with saying(answer) as url, pytest.raises(Unreachable, match=url.rstrip("/")):
        direct_http.DirectHttp(True, 5).request("GET", url, {})


def test_a_header_cannot_add_another(server) -> None:
    with pytest.raises(ValueError, match="line break"):
        direct_http.DirectHttp(True, 5).request("GET", f"{server.url}/", {"X-Auth-Token": "a\r\nX: y"})
    assert server.asked == []


def test_what_is_left_to_keystoneauth(ask, server) -> None:
    assert ask("GET", "/elsewhere") is None  # a redirect
    assert direct_http.DirectHttp(True, 5).request("GET", "http://127.0.0.1:1/", {}) is None  # nothing was sent
    for url in (server.url.replace("//", "//user:word@"), f"{server.url}/ä", f"{server.url}/a b", "ftp://x/"):
        assert direct_http.DirectHttp(True, 5).request("GET", url, {}) is None


def test_certificates_are_checked(secured, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in direct_http.AUTHORITIES:
        monkeypatch.delenv(name, raising=False)
    url = f"{secured.url}/"
    assert direct_http.DirectHttp(True, 5).request("GET", url, {}) is None
    assert (
        direct_http.DirectHttp(secured.authority, 5).request("GET", url.replace("localhost", "127.0.0.1"), {}) is None
    )
    assert direct_http.DirectHttp("/nowhere", 5).request("GET", url, {}) is None
    assert secured.asked == []
    assert direct_http.DirectHttp(secured.authority, 5).request("GET", url, {}).status_code == 200
    assert direct_http.DirectHttp(False, 5).request("GET", url, {}).status_code == 200
    monkeypatch.setenv("CURL_CA_BUNDLE", secured.authority)
    assert direct_http.DirectHttp(True, 5).request("GET", url, {}).status_code == 200
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere")
    assert direct_http.DirectHttp(True, 5).request("GET", url, {}) is None


def test_several_threads_have_connections_of_their_own(server) -> None:
    client = direct_http.DirectHttp(True, 5)
    ends = threading.Barrier(4)

    def ask() -> None:
        for _ in range(5):
            client.request("GET", f"{server.url}/", {})
        ends.wait(10)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(server.asked), len({asked[4] for asked in server.asked})) == (20, 4)


@pytest.mark.parametrize("variable", ["https_proxy", "HTTP_PROXY", "ALL_PROXY", "NETRC"])
def test_where_requests_does_more_it_is_not_plain(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert direct_http.is_plain({"PATH": "/bin", "no_proxy": "x"})
    assert not direct_http.is_plain({variable: "http://proxy"})
    (tmp_path / ".netrc").write_text("")
    assert not direct_http.is_plain({})
