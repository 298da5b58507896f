"""The types of rows: for each resource what its columns hold.

A row comes from the database, or from a test, as anything with these attributes. A test
compares them with the definitions of the resources, so that a misspelt name fails the type check.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

Record: TypeAlias = Any  # a row of any statement, with an attribute for each column


class Part(Protocol):
    """A row of any of the resources below."""

    id: str
    provisioning_status: str
    operating_status: str
    admin_state_up: bool
    project_id: str
    created_at: str
    updated_at: str | None
    tags: list[str]
    serial: int
    revision: int

    @property
    def _mapping(self) -> Mapping[Any, Any]:
        """All columns by name, as a row of SQLAlchemy has them."""


class NamedRecord(Part, Protocol):
    """A row of any of them but `l7rule`, whose rows have no names."""

    name: str


class LoadBalancerRecord(NamedRecord, Protocol):
    """A row of the table `loadbalancer`."""

    description: str
    vip_address: str
    vip_port_id: str
    vip_subnet_id: str | None
    vip_network_id: str | None
    vip_sg_ids: list[str]
    additional_vips: list[dict[str, Any]]
    provider: str
    flavor_id: str | None
    vip_qos_policy_id: str | None
    availability_zone: str | None
    vip_vnic_type: str
    fault: str | None
    logging: dict[str, Any] | None  # the traffic log


class AmphoraRecord(Protocol):
    """A row of the table `amphora`."""

    id: str
    loadbalancer_id: str
    host_id: str
    role: str
    vip_group_id: str | None
    peer_port: int | None
    applied_revision: int | None
    fault: str | None
    late_revision: int | None
    observed: dict[str, Any] | None
    moving_to: str | None
    cached_zone: str | None
    compute_flavor: str | None
    created_at: str


class HostRecord(Protocol):
    """A row of the table `host`."""

    id: str
    name: str
    state: str
    weight: int
    features: list[str] | None
    addresses: dict[str, list[str]] | None
    certificate: str | None
    enrolment: str | None
    enrolment_until: int
    epoch: int
    lease_until: int | None
    version: str | None
    zone: str | None
    networks: str | None
    instance: str | None
    address: str | None
    fault: str | None
    fault_until: int | None
    created_at: str
    serial: int


class ListenerRecord(NamedRecord, Protocol):
    """A row of the table `listener`."""

    description: str
    protocol: str
    protocol_port: int
    connection_limit: int
    default_tls_container_ref: str | None
    sni_container_refs: list[str]
    default_pool_id: str | None
    logging: dict[str, Any] | None
    loadbalancer_id: str
    insert_headers: dict[str, str | None]
    timeout_client_data: int
    timeout_member_connect: int
    timeout_member_data: int
    timeout_tcp_inspect: int
    client_ca_tls_container_ref: str | None
    client_authentication: str
    client_crl_container_ref: str | None
    allowed_cidrs: list[str] | None
    tls_ciphers: str | None
    tls_versions: list[str] | None
    alpn_protocols: list[str] | None
    hsts_max_age: int | None
    hsts_include_subdomains: bool
    hsts_preload: bool


class PoolRecord(NamedRecord, Protocol):
    """A row of the table `pool`."""

    description: str
    protocol: str
    lb_algorithm: str
    session_persistence: dict[str, str | None] | None
    loadbalancer_id: str
    tls_container_ref: str | None
    ca_tls_container_ref: str | None
    crl_container_ref: str | None
    tls_enabled: bool
    tls_ciphers: str | None
    tls_versions: list[str] | None
    alpn_protocols: list[str] | None


class MemberRecord(NamedRecord, Protocol):
    """A row of the table `member`."""

    address: str
    protocol_port: int
    weight: int
    backup: bool
    subnet_id: str | None
    monitor_address: str | None
    monitor_port: int | None
    vnic_type: str
    loadbalancer_id: str
    pool_id: str


class HealthMonitorRecord(NamedRecord, Protocol):
    """A row of the table `healthmonitor`."""

    type: str
    delay: int
    timeout: int
    max_retries: int
    max_retries_down: int
    http_method: str | None
    url_path: str | None
    expected_codes: str | None
    pool_id: str
    http_version: str | None
    domain_name: str | None
    loadbalancer_id: str


class L7PolicyRecord(NamedRecord, Protocol):
    """A row of the table `l7policy`."""

    description: str
    action: str
    listener_id: str
    redirect_pool_id: str | None
    redirect_url: str | None
    redirect_prefix: str | None
    position: int
    redirect_http_code: int | None
    loadbalancer_id: str


class L7RuleRecord(Part, Protocol):
    """A row of the table `l7rule`."""

    type: str
    compare_type: str
    key: str | None
    value: str
    invert: bool
    loadbalancer_id: str
    l7policy_id: str
