"""Credentials out of options, variables and clouds.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from lbclient.client import connect
from lbclient.client import settings as said
from lbclient.client.errors import NotConfigured
from lbclient.client.session import CachedSession

CLOUD = """
clouds:
  mine:
    auth: {auth_url: http://mine, username: me, password: mine, project-name: p}
    region_name: R
    load_balancer_endpoint_override: http://lb
    api_timeout: 7
    verify: false
"""
VARIABLES = {"OS_AUTH_URL": "http://env", "OS_USERNAME": "other", "OS_PASSWORD": "secret", "OS_TENANT_NAME": "t"}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "clouds.yaml"
    path.write_text(CLOUD)
    return {"OS_CLIENT_CONFIG_FILE": str(path), **VARIABLES}


def test_variables_alone(environ):
    settings = said.read({}, environ)
    assert (settings["auth_url"], settings["username"], settings["project_name"]) == ("http://env", "other", "t")


def test_options_go_before_variables(environ):
    assert said.read({"username": "typed", "password": None}, environ)["username"] == "typed"


def test_a_cloud_on_the_command_line_is_not_mixed_with_variables(environ):
    settings = said.read({"cloud": "mine"}, environ)
    assert (settings["auth_url"], settings["username"], settings["password"]) == ("http://mine", "me", "mine")
    assert settings["project_name"] == "p"


def test_variables_give_what_a_cloud_keeps_secret(environ, tmp_path):
    (tmp_path / "clouds.yaml").write_text(CLOUD.replace("password: mine, ", ""))
    assert said.read({"cloud": "mine"}, environ)["password"] == "secret"


def test_a_cloud_of_a_variable_is_changed_by_variables(environ):
    settings = said.read({}, {**environ, "OS_CLOUD": "mine"})
    assert (settings["username"], settings["region_name"]) == ("other", "R")


def test_the_only_cloud_is_used_where_nothing_else_is_said(environ):
    only = {"OS_CLIENT_CONFIG_FILE": environ["OS_CLIENT_CONFIG_FILE"]}
    assert said.read({}, only)["username"] == "me"


def test_services(environ):
    services = connect.connect({"cloud": "mine", "interface": "internal"}, environ)
    assert (services.region_name, services.interface) == ("R", "internal")
    assert services.loadbalancer.base == "http://lb/v2.0"
    assert isinstance(services.session, CachedSession)
    session = services.session.full
    assert (session.verify, session.timeout) == (False, 7.0)


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("http://lb", "http://lb/v2.0"),
        ("http://lb/", "http://lb/v2.0"),
        ("http://lb/v2.0", "http://lb/v2.0"),
        ("http://lb/v2", "http://lb/v2"),
        ("http://lb/load-balancer/v2.0/", "http://lb/load-balancer/v2.0"),
    ],
)
def test_an_address_with_and_without_its_version(environ, address, base):
    options = {"cloud": "mine", "load_balancer_endpoint_override": address}
    assert connect.connect(options, environ).loadbalancer.base == base


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"username": "u"}, "password"),
        ({"token": "t"}, "token"),
        ({"token": "t", "endpoint": "http://x"}, "admin_token"),
        ({"application_credential_id": "i"}, "v3applicationcredential"),
        ({"auth_type": "v3totp"}, "v3totp"),
    ],
)
def test_the_way_to_authenticate(settings, kind):
    assert said.kind(settings) == kind


def test_every_way_of_keystoneauth1_is_known():
    from keystoneauth1.loading import get_available_plugin_names

    for name in get_available_plugin_names():
        assert connect._loader(name).get_options() is not None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "No credentials: set OS_CLOUD"),
        ({"auth_url": "http://x"}, "No user: set OS_USERNAME"),
        ({"auth_url": "http://x", "username": "u"}, "No password: set OS_PASSWORD"),
        ({"auth_type": "nonsense", "auth_url": "http://x"}, "nonsense"),
        ({"auth_url": "http://x", "username": "u", "password": "p", "api_timeout": "soon"}, "api_timeout: 'soon'"),
        ({"auth_type": "v3applicationcredential", "auth_url": "http://x"}, "."),
    ],
)
def test_what_is_missing_is_named(options, said, tmp_path):
    with pytest.raises(NotConfigured) as caught:
        connect.connect(options, {"OS_CLIENT_CONFIG_FILE": str(tmp_path / "none.yaml"), "HOME": str(tmp_path)})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_are_in_the_default_domain():
    names = {"user_domain_id", "project_domain_id"}
    known = {"username": "u", "project_name": "p", "project_domain_name": "D"}
    assert said.with_domains(known, names) == {**known, "user_domain_id": "default"}
