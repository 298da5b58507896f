"""Pages of every kind of object: list, show, create, edit and delete, made of the definition of the resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..client import errors, tree
from ..client.rest import Json
from ..resources import (
    AMPHORA,
    BY_NAME,
    HEALTHMONITOR,
    L7POLICY,
    L7RULE,
    LISTENER,
    LOADBALANCER,
    MEMBER,
    POOL,
    QUOTA,
    Api,
    Field,
    Resource,
    Type,
)
from ..resources.tree import PARTS
from . import forms, options
from .kinds import ADDED, MADE, OWNER, Link, called, path, permission, title, titles
from .visit import Reply, Visit

Handler = Callable[..., Reply]


@dataclass(frozen=True)
class Action:
    """Something that can be done with an object."""

    title: str
    path: str
    is_form: bool = False  # done at once; else the path is that of a page
    is_danger: bool = False


PARENTS = {"pool_id": POOL, "l7policy_id": L7POLICY}
LISTED = 500  # objects on the page of a list
BOOKKEEPING = ("tenant_id",)
TOLD = ("id", "name", "project_id")  # the link of a row, or the same in all rows


def list_of(resource: Resource) -> Handler:
    """A list of all objects of a kind."""

    def handler(visit: Visit, **parents: str) -> Reply:
        found = []
        for one in visit.api.list(resource, parents):
            found.append(one)
            if len(found) == LISTED:
                break
        fields = [resource[name] for name in resource.columns if name in resource and name != "project_id"]
        fields = [each for each in fields if each.name != "id" or resource.identifier == "id"]
        rows = [
            {"link": path(resource, parents, str(one.get(resource.identifier))), "name": _called(resource, one),
             "cells": [(each, one.get(each.name)) for each in fields if each.name not in ("id", "name")]}
            for one in found
        ]  # fmt: skip
        can_create = resource in MADE and visit.may(permission(resource, "post"))
        return visit.page(
            "list.html",
            resource=resource,
            title=titles(resource),
            trail=list(_trail(visit, resource, parents, None)),
            heads=[forms.titled(each.name) for each in fields if each.name not in ("id", "name")],
            rows=rows,
            is_cut=len(found) == LISTED,
            create=path(resource, parents, "", "new") if can_create and resource.name not in _NEED_OWNER else "",
        )

    return handler


_NEED_OWNER = {added.name for parts in ADDED.values() for added, _ in parts} - {"member", "l7rule"}


def _called(resource: Resource, one: Json) -> str:
    return str(one["project_id"]) if resource is QUOTA else called(resource, one)


def show(resource: Resource) -> Handler:
    """One object with all its attributes, what it has, and what can be done with it."""

    def handler(visit: Visit, id: str, **parents: str) -> Reply:
        one = visit.api.show(resource, id, parents)
        return visit.page(
            "object.html",
            resource=resource,
            kind=title(resource),
            name=_called(resource, {**one, "project_id": id}) if resource is QUOTA else called(resource, one),
            one=one,
            facts=list(_facts(resource, one)),
            trail=list(_trail(visit, resource, parents, one)),
            sections=list(_sections(visit, resource, one)),
            actions=list(_actions(visit, resource, id, parents)),
        )

    return handler


def _facts(resource: Resource, one: Json) -> Iterator[tuple[Field, Any, str]]:
    """Yield the attributes of an object, each with the link to the object that it refers to."""
    shown = {added.name for added, _ in ADDED.get(resource.name, ())}
    for each in resource.fields:
        if Api.GET not in each.api or each.name not in one or each.name in BOOKKEEPING:
            continue
        if each.type is Type.REFERENCES:
            kinds = [kind for kind in BY_NAME.values() if kind.collection == each.name]
            kinds = [kind for kind in kinds if kind.name not in shown]
            links = [path(kind, {}, str(ref["id"])) for kind in kinds[:1] for ref in one[each.name]]
            if links:
                yield each, str(one[each.name][0]["id"]), links[0]
            continue
        refers = BY_NAME.get(str(each.refers))
        is_link = refers is not None and refers.parent is None and one[each.name] and isinstance(one[each.name], str)
        yield each, one[each.name], path(refers, {}, str(one[each.name])) if is_link and refers else ""


def _sections(visit: Visit, resource: Resource, one: Json) -> Iterator[dict[str, Any]]:
    """Yield the lists of what an object has, each with the link to add one."""
    if resource is LOADBALANCER:
        return
    for added, attribute in ADDED.get(resource.name, ()):
        if resource is LISTENER and added is POOL:
            if one.get("default_pool_id"):
                continue
            found: list[Json] = []
        else:
            found = list(_parts(visit, resource, one, added, attribute))
        parents = {attribute: str(one["id"])} if added.parent else {}
        is_full = added is HEALTHMONITOR and found
        create = path(added, parents, "", "new") + ("" if added.parent else f"?{attribute}={one['id']}")
        columns = [added[name] for name in added.columns if name not in TOLD and name in added]
        yield {
            "title": "Default pool" if (resource, added) == (LISTENER, POOL) else titles(added),
            "kind": title(added),
            "create": create if not is_full and visit.may(permission(added, "post")) else "",
            "heads": [forms.titled(each.name) for each in columns],
            "rows": [
                {"link": path(added, parents, str(part["id"])), "name": called(added, part),
                 "cells": [(added[name], part.get(name)) for name in added.columns
                           if name not in ("id", "name", "project_id") and name in added]}
                for part in found
            ],
        }  # fmt: skip


def _parts(visit: Visit, resource: Resource, one: Json, added: Resource, attribute: str) -> Iterator[Json]:
    if added is HEALTHMONITOR:
        if one.get("healthmonitor_id"):
            yield visit.api.show(HEALTHMONITOR, str(one["healthmonitor_id"]))
    elif added.parent:
        yield from visit.api.list(added, {attribute: str(one["id"])})
    else:
        yield from visit.api.list(added, filters={attribute: one["id"]})


def _trail(visit: Visit, resource: Resource, parents: Mapping[str, str], one: Json | None) -> Iterator[Link]:
    """Yield the links to what an object belongs to, the load balancer first."""
    owner = next(iter(parents.items()), None)
    above: tuple[Resource, str] | None = (PARENTS[owner[0]], owner[1]) if owner else None
    if above is None and one is not None:
        for kind, attribute in OWNER.get(resource.name, ()):
            value = one.get(attribute)
            id_ = value[0]["id"] if isinstance(value, list) and value else value
            above = (kind, str(id_)) if id_ else None
    if above is None:
        if resource not in (LISTENER, POOL, HEALTHMONITOR, L7POLICY):
            yield Link(titles(resource), path(resource, parents) if resource is not LOADBALANCER else "/dashboard")
        return
    with suppress(errors.Forbidden):
        found = visit.api.show(above[0], above[1])
        yield from _trail(visit, above[0], {}, found)
        yield Link(called(above[0], found), path(above[0], {}, above[1]))


def _actions(visit: Visit, resource: Resource, id_: str, parents: Mapping[str, str]) -> Iterator[Action]:
    """Yield what can be done with an object; some of it at once, by a form."""
    at = path(resource, parents, id_)
    if resource in MADE and visit.may(permission(resource, "put")):
        yield Action("Edit", f"{at}/edit")
    if resource is MEMBER and visit.may("member:put"):
        yield Action("Drain", f"{at}/drain", is_form=True)
        yield Action("Undrain", f"{at}/undrain", is_form=True)
    if resource is QUOTA and visit.may("quota:put"):
        yield Action("Edit", f"{at}/edit")
    if resource is AMPHORA and visit.may("amphora:put_failover"):
        yield Action("Fail over", f"{at}/failover", is_form=True)
        yield Action("Configure again", f"{at}/configure", is_form=True)
    if (resource in MADE or resource is QUOTA) and visit.may(permission(resource, "delete")):
        word = "Reset to the defaults" if resource is QUOTA else "Delete"
        yield Action(word, f"{at}/delete", is_danger=True)


def new(resource: Resource) -> Handler:
    """The form of a new object; the query says what it belongs to."""

    def handler(visit: Visit, **parents: str) -> Reply:
        for name, id_ in parents.items():
            visit.api.show(PARENTS[name], id_, {})  # a form below an object that one may not see is not found either
        given = {each.name: visit.query(each.name) for each in resource.fields if visit.query(each.name)}
        return _form(visit, resource, parents, None, given)

    return handler


def create(resource: Resource) -> Handler:
    def handler(visit: Visit, **parents: str) -> Reply:
        fields = forms.writable(resource, Api.POST, tuple(parents))
        values = forms.read(fields, visit.form, None)
        try:
            made = visit.api.create(resource, values, parents)
        except errors.Refused as refusal:
            return _form(visit, resource, parents, None, {}, refusal)
        id_ = str(made.get(resource.identifier))
        return visit.redirect(path(resource, parents, id_), f"{resource.title} {called(resource, made)} is created.")

    return handler


def edit(resource: Resource) -> Handler:
    def handler(visit: Visit, id: str, **parents: str) -> Reply:
        return _form(visit, resource, parents, id, visit.api.show(resource, id, parents))

    return handler


def update(resource: Resource) -> Handler:
    def handler(visit: Visit, id: str, **parents: str) -> Reply:
        current = visit.api.show(resource, id, parents)
        values = forms.read(forms.writable(resource, Api.PUT), visit.form, current)
        if not values:
            return visit.redirect(path(resource, parents, id), "Nothing was different.")
        try:
            visit.api.update(resource, id, values, parents)
        except errors.Refused as refusal:
            return _form(visit, resource, parents, id, current, refusal)
        changed = ", ".join(forms.titled(name) for name in values)
        return visit.redirect(path(resource, parents, id), f"Changed: {changed}.")

    return handler


def _form(
    visit: Visit,
    resource: Resource,
    parents: Mapping[str, str],
    id_: str | None,
    current: Json,
    refusal: errors.Refused | None = None,
) -> Reply:
    verb = Api.POST if id_ is None else Api.PUT
    fields = forms.writable(resource, verb, tuple(parents))
    sent = visit.form if refusal else None
    found = forms.inputs(visit, fields, current, options.of, sent, is_new=id_ is None)
    error = forms.place_error(found, refusal.words) if refusal else ""
    usual = {each.name for each in fields if not each.since and each.refers != "project"}
    first = [one for one in found if one.name in usual or one.is_required or one.error or current.get(one.name)]
    name = called(resource, current) if id_ is not None and resource is not QUOTA else id_ or ""
    return visit.page(
        "form.html",
        refusal.status if refusal else 200,
        kind=title(resource),
        heading=f"Edit {title(resource)} {name}" if id_ is not None else f"New {title(resource)}",
        trail=list(_trail(visit, resource, parents, current if id_ is not None else None)),
        action=path(resource, parents, id_ or "", "edit" if id_ is not None else "new"),
        back=path(resource, parents, id_) if id_ is not None else _back(visit, resource, parents),
        inputs=first,
        more=[one for one in found if one not in first],
        error=error,
        submit="Save" if id_ is not None else "Create",
    )


def _back(visit: Visit, resource: Resource, parents: Mapping[str, str]) -> str:
    """Return the page that a form for a new object was opened from."""
    for name, id_ in parents.items():
        return path(PARENTS[name], {}, id_)
    for owner, parts in ADDED.items():
        for added, attribute in parts:
            id_ = visit.query(attribute) or visit.value(attribute)
            if added is resource and id_:
                return path(BY_NAME[owner], {}, id_)
    return "/dashboard" if resource is LOADBALANCER else path(resource, parents)


def ask_delete(resource: Resource) -> Handler:
    """Ask before an object is deleted, and list what goes with it."""

    def handler(visit: Visit, id: str, **parents: str) -> Reply:
        return _ask(visit, resource, id, parents)

    return handler


def _ask(
    visit: Visit, resource: Resource, id_: str, parents: Mapping[str, str], refusal: errors.Refused | None = None
) -> Reply:
    one = visit.api.show(resource, id_, parents)
    name = id_ if resource is QUOTA else called(resource, one)
    return visit.page(
        "delete.html",
        refusal.status if refusal else 200,
        kind=title(resource),
        name=name,
        trail=list(_trail(visit, resource, parents, None if resource is QUOTA else one)),
        action=path(resource, parents, id_, "delete"),
        back=path(resource, parents, id_),
        lost=list(_lost(visit, resource, one)),
        is_quota=resource is QUOTA,
        error=refusal.words if refusal else "",
    )


def _lost(visit: Visit, resource: Resource, one: Json) -> Iterator[str]:
    """Yield what is deleted together with an object."""
    if resource is LOADBALANCER:
        whole = tree.read(visit.api, one)
        yield from _inside(LOADBALANCER, whole)
    elif resource is LISTENER:
        for policy in visit.api.list(L7POLICY, filters={"listener_id": one["id"]}):
            yield f"{L7POLICY.title} {called(L7POLICY, policy)}"
            for rule in visit.api.list(L7RULE, {"l7policy_id": str(policy["id"])}):
                yield f"{L7RULE.title} {called(L7RULE, rule)}"
    elif resource is POOL:
        for added, attribute in ADDED[POOL.name]:
            for part in _parts(visit, POOL, one, added, attribute):
                yield f"{added.title} {called(added, part)}"
    elif resource is L7POLICY:
        for rule in visit.api.list(L7RULE, {"l7policy_id": str(one["id"])}):
            yield f"{L7RULE.title} {called(L7RULE, rule)}"


def _inside(resource: Resource, whole: Json) -> Iterator[str]:
    for part in PARTS[resource.name]:
        if part.by_name:
            continue
        found = whole.get(part.name) or []
        for each in found if isinstance(found, list) else [found]:
            yield f"{part.resource.title} {called(part.resource, each)}"
            yield from _inside(part.resource, each)


def delete(resource: Resource) -> Handler:
    def handler(visit: Visit, id: str, **parents: str) -> Reply:
        one = {} if resource is QUOTA else visit.api.show(resource, id, parents)
        above = list(_trail(visit, resource, parents, one or None))
        cascade = {"cascade": "true"} if resource is LOADBALANCER else None
        try:
            visit.api.delete(resource, id, parents, cascade)
        except errors.Refused as refusal:
            return _ask(visit, resource, id, parents, refusal)
        words = "The quota is reset." if resource is QUOTA else f"{resource.title} {called(resource, one)} is deleted."
        return visit.redirect(above[-1].path if above else "/dashboard", words)

    return handler
