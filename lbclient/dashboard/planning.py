"""Load balancers as a file: see what differs, apply it, and export."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ..cli.manifest import document, plan
from ..cli.manifest.document import Mistakes
from ..cli.manifest.execute import carry_out
from ..cli.manifest.plan import Plan
from ..cli.manifest.planner import Planner
from ..cli.manifest.writer import written
from ..client import errors, wait
from ..client.names import Names
from ..resources import LOADBALANCER
from .kinds import called
from .visit import Reply, Visit

SOURCE = "file"  # how messages name it
STEP_SECONDS = 60.0
CLASSES = {"+": "new", "~": "changed", "-/+": "changed", "-": "removed", "=": "left"}  # by the first word of a line
YAML = "application/yaml; charset=utf-8"


def form(visit: Visit) -> Reply:
    """The form for a file."""
    return _page(visit, "", is_pruning=False)


def review(visit: Visit) -> Reply:
    """Show what a file would change."""
    source = _source(visit)
    is_pruning = bool(visit.value("prune"))
    try:
        plans = _plans(visit, source, is_pruning)
    except Mistakes as mistakes:
        return _page(visit, source, is_pruning=is_pruning, mistakes=mistakes.lines)
    except errors.Error as error:
        return _page(visit, source, is_pruning=is_pruning, mistakes=[str(error)])
    return _page(visit, source, is_pruning=is_pruning, plans=plans)


def apply(visit: Visit) -> Reply:
    """Apply a file, if its plan is still the one that was shown."""
    source, is_pruning = visit.value("source"), bool(visit.value("prune"))
    try:
        plans = _plans(visit, source, is_pruning)
        if _digest(plans) != visit.value("digest"):
            words = "Something has changed since this plan was made. This is the new one."
            return _page(visit, source, is_pruning=is_pruning, plans=plans, mistakes=[words])
        for one in plans:
            carry_out(visit.api, one, lambda: wait.Deadline(STEP_SECONDS), lambda text: None)
    except Mistakes as mistakes:
        return _page(visit, source, is_pruning=is_pruning, mistakes=mistakes.lines)
    except errors.Error as error:
        return _page(visit, source, is_pruning=is_pruning, mistakes=[f"It stopped: {error}"])
    only = plans[0].target.id if len(plans) == 1 else ""
    return visit.redirect(f"/dashboard/loadbalancers/{only}" if only else "/dashboard", "Applied.")


def export(visit: Visit, id: str) -> Reply:
    """A load balancer as a file."""
    one = visit.api.show(LOADBALANCER, id)
    name = "".join(char if char.isascii() and (char.isalnum() or char in "-_.") else "_" for char in one["name"])
    headers = {"Content-Type": YAML, "Content-Disposition": f'attachment; filename="{name.strip(".") or id}.yaml"'}
    return Reply(written(visit.services, [one]).encode(), 200, headers)


def edit(visit: Visit, id: str) -> Reply:
    """The form with a load balancer as a file in it."""
    one = visit.api.show(LOADBALANCER, id)
    return _page(visit, written(visit.services, [one]), is_pruning=False, name=called(LOADBALANCER, one))


def _source(visit: Visit) -> str:
    found = visit.files.get("file")
    return found.decode("utf-8", "replace") if found else visit.value("source")


def _plans(visit: Visit, source: str, is_pruning: bool) -> list[Plan]:
    planner = Planner(Names(visit.services), is_pruning)
    return [planner.plan(balancer) for balancer in document.read(SOURCE, source.replace("\r\n", "\n").encode())]


def _digest(plans: Sequence[Plan]) -> str:
    text = "\n".join(line for one in plans for line in plan.text(one))
    return hashlib.sha256(text.encode()).hexdigest()


def _page(
    visit: Visit,
    source: str,
    *,
    is_pruning: bool,
    plans: Sequence[Plan] | None = None,
    mistakes: Sequence[str] = (),
    name: str = "",
) -> Reply:
    lines = [line for one in plans or () for line in plan.text(one)]
    return visit.page(
        "plan.html",
        400 if mistakes else 200,
        source=source,
        is_pruning=is_pruning,
        name=name,
        mistakes=mistakes,
        is_planned=plans is not None,
        lines=[(line, CLASSES.get((line.split() or [""])[0], "")) for line in lines],
        summary=plan.summary(plans) if plans is not None else "",
        has_steps=any(one.steps for one in plans or ()),
        removed=sum(one.count(plan.DELETE) for one in plans or ()),
        digest=_digest(plans) if plans is not None else "",
    )
