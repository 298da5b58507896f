"""Who comes next: rules that hold whatever waits, and however long it takes."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lbclient.dataplane.fair_share import FairShare, Kind, Limits
from quick import examples

LIMITS = Limits(ordinary=4, ordinary_of_group=2, low_priority=1, large=1, slow=3, slow_of_group=2, slow_after=1.0)
IDS = [f"{project}{number}" for project in "abc" for number in range(6)]


def put(share: FairShare, *ids: str, is_low: bool = False) -> None:
    for id_ in ids:
        share.put(id_, 0.0, is_low, id_[0])


def taken(share: FairShare, now: float) -> list[str]:
    """All that may be worked on now."""
    found = []
    while (id_ := share.take(now)) is not None:
        found.append(id_)
    return found


@given(st.lists(st.sampled_from(IDS), unique=True), st.booleans())
def test_another_project_comes_next_however_many_one_has(ids: list[str], is_low: bool) -> None:
    share = FairShare(LIMITS)
    put(share, *ids, is_low=is_low)
    taken(share, 0.0)
    put(share, "neighbour")
    assert share.take(0.0) == "neighbour" or len({id_[0] for id_ in ids}) > 1


def test_those_that_somebody_waits_for_come_first() -> None:
    share = FairShare(LIMITS)
    put(share, "a0", "a1", "b0", is_low=True)
    put(share, "c0")
    assert taken(share, 0.0) == ["c0", "a0"]


def test_large_ones_come_one_after_the_other_and_hold_up_no_small_one() -> None:
    share = FairShare(LIMITS)
    put(share, "a0", "a1", "a2", "a3")
    for id_ in ("a0", "a1", "a2", "a3"):
        assert not share.resize(id_, is_large=True)  # no worker has it
    assert taken(share, 0.0) == ["a0"]
    put(share, "a4", "b0")
    assert taken(share, 5.0) == ["a4", "b0"]
    share.done("a0", 6.0)
    assert taken(share, 6.0) == ["a1"]


def test_one_that_turns_out_to_be_large_gives_its_place_back() -> None:
    share = FairShare(LIMITS)
    put(share, "a0")
    assert share.take(0.0) == "a0"
    assert share.resize("a0", is_large=True)
    put(share, "a0")
    share.done("a0", 0.1)
    assert share.take(0.1) == "a0"
    assert not share.resize("a0", is_large=True)


def test_what_takes_long_leaves_its_place_and_has_one_of_its_own_the_next_time() -> None:
    share = FairShare(LIMITS)
    put(share, "a0", "a1", "b0", "b1")
    assert taken(share, 0.0) == ["a0", "b0", "a1", "b1"]
    put(share, "c0")
    assert taken(share, 0.5) == []
    assert share.next_change(0.0) == 1.0
    assert taken(share, 1.0) == ["c0"]  # the others hang
    for id_ in ("a0", "a1", "b0", "b1"):
        put(share, id_)
        share.done(id_, 10.0)
    put(share, "a2", "a3", "b2", "b3")
    assert taken(share, 10.0) == ["a2", "b2", "a3", "b3", "a0", "b0"]  # "c0" hangs, too, and three are slow then
    share.done("a0", 10.1)  # it answers again
    put(share, "a0")
    share.done("a2", 10.1)
    assert share.take(10.1) == "a0"


def test_ten_wakes_are_one_entry_that_keeps_its_place() -> None:
    share = FairShare(LIMITS)
    put(share, "a0", "a1", *["a0"] * 10)
    assert taken(share, 0.0) == ["a0", "a1"]
    assert share.take(0.0) is None


class Sharing(RuleBasedStateMachine):
    """Random sequences of putting, taking and finishing work."""

    def __init__(self) -> None:
        super().__init__()
        self.share = FairShare(LIMITS)
        self.now = 0.0
        self.waiting: dict[str, tuple[float, bool]] = {}
        self.began: dict[str, float] = {}

    @rule(id_=st.sampled_from(IDS), delay=st.sampled_from([0.0, 0.5, 3.0]), is_low=st.booleans())
    def put(self, id_: str, delay: float, is_low: bool) -> None:
        due = self.now + delay
        self.share.put(id_, due, is_low, id_[0])
        before = self.waiting.get(id_, (due, is_low))
        self.waiting[id_] = min(due, before[0]), is_low and before[1]

    @rule()
    def take(self) -> None:
        id_ = self.share.take(self.now)
        due = {each for each, (when, _) in self.waiting.items() if when <= self.now and each not in self.began}
        if id_ is None:
            for each in due:
                assert self.waiting[each][1] or each in self.share._kinds or self._is_full(each[0])
            return
        assert id_ in due  # none before its time, none twice at once
        del self.waiting[id_]
        self.began[id_] = self.now

    def _is_full(self, group: str) -> bool:
        """Whether all ordinary places are taken, or those of the group."""
        groups = Counter(work.group for work in self.share._work.values() if work.kind is Kind.ORDINARY)
        return groups.total() >= LIMITS.ordinary or groups[group] >= LIMITS.ordinary_of_group

    @precondition(lambda self: self.began)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(sorted(self.began)))
        self.share.done(id_, self.now)
        del self.began[id_]

    @precondition(lambda self: self.began)
    @rule(data=st.data(), is_large=st.booleans())
    def resize(self, data: st.DataObject, is_large: bool) -> None:
        self.share.resize(data.draw(st.sampled_from(sorted(self.began))), is_large)

    @rule(seconds=st.sampled_from([0.1, 0.6, 2.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def places(self) -> None:
        works = [
            work for work in self.share._work.values() if not (work.kind is Kind.ORDINARY and work.slow_at <= self.now)
        ]
        kinds = Counter(work.kind for work in works)
        assert kinds[Kind.ORDINARY] <= LIMITS.ordinary
        assert kinds[Kind.LARGE] <= LIMITS.large
        groups = Counter(work.group for work in works if work.kind is Kind.ORDINARY and not work.is_low)
        assert max(groups.values(), default=0) <= LIMITS.ordinary_of_group

    def teardown(self) -> None:
        """In the end everything has had its turn."""
        for id_ in list(self.began):
            self.done_at_once(id_)
        self.now += 10
        for _ in range(len(IDS)):
            id_ = self.share.take(self.now)
            if id_ is None:
                break
            del self.waiting[id_]
            self.share.done(id_, self.now)
        assert self.waiting == {}

    def done_at_once(self, id_: str) -> None:
        self.share.done(id_, self.now)
        del self.began[id_]


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
