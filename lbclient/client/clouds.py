"""clouds.yaml and secure.yaml: finding the files and reading the entry of a cloud."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import NotConfigured

Entry = dict[str, Any]

SUFFIXES = (".yaml", ".yml", ".json")
READ_BY = "read_by"  # key of entries that something else than these files had a part in
STEMS = {"clouds": "OS_CLIENT_CONFIG_FILE", "secure": "OS_CLIENT_SECURE_FILE"}  # name -> variable with another path


def entry(name: str | None, region_name: str | None, environ: Mapping[str, str]) -> Entry:
    """Return the entry of a cloud; without a name, that of the only cloud, or {}. Raises NotConfigured."""
    files, clouds = _clouds(environ)
    path = next(iter(files), None)
    if name is None:
        if len(clouds) != 1:
            return {}
        (name,) = clouds
    if name not in clouds:
        where = f"{path} has {', '.join(sorted(clouds)) or 'none'}" if path else "there is no clouds.yaml"
        raise NotConfigured(f"No cloud is named '{name}': {where}.{_missing(environ)}")
    found = clouds[name]
    if not isinstance(found, dict):
        raise NotConfigured(f"The entry of cloud '{name}' in {path} should be a mapping.")
    if "profile" in found or "cloud" in found:
        return _through_openstacksdk(files, name, region_name, "names a vendor's profile")
    if found.get("regions") or found.get("region_name"):
        return _in_region(files, name, region_name, found)
    return found


def offered(environ: Mapping[str, str]) -> str:
    """Return a sentence that lists the known clouds, to append to an error; "" if there are none."""
    files, clouds = _clouds(environ)
    named = f" {files[0]} has the clouds {', '.join(sorted(clouds))}." if clouds else ""
    return f"{named}{_missing(environ)}"


def _missing(environ: Mapping[str, str]) -> str:
    """Return a sentence about variables that name a missing file, to append to an error; "" if there are none."""
    wrong = [name for name in STEMS.values() if environ.get(name) and not Path(environ[name]).is_file()]
    return "".join(f" {name} names {environ[name]}, which is no file." for name in wrong)


def names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of all clouds. Raises NotConfigured."""
    return sorted(_clouds(environ)[1])


def files(environ: Mapping[str, str]) -> list[Path]:
    """Return the paths of the files that are read. Raises NotConfigured."""
    return _clouds(environ)[0]


def present(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the paths of the files that exist and are read, without reading them."""
    for stem, variable in STEMS.items():
        yield from itertools.islice((path for path in _candidates(stem, environ.get(variable)) if path.is_file()), 1)


def _clouds(environ: Mapping[str, str]) -> tuple[list[Path], Entry]:
    """Read the files, and return their paths and the merged clouds."""
    (path, content), (secure_path, secure) = (_first(stem, environ.get(variable)) for stem, variable in STEMS.items())
    files = [file for file in (path, secure_path) if file]
    clouds = _merged(content, secure).get("clouds") or {}
    if not isinstance(clouds, dict):
        raise NotConfigured(f"'clouds' in {files[0]} should be a mapping of names.")
    return files, clouds


def _first(stem: str, named: str | None) -> tuple[Path | None, Entry]:
    """Return the first existing file and its content; (None, {}) if there is none."""
    for path in _candidates(stem, named):
        if path.is_file():
            return path, _read(path)
    return None, {}


def _candidates(stem: str, named: str | None) -> Iterator[Path]:
    if named:
        yield Path(named)
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    site = Path(os.environ.get("XDG_CONFIG_DIRS", "").split(":")[0] or "/etc/xdg")
    folders = (Path.cwd(), home / "openstack", Path.home() / ".config/openstack", site / "openstack")
    for folder in (*folders, Path("/etc/openstack")):
        for suffix in SUFFIXES:
            yield folder / f"{stem}{suffix}"


def _read(path: Path) -> Entry:
    import yaml  # imported here, because it is slow and most commands read no file

    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise NotConfigured(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise NotConfigured(f"{path} is not valid YAML: {where}{getattr(error, 'problem', None) or error}.") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise NotConfigured(f"{path} should be a mapping with the key 'clouds'.")
    return content


def _merged(one: Any, other: Any) -> Any:
    """Merge two nested mappings; values of the second take precedence."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one if other is None else other
    return {key: _merged(one.get(key), other.get(key)) for key in {**one, **other}}


def _in_region(files: list[Path], name: str, region_name: str | None, found: Entry) -> Entry:
    given = found.get("regions") or found["region_name"]
    listed = given if isinstance(given, list) else str(given).split(",")
    regions: dict[Any, Any] = {region.get("name") if isinstance(region, dict) else region: region for region in listed}
    chosen = region_name or next(iter(regions), None)
    if chosen is None or chosen not in regions:
        raise NotConfigured(f"Cloud '{name}' has no region '{chosen}': it has {', '.join(map(str, regions))}.")
    if isinstance(regions.get(chosen), dict) and regions[chosen].get("values"):
        return _through_openstacksdk(files, name, chosen, "has values of its own for a region")
    return {**{key: value for key, value in found.items() if key != "regions"}, "region_name": chosen}


def _through_openstacksdk(files: list[Path], name: str, region_name: str | None, why: str) -> Entry:
    try:
        from openstack.config import OpenStackConfig
        from openstack.exceptions import ConfigException
    except ImportError as error:
        raise NotConfigured(
            f"The entry of cloud '{name}' {why}, which only openstacksdk can read:"
            " install it, or write auth_url and region_name into the entry."
        ) from error
    reader = OpenStackConfig(
        load_envvars=False,
        config_files=[str(file) for file in files[:1]],
        secure_files=[str(file) for file in files[1:]],
    )
    try:
        config: Entry = reader.get_one(cloud=name, region_name=region_name, validate=False).config
    except ConfigException as error:
        raise NotConfigured(" ".join(str(error).split())) from error
    return {**config, READ_BY: "openstacksdk"}
