"""Content-addressed store of built images: a directory per key, published at once, checked at every use.

    <root>/entries/<2 hex>/<key>/   artefacts, build.log, sources/, and entry.json with the digest of each file
    <root>/failed/<key>/            sources and log of the last failed build of that key
    <root>/work                     builds under way
    <root>/locks/<2 hex>            advisory locks; 256 at most, so they are never removed

Several processes and threads may use one directory: whoever holds the lock of a key looks it up, builds and publishes;
the lock of a process that dies is released by the kernel. A directory is filled under ``work`` and renamed, so an entry
is there or it is not; what a crash or a full disk has cut short is found by its digest and built again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BuildError

_MANIFEST = "entry.json"
_STALE_S = 24 * 3600.0


def default_cache_directory(environ: Mapping[str, str] | None = None) -> Path:
    """``BENCH_CACHE``, else ``bench/build`` in the user's cache directory (``XDG_CACHE_HOME``, ``~/.cache``)."""
    environ = os.environ if environ is None else environ
    if chosen := environ.get("BENCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "bench" / "build"


@dataclass(frozen=True, slots=True)
class BuildCache:
    """The cache in directory ``root``, which is made when first needed.

    Every method raises BuildError where the directory is not usable.
    """

    root: Path

    @classmethod
    def default(cls) -> BuildCache:
        """The user's cache (see ``default_cache_directory``)."""
        return cls(default_cache_directory())

    @contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the lock of ``key``, against other threads and processes."""
        with self.usable():
            path = self.root / "locks" / key[:2]
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with self.usable():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)  # releases the lock

    def lookup(self, key: str) -> Path | None:
        """Return the directory of ``key`` if it is there and whole, and mark it as used now; else None: build it."""
        entry = self._entry(key)
        try:
            manifest = json.loads((entry / _MANIFEST).read_bytes())
            for name, digest in manifest["files"].items():
                if _digest(entry / name) != digest:
                    return None
            os.utime(entry / _MANIFEST)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None  # not there, or cut short: either way it is built (again)
        return entry

    @contextmanager
    def workspace(self, key: str) -> Iterator[Path]:
        """Give an empty directory to build in; it goes afterwards unless ``publish`` or ``keep_failed`` took it."""
        with self.usable():
            (self.root / "work").mkdir(parents=True, exist_ok=True)
            directory = Path(tempfile.mkdtemp(prefix=f"{key[:12]}-", dir=self.root / "work"))
        try:
            yield directory
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def publish(self, key: str, workspace: Path) -> Path:
        """Make the content of ``workspace`` the entry of ``key``, in place of a damaged one, and return its directory.

        The caller holds the lock of ``key``.
        """
        with self.usable():
            files = {
                str(path.relative_to(workspace)): _digest(path)
                for path in sorted(workspace.rglob("*"))
                if path.is_file()
            }
            (workspace / _MANIFEST).write_text(json.dumps({"key": key, "files": files}, indent=1))
            workspace.chmod(0o755)  # mkdtemp's 0700 would keep a shared cache to its first user
            shutil.rmtree(self.failed_directory(key), ignore_errors=True)
            return self._replace(workspace, self._entry(key))

    def keep_failed(self, key: str, workspace: Path) -> Path:
        """Keep what a failed build left, for the user to read, and return where."""
        with self.usable():
            return self._replace(workspace, self.failed_directory(key))

    def failed_directory(self, key: str) -> Path:
        """Where ``keep_failed`` keeps a failed build of ``key``."""
        return self.root / "failed" / key

    def size_bytes(self) -> int:
        """Bytes that all entries occupy."""
        with self.usable():
            return sum(_tree_bytes(entry) for entry in self._entries())

    def prune(self, max_bytes: int) -> int:
        """Remove entries, least recently used first, until at most ``max_bytes`` are left; return the bytes removed.

        Failed builds and workspaces that a killed process left more than a day ago go too. An image in use by another
        process may go; it is held in memory there and its files are built again when next asked for.
        """
        with self.usable():
            for leftover in [*_children(self.root / "work"), *_children(self.root / "failed")]:
                if time.time() - _mtime(leftover) > _STALE_S:
                    shutil.rmtree(leftover, ignore_errors=True)
            entries = sorted((_mtime(entry / _MANIFEST), _tree_bytes(entry), entry) for entry in self._entries())
        total = sum(size for _, size, _ in entries)
        removed = 0
        for _, size, entry in entries:
            if total - removed <= max_bytes:
                break
            with self.locked(entry.name), self.usable():
                if entry.exists():  # another process may prune as well
                    self._discard(entry)
            removed += size
        return removed

    def clear(self) -> int:
        """Remove all entries and kept failures, not the builds under way; return the entries' bytes."""
        removed = self.prune(0)
        shutil.rmtree(self.root / "failed", ignore_errors=True)
        return removed

    def _entry(self, key: str) -> Path:
        return self.root / "entries" / key[:2] / key

    def _entries(self) -> list[Path]:
        return [entry for bucket in _children(self.root / "entries") for entry in _children(bucket)]

    def _replace(self, source: Path, target: Path) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            self._discard(target)
        source.rename(target)
        return target

    def _discard(self, directory: Path) -> None:
        """Remove by renaming first, so that nobody ever sees half an entry."""
        (self.root / "work").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix="discard-", dir=self.root / "work", ignore_cleanup_errors=True
        ) as trash:
            directory.rename(Path(trash) / "entry")

    @contextmanager
    def usable(self) -> Iterator[None]:
        """Turn an OSError of work inside the cache's directories into a BuildError that says what to do."""
        try:
            yield
        except OSError as error:
            raise BuildError(
                f"the build cache {self.root} is not usable: {error.strerror or error}"
                + (f": {error.filename}" if error.filename else ""),
                hint="make it writable, free some space, or set BENCH_CACHE to a directory that is",
            ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _children(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # removed by another process, or an entry without its manifest: the first to go
        return 0.0


def _tree_bytes(directory: Path) -> int:
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.lstat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
