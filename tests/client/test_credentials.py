"""Every spelling of credentials beside the genuine client: the same request for a token, region, interface and TLS."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from genuine_login import genuine, ours
from lbclient.client.errors import NotConfigured

URL = {"auth_url": "http://k/v3"}
USER = {"username": "u", "password": "p"}
WHOLE = {**URL, **USER, "project_name": "pr"}

# What is said about users, projects and domains.
SAID: dict[str, dict[str, str]] = {
    "a user alone": {**URL, **USER},
    "a project": WHOLE,
    "a project's ID": {**URL, **USER, "project_id": "1"},
    "a user's ID": {**URL, "user_id": "2", "password": "p", "project_id": "1"},
    "one domain by name": {**WHOLE, "domain_name": "Default"},
    "one domain by ID": {**WHOLE, "domain_id": "d"},
    "one domain, project by ID": {**URL, **USER, "project_id": "1", "domain_name": "D"},
    "one domain and the user's": {**WHOLE, "domain_name": "D", "user_domain_name": "U"},
    "one domain and the project's": {**WHOLE, "domain_id": "D", "project_domain_id": "P"},
    "a domain's scope": {**URL, **USER, "domain_name": "D"},
    "a domain's scope by ID": {**URL, **USER, "domain_id": "D", "user_domain_id": "U"},
    "both domains by name": {**WHOLE, "user_domain_name": "U", "project_domain_name": "P"},
    "both domains by ID": {**WHOLE, "user_domain_id": "U", "project_domain_id": "P"},
    "the user's domain": {**WHOLE, "user_domain_name": "U"},
    "the project's domain": {**WHOLE, "project_domain_name": "P"},
    "the default domain": {**WHOLE, "default_domain": "elsewhere"},
    "the system": {**URL, **USER, "system_scope": "all"},
    "a trust": {**URL, **USER, "trust_id": "t"},
    "no version in the address": {**WHOLE, "auth_url": "http://k"},
    "a path in the address": {**WHOLE, "auth_url": "http://k/identity/v3/"},
    "v3password": {**WHOLE, "auth_type": "v3password", "user_domain_id": "d", "project_domain_id": "d"},
    "a token": {**URL, "auth_type": "token", "token": "t", "project_name": "pr", "project_domain_name": "P"},
    "v3token": {**URL, "auth_type": "v3token", "token": "t", "project_id": "1"},
    "an application credential": {
        **URL,
        "auth_type": "v3applicationcredential",
        "application_credential_id": "i",
        "application_credential_secret": "s",
    },
    "an application credential's name": {
        **URL,
        "auth_type": "v3applicationcredential",
        "application_credential_name": "n",
        "application_credential_secret": "s",
        "username": "u",
        "user_domain_id": "d",
    },
    "a one-time password": {
        **URL,
        "auth_type": "v3totp",
        "username": "u",
        "user_domain_id": "d",
        "passcode": "123456",
        "project_id": "1",
    },
    "several factors": {
        **URL,
        "auth_type": "v3multifactor",
        "auth_methods": "v3password,v3totp",
        "username": "u",
        "user_domain_id": "d",
        "password": "p",
        "passcode": "123456",
        "project_id": "1",
    },
    "no login": {"auth_type": "none", "endpoint": "http://lb"},
    "a token and an address": {"auth_type": "admin_token", "token": "t", "endpoint": "http://lb"},
    "its former name": {"auth_type": "token_endpoint", "token": "t", "endpoint": "http://lb"},
    "a region": {**WHOLE, "region_name": "R"},
    "an interface": {**WHOLE, "interface": "internal"},
    "certificates": {**WHOLE, "cacert": "~/ca.pem", "cert": "~/c.pem", "key": "~/k.pem"},
    "digits": {**URL, "username": "1234", "password": "00", "project_name": "007"},
    "odd characters": {**URL, "username": "jürgen@x", "password": "a b'\"$\\#", "project_name": "ünï {x}"},
}
FORMER = {"project_name": "tenant_name", "project_id": "tenant_id"}
NO_OPTION = {"auth_methods", "passcode", "former"}


def variables(said: Mapping[str, str]) -> dict[str, str]:
    return {f"OS_{name.upper()}": value for name, value in said.items()}


def entry(said: Mapping[str, str], beside: tuple[str, ...] = ()) -> dict[str, Any]:
    """As an entry of clouds.yaml: who and where in auth, the rest beside it."""
    outside = {"auth_type", "region_name", "interface", "cacert", "cert", "key", "default_domain", "auth_methods"}
    auth = {name: value for name, value in said.items() if name not in outside and name not in beside}
    return {**{name: value for name, value in said.items() if name not in auth}, "auth": auth}


Case = tuple[dict[str, str], dict[str, str], dict[str, Any], dict[str, Any]]  # variables, options, clouds, secrets


def spellings(said: Mapping[str, str]) -> Iterator[tuple[str, Case]]:
    """The same in variables, in options, in files, and in several of them."""
    yield "variables", (variables(said), {}, {}, {})
    if not NO_OPTION & set(said) and said.get("auth_type") != "token_endpoint":
        yield "options", ({}, dict(said), {}, {})
    if "default_domain" in said:
        return  # `openstack` reads it from variables and options only
    yield "clouds.yaml", ({"OS_CLOUD": "c"}, {}, {"c": entry(said)}, {})
    yield "envvars", (variables(said), {"cloud": "envvars"}, {"c": entry({**WHOLE, "username": "else"})}, {})
    secrets = {name: value for name, value in said.items() if name in ("password", "token", "passcode")}
    if secrets:
        public = {name: value for name, value in said.items() if name not in secrets}
        yield "secure.yaml", ({}, {"cloud": "c"}, {"c": entry(public)}, {"c": {"auth": secrets}})
    former = {FORMER.get(name, name): value for name, value in said.items()}
    if former != said:
        yield "former names", (variables(former), {}, {}, {})
        yield "former names in clouds.yaml", ({"OS_CLOUD": "c"}, {}, {"c": entry(former)}, {})


# Where several speak, and what files alone can say.
OTHER = entry({**WHOLE, "username": "else", "project_name": "elsewhere"})
MORE: dict[str, Case] = {
    "the only cloud": ({}, {}, {"c": entry(WHOLE)}, {}),
    "a variable beside the entry": ({"OS_CLOUD": "c", "OS_PROJECT_NAME": "x"}, {}, {"c": entry(WHOLE)}, {}),
    "a region beside the entry": ({"OS_CLOUD": "c", "OS_REGION_NAME": "R"}, {}, {"c": entry(WHOLE)}, {}),
    "an option beside the entry": ({}, {"cloud": "c", "username": "x"}, {"c": entry(WHOLE)}, {}),
    "an option beside variables": (variables(WHOLE), {"project_name": "x"}, {}, {}),
    "two clouds": ({"OS_CLOUD": "c"}, {}, {"a": OTHER, "c": entry(WHOLE)}, {}),
    "the option names the cloud": ({"OS_CLOUD": "a"}, {"cloud": "c"}, {"a": OTHER, "c": entry(WHOLE)}, {}),
    "variables and a file": (variables(WHOLE), {}, {"c": OTHER}, {}),
    "variables by another name": (
        {**variables(WHOLE), "OS_CLOUD_NAME": "mine"},
        {"cloud": "mine"},
        {"c": OTHER},
        {},
    ),
    "empty variables": ({**variables(WHOLE), "OS_PROJECT_ID": "", "OS_TOKEN": "", "OS_CLOUD": ""}, {}, {}, {}),
    "hyphens": ({"OS_CLOUD": "c"}, {}, {"c": {"auth": {name.replace("_", "-"): v for name, v in WHOLE.items()}}}, {}),
    "beside auth": ({"OS_CLOUD": "c"}, {}, {"c": entry(WHOLE, ("username", "project_name"))}, {}),
    "in auth and beside it": ({"OS_CLOUD": "c"}, {}, {"c": {**entry(WHOLE), "project_name": "x"}}, {}),
    "regions": ({"OS_CLOUD": "c"}, {}, {"c": {**entry(WHOLE), "regions": ["A", "B"]}}, {}),
    "the second region": ({"OS_CLOUD": "c"}, {"region_name": "B"}, {"c": {**entry(WHOLE), "regions": ["A", "B"]}}, {}),
    "regions in one word": ({"OS_CLOUD": "c"}, {"region_name": "B"}, {"c": {**entry(WHOLE), "region_name": "A,B"}}, {}),
    "a region with values": (
        {"OS_CLOUD": "c", "OS_REGION_NAME": "B"},
        {},
        {"c": {**entry(WHOLE), "regions": ["A", {"name": "B", "values": {"interface": "admin"}}]}},
        {},
    ),
    "the region in the address": (
        {"OS_CLOUD": "c"},
        {},
        {"c": {**entry({**WHOLE, "auth_url": "http://{region_name}.k/v3"}), "region_name": "r"}},
        {},
    ),
    "a profile": ({"OS_CLOUD": "c"}, {}, {"c": {"profile": "catalyst", **entry({**USER, "project_name": "pr"})}}, {}),
    "no check of certificates": ({"OS_CLOUD": "c"}, {}, {"c": {**entry(WHOLE), "verify": False}}, {}),
    "insecure": ({"OS_CLOUD": "c"}, {}, {"c": {**entry(WHOLE), "insecure": "true"}}, {}),
    "insecure with authorities": ({"OS_CLOUD": "c"}, {}, {"c": {**entry(WHOLE), "verify": False, "cacert": "/x"}}, {}),
    "the interface's former name": ({"OS_CLOUD": "c"}, {}, {"c": {**entry(WHOLE), "endpoint_type": "internal"}}, {}),
    "the way's former name": ({"OS_CLOUD": "c"}, {}, {"c": {**entry(WHOLE), "auth_plugin": "v3password"}}, {}),
    "a number for a password": ({"OS_CLOUD": "c"}, {}, {"c": {"auth": {**WHOLE, "password": "1"}}}, {}),
}
CASES = {
    **{f"{what}: {how}": case for what, said in SAID.items() for how, case in spellings(said)},
    **MORE,
}


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No files but the test's, and no variables."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    for name in ("XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def said_in(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set variables and write files; the options."""
    import yaml

    environ, options, clouds, secrets = case
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    for stem, variable, content in (
        ("clouds", "OS_CLIENT_CONFIG_FILE", clouds),
        ("secure", "OS_CLIENT_SECURE_FILE", secrets),
    ):
        path = folder / f"the-{stem}.yaml"
        path.write_text(yaml.safe_dump({"clouds": content}))
        monkeypatch.setenv(variable, str(path))
    return options


def typed(options: Mapping[str, str]) -> list[str]:
    return list(itertools.chain(*((f"--os-{name.replace('_', '-')}", value) for name, value in options.items())))


def test_there_are_many() -> None:
    assert len(CASES) > 150


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_same_login(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = said_in(case, tmp_path, monkeypatch)
    assert ours(options) == genuine(typed(options))


REFUSED: dict[str, tuple[Case, str]] = {
    "a wrong region": (
        ({"OS_CLOUD": "c"}, {"region_name": "X"}, {"c": {**entry(WHOLE), "regions": ["A", "B"]}}, {}),
        "Cloud 'c' has no region 'X': it has A, B.",
    ),
    "another region than the only one": (
        ({}, {"cloud": "c", "region_name": "X"}, {"c": {**entry(WHOLE), "region_name": "A"}}, {}),
        "Cloud 'c' has no region 'X': it has A.",
    ),
    "no variables": (({}, {"cloud": "envvars"}, {"c": OTHER}, {}), "Cloud 'envvars' is what OS_* variables say"),
    "an unknown cloud": (({}, {"cloud": "x"}, {"a": OTHER, "c": OTHER}, {}), "the-clouds.yaml has a, c."),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("case", "words"), REFUSED.values(), ids=REFUSED)
def test_refused_by_both(case: Case, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from openstack.exceptions import ConfigException

    options = said_in(case, tmp_path, monkeypatch)
    with pytest.raises(NotConfigured) as refusal:
        ours(options)
    assert words in str(refusal.value)
    with pytest.raises(ConfigException):
        genuine(typed(options))


def test_which_clouds_there_are_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said_in(({}, {}, {"a": OTHER, "c": OTHER}, {}), tmp_path, monkeypatch)
    with pytest.raises(NotConfigured, match=r"^No credentials: .*the-clouds\.yaml has the clouds a, c\.$"):
        ours({})


def test_a_file_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nowhere/clouds.yaml")
    for options in ({}, {"cloud": "c"}):
        with pytest.raises(NotConfigured, match=r"OS_CLIENT_CONFIG_FILE names /nowhere/clouds\.yaml, which is no file"):
            ours(options)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({**WHOLE, "auth_url": "k.example.com:5000/v3"}, "auth_url: 'k.example.com:5000/v3' has to begin with http://"),
        ({**WHOLE, "auth_url": "//k/v3"}, "as in http://k/v3."),
        ({**WHOLE, "load_balancer_endpoint_override": "lb:9876"}, "load_balancer_endpoint_override: 'lb:9876'"),
        ({**WHOLE, "auth_url": "http://{somewhere}/v3"}, "has a part in braces that nothing says: 'somewhere'"),
    ],
)
def test_an_address_that_is_none(said: dict[str, str], words: str) -> None:
    with pytest.raises(NotConfigured) as refusal:
        ours(said)
    assert words in str(refusal.value)
