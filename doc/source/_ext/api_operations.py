"""The directive ``api-operations``: a resource's operations as a table, read from the table of routes.

The OpenAPI document that they come from is written beside the pages, as openapi.json.
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from lbclient import resources
from lbclient.server.loadbalancer import routes
from lbclient.server.loadbalancer.openapi import document

DOCUMENT = document.build(routes.LOAD_BALANCING)
SERVER = {"url": "http://127.0.0.1:9876/load-balancer/v2.0"}


class ApiOperations(Directive):
    """``.. api-operations:: listener``"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        resource = resources.BY_NAME[self.arguments[0]]
        lines = [".. list-table::", "   :widths: 10 50 40", ""]
        for method, path, operation in document.of_resource(DOCUMENT, resource):
            lines += [f"   * - {method}", f"     - ``{path}``", f"     - {operation['summary']}"]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source=__file__), self.content_offset, container)
        return container.children


def write(app: Sphinx, error: Exception | None) -> None:
    """Put the document where the pages are."""
    if error is None and app.builder.format == "html":
        text = json.dumps({**DOCUMENT, "servers": [SERVER]}, indent=1)
        (Path(app.outdir) / "openapi.json").write_text(text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("api-operations", ApiOperations)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
