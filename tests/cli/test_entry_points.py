"""Entry points and command classes, which cannot be derived from each other."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil

import pytest
from cliff.command import Command

import lbclient.cli
from lbclient.cli import plugin

OWN_GROUP = "lbclient.cli"
PLUGIN_GROUPS = ("openstack.load_balancer.v2", "openstack.lbclient.v2")
OPENSTACK_HAS_THESE = ("complete", "network", "subnet", "floating_ip", "token")
STANDALONE = (
    "host_",
    "testing_",
    "logout",
    "shell",
)  # `openstack` keeps its logins itself, has a prompt of its own, and hosts of its own kinds


def entry_points(group: str) -> dict[str, str]:
    own = importlib.metadata.distribution("lbclient").entry_points.select(group=group)
    return {entry_point.name: entry_point.value for entry_point in own}


def command_classes() -> set[str]:
    """Every class of the package that is a command with help of its own."""
    found = set()
    for module_info in pkgutil.walk_packages(lbclient.cli.__path__, "lbclient.cli."):
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            is_own = inspect.isclass(value) and value.__module__ == module.__name__
            if is_own and issubclass(value, Command) and (hasattr(value, "resource") or hasattr(value, "thing")):
                found.add(f"{module.__name__}:{name}")
    return {value for value in found if not value.split(":")[1].startswith("_")}


@pytest.mark.parametrize("group", [OWN_GROUP, *PLUGIN_GROUPS])
def test_every_entry_point_loads_a_command_with_help(group: str) -> None:
    for entry_point in importlib.metadata.distribution("lbclient").entry_points.select(group=group):
        command = entry_point.load()
        assert issubclass(command, Command)
        assert "__doc__" in vars(command), entry_point.value
        assert command.__doc__.splitlines()[0].endswith((".", ":")), entry_point.value


def test_every_command_class_has_an_entry_point() -> None:
    bases = {"lbclient.cli.neutron.views:ListThings", "lbclient.cli.neutron.views:ShowThing"}
    assert command_classes() - bases <= set(entry_points(OWN_GROUP).values())


def test_openstack_has_the_load_balancer_commands_and_no_others() -> None:
    own = entry_points(OWN_GROUP)
    expected = {name: value for name, value in own.items() if value.startswith("lbclient.cli.")}
    expected = {
        name: value for name, value in expected.items() if not name.startswith(OPENSTACK_HAS_THESE + STANDALONE)
    }
    for group in PLUGIN_GROUPS:
        assert entry_points(group) == expected


def test_the_plugin_is_found() -> None:
    assert entry_points("openstack.cli.extension") == {"load_balancer": plugin.__name__}


def test_a_command_is_called_as_its_class_is() -> None:
    for name, value in entry_points(OWN_GROUP).items():
        if value.startswith("lbclient.cli."):
            verb = name.split("_")[-1].replace("-", "")
            assert value.split(":")[1].lower().startswith(verb), value
