"""Members that were inserted before their load balancer, which was not created after all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from .prepared import Prepared
from .tables import LOADBALANCER, MEMBER

if TYPE_CHECKING:
    from .store import Store

PART = 500  # members deleted in one transaction
_IS_CREATED = sa.exists().where(LOADBALANCER.c.id == MEMBER.c.loadbalancer_id)
_OF = sa.select(MEMBER.c.id).where(MEMBER.c.loadbalancer_id == sa.bindparam("loadbalancer_id"), ~_IS_CREATED)
_REMOVE = Prepared(sa.delete(MEMBER).where(MEMBER.c.id.in_(_OF.limit(PART))))
_LEFT = sa.select(MEMBER.c.loadbalancer_id).distinct().where(~_IS_CREATED)


def remove(store: Store, loadbalancer_id: str) -> None:
    """Delete the members of a load balancer that does not exist, in short transactions."""
    while True:
        with store.writing(is_durable=False) as tx:
            count = _REMOVE.run(tx, loadbalancer_id=loadbalancer_id)
        if count < PART:
            return


def remove_left(store: Store) -> None:
    """Delete what a server that was killed has left, before requests are served; nothing else may insert members."""
    with store.reading() as tx:
        left = list(tx.scalars(_LEFT))
    for loadbalancer_id in left:
        remove(store, loadbalancer_id)
