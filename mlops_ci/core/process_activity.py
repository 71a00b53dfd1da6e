"""Whether a program that we wait for is at work: what it and its own helpers have read, written, sent and computed so far.

A program that waits for a remote for ever looks like one that works, except that none of these numbers grows. Linux only.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

Activity = dict[int, tuple[int, ...]]

# a helper that asks the user for a password says nothing of the remote, whatever it does meanwhile
_ASKING_PREFIX = "git-credential"
# sock_diag(7) and its messages in linux/inet_diag.h, by number
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, _ATTRIBUTE_INFO = 4, 20, 0x301, 2
_DONE, _ERROR = 3, 2
_MESSAGE_HEADER, _SOCKET_BYTES, _INODE_AT = 16, 72, 68
_COUNTERS_AT = 120  # in struct tcp_info: bytes that were acknowledged, and bytes that were received
_NETLINK_SECONDS = 1.0


def read_activity(pid: int) -> Activity | None:
    """Return counters of a child and of those descendants whose names begin with its own, by process id; None where unknown.

    Between two calls they differ if one of these processes did something. Others do not count: an ssh answers its server's
    pings while git waits. Nor does the time that helpers compute: one that waits for a server may look for it 20 times
    a second.
    """
    if sys.platform != "linux":
        return None
    found: Activity = {}
    sockets: dict[int, frozenset[int]] = {}
    name = ""
    for one, own in _family(pid):
        name = name or own
        if not own.startswith(name) or own.startswith(_ASKING_PREFIX):
            continue
        try:
            io = [int(line.split()[1]) for line in (Path("/proc") / str(one) / "io").read_text().splitlines()[:2]]
        except OSError:
            continue  # it has ended, or may not be looked at
        found[one] = (*io, _processor_ticks(one) if own == name else 0)
        sockets[one] = _socket_inodes(one)
    if pid not in found:
        return None
    if any(sockets.values()):
        counters = _tcp_counters()
        for one, inodes in sockets.items():
            found[one] += tuple(sum(counters.get(inode, (0, 0))) for inode in sorted(inodes))
    return found


def parent_pids() -> dict[int, int]:
    """Return the id of each process with the id of its parent, from Linux's /proc; nothing elsewhere."""
    if sys.platform != "linux":
        return {}
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _stat_fields(int(folder.name))):
            found[int(folder.name)] = int(fields[1])
    return found


def descendant_pids(pid: int) -> list[int]:
    """Return the ids of a process and of all its descendants, parents first."""
    found, parents = [pid], parent_pids()
    for one in found:
        found += [child for child, parent in parents.items() if parent == one and child not in found]
    return found


def start_time(pid: int) -> str:
    """Return when a process was started, in the kernel's ticks: with its id, this names it for ever. Empty for one that has ended."""
    fields = _stat_fields(pid)
    return fields[19].decode() if fields else ""


def _family(pid: int) -> list[tuple[int, str]]:
    """Return each descendant with its name, the process itself first."""
    named = []
    for one in descendant_pids(pid):
        try:
            named.append((one, (Path("/proc") / str(one) / "comm").read_text().strip()))
        except OSError:
            continue
    return named


def _stat_fields(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat after the program's name, which may hold anything; none for one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []


def _processor_ticks(pid: int) -> int:
    fields = _stat_fields(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _socket_inodes(pid: int) -> frozenset[int]:
    found = set()
    try:
        for link in (Path("/proc") / str(pid) / "fd").iterdir():
            target = os.readlink(link)  # noqa: PTH115 - Path would parse it as a path
            if target.startswith("socket:["):
                found.add(int(target[8:-1]))
    except OSError:
        pass
    return frozenset(found)


def _tcp_counters() -> dict[int, tuple[int, int]]:
    """Return the bytes that each TCP socket has sent and received, by inode; nothing where the kernel does not tell.

    /proc counts what is read from a socket and not what is received from one, and curl receives.
    """
    found: dict[int, tuple[int, int]] = {}
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(_NETLINK_SECONDS)
            for family in (socket.AF_INET, socket.AF_INET6):
                wanted = struct.pack("=BBBxL48x", family, socket.IPPROTO_TCP, 1 << (_ATTRIBUTE_INFO - 1), (1 << 32) - 1)
                head = struct.pack("=LHHLL", _MESSAGE_HEADER + len(wanted), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 0, 0)
                kernel.send(head + wanted)
                while _read_sockets(kernel.recv(1 << 18), found):
                    pass
    except (OSError, struct.error):
        pass
    return found


def _read_sockets(answer: bytes, found: dict[int, tuple[int, int]]) -> bool:
    """Add the sockets of one answer to `found`; return whether another answer follows."""
    at = 0
    while at + _MESSAGE_HEADER <= len(answer):
        size, kind = struct.unpack_from("=LH", answer, at)
        if kind in (_DONE, _ERROR) or size < _MESSAGE_HEADER:
            return False
        body = answer[at + _MESSAGE_HEADER : at + size]
        attribute = _SOCKET_BYTES
        while attribute + 4 <= len(body):
            length, what = struct.unpack_from("=HH", body, attribute)
            if what == _ATTRIBUTE_INFO and length >= 4 + _COUNTERS_AT + 16:
                (inode,) = struct.unpack_from("=L", body, _INODE_AT)
                found[inode] = struct.unpack_from("=QQ", body, attribute + 4 + _COUNTERS_AT)
            attribute += max((length + 3) & ~3, 4)
        at += (size + 3) & ~3
    return bool(answer)
