"""The directive ``resource-fields``: a resource's attributes as a table, read from its definition."""

from __future__ import annotations

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from lbclient import resources
from lbclient.resources import Api, Field, Resource, testing

TESTING_HEADER = ("Attribute", "Type", "Default", "Meaning")
HEADER = ("Attribute", "Type", "POST", "PUT", "Default", "Since", "Meaning")


class TestingFields(Directive):
    """``.. testing-table:: fault``"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        [resource] = [each for each in testing.ALL if each.name == self.arguments[0]]
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 20 12 12 56", ""]
        rows = [_row(resource, field) for field in resource.fields]
        for row in (
            TESTING_HEADER,
            *((name, kind, default, meaning) for name, kind, _, _, default, _, meaning in rows),
        ):
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(row)]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source=__file__), self.content_offset, container)
        return container.children


class ResourceFields(Directive):
    """``.. resource-fields:: listener``"""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        resource = resources.BY_NAME[self.arguments[0]]
        lines = [".. list-table::", "   :header-rows: 1", "   :widths: 22 14 6 6 14 8 50", ""]
        for row in (HEADER, *(_row(resource, field) for field in resource.fields)):
            lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(row)]
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source=__file__), self.content_offset, container)
        return container.children


def _row(resource: Resource, field: Field) -> tuple[str, ...]:
    return (
        f"``{field.name}``",
        field.type.value,
        "required" if field.required else _mark(Api.POST in field.api),
        _mark(Api.PUT in field.api),
        _default(field),
        f"2.{max(field.since, resource.since)}",
        field.help.replace("*", r"\*") + _limits(field),
    )


def _mark(is_so: bool) -> str:
    return "yes" if is_so else "–"


def _default(field: Field) -> str:
    if Api.POST not in field.api or field.required or field.default in (None, (), {}, ""):
        return "–"
    return f"``{str(field.default).lower() if isinstance(field.default, bool) else field.default}``"


def _limits(field: Field) -> str:
    facts = []
    if field.choices:
        facts.append("One of " + ", ".join(f"``{choice}``" for choice in field.choices) + ".")
    if field.minimum is not None and field.maximum is not None:
        facts.append(f"From {field.minimum} to {field.maximum}.")
    return "".join(f" {fact}" for fact in facts)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("testing-table", TestingFields)
    app.add_directive("resource-fields", ResourceFields)
    return {"parallel_read_safe": True}
