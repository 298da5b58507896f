"""The provider: a way to carry traffic, and what it can be told by flavors and availability zones."""

from __future__ import annotations

from .fields import NONE, READ, Field, Resource, Type

PROVIDER = Resource(
    name="provider",
    title="Provider",
    key="provider",
    collection="providers",
    path="/lbaas/providers",
    argument="provider_name",
    identifier="name",
    fields=(
        Field("name", Type.STRING, "The name of the provider.", api=READ, cli=NONE),
        Field("description", Type.STRING, "What it is.", api=READ, cli=NONE),
    ),
    columns=("name", "description"),
    rows=("name", "description"),
)

# What is told -> the collection of its capabilities, below one provider.
CAPABILITIES = {"flavor": "flavor_capabilities", "availability_zone": "availability_zone_capabilities"}
