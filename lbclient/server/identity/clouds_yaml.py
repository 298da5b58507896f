"""The clouds.yaml in the state directory, with the credentials of the server's first users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ... import files
from .bootstrap import DEFAULT_DOMAIN, Login

HEADER = "# Written by lbclient server: openstack --os-cloud NAME reads it through OS_CLIENT_CONFIG_FILE.\n"


class Damaged(Exception):
    """The file cannot be used; the text gives the reason and a remedy."""


Clouds = dict[str, dict[str, Any]]


def read(path: Path) -> Clouds:
    """Return the clouds in the file; {} if the file does not exist. Raises Damaged."""
    try:
        found = dict(yaml.safe_load(path.read_text())["clouds"])
        if all(isinstance(each["auth"], dict) for each in found.values()):
            return found
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        pass
    raise Damaged(
        f"{path} is damaged: it has to name clouds with an `auth` each. Mend it, or move it away and make a new "
        "password with `lbclient server reset-password`."
    )


def cloud(login: Login, password: str, auth_url: str, authority: Path | None = None) -> dict[str, Any]:
    """Return an entry for a user in a project; `authority` is the CA certificate to verify the server's with."""
    return {
        **_trust(authority),
        "auth": {
            "auth_url": auth_url,
            "username": login.name,
            "password": password,
            "project_name": login.name,
            "user_domain_id": DEFAULT_DOMAIN,
            "project_domain_id": DEFAULT_DOMAIN,
        },
        "region_name": "RegionOne",
        "identity_api_version": 3,
    }


def _trust(authority: Path | None) -> dict[str, Any]:
    return {"cacert": str(authority)} if authority else {}


def moved(clouds: Mapping[str, dict[str, Any]], auth_url: str, authority: Path | None = None) -> Clouds:
    """Return the same clouds with another auth_url."""
    return {
        name: {**each, **_trust(authority), "auth": {**each["auth"], "auth_url": auth_url}}
        for name, each in clouds.items()
    }


def write(path: Path, clouds: Clouds) -> None:
    """Replace the file atomically; only this user can read it."""
    files.replace(path, HEADER + yaml.safe_dump({"clouds": clouds}, sort_keys=False))
