"""Kernel settings for programs that listen all the time on addresses that this host has only at times."""

from __future__ import annotations

import os
from pathlib import Path

from .local_routes import AttachmentFailed

# The settings of a host that listens on addresses which it does not have yet, and has more than one interface.
KERNEL = {
    "net/ipv4/ip_nonlocal_bind": "1",
    "net/ipv6/ip_nonlocal_bind": "1",
    "net/ipv4/conf/all/arp_ignore": "1",
    "net/ipv4/conf/all/arp_announce": "2",
}


def refusal(root: Path = Path("/proc/sys")) -> str | None:
    """Return why this host cannot share addresses with others; None if it can."""
    for name, value in KERNEL.items():
        path = root / name
        try:
            if path.read_text().strip() != value and not os.access(path, os.W_OK):
                return f"{name.replace('/', '.')} may not be set to {value} here."
        except FileNotFoundError:
            if "ipv6" not in name:
                return f"{name.replace('/', '.')} does not exist here."
    return None


def prepare_kernel(root: Path = Path("/proc/sys")) -> None:
    """Let HAProxy listen on addresses that the other host has, and answer ARP for an address on its interface alone.

    Raises AttachmentFailed if a setting does not exist or cannot be changed; a machine without IPv6 is no error.
    """
    for name, value in KERNEL.items():
        path = root / name
        if "ipv6" in name and not path.exists():
            continue
        try:
            if path.read_text().strip() != value:
                path.write_text(value)
        except OSError as error:
            setting = f"{name.replace('/', '.')} to {value}"
            raise AttachmentFailed(
                f"Hosts cannot share addresses without setting {setting}: {error.strerror}."
            ) from error
