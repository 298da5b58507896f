"""Sphinx configuration."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lbclient"
author = "the lbclient developers"
release = version = installed("lbclient")
extensions = ["cliff.sphinxext", "command_groups", "resource_tables", "api_operations"]
autoprogram_cliff_application = "lbclient"
html_theme = "alabaster"
html_theme_options = {"description": "the load balancer that fits on a laptop", "page_width": "1100px"}
nitpicky = True
man_pages = [
    ("reference/lbclient", "lbclient", "the command line of load balancers", author, 1),
    *(
        (f"reference/{page}", f"lbclient-{page}", f"commands of lbclient about {what}", author, 1)
        for page, what in {
            "loadbalancer": "load balancers",
            "listener": "listeners",
            "host": "hosts that run load balancers",
            "pool": "pools",
            "member": "members",
            "healthmonitor": "health monitors",
            "l7policy": "L7 policies and rules",
            "flavor": "flavors and their profiles",
            "availabilityzone": "availability zones and their profiles",
            "amphora": "amphorae",
            "provider": "providers",
            "quota": "quotas",
            "certificate": "certificates",
            "network": "networks, floating IPs and tokens",
            "testing": "the testing API",
            "running": "running the server and helping",
        }.items()
    ),
]
man_make_section_directory = False
