"""Flavors and availability zones: what operators make, what all users may choose, and what a choice means."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quick import examples

UNKNOWN = str(uuid.UUID(int=7))
KINDS = {
    # path -> (key, links)
    "/flavorprofiles": ("flavorprofile", "flavorprofile_links"),
    "/flavors": ("flavor", "flavors_links"),
    "/availabilityzoneprofiles": ("availability_zone_profile", "availability_zone_profile_links"),
    "/availabilityzones": ("availability_zone", "availability_zones_links"),
}


@pytest.fixture
def admin(api: Any) -> Any:
    return api.as_("admin")


def flavor_profile(admin: Any, provider: str = "octavia", **data: Any) -> Any:
    values = {"name": "profile", "provider_name": provider, "flavor_data": json.dumps(data)}
    return admin.post("/flavorprofiles", "flavorprofile", **values)


def flavor(admin: Any, profile: Any = None, **values: Any) -> Any:
    profile_id = (profile or flavor_profile(admin))["id"]
    return admin.post("/flavors", "flavor", **{"name": "small", "flavor_profile_id": profile_id, **values})


def zone_profile(admin: Any, **data: Any) -> Any:
    values = {"name": "profile", "provider_name": "octavia", "availability_zone_data": json.dumps(data)}
    return admin.post("/availabilityzoneprofiles", "availability_zone_profile", **values)


def zone(admin: Any, profile: Any = None, **values: Any) -> Any:
    profile_id = (profile or zone_profile(admin))["id"]
    body = {"name": "east", "availability_zone_profile_id": profile_id, **values}
    return admin.post("/availabilityzones", "availability_zone", **body)


def test_a_flavor_from_its_profile_to_its_end(admin: Any) -> None:
    profile = flavor_profile(admin, loadbalancer_topology="SINGLE", compute_flavor="m1")
    assert profile == {
        "id": profile["id"],
        "name": "profile",
        "provider_name": "octavia",
        "flavor_data": '{"loadbalancer_topology": "SINGLE", "compute_flavor": "m1"}',
    }
    made = flavor(admin, profile)
    assert made == {
        "id": made["id"],
        "name": "small",
        "description": "",
        "enabled": True,
        "flavor_profile_id": profile["id"],
    }
    path = f"/flavors/{made['id']}"
    changed = admin.put(path, "flavor", name="tiny", description="the least", enabled=False)
    assert changed == {**made, "name": "tiny", "description": "the least", "enabled": False}
    assert admin.put(path, "flavor", description=None)["description"] == ""
    assert admin.get(path)["flavor"]["name"] == "tiny"
    admin.delete(path)
    assert admin.fails("GET", path, None, 404) == f"Flavor {made['id']} not found."
    admin.delete(f"/flavorprofiles/{profile['id']}")
    assert admin.get("/flavorprofiles") == {"flavorprofiles": [], "flavorprofile_links": []}


def test_an_availability_zone_is_known_by_its_name(admin: Any) -> None:
    profile = zone_profile(admin, compute_zone="nova")
    name = "Köln 2 & more?"
    made = zone(admin, profile, name=name, description="there")
    assert made == {
        "name": name,
        "description": "there",
        "enabled": True,
        "availability_zone_profile_id": profile["id"],
    }
    path = "/availabilityzones/K%C3%B6ln%202%20&%20more%3F"
    assert admin.get(path)["availability_zone"] == made
    assert admin.put(path, "availability_zone", enabled=False)["enabled"] is False
    assert "Unknown attribute" in admin.fails("PUT", path, {"availability_zone": {"name": "x"}}, 400)
    admin.delete(path)
    assert admin.fails("GET", "/availabilityzones/east", None, 404) == "Availability Zone east not found."


def test_paths_without_lbaas(admin: Any) -> None:
    flavor(admin)
    assert admin.get("//v2/flavors")["flavors"][0]["name"] == "small"
    assert admin.get("//load-balancer/v2.0/lbaas/flavors.json")["flavors"][0]["name"] == "small"


def test_lists_are_filtered_sorted_and_paged(admin: Any) -> None:
    profile = flavor_profile(admin)
    made = [flavor(admin, profile, name=name, enabled=name != "c") for name in ("b", "a", "c")]
    by_id = [each["name"] for each in sorted(made, key=lambda each: each["id"])]
    zones = zone_profile(admin)
    for name in ("y", "x"):
        zone(admin, zones, name=name)

    def names(path: str, collection: str) -> list[str]:
        return [each["name"] for each in admin.get(path)[collection]]

    assert names("/flavors", "flavors") == by_id
    assert names("/flavors?sort=name:desc", "flavors") == ["c", "b", "a"]
    assert names("/flavors?enabled=false", "flavors") == ["c"]
    assert names(f"/flavors?flavor_profile_id={profile['id']}&name=a", "flavors") == ["a"]
    assert names("/flavorprofiles?provider_name=amphora", "flavorprofiles") == []
    assert admin.get("/flavors?fields=name&limit=1")["flavors"] == [{"name": by_id[0]}]
    page = admin.get("/availabilityzones?limit=1")
    assert page["availability_zones_links"][0]["href"].endswith("/availabilityzones?limit=1&marker=y")
    assert names("/availabilityzones?limit=1&marker=y", "availability_zones") == ["x"]
    page = admin.get("/flavorprofiles?limit=1")
    assert [link["rel"] for link in page["flavorprofile_links"]] == ["next"]
    for path in KINDS:
        assert "argument" in admin.fails("GET", f"{path}?bogus=1", None, 400)
        assert "marker" in admin.fails("GET", f"{path}?marker={UNKNOWN}", None, 400)


@pytest.mark.parametrize(
    ("path", "make"), [("/flavorprofiles", flavor_profile), ("/availabilityzoneprofiles", zone_profile)]
)
def test_profiles_are_listed_by_id(admin: Any, path: str, make: Any) -> None:
    made = sorted(make(admin)["id"] for _ in range(4))
    key, links = KINDS[path]
    assert [each["id"] for each in admin.get(path)[f"{key}s"]] == made
    assert [each["id"] for each in admin.get(f"{path}?sort=name")[f"{key}s"]] == made
    page = admin.get(f"{path}?limit=3")
    assert f"marker={made[2]}" in page[links][0]["href"]
    assert [each["id"] for each in admin.get(f"{path}?marker={made[2]}")[f"{key}s"]] == made[3:]


def test_who_may_do_what(api: Any, admin: Any) -> None:
    made, place = flavor(admin), zone(admin)
    reader, nobody = api.as_("reader"), api.as_("nobody")
    for path in ("/flavors", f"/flavors/{made['id']}", "/availabilityzones", f"/availabilityzones/{place['name']}"):
        reader.get(path)
        nobody.fails("GET", path, None, 403)
    reader.get("/providers")
    for path in ("/flavorprofiles", "/availabilityzoneprofiles", "/providers/octavia/flavor_capabilities"):
        assert api.fails("GET", path, None, 403) == "Policy does not allow this request to be performed."
    for path, (key, _) in KINDS.items():
        api.fails("POST", path, {key: {}}, 403)
        api.fails("PUT", f"{path}/{UNKNOWN}", {key: {}}, 403)
        api.fails("DELETE", f"{path}/{UNKNOWN}", None, 403)


def test_what_is_in_use_stays(api: Any, admin: Any) -> None:
    profile, zones = flavor_profile(admin), zone_profile(admin)
    made, place = flavor(admin, profile), zone(admin, zones)
    balancer = api.loadbalancer(flavor_id=made["id"], availability_zone="east")
    assert (balancer["flavor_id"], balancer["availability_zone"]) == (made["id"], "east")
    used = {
        f"/flavorprofiles/{profile['id']}": f"Flavor profile {profile['id']}",
        f"/availabilityzoneprofiles/{zones['id']}": f"Availability Zone Profile {zones['id']}",
        f"/flavors/{made['id']}": f"Flavor {made['id']}",
        f"/availabilityzones/{place['name']}": "Availability Zone east",
    }
    for path, what in used.items():
        assert admin.fails("DELETE", path, None, 409) == f"{what} is in use and cannot be modified."
    for path, key, values in (
        (f"/flavorprofiles/{profile['id']}", "flavorprofile", {"flavor_data": "{}"}),
        (f"/flavorprofiles/{profile['id']}", "flavorprofile", {"provider_name": "amphora"}),
        (f"/availabilityzoneprofiles/{zones['id']}", "availability_zone_profile", {"availability_zone_data": "{}"}),
    ):
        assert "in use" in admin.fails("PUT", path, {key: values}, 409)
    assert admin.put(f"/flavorprofiles/{profile['id']}", "flavorprofile", name="renamed")["name"] == "renamed"
    api.delete(f"/loadbalancers/{balancer['id']}")
    for path in reversed(used):
        admin.delete(path)


def test_a_profile_that_nobody_uses_can_change(admin: Any) -> None:
    profile = flavor_profile(admin)
    path = f"/flavorprofiles/{profile['id']}"
    changed = admin.put(path, "flavorprofile", flavor_data='{"amp_image_tag": "x"}', provider_name="amphora")
    assert (changed["flavor_data"], changed["provider_name"]) == ('{"amp_image_tag": "x"}', "amphora")
    assert admin.put(path, "flavorprofile") == changed


def test_names_of_flavors_and_zones_are_unique(admin: Any) -> None:
    profile, zones = flavor_profile(admin), zone_profile(admin)
    flavor(admin, profile)
    zone(admin, zones)
    other = flavor(admin, profile, name="other")
    body = {"flavor": {"name": "small", "flavor_profile_id": profile["id"]}}
    assert admin.fails("POST", "/flavors", body, 409) == "A flavor of small already exists."
    body = {"flavor": {"name": "small"}}
    assert admin.fails("PUT", f"/flavors/{other['id']}", body, 409) == "A flavor of small already exists."
    body = {"availability_zone": {"name": "east", "availability_zone_profile_id": zones["id"]}}
    text = admin.fails("POST", "/availabilityzones", body, 409)
    assert text == "A availability zone of east already exists."
    flavor_profile(admin)  # profiles need no names of their own


def test_one_of_many_gets_the_name(admin: Any) -> None:
    body = {"flavor": {"name": "small", "flavor_profile_id": flavor_profile(admin)["id"]}}
    codes: list[int] = []

    def create() -> None:
        codes.append(admin.request("POST", "/flavors", body).status_code)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(codes) == [201] + [409] * 5


@pytest.mark.parametrize(
    ("path", "values", "status", "text"),
    [
        ("/flavorprofiles", {"flavor_data": "{"}, 400, "{ is not a valid option for flavor_data"),
        (
            "/flavorprofiles",
            {"provider_name": "noop_driver", "flavor_data": "9"},
            400,
            "9 is not a valid option for flavor_data",
        ),
        ("/flavorprofiles", {"flavor_data": {"a": 1}}, 400, "Expected a string, got an object"),
        ("/flavorprofiles", {"flavor_data": "[]"}, 501, "Provider 'octavia' does not support a requested option: "),
        ("/flavorprofiles", {"flavor_data": '{"bogus": 1}'}, 501, "bogus is not one of loadbalancer_topology, "),
        (
            "/flavorprofiles",
            {"flavor_data": '{"loadbalancer_topology": "ACTIVE_STANDBY"}'},
            501,
            "two hosts with keepalived",
        ),
        ("/flavorprofiles", {"flavor_data": '{"loadbalancer_topology": "TRIPLE"}'}, 501, "SINGLE, ACTIVE_STANDBY"),
        ("/flavorprofiles", {"flavor_data": '{"loadbalancer_topology": []}'}, 501, "SINGLE, ACTIVE_STANDBY"),
        ("/flavorprofiles", {"flavor_data": '{"compute_flavor": 1}'}, 501, "compute_flavor is not a string"),
        ("/flavorprofiles", {"flavor_data": '{"sriov_vip": true}'}, 501, "SR-IOV"),
        ("/flavorprofiles", {"flavor_data": '{"allow_member_sriov": "true"}'}, 501, "true or false"),
        ("/flavorprofiles", {"flavor_data": "[" * 4000}, 400, "not a valid option"),
        ("/flavorprofiles", {"flavor_data": '"' + "x" * 4100 + '"'}, 400, "4096"),
        ("/flavorprofiles", {"flavor_data": '{"compute_flavor": "\ud800"}'}, 400, ""),
        ("/flavorprofiles", {"provider_name": "nope"}, 400, "Provider 'nope' is not enabled."),
        ("/flavorprofiles", {"provider_name": None}, 400, "Mandatory field missing."),
        ("/flavorprofiles", {"name": None}, 400, "Mandatory field missing."),
        ("/flavorprofiles", {"bogus": 1}, 400, "Unknown attribute for argument flavor_profile_.flavorprofile: bogus"),
        ("/flavors", {"flavor_profile_id": UNKNOWN}, 400, "Invalid flavor_profile_id."),
        ("/flavors", {"flavor_profile_id": "x"}, 400, "UUID"),
        ("/flavors", {"name": "x" * 256}, 400, "255"),
        ("/flavors", {"name": "a\x00"}, 400, "control characters"),
        ("/flavors", {"enabled": "perhaps"}, 400, "boolean"),
        ("/flavors", {"id": UNKNOWN}, 400, "Unknown attribute for argument flavor_.flavor: id"),
        ("/availabilityzoneprofiles", {"availability_zone_data": "nil"}, 400, "availability_zone_data"),
        ("/availabilityzoneprofiles", {"availability_zone_data": '{"volume_zone": 1}'}, 501, "volume_zone"),
        ("/availabilityzoneprofiles", {"availability_zone_data": '{"valid_vip_networks": "x"}'}, 501, "list"),
        ("/availabilityzoneprofiles", {"availability_zone_data": '{"valid_vip_networks": ["x"]}'}, 400, "Network x"),
        ("/availabilityzones", {"availability_zone_profile_id": UNKNOWN}, 400, "availability_zone_profile_id"),
        ("/availabilityzones", {"name": "a/b"}, 400, "name"),
        ("/availabilityzones", {"name": ""}, 400, "name"),
    ],
)
def test_what_is_refused(admin: Any, path: str, values: dict[str, Any], status: int, text: str) -> None:
    good = {
        "/flavorprofiles": {"name": "n", "provider_name": "octavia", "flavor_data": "{}"},
        "/flavors": {"name": "n", "flavor_profile_id": UNKNOWN},
        "/availabilityzoneprofiles": {"name": "n", "provider_name": "octavia", "availability_zone_data": "{}"},
        "/availabilityzones": {"name": "n", "availability_zone_profile_id": UNKNOWN},
    }[path]
    body = json.dumps({KINDS[path][0]: {**good, **values}})
    result = admin.request("POST", path, raw=body, headers={"Content-Type": "application/json"})
    assert result.status_code == status, result.text
    assert text in result.json["faultstring"]
    assert all(not admin.get(each)[next(iter(admin.get(each)))] for each in KINDS)


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("/flavors", {"flavor_profile_id": UNKNOWN}),
        ("/flavors", {"name": None}),
        ("/flavors", {"enabled": None}),
        ("/flavorprofiles", {"flavor_data": None}),
        ("/flavorprofiles", {"provider_name": "nope"}),
        ("/flavorprofiles", {"flavor_data": "?"}),
    ],
)
def test_changes_that_are_refused(admin: Any, path: str, values: dict[str, Any]) -> None:
    profile = flavor_profile(admin)
    made = flavor(admin, profile) if path == "/flavors" else profile
    admin.fails("PUT", f"{path}/{made['id']}", {KINDS[path][0]: values}, 400)
    assert admin.get(f"{path}/{made['id']}")[KINDS[path][0]] == made


def test_the_flavor_decides_the_provider(api: Any, admin: Any) -> None:
    made = flavor(admin, flavor_profile(admin, "amphora"))
    assert api.loadbalancer(flavor_id=made["id"])["provider"] == "amphora"
    assert api.loadbalancer(flavor_id=made["id"], provider="amphora")["provider"] == "amphora"
    body = {"loadbalancer": {"vip_subnet_id": UNKNOWN, "flavor_id": made["id"], "provider": "octavia"}}
    text = api.fails("POST", "/loadbalancers", body, 400)
    assert text == f"Flavor '{made['id']}' is not compatible with provider 'octavia'"


def test_what_cannot_be_chosen(api: Any, admin: Any) -> None:
    made, place = flavor(admin, enabled=False), zone(admin, enabled=False)
    refusals = {
        ("flavor_id", UNKNOWN): "Validation failure: Invalid flavor_id.",
        ("flavor_id", made["id"]): f"The selected flavor is not allowed in this deployment: {made['id']}",
        ("availability_zone", "west"): "Validation failure: Invalid availability zone.",
        ("availability_zone", place["name"]): "The selected availability_zone is not allowed in this deployment: east",
    }
    for (name, value), text in refusals.items():
        body = {"loadbalancer": {"vip_subnet_id": UNKNOWN, name: value}}
        assert api.fails("POST", "/loadbalancers", body, 400) == text
    assert api.get("/loadbalancers")["loadbalancers"] == []


def test_a_zone_names_the_networks_of_vips(api: Any, admin: Any) -> None:
    balancer = api.loadbalancer()
    public = next(each for each in admin.get("//networking/v2.0/networks")["networks"] if each["router:external"])
    zone(admin, zone_profile(admin, valid_vip_networks=[public["id"]]), name="outside")
    zone(admin, zone_profile(admin, valid_vip_networks=[balancer["vip_network_id"]]), name="inside")
    assert api.loadbalancer(availability_zone="inside")["availability_zone"] == "inside"
    body = {"loadbalancer": {"vip_subnet_id": balancer["vip_subnet_id"], "availability_zone": "outside"}}
    text = api.fails("POST", "/loadbalancers", body, 400)
    assert text.startswith("Validation failure: Supplied VIP network_id is not allowed")


def test_lists_of_load_balancers_by_flavor_and_zone(api: Any, admin: Any) -> None:
    made, _ = flavor(admin), zone(admin)
    chosen, _ = api.loadbalancer(flavor_id=made["id"], availability_zone="east"), api.loadbalancer()
    for query in (f"flavor_id={made['id']}", "availability_zone=east"):
        assert [each["id"] for each in api.get(f"/loadbalancers?{query}")["loadbalancers"]] == [chosen["id"]]


def test_providers_and_what_they_can_be_told(api: Any, admin: Any) -> None:
    providers = api.get("/providers")["providers"]
    assert [each["name"] for each in providers] == ["octavia", "amphora", "noop_driver"]
    assert all(each["description"] for each in providers)
    assert api.get("/providers?name=amphora&fields=name") == {"providers": [{"name": "amphora"}]}
    found = admin.get("/providers/octavia/flavor_capabilities")["flavor_capabilities"]
    names = ["loadbalancer_topology", "compute_flavor", "amp_image_tag", "sriov_vip", "allow_member_sriov"]
    assert [each["name"] for each in found] == names
    found = admin.get("/providers/amphora/availability_zone_capabilities")["availability_zone_capabilities"]
    names = ["compute_zone", "volume_zone", "management_network", "valid_vip_networks"]
    assert [each["name"] for each in found] == names
    chosen = admin.get("/providers/octavia/flavor_capabilities?name=sriov_vip")["flavor_capabilities"]
    assert [each["name"] for each in chosen] == ["sriov_vip"]
    text = admin.fails("GET", "/providers/nope/flavor_capabilities", None, 400)
    assert text == "Provider 'nope' is not enabled."


TEXT = st.text(max_size=10) | st.sampled_from(["octavia", "{}", "[]", '{"compute_flavor": "x"}', "x" * 300, "/"])
VALUES = TEXT | st.none() | st.booleans() | st.integers() | st.lists(TEXT, max_size=2) | st.dictionaries(TEXT, TEXT)
NAMES = st.sampled_from(
    [
        "name",
        "description",
        "enabled",
        "provider_name",
        "flavor_data",
        "availability_zone_data",
        "flavor_profile_id",
        "availability_zone_profile_id",
    ]
)


@settings(max_examples=examples(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(list(KINDS)), values=st.dictionaries(NAMES, VALUES) | VALUES, is_put=st.booleans())
def test_any_values(admin: Any, path: str, values: Any, is_put: bool) -> None:
    path_of_one = f"{path}/{UNKNOWN}" if is_put else path
    result = admin.request("PUT" if is_put else "POST", path_of_one, {KINDS[path][0]: values})
    assert result.status_code in (201, 400, 404, 409, 501), result.text
    for each in KINDS:
        admin.get(each)
