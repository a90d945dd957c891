"""Building an image: look up, else compile the units in parallel, link, check, publish."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.build.cache import BuildCache
from bench.build.diagnostics import compile_failure, link_failure
from bench.build.elf import ElfImage
from bench.build.sizes import ImageSizes, image_info, image_sizes
from bench.build.toolchain import INSTALL_HINT, Toolchain, child_environment
from bench.domain.measurement import ImageInfo
from bench.errors import CompileError, ParameterError, ToolchainMissing
from bench.firmware.source import SourceTree, object_name

ELF_NAME, MAP_NAME, LOG_NAME, SOURCES = "image.elf", "image.map", "build.log", "sources"

# Debug information changes no code and decodes faults. The working directory is /proc/self/cwd to the compiler
# (child_environment), so these flags, and with them the image, are the same wherever it is built. gcc 12 does not hand
# its own prefix map to as.
_COMPILE = (
    "-g",
    "-ffunction-sections",
    "-fdata-sections",
    "-ffile-prefix-map=/proc/self/cwd=.",
    "-Wa,--debug-prefix-map=/proc/self/cwd=.",
    "-fdiagnostics-color=never",
)
_LINK = (
    "-nostartfiles",
    "-Wl,--gc-sections,--fatal-warnings,--build-id=none,--print-memory-usage",
    f"-Wl,-Map=../{MAP_NAME}",
)
_COMPILE_TIMEOUT_S = 600.0
_KEY_VERSION = "1"  # change it when something below changes what is built


@dataclass(frozen=True, slots=True)
class BuiltImage:
    """A linked firmware image.

    ``directory`` is its cache entry with the ELF, the map, the log and the rendered sources. ``elf`` is held in memory,
    so that it stays usable if another process clears the cache. ``kernel_opt_level`` reads like ``O3``.
    ``from_cache``: nothing was compiled.
    """

    key: str
    directory: Path
    elf: ElfImage
    compiler: str
    kernel_opt_level: str
    from_cache: bool

    @property
    def elf_path(self) -> Path:
        """The linked image with debug information."""
        return self.directory / ELF_NAME

    @property
    def map_path(self) -> Path:
        """The linker's map file."""
        return self.directory / MAP_NAME

    @property
    def log_path(self) -> Path:
        """Every command that ran and what it printed."""
        return self.directory / LOG_NAME

    @property
    def sources_path(self) -> Path:
        """The rendered sources, as they were compiled."""
        return self.directory / SOURCES

    @property
    def sha256(self) -> str:
        """Digest of the loaded content (``ElfImage.sha256``): the LUT's ``firmware_sha256``."""
        return self.elf.sha256

    @property
    def sizes(self) -> ImageSizes:
        """Static memory by kind."""
        return image_sizes(self.elf)

    @property
    def info(self) -> ImageInfo:
        """The image as a measurement records it. Raises BuildError for an image without the bench's kernel sections."""
        return image_info(self.elf, compiler=self.compiler, opt_level=self.kernel_opt_level)


def build_key(tree: SourceTree, toolchain: Toolchain) -> str:
    """SHA-256 in hex over all that decides what the image is: sources, flags, compiler, libraries."""
    digest = hashlib.sha256()
    parts = [
        ("version", _KEY_VERSION),
        ("compiler", toolchain.identity),
        ("libraries", toolchain.libraries_identity(tree.machine_flags)),
        ("builder flags", "\0".join((*_COMPILE, *_LINK))),
        *tree.identity(),
    ]
    for what, text in parts:
        for item in (what.encode(), text.encode()):
            digest.update(len(item).to_bytes(8, "little") + item)
    return digest.hexdigest()


def build(
    tree: SourceTree, toolchain: Toolchain, cache: BuildCache, *, jobs: int | None = None, kernel_unit: str = "kernel.c"
) -> BuiltImage:
    """Return the image of ``tree``, from the cache or built with ``jobs`` compilers at once (default: one per CPU).

    ``kernel_unit`` is the unit whose optimisation level is reported as the image's. Safe to call from several threads
    and processes. Raises CompileError where compiler or linker refuse the sources, ToolchainMissing where the compiler
    went away, BuildError where the cache is not usable, ParameterError for ``jobs`` < 1.
    """
    if jobs is not None and jobs < 1:
        raise ParameterError(f"jobs is {jobs}; at least 1 compiler must run")
    key = build_key(tree, toolchain)
    opt_level = tree.opt_level(kernel_unit).removeprefix("-")
    with cache.locked(key):
        found = cache.lookup(key)
        directory = found or _build_into(cache, key, tree, toolchain, jobs or os.cpu_count() or 1)
        elf = ElfImage.from_path(directory / ELF_NAME)
    return BuiltImage(key, directory, elf, toolchain.version, opt_level, found is not None)


def _build_into(cache: BuildCache, key: str, tree: SourceTree, toolchain: Toolchain, jobs: int) -> Path:
    """Build and publish ``key``; the caller holds its lock."""
    with cache.workspace(key) as workspace:
        try:
            with cache.usable():
                _compile_and_link(tree, toolchain, workspace, jobs, str(cache.failed_directory(key)))
        except CompileError:
            cache.keep_failed(key, workspace)
            raise
        return cache.publish(key, workspace)


def _compile_and_link(tree: SourceTree, toolchain: Toolchain, workspace: Path, jobs: int, kept_in: str) -> None:
    """Fill ``workspace`` with sources, image, map and log. Raises CompileError, with the log written all the same."""
    sources = workspace / SOURCES
    for path, text in tree.files.items():
        (sources / path).parent.mkdir(parents=True, exist_ok=True)
        (sources / path).write_bytes(text.encode())
    log = [f"# {toolchain.version}, {toolchain.gcc}\n# identity {toolchain.identity}\n"]
    objects = [object_name(unit) for unit in tree.units]

    def compile_unit(unit: str) -> _Outcome:
        return _call(toolchain, [*_COMPILE, *tree.unit_flags(unit), "-c", unit, "-o", object_name(unit)], sources)

    try:
        pool = ThreadPoolExecutor(max_workers=min(jobs, len(tree.units)))
        try:
            outcomes = list(pool.map(compile_unit, tree.units))
        finally:
            pool.shutdown(cancel_futures=True)  # on Ctrl-C do not start the units still waiting
        log += [outcome.log for outcome in outcomes]
        failed = [
            (unit, outcome.output) for unit, outcome in zip(tree.units, outcomes, strict=True) if not outcome.succeeded
        ]
        if failed:
            raise compile_failure(tree, failed, kept_in)
        flags = (*tree.machine_flags, *_LINK, "-T", tree.linker_script)
        linked = _call(toolchain, [*flags, *objects, *tree.link_flags, "-o", f"../{ELF_NAME}"], sources)
        log.append(linked.log)
        if not linked.succeeded:
            raise link_failure(linked.output, kept_in)
    finally:
        for name in objects:
            (sources / name).unlink(missing_ok=True)
        (workspace / LOG_NAME).write_text("\n".join(log), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """A finished command."""

    succeeded: bool
    output: str
    log: str


def _call(toolchain: Toolchain, arguments: Sequence[str], directory: Path) -> _Outcome:
    command = [str(toolchain.gcc), *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_COMPILE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CompileError(
            f"the compiler took more than {_COMPILE_TIMEOUT_S:g} s: {shlex.join(command)}",
            hint="use a smaller workload",
        ) from error
    except OSError as error:
        raise ToolchainMissing(f"{toolchain.gcc} does not run any more: {error.strerror}", hint=INSTALL_HINT) from error
    return _Outcome(done.returncode == 0, done.stdout, f"$ {shlex.join(command)}\n{done.stdout}")
