"""The versions of the load-balancer API."""

from __future__ import annotations

from ..services import Services
from ..web.routing import Answer, Request

# Minor version -> the date that Octavia reports for it.
UPDATED = dict(
    enumerate(
        (
            "2016-12-11",
            "2018-04-20",
            "2018-07-31",
            "2018-12-18",
            "2018-12-19",
            "2019-01-21",
            "2019-01-25",
            "2018-01-25",
            "2019-02-12",
            "2019-03-04",
            "2019-03-05",
            "2019-06-24",
            "2019-09-11",
            "2019-09-13",
            "2019-11-10",
            "2020-03-10",
            "2020-03-15",
            "2020-04-29",
            "2020-04-29",
            "2020-05-12",
            "2020-08-02",
            "2020-08-03",
            "2020-09-04",
            "2020-09-07",
            "2020-10-15",
            "2021-10-02",
            "2022-08-29",
            "2023-05-05",
            "2023-11-08",
            "2024-10-15",
            "2025-02-26",
        )
    )
)


def versions(services: Services, request: Request) -> Answer:
    """List every minor version; the last one is the current one."""
    href = f"{request.base}/v2"
    last = max(UPDATED)
    return Answer(
        {
            "versions": [
                {
                    "id": f"v2.{minor}",
                    "status": "CURRENT" if minor == last else "SUPPORTED",
                    "updated": f"{day}T00:00:00Z",
                    "links": [{"href": href, "rel": "self"}],
                }
                for minor, day in UPDATED.items()
            ]
        }
    )


def version(services: Services, request: Request) -> Answer:
    """Answer "v2", as Octavia does for the path of the version itself."""
    return Answer("v2")
