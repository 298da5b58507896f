"""Validation rules for listeners, and between listeners, pools and addresses, with Octavia's error texts."""

from __future__ import annotations

import ipaddress
from typing import Any

import sqlalchemy as sa

from ....resources import listener as listeners
from ....store.prepared import by
from ....store.records import LoadBalancerRecord, PoolRecord
from ....store.tables import LISTENER
from ...errors import BadRequest, Conflict, InvalidInput, ValidationFailure
from ...services import Services

Values = dict[str, Any]

DATAGRAM_PROTOCOLS = ("UDP", "SCTP")


def l4_protocol(protocol: str) -> str:
    return protocol if protocol in DATAGRAM_PROTOCOLS else "TCP"


def check(values: Values) -> None:
    """Check a listener's fields against each other and normalize its CIDRs.

    Raises ValidationFailure and InvalidInput.
    """
    protocol = values["protocol"]
    values["allowed_cidrs"] = [_cidr(cidr) for cidr in values["allowed_cidrs"] or ()] or None
    _check_headers(protocol, values["insert_headers"])
    is_tls = protocol == "TERMINATED_HTTPS"
    has_certificate = values["default_tls_container_ref"] or values["sni_container_refs"]
    if is_tls and not has_certificate:
        raise ValidationFailure("TERMINATED_HTTPS needs default_tls_container_ref or sni_container_refs.")
    if has_certificate and protocol not in ("TERMINATED_HTTPS", "PROMETHEUS"):
        raise ValidationFailure(f"A listener of protocol {protocol} takes no certificates; TERMINATED_HTTPS does.")
    _check_client_authority(bool(has_certificate), values)
    _check_hsts(is_tls, values)
    for name in ("tls_versions", "alpn_protocols"):
        if values[name] is not None and not values[name]:
            raise ValidationFailure(f"{name} must not be an empty list; null means the default.")
    if not is_tls and values["client_authentication"] != "NONE" and protocol != "PROMETHEUS":
        raise ValidationFailure(f"client_authentication needs protocol TERMINATED_HTTPS, not {protocol}.")


def check_port_is_free(tx: sa.Connection, loadbalancer_id: str, values: Values) -> None:
    """Check that no other listener of the load balancer uses the port with the same L4 protocol. Raises Conflict."""
    place = {"loadbalancer_id": loadbalancer_id, "protocol_port": values["protocol_port"]}
    for other in by(LISTENER, *place).all(tx, **place):
        if l4_protocol(values["protocol"]) == l4_protocol(other.protocol):
            raise Conflict(
                "Another Listener on this Load Balancer is already using "
                f"protocol {other.protocol} and protocol_port {values['protocol_port']}"
            )


def check_right_to_listen(services: Services, values: Values) -> None:
    """Check that this server may listen on the port at all. Raises InvalidInput."""
    refusal = services.dataplane.port_refusal(values["protocol_port"])
    if refusal:
        raise InvalidInput("protocol_port", values["protocol_port"], refusal)


def check_cidrs(loadbalancer: LoadBalancerRecord, cidrs: list[str] | None) -> None:
    """Check that each CIDR has the IP version of one of the VIPs, and that no security groups are set for the VIP.

    Raises ValidationFailure and InvalidInput.
    """
    if cidrs and loadbalancer.vip_sg_ids:
        raise ValidationFailure("Allowed CIDRs are not allowed when using custom VIP Security Groups.")
    addresses = [loadbalancer.vip_address, *(vip["ip_address"] for vip in loadbalancer.additional_vips)]
    versions = {ipaddress.ip_address(address).version for address in addresses}
    for cidr in cidrs or ():
        if ipaddress.ip_network(_cidr(cidr)).version not in versions:
            raise ValidationFailure(f"allowed_cidr {cidr}: its IP version is not one of the VIP's.")


def _cidr(text: str) -> str:
    """Return the network with its host bits cleared. Raises InvalidInput."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        raise InvalidInput("allowed_cidrs", text, "Value should be an IPv4 or IPv6 CIDR") from None


def check_has_children(protocol: str) -> None:
    """Check that a listener of the protocol can have pools and policies. Raises BadRequest."""
    if protocol == "PROMETHEUS":
        raise BadRequest("Protocol PROMETHEUS listeners cannot have child objects.")


def check_pool_fits(listener_protocol: str, pool: PoolRecord) -> None:
    """Check that a listener can forward to a pool of this protocol. Raises BadRequest and ValidationFailure."""
    check_has_children(listener_protocol)
    if pool.protocol not in listeners.POOL_PROTOCOLS[listener_protocol]:
        raise ValidationFailure(
            f"The pool protocol '{pool.protocol}' is invalid while the listener protocol is '{listener_protocol}'."
        )


def _check_headers(protocol: str, headers: dict[str, str]) -> None:
    if not headers:
        return
    for name, value in headers.items():
        if name not in listeners.INSERTED_HEADERS.get(protocol, ()):
            raise InvalidInput("insert_headers", name, f"A listener of protocol {protocol} cannot add this header.")
        if value not in ("true", "false", "True", "False"):
            raise InvalidInput("insert_headers", f"{name}={value}", "Value should be one of: true, false")


def _check_client_authority(has_certificate: bool, values: Values) -> None:
    authority = values["client_ca_tls_container_ref"]
    if authority and not has_certificate:
        raise ValidationFailure(
            "An SNI or default certificate container reference must be provided with a client CA container reference."
        )
    if values["client_crl_container_ref"] and not authority:
        raise ValidationFailure(
            "A client authentication CA reference is required to specify a client authentication revocation list."
        )
    is_asked = values["protocol"] in ("TERMINATED_HTTPS", "PROMETHEUS")  # check() refuses others
    if values["client_authentication"] != "NONE" and is_asked and not authority:
        raise ValidationFailure(
            f"Client authentication setting {values['client_authentication']} requires a client CA container reference."
        )


def _check_hsts(is_tls: bool, values: Values) -> None:
    if values["hsts_max_age"] is not None and not is_tls:
        raise ValidationFailure("hsts_max_age needs protocol TERMINATED_HTTPS.")
    if values["hsts_max_age"] is None and (values["hsts_include_subdomains"] or values["hsts_preload"]):
        raise ValidationFailure("hsts_include_subdomains and hsts_preload need hsts_max_age.")
