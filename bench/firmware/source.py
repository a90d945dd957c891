"""What is built: rendered sources and the flags they are compiled with, as one value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bench.errors import BuildError

UNIT_SUFFIXES = (".c", ".s", ".S")
"""Files that become an object; the others (headers, linker script) are only laid beside them."""


@dataclass(frozen=True, slots=True)
class SourceTree:
    """One firmware as text.

    ``files`` maps a relative POSIX path to the rendered text; ``linker_script`` is the path of one of them.
    ``machine_flags`` (``-mcpu=...``) reach compiler, assembler and linker, ``compile_flags`` and ``defines`` the
    compiler alone, ``link_flags`` the linker alone (``-lm``, ``--specs=nano.specs``). ``file_flags`` are added for
    single files after all others, so that they win. ``origins`` names the template a file was rendered from; it shows
    up in error messages and has no part in the image.

    Raises BuildError for a path that is absolute or leaves the tree, for a linker script or ``file_flags`` of a file
    that is not there, and for two units that would share an object file.
    """

    files: Mapping[str, str]
    linker_script: str
    machine_flags: tuple[str, ...] = ()
    compile_flags: tuple[str, ...] = ()
    link_flags: tuple[str, ...] = ()
    defines: Mapping[str, str] = field(default_factory=dict)
    file_flags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for path in self.files:
            _check_path(path)
        if self.linker_script not in self.files:
            raise BuildError(
                f"the linker script {self.linker_script!r} is not among the sources: {', '.join(sorted(self.files))}"
            )
        for path in self.file_flags:
            if path not in self.files:
                raise BuildError(
                    f"flags are given for {path!r}, which is not among the sources: {', '.join(sorted(self.files))}"
                )
        if not self.units:
            raise BuildError(
                f"nothing to compile: none of {', '.join(sorted(self.files))} ends in {', '.join(UNIT_SUFFIXES)}"
            )
        owners: dict[str, str] = {}
        for unit in self.units:
            other = owners.setdefault(object_name(unit), unit)
            if other != unit:
                raise BuildError(
                    f"{other} and {unit} would both be compiled to {object_name(unit)}", hint="rename one of them"
                )

    @property
    def units(self) -> tuple[str, ...]:
        """Paths that are compiled, sorted. They are linked in this order, so it is part of the image."""
        return tuple(sorted(path for path in self.files if path.endswith(UNIT_SUFFIXES)))

    def unit_flags(self, unit: str) -> tuple[str, ...]:
        """All the tree's flags for compiling ``unit``, in the order in which the compiler sees them."""
        defines = (f"-D{name}={value}" for name, value in sorted(self.defines.items()))
        return (*self.machine_flags, *self.compile_flags, *defines, *self.file_flags.get(unit, ()))

    def opt_level(self, unit: str) -> str:
        """Return the optimisation flag that holds for ``unit``, such as ``-O2``; the compiler's default is ``-O0``."""
        levels = [flag for flag in self.unit_flags(unit) if flag.startswith("-O")]
        return levels[-1] if levels else "-O0"

    def identity(self) -> Iterator[tuple[str, str]]:
        """Yield all that can change the image as (what, text) pairs, in one order however the tree was made."""
        for path, text in sorted(self.files.items()):
            yield f"file {path}", text
        for unit in self.units:
            yield f"flags {unit}", "\0".join(self.unit_flags(unit))
        yield "link", "\0".join((*self.machine_flags, *self.link_flags))
        yield "linker script", self.linker_script


def object_name(unit: str) -> str:
    """The object file of a unit: ``kernel.c`` becomes ``kernel.o``, which is what a linker script matches."""
    return str(PurePosixPath(unit).with_suffix(".o"))


def _check_path(path: str) -> None:
    pure = PurePosixPath(path)
    if (
        pure.is_absolute()
        or ".." in pure.parts
        or str(pure) != path
        or path.startswith("-")
        or not pure.name.isprintable()
        or "\\" in path
    ):
        raise BuildError(
            f"{path!r} is no plain relative path of a source file",
            hint="use forward slashes, no '..', no leading '-' or '/'",
        )
