"""HTTP/1.1 over TLS, with http.client."""

from __future__ import annotations

import http.client
from collections.abc import Mapping

from .plain_http import Headers


class TlsConnection(http.client.HTTPSConnection):
    """http.client's connection, with the method of plain_http.Connection."""

    def exchange(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, Headers, bytes]:
        """Send a request and return the status, the reason, the headers and the content. Raises OSError."""
        try:
            self.request(method, path, body, dict(headers))
            answer = self.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        received = Headers((name.lower(), value) for name, value in answer.headers.items())
        return answer.status, answer.reason, received, content
