"""The menu of every page: what the policy permits the user to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .visit import Visit


@dataclass(frozen=True)
class Entry:
    """A link in the menu."""

    title: str
    path: str
    action: str = ""  # the permission that it needs; "": none
    is_minor: bool = False  # stands behind the others, in a menu of its own


ENTRIES = (
    Entry("Load balancers", "/dashboard"),
    Entry("Plan", "/dashboard/plan"),
    Entry("Certificates", "/dashboard/certificates"),
    Entry("Floating IPs", "/dashboard/floatingips"),
    Entry("Quotas", "/dashboard/quotas", "quota:get_one"),
    Entry("Providers", "/dashboard/providers", "provider:get_all", is_minor=True),
    Entry("Flavors", "/dashboard/flavors", "flavor:get_all", is_minor=True),
    Entry("Flavor profiles", "/dashboard/flavorprofiles", "flavor-profile:get_all", is_minor=True),
    Entry("Availability zones", "/dashboard/availabilityzones", "availability-zone:get_all", is_minor=True),
    Entry(
        "Zone profiles",
        "/dashboard/availabilityzoneprofiles",
        "availability-zone-profile:get_all",
        is_minor=True,
    ),
    Entry("Amphorae", "/dashboard/amphorae", "amphora:get_all", is_minor=True),
    Entry("API", "/dashboard/api", is_minor=True),
)
TESTING = Entry("Testing", "/dashboard/testing")


def of(visit: Visit) -> list[Entry]:
    """Return the entries that the user of a session sees."""
    found = [entry for entry in ENTRIES if not entry.action or visit.may(entry.action)]
    return [*found, TESTING] if visit.parts.options.has_testing else found
