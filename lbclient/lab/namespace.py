"""A private world made of Linux namespaces, with its own addresses, processes and mounts, that ends with its opener.

The opener moves itself into new user, network, mount and PID namespaces and forks twice: an init, which lives as long
as the world, and the program. The init dies with the opener, even after SIGKILL, and the kernel ends every process of a
PID namespace with its init; mounts and addresses disappear with the last process. So no cleanup is ever needed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .supervise import supervise

ROOM = Path("/dev/shm")  # exists everywhere; a private tmpfs is mounted over it, for shared memory and for our files

CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv")
CONTAINER_OPTIONS = " ".join(f"--security-opt {what}=unconfined" for what in ("seccomp", "apparmor", "systempaths"))

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong)


class Forbidden(Exception):
    """This system does not allow this user to open namespaces; the text says why, and how to change that."""


def run(program: Callable[[], int], subnets: Sequence[str]) -> int:
    """Run a function in a new world, in which every address of the subnets is usable; return its exit status."""
    reason = obstacle()
    if reason:
        raise Forbidden(reason)
    _enter()
    init = _start_init(subnets)
    try:
        return supervise(program)
    finally:
        os.kill(init, signal.SIGKILL)
        _bury_children()


def obstacle() -> str | None:
    """Return why this process cannot open a world, or None if it can; found by trying in a child."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(readable)
        os.write(writable, _attempt().encode())
        os._exit(0)
    os.close(writable)
    with open(readable, "rb") as answer:
        failure = answer.read().decode()
    os.waitpid(child, 0)
    return _explain(failure) if failure else None


def _attempt() -> str:
    try:
        _enter()
    except OSError as error:
        return f"{error.strerror} ({error.filename})"
    inside = os.fork()  # the first process of the PID namespace
    if inside == 0:
        os._exit(0 if _mounts_proc() else 1)
    return "Operation not permitted (mount of /proc)" if os.waitpid(inside, 0)[1] else ""


def _mounts_proc() -> bool:
    """Mount /proc for the world's own processes; return False if the kernel refuses, as where a container masks it."""
    try:
        _mount("proc", Path("/proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        return False
    return True


def _explain(failure: str) -> str:
    ways = "\n".join(f"  - {way}" for way in _ways_out())
    return f"This system does not allow a private network: {failure}.\nWays out:\n{ways}"


def _ways_out(proc: Path = Path("/proc")) -> Iterable[str]:
    if _sysctl(proc, "user/max_user_namespaces") == "0":
        yield "sudo sysctl user.max_user_namespaces=15000"
    if _sysctl(proc, "kernel/unprivileged_userns_clone") == "0":
        yield "sudo sysctl kernel.unprivileged_userns_clone=1"
    if _sysctl(proc, "kernel/apparmor_restrict_unprivileged_userns") == "1":
        yield "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    if any(Path(mark).exists() for mark in CONTAINER_MARKS):
        yield f"start this container with {CONTAINER_OPTIONS}"
    yield "lbclient demo --loopback, which needs no namespaces (addresses out of 127.0.0.0/8 and high ports)"
    yield "lbclient server, with subnets out of 127.0.0.0/8"


def _sysctl(proc: Path, name: str) -> str:
    try:
        return (proc / "sys" / name).read_text().strip()
    except OSError:
        return ""


def _enter() -> None:
    """Move this process into new namespaces; only its children will be in the new PID namespace."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _mount("none", Path("/"), "", MS_REC | MS_PRIVATE)
    _mount("tmpfs", ROOM, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    _make_hosts_writable(Path("/etc/hosts"))


def _make_hosts_writable(hosts: Path) -> None:
    if hosts.is_file():
        shutil.copyfile(hosts, ROOM / "hosts")
        _mount(str(ROOM / "hosts"), hosts, "", MS_BIND)


def _start_init(subnets: Sequence[str]) -> int:
    """Fork process 1 of the world and return its process ID once the world is ready."""
    ready_read, ready_write = os.pipe()
    opener_read, opener_write = os.pipe()  # never written to: reads end of file when the opener is gone
    init = os.fork()
    if init == 0:
        os.close(ready_read)
        os.close(opener_write)
        _be_init(subnets, ready_write, opener_read)
    os.close(ready_write)
    os.close(opener_read)
    with open(ready_read, "rb") as answer:
        failure = answer.read().decode()
    if failure != "ready":
        os.waitpid(init, 0)
        raise Forbidden(_explain(failure))
    return init


def _be_init(subnets: Sequence[str], ready: int, opener: int) -> None:
    """Set up the world from inside, then reap orphans until the kernel ends this process; never returns."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    try:
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        if select.select([opener], [], [], 0)[0]:  # the opener died before the signal was set up
            os._exit(1)
        os.setsid()
        _mounts_proc()
        make_local(subnets)
        _close_standard_streams()
        os.write(ready, b"ready")
    except BaseException as error:
        os.write(ready, str(error).encode())
        os._exit(1)
    os.close(ready)
    while True:
        _bury_children()
        signal.sigwait({signal.SIGCHLD})


def _bury_children() -> None:
    """Wait until every child has ended."""
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()


def start_machine(program: Callable[[], None]) -> int:
    """Fork process 1 of network, mount and PID namespaces of its own inside this world, and return its process ID.

    It calls the program and then reaps orphans; every process of the machine ends with it. Raises OSError.
    """
    readable, writable = os.pipe()
    opener = os.fork()
    if opener == 0:
        os.close(readable)
        os.write(writable, _open_machine(program, writable).encode())
        os._exit(0)
    os.close(writable)
    with open(readable, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(opener, 0)
    if not said.isdigit():
        raise OSError(said)
    return int(said)


def _open_machine(program: Callable[[], None], answer: int) -> str:
    """Return the process ID of a new machine's process 1, or why there is none."""
    try:
        _call("unshare", CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID)
        machine = os.fork()
    except OSError as error:
        return f"{error.strerror} ({error.filename})"
    if machine == 0:
        os.close(answer)
        _be_machine(program)
    return str(machine)


def _be_machine(program: Callable[[], None]) -> None:
    """Run as process 1 of a machine; never returns."""
    try:
        os.setsid()
        _mounts_proc()
        _close_standard_streams()
        program()
        _bury_children()
        signal.pause()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def make_local(subnets: Sequence[str]) -> None:
    """Make every address of the subnets local to this network namespace."""
    from pyroute2 import IPRoute

    with IPRoute() as netlink:
        loopback = netlink.link_lookup(ifname="lo")[0]
        netlink.link("set", index=loopback, state="up")
        for subnet in subnets:
            netlink.route("add", dst=subnet, oif=loopback, type="local", table=255, scope=254)


def _close_standard_streams() -> None:
    """Redirect the standard streams to /dev/null: otherwise readers of the program would wait for the init."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _mount(source: str, target: Path, kind: str, flags: int, options: str = "") -> None:
    _call("mount", source.encode(), bytes(target), kind.encode() or None, flags, options.encode() or None)


def _call(name: str, *arguments: int | bytes | None) -> None:
    """Call a function of the C library. Raises OSError with the name of the function."""
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
