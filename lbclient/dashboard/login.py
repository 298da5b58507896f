"""Logging in and out, and the choice of a project."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..client import errors
from ..client.rest import Json
from . import calls
from .security import LOGIN_COOKIE, SESSION_COOKIE, new_secret
from .sessions import Project, Session, Sessions
from .visit import OWN_PAGE, Reply, Visit

DAY = 86400.0
NO_PROJECT = Project("", "no project")


def form(visit: Visit) -> Reply:
    """Show the form, or the overview to somebody who has logged in."""
    if visit.found:
        return visit.redirect("/dashboard")
    return _form(visit, "")


def _form(visit: Visit, error: str, status: int = 200) -> Reply:
    """Show the form with a secret in it that is also in a cookie, so that no other site can send it."""
    secret = new_secret()
    page = visit.page(
        "login.html",
        status,
        error=error,
        secret=secret,
        then=_then(visit),
        name=visit.value("name"),
        domain=visit.value("domain", "Default"),
        is_noauth=visit.parts.options.is_noauth,
        ended=visit.query("ended"),
    )
    return Reply(page.body, page.status, page.headers, {LOGIN_COOKIE: secret})


def _then(visit: Visit) -> str:
    wanted = visit.value("then") or visit.query("then")
    return wanted if OWN_PAGE.fullmatch(wanted) else "/dashboard"


def log_in(visit: Visit) -> Reply:
    """Begin a session, whose ID is always a new one."""
    known = visit.http.get_cookie_values(LOGIN_COOKIE) or [""]
    if not known[0] or not hmac.compare_digest(known[0].encode(), visit.value("secret").encode()):
        return _form(visit, "The form was too old or from another site. Please try again.", 403)
    if visit.parts.options.is_noauth:
        session = _without_authentication(visit)
    else:
        user = {"name": visit.value("name"), "password": visit.value("password")}
        user_of = {**user, "domain": {"name": visit.value("domain") or "Default"}}
        try:
            session = _begun(visit, {"methods": ["password"], "password": {"user": user_of}})
        except errors.Refused as refusal:
            words = "The name or the password is wrong." if refusal.status == 401 else refusal.words
            return _form(visit, words, refusal.status)
        except errors.Unreachable as error:
            return _form(visit, str(error), 502)
    visit.parts.sessions.add(session)
    return visit.redirect(_then(visit), cookies={SESSION_COOKIE: session.id, LOGIN_COOKIE: ""})


def _without_authentication(visit: Visit) -> Session:
    """Return the session of a server without authentication."""
    name = visit.value("name") or "admin"
    project = Project(visit.value("project"), visit.value("project") or "all projects")
    headers = {"X-User-Id": name, "X-Roles": "admin", **({"X-Project-Id": project.id} if project.id else {})}
    ends_at = time.time() + DAY
    return Session(Sessions.new_id(), headers, name, name, project, (project,), frozenset({"admin"}), ends_at)


def _begun(visit: Visit, identity: Json, project_id: str = "") -> Session:
    """Return a new session: in the given project, or in the first one that the user has."""
    token, body = _token(visit, {"identity": identity, "scope": "unscoped"})
    projects = _projects(visit, token)
    chosen = next((each for each in projects if each.id == project_id), projects[0] if projects else NO_PROJECT)
    if projects:
        by_token = {"methods": ["token"], "token": {"id": token}}
        token, body = _token(visit, {"identity": by_token, "scope": {"project": {"id": chosen.id}}})
    roles = frozenset(str(role["name"]) for role in body.get("roles", ()))
    return Session(
        Sessions.new_id(),
        {"X-Auth-Token": token},
        str(body["user"]["id"]),
        str(body["user"]["name"]),
        chosen,
        projects,
        roles,
        _seconds(body.get("expires_at")),
    )


def _seconds(text: Any) -> float:
    if not text:
        return time.time() + DAY
    return datetime.fromisoformat(str(text).replace("Z", "+00:00")).astimezone(timezone.utc).timestamp()


def _token(visit: Visit, auth: Json) -> tuple[str, Json]:
    """Return a new token and its description. Raises Refused and Unreachable."""
    service = visit.calls_as({})
    answer = service.request(
        f"{calls.services(service).identity.base}/auth/tokens",
        "POST",
        headers={"Accept": "application/json"},
        json={"auth": auth},
    )
    if answer.status_code != 201:
        raise errors.refused(answer.status_code, answer.json())
    headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
    return headers["x-subject-token"], answer.json()["token"]


def _projects(visit: Visit, token: str) -> tuple[Project, ...]:
    identity = calls.services(visit.calls_as({"X-Auth-Token": token})).identity
    found = identity.get("/auth/projects")["projects"]
    listed = [Project(str(each["id"]), str(each["name"])) for each in found if each.get("enabled", True)]
    return tuple(sorted(listed, key=lambda project: project.name))


def choose_project(visit: Visit) -> Reply:
    """Continue in another project, in a new session."""
    identity = {"methods": ["token"], "token": {"id": visit.session.headers.get("X-Auth-Token", "")}}
    session = _begun(visit, identity, visit.value("project"))
    visit.parts.sessions.remove(visit.session.id)
    visit.parts.sessions.add(session)
    return visit.redirect("/dashboard", cookies={SESSION_COOKIE: session.id})


def log_out(visit: Visit) -> Reply:
    """End the session and its token."""
    visit.parts.sessions.remove(visit.session.id)
    token = visit.session.headers.get("X-Auth-Token")
    if token:
        visit.calls.request(f"{visit.services.identity.base}/auth/tokens", "DELETE", headers={"X-Subject-Token": token})
    return visit.redirect("/dashboard/login", cookies={SESSION_COOKIE: ""})
