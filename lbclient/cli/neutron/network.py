"""The commands of networks."""

from __future__ import annotations

import argparse

from ...client.rest import Json
from . import views

SWITCHES = (
    ({"external": ("router:external", True), "internal": ("router:external", False)}, ("external", "internal")),
    ({"enable": ("admin_state_up", True), "disable": ("admin_state_up", False)}, ("enabled", "disabled")),
    ({"share": ("shared", True), "no-share": ("shared", False)}, ("shared", "not shared")),
)


class ListNetwork(views.ListThings):
    """List networks."""

    thing = views.NETWORK
    examples = ("--external",)
    filters = (
        ("name", "name", "Only networks of this name.", None),
        ("status", "status", "Only networks of this status.", None),
        ("project", "project_id", "Only networks of this project (name or ID).", "project"),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        super().add_arguments(parser)
        for switches, words in SWITCHES:
            self.add_switch(parser, switches, [f"Only networks that are {word}." for word in words])

    def switched(self, parsed: argparse.Namespace) -> Json:
        names = [name for switches, _ in SWITCHES for name, _ in switches.values()]
        return {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}


class ShowNetwork(views.ShowThing):
    """Show a network."""

    thing = views.NETWORK
    examples = ("private-net",)
