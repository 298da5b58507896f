"""gophercloud's own acceptance tests, against this server.

It is the library under Terraform's provider and Kubernetes' controllers.

Skipped unless LBCLIENT_GOPHERCLOUD names a checkout of gophercloud v2 and LBCLIENT_GO a `go` that can build it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from running import RunningServer, end_server, start_server

GO, SOURCE = os.environ.get("LBCLIENT_GO"), os.environ.get("LBCLIENT_GOPHERCLOUD")
SECONDS = 600
# By package: what they test of services that are more than what load balancers need.
NOT_OFFERED = {
    "loadbalancer/v2": (),
    "keymanager/v1": ("TestOrders", "TestSecretsMetadata"),
    "networking/v2": (
        *("TestNetworksRevision", "TestPortsRevision", "TestSubnetsRevision"),  # If-Match
        *("TestPortsCRUD", "TestPortsTrustedVIFCRUD"),  # the change of a MAC address, trust
        *("TestPortsRemoveAddressPair", "TestPortsDontUpdateAllowedAddressPairs", "TestPortsWithExtraDHCPOpts"),
        *("TestSubnetsServiceType", "TestSubnetsWithSubnetPool"),
    ),
    "networking/v2/extensions/layer3": (
        *("TestAddressScopes", "TestLayer3ExtraRoutes", "TestLayer3RouterScheduling", "TestLayer3PortForwardings"),
        *("TestLayer3FloatingIPsRevision", "TestLayer3RouterAgents", "TestLayer3RouterRevision"),
        *("TestLayer3RouterExternalGateways", "TestLayer3ExternalRouter"),  # other addresses of a gateway
    ),
    "identity/v3": (
        *("TestApplicationCredentialsAccessRules", "TestCredentials", "TestEC2", "TestTrust", "TestOAuth1"),
        *("TestEndpointsList", "TestEndpointsNavigate", "TestEndpointCRUD", "TestServicesCRUD", "TestRegionsCRUD"),
        *("TestGroup", "TestUsersGroups", "ToGroup", "ForGroup", "TestInheritRoles", "TestCRUDRoleInference"),
        *("Mappings", "Limits", "TestGetEnforcementModel", "TestPolicies", "TestProjectEndpoints"),
        *("TestProjectsDomain", "TestProjectsTags", "TestRoleListAssignmentIncludeNamesAndSubtree"),
        *("TestRolesCRUD", "TestUserCRUD"),  # attributes that Keystone does not know, and keeps
    ),
}

pytestmark = pytest.mark.skipif(not (GO and SOURCE), reason="LBCLIENT_GO and LBCLIENT_GOPHERCLOUD name none")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    # The networks that the tests make are none of this machine's.
    running = start_server(tmp_path_factory.mktemp("gophercloud") / "state", "--default-provider=noop_driver")
    try:
        yield running
    finally:
        end_server(running)


@pytest.fixture(scope="module")
def environment(server: RunningServer) -> dict[str, str]:
    """Return the environment that the acceptance tests need; for images and flavors any value will do."""
    cloud = yaml.safe_load((server.state_directory / "clouds.yaml").read_text())["clouds"]["lbclient-admin"]
    login = cloud["auth"]
    anything = {name: name for name in ("OS_IMAGE_ID", "OS_FLAVOR_ID", "OS_FLAVOR_ID_RESIZE")}
    return {
        **os.environ,
        **anything,
        "OS_AUTH_URL": login["auth_url"],
        "OS_USERNAME": login["username"],
        "OS_PASSWORD": login["password"],
        "OS_PROJECT_NAME": login["project_name"],
        "OS_DOMAIN_ID": "default",
        "OS_REGION_NAME": cloud["region_name"],
        "OS_BRANCH": "master",
        "OS_POOL_NAME": "public",
        "OS_EXTGW_ID": _external_network(server, login),
    }


def _external_network(server: RunningServer, login: dict[str, str]) -> str:
    user = {"name": login["username"], "domain": {"id": "default"}, "password": login["password"]}
    scope = {"project": {"name": login["project_name"], "domain": {"id": "default"}}}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
    token = requests.post(f"{login['auth_url']}/v3/auth/tokens", json=body, timeout=30).headers["X-Subject-Token"]
    path = f"{server.url}/networking/v2.0/networks?router:external=true"
    found = requests.get(path, headers={"X-Auth-Token": token}, timeout=30).json()["networks"]
    return str(found[0]["id"])


@pytest.mark.parametrize("package", NOT_OFFERED)
def test_their_own_tests_pass(package: str, environment: dict[str, str], tmp_path: Path) -> None:
    folder = Path(str(SOURCE), "internal", "acceptance")
    program = tmp_path / "acceptance"
    build = [str(GO), "test", "-c", "-tags", "acceptance", "-o", str(program), f"./openstack/{package}"]
    subprocess.run(build, cwd=folder, check=True, timeout=SECONDS)
    command = [str(program), "-test.v"]
    if NOT_OFFERED[package]:
        command.append(f"-test.skip={'|'.join(NOT_OFFERED[package])}")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    failed = [line for line in done.stdout.splitlines() if line.startswith("--- FAIL") or "Failure in" in line]
    assert (done.returncode, failed) == (0, []), done.stdout[-5000:]
    assert done.stdout.count("--- PASS") > 5
