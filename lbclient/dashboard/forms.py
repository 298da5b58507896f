"""Forms made of the definition of a resource: one input for every attribute, and its way back into a request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..resources import Api, Field, Resource, Type
from .visit import Visit

Values = dict[str, Any]
Option = tuple[str, str]  # (value, text)

NAMED = re.compile(r"field/attribute ([A-Za-z0-9_]+)")
LONG = 1000  # characters from which a text gets several lines
SPARE_ROWS = 2  # empty rows for more objects in a list
YES_NO = (("true", "yes"), ("false", "no"))
TITLES = {"id": "ID", "vip": "VIP", "url": "URL", "tls": "TLS", "http": "HTTP", "ip": "IP", "sg": "security group"}
TITLES |= {"ref": "reference", "sni": "SNI", "ca": "CA", "crl": "CRL", "lb": "", "cidrs": "CIDRs", "alpn": "ALPN"}
TITLES |= {"loadbalancer": "load balancer", "healthmonitor": "health monitor", "l7policy": "L7 policy"}
TITLES |= {"hsts": "HSTS", "ids": "IDs", "refs": "references", "qos": "QoS", "vnic": "VNIC", "sriov": "SR-IOV"}


@dataclass
class Input:
    """One attribute in a form."""

    name: str
    title: str
    help: str
    kind: str  # text, lines, area, number, choice, checks, pairs, rows
    value: Any = ""  # a text; the chosen texts of checks and pairs; for rows, a list of lists of inputs
    options: Sequence[Option] = ()
    is_required: bool = False
    hint: str = ""  # shown where nothing is given: the default
    error: str = ""
    minimum: int | None = None
    maximum: int | None = None
    parts: list[Input] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"field-{self.name}"


def titled(name: str) -> str:
    """Return the title of an attribute: vip_subnet_id becomes VIP subnet."""
    words = name.removesuffix("_id").split("_") if name != "id" else ["id"]
    text = " ".join(filter(None, (TITLES.get(word, word) for word in words)))
    return text[:1].upper() + text[1:]


def writable(resource: Resource, verb: Api, given: Sequence[str] = ()) -> list[Field]:
    """Return the fields of a form: what a request takes, without what the address of the page says already."""
    return [each for each in resource.fields if verb in each.api and each.name not in given]


def inputs(
    visit: Visit,
    fields: Sequence[Field],
    current: Mapping[str, Any],
    options: Callable[[Visit, Field], Sequence[Option] | None],
    sent: Mapping[str, list[str]] | None = None,
    is_new: bool = False,
) -> list[Input]:
    """Return the inputs of a form: with the current values, or with what was sent."""
    found = []
    for each in fields:
        made = _input(each, current.get(each.name), options(visit, each), is_new=is_new)
        if sent is not None:
            _fill(made, sent)
        found.append(made)
    return found


def _input(each: Field, value: Any, options: Sequence[Option] | None, prefix: str = "", *, is_new: bool) -> Input:
    made = Input(
        f"{prefix}{each.name}",
        titled(each.name),
        each.help,
        "text",
        is_required=each.required and is_new,
        minimum=each.minimum,
        maximum=each.maximum,
        hint=_text(each, each.default) if each.default not in (None, "", (), {}) else "",
    )
    if each.type is Type.OBJECTS:
        made.kind = "rows"
        lines = [*(value or ()), *({} for _ in range(SPARE_ROWS))]
        made.value = [
            [_input(part, line.get(part.name), options if part.name.startswith(str(each.refers)) else None,
                    f"{each.name}.{number}.", is_new=False) for part in each.parts]
            for number, line in enumerate(lines)
        ]  # fmt: skip
    elif each.type is Type.MAPPING and each.parts:
        made.kind = "group"
        made.parts = [_input(part, (value or {}).get(part.name), None, f"{each.name}.", is_new=False)
                      for part in each.parts]  # fmt: skip
    elif each.type is Type.MAPPING:
        made.kind, made.options = "checks", [(choice, choice) for choice in each.choices]
        made.value = [key for key, one in (value or {}).items() if str(one).lower() == "true"]
    elif each.type is Type.STRINGS and (each.choices or options is not None):
        made.kind = "checks"
        made.options = options if options is not None else [(choice, choice) for choice in each.choices]
        made.value = [str(one) for one in value or ()]
        known = {one for one, _ in made.options}
        made.options = [*made.options, *((one, one) for one in made.value if one not in known)]
    elif each.type is Type.STRINGS:
        made.kind, made.value = "lines", "\n".join(str(one) for one in value or ())
    else:
        _scalar(made, each, value, options)
    return made


def _scalar(made: Input, each: Field, value: Any, options: Sequence[Option] | None) -> None:
    made.value = _text(each, value)
    if each.type is Type.BOOLEAN:
        made.hint = dict(YES_NO).get(made.hint, made.hint)
        made.kind, made.options = "choice", YES_NO
        made.value = made.value or (_text(each, each.default) if made.is_required else "")
    elif each.choices:
        made.kind, made.options = "choice", [(choice, choice) for choice in each.choices]
    elif options is not None:
        made.kind, made.options = "choice", options
    elif each.type is Type.INTEGER:
        made.kind = "number"
    elif each.type is Type.STRING and (each.length > LONG or each.name == "description"):
        made.kind = "area"
    known = {one for one, _ in made.options}
    if made.kind == "choice" and made.value and made.value not in known:
        made.options = [*made.options, (made.value, made.value)]


def _text(each: Field, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


def _fill(made: Input, sent: Mapping[str, list[str]]) -> None:
    """Put what was sent into an input, so that it need not be typed again after a mistake."""
    if made.kind == "rows":
        for line in made.value:
            for part in line:
                _fill(part, sent)
    elif made.kind == "group":
        for part in made.parts:
            _fill(part, sent)
    elif made.kind == "checks":
        made.value = sent.get(made.name, [])
    else:
        made.value = (sent.get(made.name) or [""])[-1]


def read(fields: Sequence[Field], sent: Mapping[str, list[str]], current: Mapping[str, Any] | None) -> Values:
    """Return the body of a request: what is given for a new object, and what differs from the current one."""
    found: Values = {}
    for each in fields:
        value = _value(each, sent)
        if current is None:
            if value not in (None, [], {}):
                found[each.name] = value
        elif not _is_same(each, value, current.get(each.name)):
            found[each.name] = value
    return found


def _is_same(each: Field, value: Any, before: Any) -> bool:
    if each.type is Type.MAPPING:
        return {key: str(one) for key, one in (value or {}).items()} == {
            key: str(one) for key, one in (before or {}).items() if one is not None
        }
    if each.type is Type.STRINGS:
        return sorted(value or ()) == sorted(before or ())
    if each.as_number and before is not None:
        return str(value) == str(before)
    return bool((value if value != "" else None) == (before if before != "" else None))


def _value(each: Field, sent: Mapping[str, list[str]], prefix: str = "") -> Any:
    """Return a value in its JSON form; None where nothing is given. The API checks it, in its own words."""
    name = f"{prefix}{each.name}"
    texts = [text.replace("\r\n", "\n") for text in sent.get(name, ())]
    if each.type is Type.OBJECTS:
        return _rows(each, sent)
    if each.type is Type.MAPPING and each.parts:
        parts = {part.name: _value(part, sent, f"{name}.") for part in each.parts}
        return {key: one for key, one in parts.items() if one is not None} or None
    if each.type is Type.MAPPING:
        return dict.fromkeys((text for text in texts if text), "true")
    if each.type is Type.STRINGS:
        return [line.strip() for text in texts for line in text.split("\n") if line.strip()]
    text = texts[-1] if texts else ""
    if not text:
        return None
    if each.type is Type.INTEGER or each.as_number:
        return _number(text, float if each.as_number else int)
    if each.type is Type.NUMBER:
        return _number(text, float)
    if each.type is Type.BOOLEAN:
        return {"true": True, "false": False}.get(text, text)
    return text


def _number(text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text.strip())
    except ValueError:
        return text


def _rows(each: Field, sent: Mapping[str, list[str]]) -> list[Values]:
    begin = f"{each.name}."
    numbers = {name.split(".")[1] for name in sent if name.startswith(begin) and name.count(".") == 2}
    found = []
    for number in sorted(numbers, key=lambda word: (len(word), word)):
        line = {part.name: _value(part, sent, f"{begin}{number}.") for part in each.parts}
        line = {key: one for key, one in line.items() if one is not None}
        if line:
            found.append(line)
    return found


def place_error(found: Sequence[Input], words: str) -> str:
    """Put the API's words beside the field that they name; return them if they name none."""
    named = NAMED.search(words)
    names = {one.name: one for one in found}
    hit = names.get(named[1]) if named else None
    if hit is None and named is None:
        mentioned = [one for one in found if re.search(rf"\b{re.escape(one.name)}\b", words)]
        hit = max(mentioned, key=lambda one: len(one.name), default=None)
    if hit is None:
        return words
    hit.error = words
    return ""
