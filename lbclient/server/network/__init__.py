"""The network API (Neutron v2) as far as load balancers and their users need it."""
