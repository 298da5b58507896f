"""The routes of the identity API."""

from __future__ import annotations

from ..services import Services
from ..web.routing import Answer, Request, Route
from . import assignments, auth, catalog, credentials, domains, objects, projects, roles, users, versions


def list_groups(services: Services, request: Request) -> Answer:
    """List no groups: they are not supported, but clients ask for them to show names."""
    return objects.collection(request, "groups", [])


def _grants(scope: str, place: str) -> tuple[Route, ...]:
    roles_of_user = f"/v3/{place}/users/{{user_id}}/roles"
    one = f"{roles_of_user}/{{role_id}}"
    return (
        Route("GET", roles_of_user, assignments.list_in(scope)),
        Route("GET", one, assignments.check(scope)),
        Route("HEAD", one, assignments.check(scope)),
        Route("PUT", one, assignments.grant(scope)),
        Route("DELETE", one, assignments.withdraw(scope)),
    )


ROUTES: tuple[Route, ...] = (
    Route("GET", "", versions.versions, is_open=True),
    Route("GET", "/v3", versions.version, is_open=True),
    Route("POST", "/v3/auth/tokens", auth.issue, is_open=True, hashes=True),
    Route("GET", "/v3/auth/tokens", auth.show),
    Route("HEAD", "/v3/auth/tokens", auth.check),
    Route("DELETE", "/v3/auth/tokens", auth.revoke),
    Route("GET", "/v3/auth/catalog", catalog.show),
    Route("GET", "/v3/auth/projects", projects.list_of_user),
    Route("GET", "/v3/auth/domains", auth.list_domains),
    Route("GET", "/v3/auth/system", auth.list_system),
    Route("GET", "/v3/services", catalog.list_of("service")),
    Route("GET", "/v3/services/{id_}", catalog.show_one("service")),
    Route("GET", "/v3/endpoints", catalog.list_of("endpoint")),
    Route("GET", "/v3/endpoints/{id_}", catalog.show_one("endpoint")),
    Route("GET", "/v3/regions", catalog.list_of("region")),
    Route("GET", "/v3/regions/{id_}", catalog.show_one("region")),
    Route("GET", "/v3/domains", domains.list_all),
    Route("POST", "/v3/domains", domains.create),
    Route("GET", "/v3/domains/{domain_id}", domains.show),
    Route("PATCH", "/v3/domains/{domain_id}", domains.update),
    Route("DELETE", "/v3/domains/{domain_id}", domains.delete),
    Route("GET", "/v3/projects", projects.list_all),
    Route("POST", "/v3/projects", projects.create),
    Route("GET", "/v3/projects/{project_id}", projects.show),
    Route("PATCH", "/v3/projects/{project_id}", projects.update),
    Route("DELETE", "/v3/projects/{project_id}", projects.delete),
    Route("GET", "/v3/users", users.list_all),
    Route("POST", "/v3/users", users.create, hashes=True),
    Route("GET", "/v3/users/{user_id}", users.show),
    Route("PATCH", "/v3/users/{user_id}", users.update, hashes=True),
    Route("DELETE", "/v3/users/{user_id}", users.delete),
    Route("POST", "/v3/users/{user_id}/password", users.change_password, is_open=True, hashes=True),
    Route("GET", "/v3/users/{user_id}/projects", projects.list_of_user),
    Route("GET", "/v3/users/{user_id}/application_credentials", credentials.list_all),
    Route("POST", "/v3/users/{user_id}/application_credentials", credentials.create, hashes=True),
    Route("GET", "/v3/users/{user_id}/application_credentials/{id_}", credentials.show),
    Route("DELETE", "/v3/users/{user_id}/application_credentials/{id_}", credentials.delete),
    Route("GET", "/v3/users/{user_id}/access_rules", credentials.list_access_rules),
    Route("GET", "/v3/groups", list_groups),
    Route("GET", "/v3/roles", roles.list_all),
    Route("POST", "/v3/roles", roles.create),
    Route("GET", "/v3/roles/{role_id}", roles.show),
    Route("PATCH", "/v3/roles/{role_id}", roles.update),
    Route("DELETE", "/v3/roles/{role_id}", roles.delete),
    *_grants("project", "projects/{scope_id}"),
    *_grants("domain", "domains/{scope_id}"),
    *_grants("system", "system"),
    Route("GET", "/v3/role_assignments", assignments.list_all),
)
