"""The testing API in pages: faults, paces, recorded requests and snapshots."""

from __future__ import annotations

from urllib.parse import quote

from ..client import errors
from ..client.rest import Rest
from ..resources import Api, Field, Resource
from ..resources.testing import FAULT, PACE, PRESETS, RECORDED_REQUEST
from . import forms
from .kinds import Link
from .visit import Reply, Visit

PLACE = "/dashboard/testing"
API = "/testing/v1"
REQUESTS = 100
HOME = Link("Testing", PLACE)
KINDS = {FAULT.collection: FAULT, PACE.collection: PACE}


def _api(visit: Visit) -> Rest:
    return Rest(visit.calls, "testing", "v1", endpoint=API)  # type: ignore[arg-type]  # as much of a session as it uses


def show(visit: Visit) -> Reply:
    """Show the active faults and paces, and the last requests."""
    api = _api(visit)
    recorded = api.get("/requests")["requests"]
    shown = [one for one in reversed(recorded) if one["user_agent"] != "lbclient-dashboard"][:REQUESTS]
    return visit.page(
        "testing_requests.html" if visit.is_fragment else "testing.html",
        kinds=[(each, _columns(each), api.get(each.path)[each.collection]) for each in KINDS.values()],
        requests=shown,
        columns=[RECORDED_REQUEST[name] for name in (*RECORDED_REQUEST.columns, "user_agent", "fault")],
        snapshots=[one["name"] for one in api.get("/snapshots")["snapshots"]],
        presets=list(PRESETS),
    )


def _columns(resource: Resource) -> list[Field]:
    return [resource[name] for name in resource.columns if name != "id"]


def new(visit: Visit, kind: str) -> Reply:
    return _form(visit, _kind(kind), None)


def create(visit: Visit, kind: str) -> Reply:
    resource = _kind(kind)
    values = forms.read(forms.writable(resource, Api.POST), visit.form, None)
    try:
        _api(visit).post(resource.path, {resource.key: values})
    except errors.Refused as refusal:
        return _form(visit, resource, refusal)
    return visit.redirect(PLACE, f"The {resource.name} is active.")


def _kind(kind: str) -> Resource:
    if kind not in KINDS:
        raise errors.NotFound(404, "There is no such page.")
    return KINDS[kind]


def _form(visit: Visit, resource: Resource, refusal: errors.Refused | None) -> Reply:
    fields = forms.writable(resource, Api.POST)
    found = forms.inputs(visit, fields, {}, lambda visit, field: None, visit.form if refusal else None)
    error = forms.place_error(found, refusal.words) if refusal else ""
    return visit.page(
        "form.html",
        refusal.status if refusal else 200,
        kind=resource.name,
        heading=f"New {resource.name}",
        trail=[HOME],
        action=f"{PLACE}/{resource.collection}/new",
        back=PLACE,
        inputs=found,
        more=[],
        error=error,
        submit="Create",
    )


def remove(visit: Visit, kind: str, id: str) -> Reply:
    """End a fault or a pace."""
    _api(visit).delete(f"{_kind(kind).path}/{id}")
    return visit.redirect(PLACE, f"The {_kind(kind).name} has ended.")


def begin_preset(visit: Visit) -> Reply:
    """Begin the paces of a preset."""
    _api(visit).post(PACE.path, {PACE.key: {"preset": visit.value("preset")}})
    return visit.redirect(PLACE, f"The paces of {visit.value('preset')} are active.")


def release(visit: Visit) -> Reply:
    """Let all load balancers go on that a pace holds."""
    _api(visit).post("/release", {"release": {}})
    return visit.redirect(PLACE, "What was held goes on.")


def forget(visit: Visit) -> Reply:
    _api(visit).delete("/requests")
    return visit.redirect(PLACE, "The recorded requests are forgotten.")


def save(visit: Visit) -> Reply:
    """Save a snapshot."""
    name = visit.value("name")
    _api(visit).put(f"/snapshots/{quote(name, safe='')}")
    return visit.redirect(PLACE, f"Snapshot {name} is saved.")


def restore(visit: Visit) -> Reply:
    """Restore a snapshot, or the state of the first start."""
    name = visit.value("name")
    _api(visit).post("/reset", {"reset": {"snapshot": name}} if name else {})
    return visit.redirect(PLACE, f"Snapshot {name} is restored." if name else "Everything is as at the first start.")
