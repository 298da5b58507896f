"""Sphinx configuration."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "lbclient"
author = "the lbclient developers"
release = version = installed("lbclient")
extensions = ["cliff.sphinxext", "resource_tables"]
autoprogram_cliff_application = "lbclient"
html_theme = "alabaster"
html_theme_options = {"description": "the load balancer that fits on a laptop", "page_width": "1100px"}
nitpicky = True
