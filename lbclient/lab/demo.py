"""The demo: the load-balancing guide as a list of steps, each of which is checked as it is played."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .stage import Failed, Stage
from .steps import Export, Gets, Heading, Kill, Names, Prints, Run, Say, Shares, Start, Step, Until, While

BOTH = ("server-1", "server-2")
PENDING = ("provisioning_status", "PENDING_CREATE")
NO_MONITOR = ("operating_status", "NO_MONITOR")

LAYER_4: Sequence[Step] = (
    Heading("Layer 4 load balancing"),
    Say("Two machines with web servers on ports 80 and 443: they will be the members."),
    Start(BOTH),
    Say("A load balancer with its virtual IP address (VIP) on the subnet private-subnet."),
    Run("source example-openrc.sh"),
    Export("export SUBNET=`openstack subnet list --name private-subnet -f value -c ID`"),
    Run(
        "openstack loadbalancer create --vip-subnet-id ${SUBNET} --name lb_test_1",
        shows=[("name", "lb_test_1"), ("provider", "octavia"), ("updated_at", "None"), PENDING],
    ),
    Say("Once it is ACTIVE, two listeners: TCP on the ports 80 and 443."),
    Until("openstack loadbalancer list", "ACTIVE"),
    Run(
        "openstack loadbalancer listener create --name 80_listener --protocol TCP --protocol-port 80 lb_test_1",
        shows=[("protocol", "TCP"), ("protocol_port", "80"), PENDING],
    ),
    Run(
        "openstack loadbalancer listener create --name 443_listener --protocol TCP --protocol-port 443 lb_test_1",
        shows=[("protocol", "TCP"), ("protocol_port", "443"), PENDING],
    ),
    Run("openstack loadbalancer listener list", shows=[("name", "80_listener, 443_listener")]),
    Say("A pool for each listener."),
    Run(
        "openstack loadbalancer pool create --name 80_pool --listener 80_listener --protocol TCP"
        " --lb-algorithm ROUND_ROBIN",
        shows=[("lb_algorithm", "ROUND_ROBIN"), ("session_persistence", "None"), PENDING],
    ),
    Run(
        "openstack loadbalancer pool create --name 443_pool --listener 443_listener --protocol TCP"
        " --lb-algorithm ROUND_ROBIN",
        shows=[("lb_algorithm", "ROUND_ROBIN"), ("session_persistence", "None"), PENDING],
    ),
    Say("The members of the pools."),
    Run(
        "openstack loadbalancer member create --name 80_member_1 --address 10.0.0.4 --protocol-port 80  80_pool",
        shows=[("address", "10.0.0.4"), ("weight", "1"), NO_MONITOR, PENDING],
    ),
    Run(
        "openstack loadbalancer member create --name 80_member_2 --address 10.0.0.6 --protocol-port 80  80_pool",
        shows=[("address", "10.0.0.6"), ("weight", "1"), NO_MONITOR, PENDING],
    ),
    Until("openstack loadbalancer member list 80_pool", "ACTIVE"),
    Run(
        "openstack loadbalancer member create --name 443_member_1 --address 10.0.0.4 --protocol-port 443  443_pool",
        shows=[("address", "10.0.0.4"), ("protocol_port", "443"), NO_MONITOR, PENDING],
    ),
    Run(
        "openstack loadbalancer member create --name 443_member_2 --address 10.0.0.6 --protocol-port 443  443_pool",
        shows=[("address", "10.0.0.6"), ("protocol_port", "443"), NO_MONITOR, PENDING],
    ),
    Until("openstack loadbalancer member list 443_pool", "ACTIVE"),
    Heading("Adding a health monitor"),
    Run(
        "openstack loadbalancer healthmonitor create --name 80_healthcheck --delay 60 --timeout 20 --max-retries 2"
        " --url-path /health --type http  80_pool",
        shows=[("type", "HTTP"), ("url_path", "/health"), ("expected_codes", "200"), ("delay", "60"), PENDING],
    ),
    Heading("Assigning the VIP"),
    Say("A floating IP address, set on the VIP's port."),
    Export("export FIP=`openstack floating ip create public-net -f value -c floating_ip_address`"),
    Export("export VIP_PORT_ID=`openstack loadbalancer show lb_test_1 -f value -c vip_port_id`"),
    Run("openstack floating ip set --port $VIP_PORT_ID $FIP"),
    Heading("Testing the setup"),
    Export("export VIP=$(openstack loadbalancer show lb_test_1 -f value -c vip_address)"),
    Prints("openstack floating ip list | grep $VIP | awk '{ print $4}'", "$FIP"),
    Until("openstack loadbalancer show lb_test_1 -f value -c provisioning_status", "ACTIVE"),
    Say("The output alternates between the two servers, on port 80 …"),
    Shares("http://$VIP/", BOTH),
    Say("… and on port 443."),
    Shares("http://$VIP:443/", BOTH),
    Say("The page that the health monitor asks for."),
    Gets("http://$VIP/health", "healthy!"),
    Say("The same at the floating IP."),
    Shares("http://$FIP/", BOTH),
    Shares("http://$FIP:443/", BOTH),
)

LAYER_7: Sequence[Step] = (
    Heading("Layer 7 load balancing"),
    Say("A second load balancer, which chooses the pool by the host name of a request."),
    Start(("login", "shop")),
    Export("export SUBNET=`openstack subnet list --name private-subnet -f value -c ID`"),
    Run(
        "openstack loadbalancer create --vip-subnet-id ${SUBNET} --name lb_test_2",
        shows=[("name", "lb_test_2"), PENDING],
    ),
    Until("openstack loadbalancer show lb_test_2 -f value -c provisioning_status", "ACTIVE"),
    Run("openstack loadbalancer list", shows=[("name", "lb_test_1, lb_test_2")]),
    Run(
        "openstack loadbalancer listener create --name http_listener --protocol HTTP --protocol-port 80 lb_test_2",
        shows=[("protocol", "HTTP"), ("protocol_port", "80"), PENDING],
    ),
    Run(
        "openstack loadbalancer pool create --name http_pool --listener http_listener --protocol HTTP"
        " --lb-algorithm ROUND_ROBIN",
        shows=[("protocol", "HTTP"), PENDING],
    ),
    Run(
        "openstack loadbalancer member create --name login.example.com --subnet private-subnet --address 10.0.0.5"
        " --protocol-port 80  http_pool",
        shows=[("name", "login.example.com"), ("address", "10.0.0.5"), PENDING],
    ),
    Run(
        "openstack loadbalancer pool create --name http_pool_2 --loadbalancer lb_test_2 --protocol HTTP"
        " --lb-algorithm ROUND_ROBIN",
        shows=[("protocol", "HTTP"), PENDING],
    ),
    Run(
        "openstack loadbalancer member create --name shop.example.com --subnet private-subnet --address 10.0.0.7"
        " --protocol-port 80 http_pool_2",
        shows=[("name", "shop.example.com"), ("address", "10.0.0.7"), PENDING],
    ),
    Say("The policy, and the rule that says when it is followed."),
    Run(
        "openstack loadbalancer l7policy create --action REDIRECT_TO_POOL --redirect-pool http_pool_2"
        " --name policy1 http_listener",
        shows=[("action", "REDIRECT_TO_POOL"), ("position", "1"), PENDING],
    ),
    Run(
        "openstack loadbalancer l7rule create --compare-type EQUAL_TO --type HOST_NAME --value shop.example.com"
        " policy1",
        shows=[("type", "HOST_NAME"), ("compare_type", "EQUAL_TO"), ("value", "shop.example.com"), PENDING],
    ),
    Export("export FIP=`openstack floating ip create public-net -f value -c floating_ip_address`"),
    Export("export VIP_PORT_ID=`openstack loadbalancer show lb_test_2 -f value -c vip_port_id`"),
    Run("openstack floating ip set --port $VIP_PORT_ID $FIP"),
    Until("openstack loadbalancer show lb_test_2 -f value -c provisioning_status", "ACTIVE"),
    Say("Both host names, at the same floating IP."),
    Names(("login.example.com", "shop.example.com"), "$FIP"),
    Gets("http://login.example.com/", "Welcome to login.example.com"),
    Gets("http://shop.example.com/", "Welcome to shop.example.com"),
)

DRAINING: Sequence[Step] = (
    Heading("Connection draining"),
    Say("A member with weight 0 gets nothing new, and what it has begun it may finish."),
    While(
        "http://login.example.com/slow",
        "login",
        (
            Run("openstack loadbalancer member set http_pool login.example.com --weight 0"),
            Until(
                "openstack loadbalancer member show http_pool login.example.com -f value -c operating_status",
                "DRAINING",
            ),
            Say("It is the only member of its pool: no server is left to answer a new request."),
            Gets("http://login.example.com/", None, status=503),
            Gets("http://shop.example.com/", "Welcome to shop.example.com"),
        ),
    ),
    Say("Back in the pool."),
    Run("openstack loadbalancer member set http_pool login.example.com --weight 1"),
    Until("openstack loadbalancer member show http_pool login.example.com -f value -c operating_status", "NO_MONITOR"),
    Gets("http://login.example.com/", "Welcome to login.example.com"),
    Run("openstack loadbalancer member list http_pool_2 -c name -c weight", shows=[("weight", "1")]),
)

FAILING: Sequence[Step] = (
    Heading("A server that fails"),
    Say(
        "Beyond the guide, whose monitor looks once a minute: the pool of port 443 gets one that looks every 2 seconds."
    ),
    Run(
        "openstack loadbalancer healthmonitor create --name 443_healthcheck --delay 2 --timeout 1 --max-retries 1"
        " --max-retries-down 1 --url-path /health --type HTTP 443_pool",
        shows=[("delay", "2"), ("max_retries_down", "1"), PENDING],
    ),
    Until("openstack loadbalancer member show 443_pool 443_member_2 -f value -c operating_status", "ONLINE"),
    Say("The server of the second member is killed."),
    Kill("server-2"),
    Until("openstack loadbalancer member show 443_pool 443_member_2 -f value -c operating_status", "ERROR"),
    Shares("http://$VIP:443/", ("server-1",)),
    Say("It starts again."),
    Start(("server-2",)),
    Until("openstack loadbalancer member show 443_pool 443_member_2 -f value -c operating_status", "ONLINE"),
    Shares("http://$VIP:443/", BOTH),
)

# What to type next, with addresses that stand for nothing of the guide's.
NEXT = """\
The demo's server has ended with it. To go on with one of your own, type:

  lbclient server --demo --detach
  export OS_CLIENT_CONFIG_FILE=~/.local/state/lbclient/clouds.yaml OS_CLOUD=lbclient
  lbclient loadbalancer create --name lb1 --vip-subnet-id private-subnet --wait
  lbclient loadbalancer status show lb1

Then open this page: http://127.0.0.1:9876/dashboard
The user is demo; the password is in the file that the second line names. `lbclient demo --full` prints every table.\
"""

GUIDE: Sequence[Step] = (*LAYER_4, *LAYER_7, *DRAINING, *FAILING)


def play(stage: Stage, steps: Sequence[Step] = GUIDE) -> int:
    """Play the steps up to the first failed check; return the exit status."""
    begin = time.monotonic()
    try:
        for step in steps:
            step.play(stage)
    except Failed as failure:
        stage.fail(str(failure))
        return 1
    finally:
        for name in list(stage.running):
            stage.kill(name)
    seconds = time.monotonic() - begin
    stage.say(f"{stage.commands} commands, {stage.checks} checks, {seconds:.1f} seconds: all as the guide says.")
    if steps is GUIDE:
        stage.say_as_it_is(NEXT)
    return 0
