"""Turns: every id that was woken, no id twice at a time."""

from __future__ import annotations

import threading
import time

from members import until

from lbclient.dataplane.work_queue import Turns


def test_ten_wakes_are_one_turn() -> None:
    turns = Turns()
    for _ in range(10):
        turns.wake("a")
    assert turns.take() == "a"
    assert not turns.is_quiet("a")
    turns.done("a")
    assert turns.is_quiet("a")


def test_one_that_is_woken_meanwhile_gets_another_turn() -> None:
    turns = Turns()
    turns.wake("a")
    turns.take()
    turns.wake("a")
    turns.wake("b")
    assert turns.take() == "b"
    turns.done("a")
    assert turns.take() == "a"


def test_a_delay_is_kept_unless_it_is_woken_sooner() -> None:
    turns = Turns()
    turns.wake("a", 0.1)
    start = time.monotonic()
    assert turns.take() == "a"
    assert time.monotonic() - start >= 0.1
    turns.done("a")
    turns.wake("b", 60)
    turns.wake("b")
    assert turns.take() == "b"


def test_the_end_wakes_who_waits() -> None:
    turns = Turns()
    taken: list[str | None] = []
    thread = threading.Thread(target=lambda: taken.append(turns.take()))
    thread.start()
    turns.end()
    thread.join(5)
    assert taken == [None]


def test_what_somebody_waits_for_goes_first() -> None:
    turns = Turns()
    for number in range(1000):
        turns.wake(str(number), is_patient=True)
    turns.wake("new")
    turns.wake("999")  # in the long queue it would be the last
    assert {turns.take(), turns.take()} == {"new", "999"}
    assert turns.take() == "0"


def test_patient_ones_leave_a_worker_free() -> None:
    turns = Turns(patient_at_once=2)
    for id_ in ("a", "b", "c"):
        turns.wake(id_, is_patient=True)
    assert [turns.take(), turns.take()] == ["a", "b"]
    taken: list[str | None] = []
    thread = threading.Thread(target=lambda: taken.extend((turns.take(), turns.take())))
    thread.start()
    turns.wake("urgent")
    until(lambda: "urgent" not in turns._promised)
    assert "c" in turns._promised
    turns.done("a")
    thread.join(5)
    assert taken == ["urgent", "c"]


def test_one_that_waits_for_a_later_one_hears_of_it_when_another_has_gone_to_work() -> None:
    turns = Turns()
    taken: list[str | None] = []
    threads = [threading.Thread(target=lambda: taken.append(turns.take())) for _ in range(2)]
    for thread in threads:
        thread.start()
    turns.wake("later", 0.2)
    turns.wake("now")
    for thread in threads:
        thread.join(5)
    assert taken == ["now", "later"]  # though nobody has said that "now" is done


def test_many_threads() -> None:
    turns = Turns()
    busy: set[str] = set()
    clashes: list[str] = []
    worked: dict[str, int] = {}
    lock = threading.Lock()

    def work() -> None:
        while (id_ := turns.take()) is not None:
            with lock:
                if id_ in busy:
                    clashes.append(id_)
                busy.add(id_)
            time.sleep(0.001)
            with lock:
                busy.discard(id_)
                worked[id_] = worked.get(id_, 0) + 1
            turns.done(id_)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(400):
        turns.wake(str(number % 20))
    deadline = time.monotonic() + 10
    while not all(turns.is_quiet(str(number)) for number in range(20)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    turns.end()
    for thread in threads:
        thread.join()
    assert clashes == []
    assert set(worked) == {str(number) for number in range(20)}
