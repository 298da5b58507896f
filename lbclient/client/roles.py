"""The roles that a request needs by the default policies of Octavia and lbclient's server."""

from __future__ import annotations

OPERATORS = ("flavor", "availabilityzone", "octavia/amphorae", "providers/")
FAILOVER = "/failover"


def needed(method: str, path: str) -> str:
    """Return a sentence about the required roles, to append to a refusal."""
    if "/quotas" in path and method != "GET":
        return "It needs the role load-balancer_quota_admin or admin."
    is_operators = any(word in path for word in OPERATORS) and not (method == "GET" and _is_for_all(path))
    if is_operators or path.endswith(FAILOVER):
        return "It needs the role load-balancer_admin or admin."
    if method == "GET":
        return (
            "It needs one of the roles load-balancer_observer, load-balancer_member, reader and member in the project."
        )
    return "It needs the role load-balancer_member or member in the project."


def _is_for_all(path: str) -> bool:
    """Whether all users may read the path: flavors and availability zones, but not their profiles."""
    return "profile" not in path and any(f"/{word}" in path for word in ("flavors", "availabilityzones"))
