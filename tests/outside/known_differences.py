"""What differs on purpose, as doc/source/api.rst tells, or because no-op drivers are no cloud."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.outside.differences import Difference

CONTROL = re.compile(r"\\u00(0[0-8bcef]|1[0-9a-f]|7f)|\\ud800|%00")


def _is_failure_there(found: Difference) -> bool:
    """Octavia's 500s are not imitated."""
    return found.where == "status" and found.theirs >= 500 and found.ours < 500


def _is_text(found: Difference) -> bool:
    """What is wrong with a value is told in other words."""
    return found.where.startswith("text ")


def _has_control_characters(found: Difference) -> bool:
    return bool(CONTROL.search(str(found.call)))


def _is_null_in_a_post(found: Difference) -> bool:
    """Null is as if nothing had been said."""
    return found.call.method == "POST" and ": null" in (found.call.text or "")


def _is_no_provider(found: Difference) -> bool:
    """An empty provider is the default one; there it is amphora, which is not enabled beside the no-op drivers."""
    return '"provider": ""' in (found.call.text or "")


def _is_twice(found: Difference) -> bool:
    """What is twice in a list of tags, groups or versions counts once."""
    return bool(re.search(r'\[("[^"]*"), \1\]', found.call.text or "")) or str(found.theirs).count("'TLSv1.2'") > 1


def _is_a_place(found: Difference) -> bool:
    """The no-op network driver knows no networks, and the no-op certificates are no CA's."""
    return bool(
        re.search(r"vip_port_id|additional_vips|vip_network_id|_tls_container_ref|_crl_|crl_container", str(found))
    )


def _is_an_address_in_another_form(found: Difference) -> bool:
    return found.where.endswith("address")


def _is_another_path(found: Difference) -> bool:
    """Paths that nobody asks for, and methods that they do not have: each refuses, for another reason."""
    refused = (400, 404, 405, 406, 415)
    return found.where == "status" and found.theirs in refused and found.ours in refused


def _is_a_limit(found: Difference) -> bool:
    """HAProxy's numbers of milliseconds have an end."""
    return bool(re.search(r'"(delay|timeout)": "?21474', found.call.text or ""))


def _is_an_address_in_another_type(found: Difference) -> bool:
    """Octavia takes the number 1 for an address."""
    return bool(re.search(r'"(monitor_)?address": (1|1\.5|true)\b', found.call.text or "")) and found.ours == 400


def _is_tls_without_tls(found: Difference) -> bool:
    """TLS settings are looked at also where no TLS is spoken."""
    return bool(re.search(r'"(tls_versions|alpn_protocols|tls_ciphers)":', found.call.text or "")) and found.ours == 400


def _is_the_code_of_a_redirect(found: Difference) -> bool:
    """A redirect has a status code always, and what is none has no code; in changes Octavia keeps what was sent."""
    return found.where.endswith("l7policy.redirect_http_code") and found.call.method in ("PUT", "GET")


KNOWN: tuple[Callable[[Difference], bool], ...] = (
    _is_failure_there,
    _is_text,
    _has_control_characters,
    _is_null_in_a_post,
    _is_no_provider,
    _is_twice,
    _is_a_place,
    _is_an_address_in_another_form,
    _is_an_address_in_another_type,
    _is_tls_without_tls,
    _is_the_code_of_a_redirect,
    _is_another_path,
    _is_a_limit,
)


def is_known(found: Difference) -> bool:
    return any(check(found) for check in KNOWN)
