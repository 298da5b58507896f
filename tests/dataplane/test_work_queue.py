"""The work queue: every id that was woken, no id twice at a time."""

from __future__ import annotations

import threading
import time

from members import until

from lbclient.dataplane.fair_share import Limits
from lbclient.dataplane.work_queue import WorkQueue


def test_ten_wakes_are_one_turn() -> None:
    queue = WorkQueue()
    for _ in range(10):
        queue.wake("a")
    assert queue.take() == "a"
    assert not queue.is_absent("a")
    queue.done("a")
    assert queue.is_absent("a")


def test_one_that_is_woken_meanwhile_gets_another_turn() -> None:
    queue = WorkQueue()
    queue.wake("a")
    queue.take()
    queue.wake("a")
    queue.wake("b")
    assert queue.take() == "b"
    queue.done("a")
    assert queue.take() == "a"


def test_a_delay_is_kept_unless_it_is_woken_sooner() -> None:
    queue = WorkQueue()
    queue.wake("a", 0.1)
    start = time.monotonic()
    assert queue.take() == "a"
    assert time.monotonic() - start >= 0.1
    queue.done("a")
    queue.wake("b", 60)
    queue.wake("b")
    assert queue.take() == "b"


def test_the_end_wakes_who_waits() -> None:
    queue = WorkQueue()
    taken: list[str | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    queue.shut_down()
    thread.join(5)
    assert taken == [None]


def test_what_somebody_waits_for_goes_first() -> None:
    queue = WorkQueue()
    for number in range(1000):
        queue.wake(str(number), is_low_priority=True)
    queue.wake("new")
    queue.wake("999")  # in the long queue it would be the last
    assert {queue.take(), queue.take()} == {"new", "999"}
    assert queue.take() == "0"


def test_patient_ones_leave_a_worker_free() -> None:
    queue = WorkQueue(Limits(low_priority=2))
    for id_ in ("a", "b", "c"):
        queue.wake(id_, is_low_priority=True)
    assert [queue.take(), queue.take()] == ["a", "b"]
    taken: list[str | None] = []
    thread = threading.Thread(target=lambda: taken.extend((queue.take(), queue.take())))
    thread.start()
    queue.wake("urgent")
    until(lambda: taken == [] and queue._share._work.keys() == {"a", "b", "urgent"})
    assert "c" in queue._share._entries
    queue.done("a")
    thread.join(5)
    assert taken == ["urgent", "c"]


def test_one_that_waits_for_a_later_one_hears_of_it_when_another_has_gone_to_work() -> None:
    queue = WorkQueue()
    taken: list[str | None] = []
    threads = [threading.Thread(target=lambda: taken.append(queue.take())) for _ in range(2)]
    for thread in threads:
        thread.start()
    queue.wake("later", 0.2)
    queue.wake("now")
    for thread in threads:
        thread.join(5)
    assert taken == ["now", "later"]  # though "now" has not been reported as done


def test_many_threads() -> None:
    queue = WorkQueue()
    busy: set[str] = set()
    clashes: list[str] = []
    worked: dict[str, int] = {}
    lock = threading.Lock()

    def work() -> None:
        while (id_ := queue.take()) is not None:
            with lock:
                if id_ in busy:
                    clashes.append(id_)
                busy.add(id_)
            time.sleep(0.001)
            with lock:
                busy.discard(id_)
                worked[id_] = worked.get(id_, 0) + 1
            queue.done(id_)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(400):
        queue.wake(str(number % 20))
    deadline = time.monotonic() + 10
    while not all(queue.is_absent(str(number)) for number in range(20)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    queue.shut_down()
    for thread in threads:
        thread.join()
    assert clashes == []
    assert set(worked) == {str(number) for number in range(20)}
