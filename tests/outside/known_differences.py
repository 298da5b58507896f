"""Intended differences, listed in doc/source/api.rst, and those due to Octavia's no-op drivers."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from tests.outside.differences import Difference

from lbclient.server.loadbalancer.routes import LOAD_BALANCING, VERSIONS

CONTROL = re.compile(r"\\u00(0[0-8bcef]|1[0-9a-f]|7f)|\\ud800|%00")


def _is_failure_there(found: Difference) -> bool:
    """Octavia's 500s are not imitated."""
    return found.where == "status" and found.theirs >= 500 and found.ours < 500


def _is_text(found: Difference) -> bool:
    """Invalid values are refused in other words."""
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
    """Duplicates in lists of tags, groups or versions count once."""
    return bool(re.search(r'\[("[^"]*"), \1\]', found.call.text or "")) or str(found.theirs).count("'TLSv1.2'") > 1


def _is_a_place(found: Difference) -> bool:
    """The no-op network driver knows no networks, and takes any port and any subnet for one."""
    return bool(re.search(r'"(vip_port_id|additional_vips|vip_network_id)": [^n]', found.call.text or ""))


def _is_a_reference(found: Difference) -> bool:
    """Invalid references of certificates are refused; Octavia's no-op driver accepts any text."""
    names = "(tls_container_ref|sni_container_refs|crl_container_ref)"
    return bool(re.search(rf'{names}": ', found.call.text or "")) and found.where == "status"


def _operations() -> set[tuple[str, re.Pattern[str]]]:
    """Methods and paths that there are; a path may be without /lbaas, and end in .json or a slash."""
    paths = [(route.method, f"/v2(\\.0)?{route.path.replace('/lbaas', '(/lbaas)?')}") for route in LOAD_BALANCING]
    both = [*paths, *((route.method, route.path) for route in VERSIONS)]
    return {(method, re.compile(re.sub(r"{\w+}", "[^/]+", path) + r"(\.json)?/?")) for method, path in both}


OPERATIONS = _operations()


def _is_no_operation(found: Difference) -> bool:
    """Paths that the API does not have are refused; Octavia ignores words behind a path, or takes it for another."""
    path = found.call.path.partition("?")[0]
    return not any(method == found.call.method and pattern.fullmatch(path) for method, pattern in OPERATIONS)


def _is_an_odd_path(found: Difference) -> bool:
    """Paths that are not UTF-8 are refused in JSON, and an encoded slash is a part of an ID."""
    is_refused = "%FF" in found.call.path and found.ours in (400, "application/json")
    return (
        is_refused or "a%2Fb" in found.call.path or (found.where == "body" and "400 Bad Request" in str(found.theirs))
    )


def _is_a_type_in_capitals(found: Difference) -> bool:
    """Octavia tells capital letters in types of content from small ones."""
    return found.call.headers.get("Content-Type") == "APPLICATION/JSON" and found.theirs == 415


def _is_a_quota_of_its_own(found: Difference) -> bool:
    """There is a quota to be reset for every project."""
    is_reset = found.call.method == "DELETE" and "/quotas/" in found.call.path
    return is_reset and (found.where, found.theirs, found.ours) == ("status", 404, 202)


def _is_a_limit_in_two_ways(found: Difference) -> bool:
    """A limit that is given under both of its names is given once."""
    return '"load_balancer": 3, "loadbalancer": 4' in f"{found.call.text}" and found.ours == 400


def _is_a_null_in_a_batch(found: Difference) -> bool:
    """Null in a batch is the default, as in a POST; Octavia keeps null weights, and tags as they were."""
    is_null = (found.where.endswith(".weight") and found.theirs is None) or (
        found.where.endswith(".tags") and not found.ours
    )
    return is_null and "/members?sort=" in found.call.path


def _is_a_field_of_quotas(found: Difference) -> bool:
    """fields is for quotas, too."""
    return "/quotas?fields=" in found.call.path and found.ours == "ABSENT"


def _is_no_data(found: Difference) -> bool:
    """A profile's data is a JSON object without NaN, for an enabled provider; also after a change."""
    is_profile = re.search(r"profiles\b", found.call.path) and found.call.method in ("POST", "PUT")
    return bool(is_profile) and (found.where, found.ours) == ("status", 400) and found.theirs in (200, 201)


def _is_a_description(found: Difference) -> bool:
    """Capabilities are described in other words."""
    return bool(re.search(r"_capabilities\[\d+\]\.description$", found.where))


def _is_the_type_of_nothing(found: Difference) -> bool:
    """Answers without a body have a content type nevertheless."""
    return found.where == "header Content-Type" and (found.theirs, found.ours) == (None, "application/json")


def _is_an_action_again(found: Difference) -> bool:
    """Who names the action that a policy has need not repeat its target."""
    is_one = found.call.method == "PUT" and '{"l7policy": {"action": ' in (found.call.text or "")
    return is_one and (found.where, found.theirs, found.ours) == ("status", 400, 200)


def _is_a_lost_target(found: Difference) -> bool:
    """A redirect does not lose its target, nor what HSTS preloads its age."""
    is_one = re.search(r'"(redirect_\w+|hsts_max_age)": null', found.call.text or "")
    return bool(is_one) and found.call.method == "PUT" and (found.theirs, found.ours) == (200, 400)


def _is_a_null_for_nobody(found: Difference) -> bool:
    """A null that cannot be is refused before its object is looked for."""
    return ": null" in (found.call.text or "") and (found.theirs, found.ours) == (404, 400)


def _is_the_listener_of_another(found: Difference) -> bool:
    """The listener of a new pool is of the same load balancer."""
    is_one = '"listener_id": "<listener>"' in (found.call.text or "") and '"<away>"' in (found.call.text or "")
    return is_one and (found.theirs, found.ours) == (201, 400)


def _has_old_tls(found: Difference) -> bool:
    """The usual ciphers have none for TLS 1.0 and 1.1."""
    return found.where.endswith(".tls_ciphers") and found.ours is None and "SSLv3" in (found.call.text or "")


def _is_of_the_tree(found: Difference) -> bool:
    """In a tree all is checked as it is by itself, and policies that others move were not changed themselves."""
    if "/loadbalancers" not in found.call.path or found.call.method != "POST":
        return False
    is_unchecked = re.search(r'"(persistence_granularity|allowed_cidrs|redirect_pool)": ', found.call.text or "")
    is_stale = re.search(r"(l7policies\[\d+\]\.updated_at|pools\[\d+\]\.listeners)$", found.where)
    return bool(is_stale or (is_unchecked and (found.theirs, found.ours) == (201, 400)))


def _is_an_addition(found: Difference) -> bool:
    """Pools and members have counters, load balancers have events, providers have filters."""
    return bool(
        re.match(r"GET .*(/(pools|members)/[^/]+/stats|/events|/providers\?(name|description)=)", str(found.call))
    )


def _is_the_id_of_a_query(found: Difference) -> bool:
    """Octavia looks for the ID behind the question mark rather than for the one in the path."""
    name = "name" if "/availabilityzones/" in found.call.path else "id"
    return bool(re.search(rf"[?&]{name}=", found.call.path)) and "not found" in f"{found.theirs} {found.why}"


def _is_a_filter_by_project(found: Difference) -> bool:
    """tenant_id is a filter, and one of the fields."""
    return bool(re.search(r"[?&](fields=)?tenant_id\b", found.call.path)) and found.theirs in (400, "ABSENT")


def _is_a_list_of_fields(found: Difference) -> bool:
    """fields may have commas."""
    return bool(re.search(r"[?&]fields=\w+,", found.call.path)) and found.theirs == "ABSENT"


def _is_sorted_by_a_list(found: Difference) -> bool:
    """Attributes that are lists or objects cannot be sorted by."""
    is_one = re.search(r"[?&]sort=(tls_versions|alpn_protocols|insert_headers)\b", found.call.path)
    return bool(is_one) and (found.theirs, found.ours) == (200, 400)


def _is_no_limit(found: Difference) -> bool:
    """Where all is shown there is no next page."""
    return bool(re.search(r"[?&]limit=(0|-1|infinite)\b", found.call.path)) and found.where.endswith("_links")


def _is_a_longer_link(found: Difference) -> bool:
    """Links to further pages keep the filters, the fields and the directions of the request."""
    if not found.where.endswith(".href") or not isinstance(found.ours, str):
        return False
    there, here = (set(parse_qsl(urlsplit(each).query, keep_blank_values=True)) for each in (found.theirs, found.ours))
    asked = set(parse_qsl(urlsplit(found.call.path).query, keep_blank_values=True))
    return there <= here and here - there <= asked


def _is_another_order(found: Difference) -> bool:
    """Pools can be sorted by their load balancer, not by their monitor; amphorae by their project; zones are in the
    order of their creation."""
    names = r"loadbalancer_id|healthmonitor_id|availability_zone_profile_id|description|project_id"
    return bool(re.search(rf"[?&]sort=({names})\b", found.call.path)) and found.where in ("status", ZONES)


ZONES = "order of body.availability_zones"


def _is_a_zone_without_a_name(found: Difference) -> bool:
    """A link from zone to zone or from quota to quota has what stands for the ID."""
    return found.where.endswith(".href") and "marker=None" in found.theirs


def _is_a_filter_of_the_database(found: Difference) -> bool:
    """MariaDB takes small letters for capital ones and a word for 0; what was never given is an empty text here."""
    odd = r"[?&](provisioning_status=active|description=&|(timeout_tcp_inspect|delay)=)"
    return bool(re.search(odd, found.call.path)) and found.where.startswith("body.")


def _is_a_column(found: Difference) -> bool:
    """Names of Octavia's database, and parts of its objects, are no attributes, and no filters either."""
    is_one = re.search(r"(/loadbalancers\?vip|/pools\?listeners)=", found.call.path)
    return bool(is_one) and (found.where, found.theirs, found.ours) == ("status", 200, 400)


def _is_a_limit(found: Difference) -> bool:
    """HAProxy's numbers of milliseconds have an end."""
    return bool(re.search(r'"(delay|timeout)": "?21474', found.call.text or ""))


def _is_an_address_in_another_type(found: Difference) -> bool:
    """Octavia takes the number 1 for an address."""
    numbers = r'"((monitor_)?address": (1|1\.5|true)\b|allowed_cidrs": \[1\])'
    return bool(re.search(numbers, found.call.text or "")) and found.ours == 400


def _is_a_header(found: Difference) -> bool:
    """A header is put in or not: true and false are values, others are none."""
    return '"insert_headers": {' in (found.call.text or "") and found.where == "status" and found.theirs < 500


def _is_tls_without_tls(found: Difference) -> bool:
    """TLS settings are looked at also where no TLS is spoken."""
    return bool(re.search(r'"(tls_versions|alpn_protocols|tls_ciphers)":', found.call.text or "")) and found.ours == 400


def _is_the_code_of_a_redirect(found: Difference) -> bool:
    """A redirect has a status code always, and what is none has no code; in changes Octavia keeps what was sent."""
    return found.where.endswith("l7policy.redirect_http_code") and found.call.method in ("PUT", "GET")


def _is_a_port(found: Difference) -> bool:
    """Ports in URLs end at 65535."""
    return bool(re.search(r'"http://e\.example:99999/"', found.call.text or "")) and found.ours == 400


def _is_no_more_asked_for_a_certificate(found: Difference) -> bool:
    """Null takes client authentication back to NONE, which needs no CA."""
    is_one = '{"listener": {"client_authentication": null}}' in (found.call.text or "")
    return is_one and (found.where, found.theirs, found.ours) == ("status", 400, 200)


KNOWN: tuple[Callable[[Difference], bool], ...] = (
    _is_failure_there,
    _is_text,
    _has_control_characters,
    _is_null_in_a_post,
    _is_no_provider,
    _is_twice,
    _is_a_place,
    _is_a_reference,
    _is_an_address_in_another_type,
    _is_a_header,
    _is_tls_without_tls,
    _is_the_code_of_a_redirect,
    _is_no_operation,
    _is_an_odd_path,
    _is_a_type_in_capitals,
    _is_a_quota_of_its_own,
    _is_a_limit_in_two_ways,
    _is_a_null_in_a_batch,
    _is_a_field_of_quotas,
    _is_no_data,
    _is_a_description,
    _is_the_type_of_nothing,
    _is_an_action_again,
    _is_a_lost_target,
    _is_a_null_for_nobody,
    _is_the_listener_of_another,
    _has_old_tls,
    _is_of_the_tree,
    _is_an_addition,
    _is_the_id_of_a_query,
    _is_a_filter_by_project,
    _is_a_list_of_fields,
    _is_sorted_by_a_list,
    _is_no_limit,
    _is_a_longer_link,
    _is_another_order,
    _is_a_zone_without_a_name,
    _is_a_filter_of_the_database,
    _is_a_column,
    _is_a_limit,
    _is_a_port,
    _is_no_more_asked_for_a_certificate,
)


def is_known(found: Difference) -> bool:
    return any(check(found) for check in KNOWN)
