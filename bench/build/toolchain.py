"""The compiler: where it is, which one it is, and how it is called."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bench.errors import ToolchainMissing

TRIPLE = "arm-none-eabi"
APT_PACKAGES = ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi")
INSTALL_HINT = (
    f"install it: sudo apt install {' '.join(APT_PACKAGES)} (Debian, Ubuntu), "
    "or set BENCH_TOOLCHAIN to the directory of an Arm GNU toolchain"
)
_PROGRAMS = ("cc1", "as", "ld", "collect2")
_LIBRARIES = ("libgcc.a", "libc.a", "libm.a", "libc_nano.a", "libg_nano.a", "libnosys.a", "nano.specs", "nosys.specs")
_PROBE_TIMEOUT_S = 30.0
_BANNER = re.compile(r"^gcc version (?P<version>\d\S*(?: \d{8})?)", re.MULTILINE)
_TARGET = re.compile(r"^Target: (?P<target>\S+)", re.MULTILINE)

# What a child sees of our environment. Anything else (CPATH, LIBRARY_PATH, GCC_COLORS ...) could change the image or
# the messages unseen.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A working arm-none-eabi-gcc.

    ``version`` reads like ``arm-none-eabi-gcc 12.2.1 20221205``, ``target`` is the triple. ``identity`` is a SHA-256
    over what the compiler says about its configuration and over the contents of driver, cc1, as, ld and collect2.
    Contents and not times, so that one package has one identity on every machine; about 30 MB are read, 20-200 ms, once
    per process.
    """

    gcc: Path
    version: str
    target: str
    identity: str

    def libraries_identity(self, machine_flags: Sequence[str]) -> str:
        """SHA-256 of the C library and libgcc that a link with ``machine_flags`` would use.

        They come in other packages than the compiler and are part of the image (newlib's memcpy differs between builds
        by up to 2.7x).
        """
        return _libraries_identity(self.gcc, tuple(flag for flag in machine_flags if flag.startswith("-m")))


def find_toolchain(environ: Mapping[str, str] | None = None) -> Toolchain:
    """Find the compiler in the directory ``BENCH_TOOLCHAIN`` (itself or its ``bin``) if that is set, else on ``PATH``.

    Raises ToolchainMissing where there is none, where it does not run, or where it is no complete arm-none-eabi
    toolchain.
    """
    environ = os.environ if environ is None else environ
    gcc = _locate(environ)
    stat = gcc.stat()
    return _inspect(gcc, stat.st_size, stat.st_mtime_ns)


def child_environment() -> dict[str, str]:
    """Return the compiler's environment: English messages, a fixed date, a working directory that names no real path.

    gcc and as believe ``PWD`` if it is the same directory, so that ``/proc/self/cwd`` takes the place of the build
    directory in the debug information; the builder's prefix maps turn it into ``.``.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return inherited | {"LC_ALL": "C", "SOURCE_DATE_EPOCH": "0", "PWD": "/proc/self/cwd"}


def _locate(environ: Mapping[str, str]) -> Path:
    name = f"{TRIPLE}-gcc"
    chosen = environ.get("BENCH_TOOLCHAIN", "")
    if chosen:
        for directory in (Path(chosen).expanduser(), Path(chosen).expanduser() / "bin"):
            if (directory / name).is_file():
                return (directory / name).absolute()
        raise ToolchainMissing(
            f"no {name} in {chosen} or {Path(chosen) / 'bin'} (BENCH_TOOLCHAIN)",
            hint=f"point BENCH_TOOLCHAIN to a toolchain, or unset it and {INSTALL_HINT}",
        )
    # Not shutil's default: with PATH unset it would search /bin:/usr/bin, which the caller did not ask for.
    found = shutil.which(name, path=environ.get("PATH", ""))
    if found is None:
        raise ToolchainMissing(f"{name} is not on PATH", hint=INSTALL_HINT)
    return Path(found).absolute()


@lru_cache(maxsize=8)
def _inspect(gcc: Path, _size: int, _mtime_ns: int) -> Toolchain:
    """Ask the compiler who it is; size and time are only there so that an exchanged compiler is asked anew."""
    said = _ask(gcc, "-v")
    banner, target = _BANNER.search(said), _TARGET.search(said)
    if banner is None or target is None:
        raise ToolchainMissing(f"{gcc} does not answer like gcc", hint=INSTALL_HINT, detail=said)
    if target["target"] != TRIPLE:
        raise ToolchainMissing(f"{gcc} compiles for {target['target']}, not for {TRIPLE}", hint=INSTALL_HINT)
    digest = hashlib.sha256()
    for line in said.splitlines():
        if not line.startswith(("COLLECT_GCC", "COLLECT_LTO_WRAPPER")):  # where it is installed, not what it is
            digest.update(line.strip().encode() + b"\n")
    digest.update(_file_digest(gcc))
    for program in _PROGRAMS:
        path = Path(_ask(gcc, f"-print-prog-name={program}").strip())
        if not path.is_absolute():  # the bare name: gcc has none of its own and would take the host's from PATH
            raise ToolchainMissing(f"{gcc} has no {program}: the installation is incomplete", hint=INSTALL_HINT)
        digest.update(program.encode() + _file_digest(path))
    if not Path(_ask(gcc, "-print-file-name=libc.a").strip()).is_absolute():
        raise ToolchainMissing(f"{gcc} has no C library (newlib)", hint=INSTALL_HINT)
    return Toolchain(gcc, f"{TRIPLE}-gcc {banner['version']}", target["target"], digest.hexdigest())


@lru_cache(maxsize=64)
def _libraries_identity(gcc: Path, machine_flags: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        path = Path(_ask(gcc, *machine_flags, f"-print-file-name={library}").strip())
        # gcc answers the bare name for a library that it does not have
        digest.update(library.encode() + (_file_digest(path) if path.is_absolute() else b"absent"))
    return digest.hexdigest()


def _ask(gcc: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(
            [str(gcc), *arguments],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainMissing(f"{gcc} does not run: {error}", hint=INSTALL_HINT) from error
    said = answer.stdout + answer.stderr
    if answer.returncode != 0:
        raise ToolchainMissing(
            f"{gcc} {' '.join(arguments)} failed with exit code {answer.returncode}", hint=INSTALL_HINT, detail=said
        )
    return said


def _file_digest(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ToolchainMissing(
            f"{path}: part of the compiler is not readable: {error.strerror}", hint=INSTALL_HINT
        ) from error
