"""Make a load balancer with a pool of servers, take a server out, and clean up."""

from __future__ import annotations

import sys
from typing import Any

# begin connect
from lbclient.client import errors, wait
from lbclient.client.connect import connect
from lbclient.client.names import Names
from lbclient.resources import LISTENER, LOADBALANCER, MEMBER, POOL, Resource

services = connect({"cloud": sys.argv[1]})  # or connect({}): OS_CLOUD and all other OS_* variables
api, names = services.api, Names(services)
# end connect
name, servers = sys.argv[2], sys.argv[3:]


# begin verbs
def main() -> None:
    balancer = created(LOADBALANCER, {"name": name, "vip_subnet_id": names.id("subnet", "private-subnet")})
    id_ = balancer["id"]
    within = {"loadbalancer_id": id_, "protocol": "HTTP"}
    pool = created(POOL, {"name": "shop", "lb_algorithm": "ROUND_ROBIN", **within})
    created(LISTENER, {"name": "web", "protocol_port": 8080, "default_pool_id": pool["id"], **within})
    parents = {"pool_id": pool["id"]}  # of what lives inside a pool
    members = [{"address": address, "protocol_port": 80} for address in servers]
    api.replace_members(pool["id"], members)
    wait.until_settled(api, LOADBALANCER, balancer, wait.Deadline(60))
    first, *_ = api.list(MEMBER, parents)
    api.update(MEMBER, first["id"], {"weight": 0}, parents)
    wait.until_settled(api, MEMBER, first, wait.Deadline(60), parents)
    weights = [member["weight"] for member in api.list(MEMBER, parents, {"admin_state_up": True})]
    print(f"{balancer['vip_address']}: weights {weights}, {api.show(POOL, pool['id'])['operating_status']}")
    api.delete(LOADBALANCER, id_, options={"cascade": True})
    wait.until_gone(api, LOADBALANCER, id_, wait.Deadline(60))


# end verbs
# begin waiting
def created(resource: Resource, values: dict[str, Any]) -> dict[str, Any]:
    """A new object, when it is ACTIVE; while the load balancer is busy with another change, wait for its end."""
    deadline = wait.Deadline(60)  # seconds for both
    record = wait.while_busy(api, lambda: api.create(resource, values), deadline)
    return wait.until_settled(api, resource, record, deadline)


# end waiting
# begin errors
try:
    main()
except errors.Conflict as refusal:  # HTTP 409: it exists already, or is busy
    sys.exit(f"{refusal.words} (request {refusal.request_id})")
except errors.TimedOut as end:  # the change may still come
    sys.exit(f"not yet: {end}")
except errors.Error as error:  # everything else that lbclient raises on purpose: one line
    sys.exit(str(error))
# end errors
