"""A snapshot that crosses the network is the same at the other end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import stored
import trees

from lbclient.store import documents
from lbclient.store.snapshot import Peer
from lbclient.store.store import Store
from lbclient.vault.sealing import Vault

REFERENCE = trees.identity("certificate")
TREE = {
    "listeners": {
        "web": {
            "protocol": "TERMINATED_HTTPS",
            "protocol_port": 443,
            "default_tls_container_ref": REFERENCE,
            "allowed_cidrs": ["192.0.2.0/24"],
            "l7policies": {"policy": {"action": "REJECT", "rules": [{"type": "PATH", "value": "/x"}]}},
        }
    },
    "pools": {
        "pool": {
            "protocol": "HTTP",
            "session_persistence": {"type": "SOURCE_IP"},
            "members": {"member": {"address": "192.0.2.7", "protocol_port": 80}},
            "healthmonitor": {"type": "HTTP", "delay": 5, "timeout": 3, "max_retries": 2},
        }
    },
    "certificates": {REFERENCE: {"host": "shop.example"}},
}


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Iterator[Store]:
    with closing(Store(database_url, Vault(tmp_path / "keys"))) as made:
        yield made


def test_a_snapshot_comes_back_as_it_was(store: Store) -> None:
    id_ = stored.put(store, TREE)
    before = store.snapshot(id_)
    assert before is not None
    assert before.certificates[REFERENCE] is not None
    before = replace(before, role="MASTER", peers=(Peer("host", "192.0.2.8", 24000),))
    after = documents.snapshot(orjson.loads(orjson.dumps(documents.document(before))))
    assert after == before
    assert after.loadbalancer.vip_address == before.loadbalancer.vip_address
