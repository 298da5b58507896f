"""The genuine client's reading of variables, options and files: openstacksdk's loader as `openstack` uses it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import requests_mock

from lbclient.client import connect

VERSION = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": "http://k/v3/"}]}
TOKEN = {"token": {"methods": [], "expires_at": "2999-01-01T00:00:00.000000Z", "issued_at": "", "user": {"id": "u"}}}

Login = dict[str, Any]


def genuine(typed: Sequence[str]) -> Login:
    """Return what `openstack` sends with these options in the present environment."""
    from openstackclient.shell import OpenStackShell  # here, since they warn of each other
    from osc_lib.cli.client_config import OSC_Config

    shell = OpenStackShell()
    shell.options = shell.build_option_parser("", "").parse_args(list(typed))
    shell.options.os_identity_api_version = "3"  # as every openrc file says: names have a default domain then
    shell._final_defaults()
    overriding = {"interface": None, "auth_type": shell._auth_type}
    reader = OSC_Config(override_defaults=overriding, pw_func=lambda *_: "asked")
    region = reader.get_one(cloud=shell.options.cloud, argparse=shell.options, validate=False)
    verify, cert = region.get_requests_verify_args()
    plugin = reader.load_auth_plugin(region.config)
    interface = region.get_interface() or "public"
    return {**_sent(plugin), "region": region.region_name or None, "interface": interface, "tls": (verify, cert)}


def ours(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Login:
    """Return what lbclient sends."""
    services = connect.connect({**options, "auth_cache": "off"}, environ)
    session: Any = getattr(services.session, "full", services.session)
    where = {"region": services.region_name, "interface": services.interface}
    return {**_sent(session.auth), **where, "tls": (session.verify, session.cert)}


def _sent(plugin: Any) -> Login:
    """The plugin's request for a token, or what it sends instead of one."""
    from keystoneauth1.session import Session

    session = Session(auth=plugin)
    with requests_mock.Mocker() as mocker:
        mocker.get(requests_mock.ANY, json={"version": VERSION})
        mocker.post(requests_mock.ANY, json=TOKEN, headers={"X-Subject-Token": "t"})
        headers = session.get_auth_headers() or {}
        endpoint = plugin.get_endpoint(session, service_type="load-balancer") if not mocker.called else None
        posts = [request for request in mocker.request_history if request.method == "POST"]
    if not posts:
        return {"headers": headers, "endpoint": endpoint}
    body = posts[0].json()["auth"]
    return {"url": posts[0].url, "identity": body["identity"], "scope": body.get("scope")}
