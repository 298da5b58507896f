"""Supervision of one child that stands in for its parent: the child gets the parent's signals and terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable

GRACE = 5.0  # seconds that a child has to end after a termination signal
SI_KERNEL = 128  # si_code of a signal sent by the kernel for a key on the terminal: the whole process group got it
KEYS = {signal.SIGINT, signal.SIGQUIT}  # sent by keys of a terminal; the child may go on after them
ENDING = {signal.SIGTERM, signal.SIGHUP} | KEYS
PASSED_ON = ENDING | {signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT}
STOPPING_KEYS = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
WATCHED = PASSED_ON | {signal.SIGCHLD, signal.SIGTSTP, signal.SIGTTOU}


def supervise(program: Callable[[], int]) -> int:
    """Run a function in a child and return its exit status: 128 + n for signal n, as in shells."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    terminal = _terminal()
    try:
        child = _fork(program, before, terminal)
        return _attend(child, terminal)
    finally:
        _take_back(terminal)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminal() -> int | None:
    """Return the terminal to hand to the child, if this process owns it; None in a pipe: its other end may need it."""
    if not (os.isatty(0) and os.isatty(1)):
        return None
    try:
        return 0 if os.tcgetpgrp(0) == os.getpgrp() else None
    except OSError:
        return None


def _take_back(terminal: int | None) -> None:
    if terminal is not None:
        with contextlib.suppress(OSError):  # the terminal may have hung up
            os.tcsetpgrp(terminal, os.getpgrp())


def _fork(program: Callable[[], int], mask: set[signal.Signals] | set[int], terminal: int | None) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        if terminal is not None:
            _hand_over(terminal, child)
        return child
    if terminal is not None:
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os._exit(_status_of(program))


def _hand_over(terminal: int, child: int) -> None:
    """Make the child the foreground process group; parent and child both do this to avoid a race."""
    with contextlib.suppress(OSError):  # the child has already executed another program, and has set its group itself
        os.setpgid(child, child)
        os.tcsetpgrp(terminal, child)


def _status_of(program: Callable[[], int]) -> int:
    try:
        return program()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1 if error.code else 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _attend(child: int, terminal: int | None) -> int:
    """Wait for the child's end, pass on signals, and stop when the child is stopped."""
    deadline = float("inf")
    while True:
        remaining = min(deadline - time.monotonic(), 3600.0)
        if remaining <= 0:
            os.kill(child, signal.SIGKILL)
            deadline = float("inf")
            continue
        event = signal.sigtimedwait(WATCHED, remaining)
        if event is None:
            continue
        if event.si_signo == signal.SIGCHLD:
            status = _look(child, terminal)
            if status is not None:
                return status
        elif event.si_signo in PASSED_ON:
            _pass_on(event, child, terminal)
            if event.si_signo in ENDING - KEYS:
                deadline = min(deadline, time.monotonic() + GRACE)


def _pass_on(event: signal.struct_siginfo, child: int, terminal: int | None) -> None:
    shares_group = terminal is None
    if shares_group and event.si_code == SI_KERNEL:
        return
    if event.si_signo == signal.SIGCONT and terminal is not None:
        os.tcsetpgrp(terminal, child)
    if shares_group:
        os.kill(child, event.si_signo)
    else:
        os.killpg(child, event.si_signo)


def _look(child: int, terminal: int | None) -> int | None:
    """Return the exit status if the child has ended; stop this process if the terminal's user stopped the child."""
    pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
    if pid == 0:
        return None
    if not os.WIFSTOPPED(status):
        return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    if terminal is not None:
        _take_back(terminal)
        os.killpg(os.getpgrp(), signal.SIGSTOP)
    elif os.WSTOPSIG(status) in STOPPING_KEYS:
        os.kill(os.getpid(), signal.SIGSTOP)
    return None
