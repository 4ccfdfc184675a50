"""Looks at this machine once, through psutil: the measures worth watching, for HostSource."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number about the machine. A counter is cumulative and becomes a rate per second; a gauge is taken as it is."""

    name: str
    value: float
    labels: Labels = ()
    counter: bool = False
    peak: bool = False
    """Also worth its maximum within a window. Only where a short burst is news, and not the normal way of the thing."""
    ceiling: float = float("inf")
    """Rates above this are rounding (a busy share cannot exceed 1)."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: CPU seconds used since it began, and resident memory in bytes."""

    pid: int
    started: float
    name: str
    cpu_seconds: float
    memory_bytes: float


class Reader(Protocol):
    """Looks at the machine; blocking calls, run in a thread."""

    def measures(self) -> Sequence[Measure]:
        """CPU, memory, disks, network: cheap enough for once a second."""
        ...

    def processes(self) -> Sequence[Process]:
        """Every process that can be seen; read once a window."""
        ...

    def memory_total(self) -> float:
        """Bytes of memory in the machine."""
        ...


_VIRTUAL_INTERFACE = re.compile(
    r"^(lo|docker|veth|br-|virbr|vnet|tap|tun|ifb|dummy|cni|flannel|cali|kube|bonding_masters|sit|utun|awdl)"
)
_VIRTUAL_DISK = re.compile(r"^(loop|ram|zram|dm-|md|sr|fd|nbd)")
_PARTITION = re.compile(r"^((sd|vd|hd|xvd)[a-z]+\d+|(nvme\d+n\d+|mmcblk\d+)p\d+|disk\d+s\d+)$")
_FILESYSTEMS = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "apfs", "hfs", "ntfs", "vfat", "bcachefs"})


class PsutilReader:
    """This machine through psutil; at most `devices` disks, interfaces and file systems each, the first by name."""

    def __init__(self, devices: int = 4) -> None:
        import psutil  # here, so that `awry --help` and a server without host watching never load it

        self._psutil = psutil
        self._devices = devices
        self._cores = float(psutil.cpu_count() or 1)

    def memory_total(self) -> float:
        """Bytes of memory in the machine."""
        return float(self._psutil.virtual_memory().total)

    def measures(self) -> list[Measure]:
        """CPU, load, memory, swap, disks, file systems and network interfaces."""
        return [*self._cpu(), *self._memory(), *self._disks(), *self._filesystems(), *self._network()]

    def processes(self) -> list[Process]:
        """Every process this user may look at; those that vanish meanwhile are left out."""
        found = []
        for process in self._psutil.process_iter(["name", "cpu_times", "memory_info", "create_time"]):
            info = process.info
            times, memory = info["cpu_times"], info["memory_info"]
            if times is None or memory is None or not memory.rss:
                continue
            name = (info["name"] or "?").encode("utf-8", "replace").decode()
            used = float(times.user + times.system)
            found.append(Process(process.pid, float(info["create_time"] or 0.0), name, used, float(memory.rss)))
        return found

    def _cpu(self) -> list[Measure]:
        times = self._psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        # guest time is part of user time already
        total = sum(getattr(times, field) for field in times._fields if not field.startswith("guest"))
        measures = [Measure("host_cpu_busy_ratio", (total - idle) / self._cores, counter=True, peak=True, ceiling=1.0)]
        modes = {
            "user": times.user,
            "system": times.system,
            "iowait": getattr(times, "iowait", None),
            "softirq": getattr(times, "softirq", None),
            "steal": getattr(times, "steal", None),
        }
        measures += [
            Measure("host_cpu_mode_ratio", spent / self._cores, (("mode", mode),), counter=True, ceiling=1.0)
            for mode, spent in modes.items()
            if spent is not None
        ]
        load1, load5, _ = self._psutil.getloadavg()
        measures.append(Measure("host_load1", load1))
        measures.append(Measure("host_load5", load5))
        measures.append(Measure("host_context_switches_per_second", float(self._psutil.cpu_stats().ctx_switches), counter=True))
        measures.append(Measure("host_processes", float(len(self._psutil.pids()))))
        return measures

    def _memory(self) -> list[Measure]:
        memory, swap = self._psutil.virtual_memory(), self._psutil.swap_memory()
        used = float(memory.total - memory.available)
        measures = [Measure("host_memory_used_bytes", used, peak=True)]
        if swap.total:
            measures.append(Measure("host_swap_used_bytes", float(swap.used)))
            measures.append(Measure("host_swap_io_bytes_per_second", float(swap.sin + swap.sout), counter=True))
        return measures

    def _disks(self) -> list[Measure]:
        disks = self._psutil.disk_io_counters(perdisk=True) or {}
        names = sorted(name for name in disks if not _VIRTUAL_DISK.match(name) and not _PARTITION.match(name))
        measures = []
        for name in names[: self._devices]:
            disk, labels = disks[name], (("device", name),)
            busy = getattr(disk, "busy_time", None)
            if busy is not None:
                measures.append(Measure("host_disk_busy_ratio", busy / 1000.0, labels, counter=True, peak=True, ceiling=1.0))
            measures.append(Measure("host_disk_read_bytes_per_second", float(disk.read_bytes), labels, counter=True))
            measures.append(Measure("host_disk_written_bytes_per_second", float(disk.write_bytes), labels, counter=True))
        return measures

    def _filesystems(self) -> list[Measure]:
        seen: dict[str, str] = {}
        for partition in self._psutil.disk_partitions(all=False):
            if partition.fstype.lower() in _FILESYSTEMS and not _VIRTUAL_DISK.match(partition.device.rpartition("/")[2]):
                seen.setdefault(partition.device, partition.mountpoint)
        measures = []
        for mount in sorted(seen.values())[: self._devices]:
            try:
                usage = self._psutil.disk_usage(mount)
            except OSError:  # unmounted, or not ours to look at: there is nothing to measure
                continue
            measures.append(Measure("host_filesystem_used_ratio", usage.percent / 100.0, (("mount", mount),)))
        return measures

    def _network(self) -> list[Measure]:
        interfaces = self._psutil.net_io_counters(pernic=True)
        stats = self._psutil.net_if_stats()
        names = sorted(n for n in interfaces if not _VIRTUAL_INTERFACE.match(n) and n in stats and stats[n].isup)
        measures = []
        for name in names[: self._devices]:
            net, labels = interfaces[name], (("interface", name),)
            measures += [
                Measure("host_network_received_bytes_per_second", float(net.bytes_recv), labels, counter=True, peak=True),
                Measure("host_network_sent_bytes_per_second", float(net.bytes_sent), labels, counter=True, peak=True),
                Measure("host_network_received_packets_per_second", float(net.packets_recv), labels, counter=True),
                Measure("host_network_sent_packets_per_second", float(net.packets_sent), labels, counter=True),
                # drops are left out: Linux counts frames of unknown protocols as dropped, on healthy machines too
                Measure("host_network_errors_per_second", float(net.errin + net.errout), labels, counter=True),
            ]
        return measures
