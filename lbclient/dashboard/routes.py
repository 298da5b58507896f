"""All pages of the dashboard, in one list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..resources import LOADBALANCER, QUOTA, Resource
from . import (
    balancer,
    certificates,
    floating_ips,
    home,
    login,
    objects,
    overview,
    planning,
    providers,
    reference,
    testkit,
)
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
    Route("GET", f"{_BALANCER}/logged", balancer.logged),
    Route("POST", f"{_BALANCER}/logging", balancer.set_logging),
    Route("POST", f"{_BALANCER}/failover", balancer.fail_over),
    Route("POST", f"{_MEMBER}/drain", balancer.drain),
    Route("POST", f"{_MEMBER}/undrain", balancer.undrain),
    Route("GET", f"{_BALANCER}/export", planning.export),
    Route("GET", f"{_BALANCER}/plan", planning.edit),
    Route("GET", "/dashboard/plan", planning.form),
    Route("POST", "/dashboard/plan", planning.review),
    Route("POST", "/dashboard/plan/apply", planning.apply),
    Route("GET", "/dashboard/certificates", certificates.show),
    Route("POST", "/dashboard/certificates", certificates.store),
    Route("GET", "/dashboard/certificates/{id}/delete", certificates.ask_delete),
    Route("POST", "/dashboard/certificates/{id}/delete", certificates.delete),
    Route("GET", "/dashboard/floatingips", floating_ips.show),
    Route("POST", "/dashboard/floatingips", floating_ips.create),
    Route("POST", "/dashboard/floatingips/{id}", floating_ips.associate),
    Route("GET", "/dashboard/floatingips/{id}/delete", floating_ips.ask_delete),
    Route("POST", "/dashboard/floatingips/{id}/delete", floating_ips.delete),
    Route("GET", "/dashboard/providers", providers.show),
    Route("GET", "/dashboard/api", reference.show, is_open=True),
    Route("POST", f"{_AMPHORA}/failover", balancer.fail_over_amphora),
    Route("POST", f"{_AMPHORA}/configure", balancer.configure_amphora),
)
TESTING: tuple[Route, ...] = (  # where the server has the testing API
    Route("GET", "/dashboard/testing", testkit.show),
    Route("GET", "/dashboard/testing/{kind}/new", testkit.new),
    Route("POST", "/dashboard/testing/{kind}/new", testkit.create),
    Route("POST", "/dashboard/testing/{kind}/{id}/delete", testkit.remove),
    Route("POST", "/dashboard/testing/preset", testkit.begin_preset),
    Route("POST", "/dashboard/testing/release", testkit.release),
    Route("POST", "/dashboard/testing/forget", testkit.forget),
    Route("POST", "/dashboard/testing/save", testkit.save),
    Route("POST", "/dashboard/testing/restore", testkit.restore),
)
