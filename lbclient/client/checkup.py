"""Checks of a cloud, from the credentials to the load-balancer API, with advice on how to fix problems."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from . import clouds, connect, errors, settings, unreachable
from .rest import VERSION_AT_END, Rest
from .services import Services

OK, WARNING, PROBLEM, SKIPPED = "ok", "warning", "problem", "skipped"

TOLD = (
    "auth_url",
    "auth_type",
    "username",
    "user_id",
    "password",
    "token",
    "application_credential_id",
    "application_credential_name",
    "project_name",
    "project_id",
    "endpoint",
    "load_balancer_endpoint_override",
    "region_name",
)
MOST_SKEW = 30.0  # seconds by which the clocks of client and server may differ
SLOW = 2.0  # seconds; a request that takes longer gets a warning
OTHERS = 0o077  # permission bits of everyone but the owner of a file
LOCAL_HINT = "`lbclient server --demo` starts one here, and tells where its clouds.yaml is."
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Finding:
    """The result of one check, with advice on how to fix the problem."""

    check: str
    state: str
    found: str
    advice: str = ""


@dataclass
class Cloud:
    """The state that the checks of one cloud share."""

    options: Mapping[str, Any]
    environ: Mapping[str, str]
    date: str = ""  # Date header of the last answer
    heard: float = 0.0  # when that answer arrived, in seconds since 1970
    broken: list[str] = field(default_factory=list)  # failed checks that all later checks depend on

    @cached_property
    def settings(self) -> settings.Settings:
        return settings.read(self.options, self.environ)

    @cached_property
    def services(self) -> Services:
        """The services of the cloud, with a new login that is not cached."""
        services = connect.connect(self.options, self.environ)
        session: Any = services.session
        return replace(services, session=session.new()) if hasattr(session, "new") else services

    def get(self, url: str, *, is_authenticated: bool = True) -> tuple[Any, float]:
        """Send a GET request and return the answer and the seconds that it took."""
        session: Any = self.services.session
        start = time.monotonic()
        with errors.translated():
            answer = session.get(
                url, authenticated=is_authenticated, raise_exc=False, headers={"Accept": "application/json"}
            )
        self.date, self.heard = answer.headers.get("Date", ""), time.time()
        return answer, time.monotonic() - start


def of_cloud(options: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Run the checks for the cloud of these options and variables. Nothing is changed in the cloud."""
    cloud = Cloud(options, environ)
    checks = (
        ("credentials", _credentials),
        ("clouds.yaml", _files),
        ("identity", _identity),
        ("clock", _clock),
        ("login", _login),
        ("endpoint", _endpoint),
        ("API version", _version),
        ("load balancers", _list),
        ("network", _network),
    )
    for name, check in checks:
        if cloud.broken:
            yield Finding(name, SKIPPED, f"Not checked, since {cloud.broken[0]} fails.")
            continue
        try:
            finding = check(cloud)
        except errors.Error as error:
            finding = _failed(name, error, cloud)
        if finding.state == PROBLEM and name not in ("clock", "network"):
            cloud.broken.append(name)
        yield finding


def _credentials(cloud: Cloud) -> Finding:
    _ = cloud.services  # raises an error that names missing credentials
    return Finding("credentials", OK, f"{'; '.join(_sources(cloud))}.")


def _sources(cloud: Cloud) -> Iterator[str]:
    """Describe which settings come from options, variables and files."""
    found: dict[str, list[str]] = {}
    for name in TOLD:
        if cloud.settings.get(name) not in (None, ""):
            found.setdefault(_source(cloud, name), []).append(name)
    for source, names in found.items():
        yield f"{', '.join(names)} from {source}"


def _source(cloud: Cloud, name: str) -> str:
    typed = cloud.options.get("cloud")
    if cloud.options.get(name) not in (None, ""):
        return "options (--os-…)"
    may_be_variable = not typed or name in settings.BESIDE_A_NAMED_CLOUD
    if may_be_variable and cloud.environ.get(f"OS_{name.upper()}") == cloud.settings[name]:
        return "variables (OS_…)"
    chosen = typed or cloud.environ.get("OS_CLOUD")
    files = " and ".join(str(path) for path in clouds.files(cloud.environ))
    entry = f"the cloud '{chosen}'" if chosen else "the only cloud"
    return f"{entry} of {files}" if files else "variables (OS_…)"


def _files(cloud: Cloud) -> Finding:
    files = clouds.files(cloud.environ)
    if not files:
        return Finding("clouds.yaml", OK, "There is none; variables and options say all.")
    is_open = [path for path in files if _is_open(path)]
    names = ", ".join(clouds.names(cloud.environ)) or "none"
    if is_open:
        what = " ".join(str(path) for path in is_open)
        return Finding("clouds.yaml", WARNING, f"Others can read {what}.", f"chmod 600 {what}")
    return Finding("clouds.yaml", OK, f"{files[0]} has the clouds {names}; no other user can read it.")


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & OTHERS) and "password" in path.read_text(encoding="utf-8", errors="replace")


def _identity(cloud: Cloud) -> Finding:
    url = cloud.settings.get("auth_url")
    if not url:
        kind = cloud.settings.get("auth_type") or "admin_token"
        return Finding("identity", SKIPPED, f"The authentication type {kind} needs no login.")
    answer, seconds = cloud.get(str(url), is_authenticated=False)
    body = _json(answer)
    if answer.status_code >= 400 or not isinstance(body.get("version", body.get("versions")), dict):
        return Finding(
            "identity",
            PROBLEM,
            f"What answers at {url} (HTTP {answer.status_code}) is no identity service.",
            unreachable.KEYSTONE,
        )
    return Finding("identity", OK if seconds < SLOW else WARNING, f"{url} answers in {_milliseconds(seconds)}.")


def _clock(cloud: Cloud) -> Finding:
    if not cloud.date:
        return Finding("clock", SKIPPED, "No answer told the time.")
    skew = parsedate_to_datetime(cloud.date).timestamp() - cloud.heard
    if abs(skew) > MOST_SKEW:
        order = "behind" if skew > 0 else "ahead of"
        return Finding(
            "clock",
            WARNING,
            f"This machine's clock is {abs(skew):.0f} s {order} the server's.",
            "Set the clocks (NTP): the ends of tokens and certificates are taken for something else.",
        )
    return Finding("clock", OK, f"It agrees with the server's to {max(1, round(abs(skew)))} s.")


def _login(cloud: Cloud) -> Finding:
    start = time.monotonic()
    with errors.translated():
        access = cloud.services.access()
    if access is None:
        return Finding("login", SKIPPED, "No login is needed.")
    seconds = time.monotonic() - start
    scope = f"in project {access.project_name or access.project_id}" if access.project_id else "without a project"
    roles = ", ".join(access.role_names) or "none"
    ends = access.expires.strftime("%Y-%m-%d %H:%M UTC")
    words = (
        f"{access.username or access.user_id} {scope}, roles {roles}; took {_milliseconds(seconds)}, good to {ends}."
    )
    if not access.project_id:
        return Finding("login", WARNING, words, "Give a project (OS_PROJECT_NAME): load balancers belong to one.")
    return Finding("login", OK, words)


def _endpoint(cloud: Cloud) -> Finding:
    service = cloud.services.loadbalancer
    where = "an option, a variable or clouds.yaml" if service.endpoint else "the catalog"
    try:
        return Finding("endpoint", OK, f"{service.base}, named by {where}.")
    except errors.NotConfigured as error:
        regions = service.regions()
        known = f"It is in the region {' or '.join(regions)}: set OS_REGION_NAME. " if regions else ""
        return Finding("endpoint", PROBLEM, str(error), f"{known}Or set OS_LOAD_BALANCER_ENDPOINT_OVERRIDE.")


def _version(cloud: Cloud) -> Finding:
    root = f"{VERSION_AT_END.sub('', cloud.services.loadbalancer.base)}/"
    answer, seconds = cloud.get(root)
    versions = _json(answer).get("versions")
    numbers = [_number(one) for one in versions] if isinstance(versions, list) else []
    if not any(number[:1] == (2,) for number in numbers):
        return Finding(
            "API version",
            PROBLEM,
            f"{root} (HTTP {answer.status_code}) lists no version 2 of a load-balancer API.",
            "Is the address that of Octavia? Set OS_LOAD_BALANCER_ENDPOINT_OVERRIDE, or mend the catalog.",
        )
    newest = ".".join(map(str, max(numbers)))
    return Finding("API version", OK, f"{newest} is the newest; answered in {_milliseconds(seconds)}.")


def _number(version: Any) -> tuple[int, ...]:
    words = str(version.get("id", "") if isinstance(version, dict) else "").removeprefix("v").split(".")
    return tuple(int(word) for word in words if word.isdigit())


def _list(cloud: Cloud) -> Finding:
    seconds = _timed(cloud.services.loadbalancer, "/lbaas/loadbalancers")
    advice = (
        "" if seconds < SLOW else "Is the way to the server long, or the server busy? `lbclient -vv` shows requests."
    )
    words = f"One can be listed in {_milliseconds(seconds)}."
    return Finding("load balancers", WARNING if advice else OK, words, advice)


def _network(cloud: Cloud) -> Finding:
    try:
        seconds = _timed(cloud.services.network, "/networks")
    except errors.Error as error:
        advice = "Names of subnets, networks and ports cannot be used; IDs can."
        return Finding("network", WARNING, str(error), advice)
    return Finding("network", OK, f"{cloud.services.network.base} answers in {_milliseconds(seconds)}.")


def _timed(service: Rest, path: str) -> float:
    start = time.monotonic()
    service.get(path, {"limit": 1})
    return time.monotonic() - start


def _failed(name: str, error: errors.Error, cloud: Cloud) -> Finding:
    return Finding(name, PROBLEM, str(error), _advice(error, cloud))


def _advice(error: errors.Error, cloud: Cloud) -> str:
    if isinstance(error, errors.Unauthorized):
        return "Compare user, password, project and their domains with what the cloud's administrator has given."
    if isinstance(error, errors.Forbidden):
        return "Ask the cloud's administrator for the role member or load-balancer_member in this project."
    if isinstance(error, errors.Unreachable):
        proxies = [name for name in PROXIES if cloud.environ.get(name)]
        through = f" The proxy of {', '.join(proxies)} is used: NO_PROXY makes exceptions." if proxies else ""
        return f"Start the server, or correct the address (auth_url, endpoint).{through} {LOCAL_HINT}"
    if isinstance(error, errors.NotConfigured):
        return f"`lbclient --help` lists the options. {LOCAL_HINT}"
    if isinstance(error, errors.NotFound):
        return "Is the address that of Octavia? Set OS_LOAD_BALANCER_ENDPOINT_OVERRIDE, or mend the catalog."
    return ""


def _json(answer: Any) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
