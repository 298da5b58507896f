"""The default policy rules, with the names and the meaning that they have in Octavia; operators can override them."""

from __future__ import annotations

API = "os_load-balancer_api"

# The sender's relation to an object's project: Octavia's own roles, and the three that every Keystone has.
ROLES = {
    "context_is_admin": "role:admin or role:load-balancer_admin",
    "project-member": "role:member and project_id:%(project_id)s",
    "project-reader": "role:reader and project_id:%(project_id)s",
    "service": "role:service",
    "load-balancer:owner": "project_id:%(project_id)s",
    "load-balancer:admin": "is_admin:True or role:admin or role:load-balancer_admin",
    "load-balancer:global_observer": "role:admin or role:load-balancer_global_observer",
    "load-balancer:member_and_owner": "rule:project-member or (role:load-balancer_member and rule:load-balancer:owner)",
    "load-balancer:observer_and_owner": "rule:project-reader or "
    "(role:load-balancer_observer and rule:load-balancer:owner)",
    "load-balancer:quota-admin": "role:admin or role:load-balancer_quota_admin",
}

# The kinds of permission; every permission is one of these.
READ = "rule:load-balancer:read"
READ_GLOBAL = "rule:load-balancer:read-global"
WRITE = "rule:load-balancer:write"
READ_QUOTA = "rule:load-balancer:read-quota"
READ_QUOTA_GLOBAL = "rule:load-balancer:read-quota-global"
WRITE_QUOTA = "rule:load-balancer:write-quota"
ADMIN = "rule:load-balancer:admin"
KINDS = {
    "load-balancer:read": "rule:load-balancer:observer_and_owner or rule:load-balancer:global_observer or "
    "rule:load-balancer:member_and_owner or rule:load-balancer:admin",
    "load-balancer:read-global": "rule:load-balancer:global_observer or rule:load-balancer:admin",
    "load-balancer:write": "rule:load-balancer:member_and_owner or rule:load-balancer:admin",
    "load-balancer:read-quota": "rule:load-balancer:observer_and_owner or rule:load-balancer:global_observer or "
    "rule:load-balancer:member_and_owner or rule:load-balancer:quota-admin or rule:load-balancer:admin",
    "load-balancer:read-quota-global": "rule:load-balancer:global_observer or rule:load-balancer:quota-admin or "
    "rule:load-balancer:admin",
    "load-balancer:write-quota": "rule:load-balancer:quota-admin or rule:load-balancer:admin",
}

_INSIDE = {"get_all": READ, "get_one": READ, "post": WRITE, "put": WRITE, "delete": WRITE}
_SHARED = {**_INSIDE, "get_all-global": READ_GLOBAL}
_OFFERED = {"get_all": READ, "get_one": READ, "post": ADMIN, "put": ADMIN, "delete": ADMIN}
_PROFILE = dict.fromkeys(_OFFERED, ADMIN)

# Resource -> verb -> the rule that permits it.
PERMISSIONS = {
    "loadbalancer": {
        **_SHARED,
        "post:vip_sg_ids": WRITE,
        "put:vip_sg_ids": WRITE,
        "put_failover": ADMIN,
        "get_stats": READ,
        "get_status": READ,
    },
    "listener": {**_SHARED, "get_stats": READ},
    "pool": _SHARED,
    "member": {**_INSIDE, "get_all": f"{READ} or rule:service"},
    "healthmonitor": _SHARED,
    "l7policy": _SHARED,
    "l7rule": _INSIDE,
    "quota": {
        "get_all": READ_QUOTA,
        "get_all-global": READ_QUOTA_GLOBAL,
        "get_one": READ_QUOTA,
        "get_defaults": READ_QUOTA,
        "put": WRITE_QUOTA,
        "delete": WRITE_QUOTA,
    },
    "amphora": dict.fromkeys(("get_all", "get_one", "get_stats", "delete", "put_config", "put_failover"), ADMIN),
    "host": dict.fromkeys(("get_all", "get_one", "post", "put", "delete", "enroll"), ADMIN),
    "provider": {"get_all": READ},
    "provider-flavor": {"get_all": ADMIN},
    "provider-availability-zone": {"get_all": ADMIN},
    "flavor": _OFFERED,
    "flavor-profile": _PROFILE,
    "availability-zone": _OFFERED,
    "availability-zone-profile": _PROFILE,
}

RULES = {
    **ROLES,
    **KINDS,
    **{f"{API}:{name}:{verb}": who for name, verbs in PERMISSIONS.items() for verb, who in verbs.items()},
}
