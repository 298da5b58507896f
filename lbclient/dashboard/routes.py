"""All pages of the dashboard, in one list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..resources import ALL, LOADBALANCER, QUOTA, Resource
from . import balancer, home, login, objects, overview
from .kinds import MADE, SHOWN, pattern
from .visit import Reply


@dataclass(frozen=True)
class Route:
    """One method of one page."""

    method: str
    path: str
    handler: Callable[..., Reply]
    is_open: bool = False  # needs no session


def _of(resource: Resource) -> tuple[Route, ...]:
    base = f"/dashboard{pattern(resource)}"
    one = f"{base}/{{id}}"
    show = balancer.show if resource is LOADBALANCER else objects.show(resource)
    found = [Route("GET", one, show)]
    if resource is not LOADBALANCER:
        found.append(Route("GET", base, objects.list_of(resource)))
    if resource in MADE:
        found += [
            Route("GET", f"{base}/new", objects.new(resource)),
            Route("POST", f"{base}/new", objects.create(resource)),
        ]
    if resource in MADE or resource is QUOTA:
        found += [
            Route("GET", f"{one}/edit", objects.edit(resource)),
            Route("POST", f"{one}/edit", objects.update(resource)),
            Route("GET", f"{one}/delete", objects.ask_delete(resource)),
            Route("POST", f"{one}/delete", objects.delete(resource)),
        ]
    return tuple(found)


_BALANCER = "/dashboard/loadbalancers/{id}"
_MEMBER = "/dashboard/pools/{pool_id}/members/{id}"
_AMPHORA = "/dashboard/amphorae/{id}"
ROUTES: tuple[Route, ...] = (
    Route("GET", "/", home.show, is_open=True),
    Route("GET", "/dashboard/login", login.form, is_open=True),
    Route("POST", "/dashboard/login", login.log_in, is_open=True),
    Route("POST", "/dashboard/logout", login.log_out),
    Route("POST", "/dashboard/project", login.choose_project),
    Route("GET", "/dashboard", overview.show),
    Route("GET", "/dashboard/events", balancer.events),
    *(route for resource in SHOWN for route in _of(resource)),
    Route("GET", f"{_BALANCER}/attributes", objects.show(LOADBALANCER)),
    Route("GET", f"{_BALANCER}/live", balancer.live),
    Route("GET", f"{_BALANCER}/happened", balancer.happened),
    Route("GET", f"{_BALANCER}/samples", balancer.samples),
    Route("POST", f"{_BALANCER}/failover", balancer.fail_over),
    Route("POST", f"{_MEMBER}/drain", balancer.drain),
    Route("POST", f"{_MEMBER}/undrain", balancer.undrain),
    Route("POST", f"{_AMPHORA}/failover", balancer.fail_over_amphora),
    Route("POST", f"{_AMPHORA}/configure", balancer.configure_amphora),
)

__all__ = ["ALL", "ROUTES", "Route"]
