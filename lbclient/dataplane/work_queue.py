"""Whose turn it is: a set of ids, each due at a time, none ever with two workers at once."""

from __future__ import annotations

import heapq
import threading
import time

_Promise = tuple[float, bool]  # when it is due, and whether it is patient


class Turns:
    """Ids that wait to be worked on. Waking one that waits already changes nothing: ten wakes, one turn.

    What somebody waits for goes first; those that are patient never keep all workers busy.
    """

    def __init__(self, patient_at_once: int = 1) -> None:
        self.patient_at_once = patient_at_once
        self._promised: dict[str, _Promise] = {}
        self._heaps: dict[bool, list[tuple[float, str]]] = {False: [], True: []}  # by patience; also what is past
        self._busy: dict[str, bool] = {}  # and whether it was patient
        self._is_over = False
        self._changed = threading.Condition()

    def wake(self, id_: str, delay: float = 0.0, *, is_patient: bool = False) -> None:
        """Gives the id a turn after the delay; sooner, or less patiently, if that was promised."""
        due = time.monotonic() + delay
        with self._changed:
            before = self._promised.get(id_, (due, is_patient))
            promise = (min(due, before[0]), is_patient and before[1])
            if promise != self._promised.get(id_):
                self._promise(id_, promise)

    def take(self) -> str | None:
        """The next id, as soon as there is one; None when it is over."""
        with self._changed:
            while not self._is_over:
                now = time.monotonic()
                id_ = self._due(now)
                if id_ is not None:
                    self._busy[id_] = self._promised.pop(id_)[1]
                    self._changed.notify()  # another one that waits may have to look after the next one from now on
                    return id_
                first = min((heap[0][0] for heap in self._open_heaps()), default=None)
                self._changed.wait(None if first is None else first - now)
            return None

    def done(self, id_: str) -> None:
        """The turn is over; one that was woken meanwhile gets another."""
        with self._changed:
            del self._busy[id_]
            if id_ in self._promised:
                self._promise(id_, self._promised[id_])
            self._changed.notify()  # a patient one may have waited for this

    def is_quiet(self, id_: str) -> bool:
        """Whether the id is neither worked on nor promised a turn."""
        with self._changed:
            return id_ not in self._busy and id_ not in self._promised

    def end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _promise(self, id_: str, promise: _Promise) -> None:
        self._promised[id_] = promise
        if id_ not in self._busy:  # otherwise it comes back when that is over
            due, is_patient = promise
            heapq.heappush(self._heaps[is_patient], (due, id_))
            self._changed.notify()

    def _due(self, now: float) -> str | None:
        """Takes the first whose time has come off its heap."""
        for heap in self._open_heaps():
            if heap[0][0] <= now:
                return heapq.heappop(heap)[1]
        return None

    def _open_heaps(self) -> list[list[tuple[float, str]]]:
        """Those that may be taken from, the urgent one first, with promises on top that still stand."""
        is_full = sum(self._busy.values()) >= self.patient_at_once
        found = []
        for is_patient in (False,) if is_full else (False, True):
            heap = self._heaps[is_patient]
            while heap and not self._stands(*heap[0], is_patient):
                heapq.heappop(heap)
            if heap:
                found.append(heap)
        return found

    def _stands(self, due: float, id_: str, is_patient: bool) -> bool:
        return id_ not in self._busy and self._promised.get(id_) == (due, is_patient)
