"""External kernel libraries: the code behind a flavor, read from a folder of the user's.

A library is one ``LibraryKind`` in ``LIBRARIES``, and adapter templates ``firmware_templates/kernels/PRIMITIVE_DTYPE_FLAVOR.c.j2`` that call it. Its
sources are copied into the image's source tree, never into the project. Which of them an image needs is read off the text (``needed``): compiling
all would take most of a minute, and what is too much the linker drops.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bench.domain.primitives.base import CMSIS_NN
from bench.domain.workload import Workload
from bench.errors import ParameterError
from bench.firmware.library_source import calls, definitions, identifiers, includes

PREFIX = "libraries"
"""Folder of the source tree below which a library's files lie; the linker script counts what is compiled there as the kernel's."""

DOCS = "docs/kernel-libraries.md"


@dataclass(frozen=True, slots=True)
class LibraryKind:
    """A library that the bench knows how to call.

    ``header`` is the file by which its folder is recognised, and in which ``revision`` finds the version of its interface (groups: the numbers).
    Supported are revisions from ``oldest`` on and before ``beyond``; ``releases`` says so in the words of its makers. ``headers`` are templates
    that its adapters include, by file name; ``prefix`` is what its public functions' names begin with.
    """

    flavor: str
    title: str
    option: str
    variable: str
    url: str
    header: str
    revision: re.Pattern[str]
    oldest: tuple[int, ...]
    beyond: tuple[int, ...]
    releases: str
    include_dirs: tuple[str, ...]
    source_dirs: tuple[str, ...]
    prefix: str
    headers: Mapping[str, str]


LIBRARIES: Mapping[str, LibraryKind] = {
    kind.flavor: kind
    for kind in (
        LibraryKind(
            flavor=CMSIS_NN,
            title="CMSIS-NN",
            option="--cmsis-nn",
            variable="BENCH_CMSIS_NN",
            url="https://github.com/ARM-software/CMSIS-NN",
            header="Include/arm_nnfunctions.h",
            revision=re.compile(r"\$Revision:\s*V\.?(\d+)\.(\d+)\.(\d+)"),
            oldest=(12, 4),
            beyond=(20,),
            releases="releases 5.0.0, 6.0.0 and 7.0.0, and what follows with an interface revision below 20",
            include_dirs=("Include",),
            source_dirs=("Source",),
            prefix="arm_",
            headers={"cmsis_nn.h": "cmsis_nn.h.j2"},
        ),
    )
}
"""The known libraries by flavor."""


@dataclass(frozen=True, slots=True)
class KernelLibrary:
    """A library as found in folder ``root``.

    ``files`` maps paths below ``root`` to the text of every source and header; ``version`` is its interface revision, ``commit`` that of a git
    checkout, else empty. Equal content is equal, wherever it lies.
    """

    kind: LibraryKind
    root: Path = field(compare=False)
    version: str
    commit: str
    files: Mapping[str, str] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the names and texts of all its sources and headers."""
        digest = hashlib.sha256()
        for path, text in sorted(self.files.items()):
            digest.update(f"{path}\0{len(text)}\0{text}".encode())
        return digest.hexdigest()

    @property
    def provenance(self) -> tuple[tuple[str, str], ...]:
        """What a run's environment says about the library."""
        name = self.kind.flavor
        commit = ((f"{name}_commit", self.commit),) if self.commit else ()
        return ((f"{name}_version", self.version), *commit, (f"{name}_sha256", self.digest))

    @property
    def compile_flags(self) -> tuple[str, ...]:
        """Flags for what includes its headers: their warnings are not ours."""
        return tuple(flag for folder in self.kind.include_dirs for flag in ("-isystem", self.tree_path(folder)))

    @property
    def unit_flags(self) -> tuple[str, ...]:
        """Flags for its own units besides: foreign code may warn, and may count on the compiler's memcpy."""
        return (*self.compile_flags, "-w", "-fhosted")

    def tree_path(self, path: str) -> str:
        """Return where ``path`` lies in the source tree."""
        return f"{PREFIX}/{self.kind.flavor}/{path}"

    def needed(self, adapter: str, work: Workload) -> dict[str, str]:
        """Return the files, by their path in the library, that C text ``adapter`` needs: units that define what it names, and so on, and headers.

        Raises ParameterError where ``adapter`` calls a public function that this version does not have.
        """
        homes = {name: path for path, text in self.files.items() if path.endswith(".c") for name in definitions(text)}
        missing = sorted(calls(adapter, self.kind.prefix) - homes.keys())
        if missing:
            raise ParameterError(
                f"{work} needs {', '.join(missing)}, which {self.kind.title} {self.version} in {self.root} does not define",
                hint=f"use a newer {self.kind.title}, or other parameters; {DOCS} says what each version has",
            )
        chosen: dict[str, str] = {}
        waiting = [*self._headers(adapter, "")]
        waiting += [homes[name] for name in identifiers(adapter) & homes.keys()]
        while waiting:
            path = waiting.pop()
            if path in chosen:
                continue
            chosen[path] = text = self.files[path]
            waiting += self._headers(text, str(PurePosixPath(path).parent))
            if path.endswith(".c"):  # a header names everything and needs next to nothing
                waiting += [homes[name] for name in identifiers(text) & homes.keys()]
        return dict(sorted(chosen.items()))

    def _headers(self, text: str, folder: str) -> Iterable[str]:
        for name in includes(text):
            for place in (folder, *self.kind.include_dirs):
                path = (PurePosixPath(place) / name).as_posix()
                if path in self.files:
                    yield path
                    break


def find_library(flavor: str, root: Path) -> KernelLibrary:
    """Read the library of ``flavor`` from folder ``root``.

    Raises ParameterError where the folder is missing, holds something else or is not readable, and for a version that is not supported.
    """
    kind = LIBRARIES[flavor]
    get = f"get it from {kind.url} and point {kind.option} at its top folder ({DOCS})"
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise ParameterError(f"{kind.option} {root}: the folder {what}", hint=get)
    if not (root / kind.header).is_file():
        raise ParameterError(f"{kind.option} {root}: this is not {kind.title}, there is no {kind.header}", hint=get)
    files = _read(kind, root)
    found = kind.revision.search(files[kind.header])
    supported = f"supported are {kind.releases} ({DOCS})"
    if found is None:
        raise ParameterError(
            f"{kind.option} {root}: {kind.header} does not say its revision, so the version of {kind.title} is not known",
            hint=supported,
        )
    revision = tuple(int(part) for part in found.groups())
    version = ".".join(found.groups())
    if not kind.oldest <= revision < kind.beyond:
        raise ParameterError(
            f"{kind.option} {root}: this {kind.title} has interface revision {version}, which is too {'old' if revision < kind.oldest else 'new'}",
            hint=supported,
        )
    return KernelLibrary(kind, root, version, _commit(root), files)


def choose_library(work: Workload, folders: Mapping[str, Path | None]) -> KernelLibrary | None:
    """Return the library that ``work`` needs from ``folders``, by flavor; None where its code is the bench's own.

    Raises ParameterError as ``find_library``, and where no folder is given.
    """
    if work.flavor not in LIBRARIES:
        return None
    root = folders.get(work.flavor)
    if root is None:
        kind = LIBRARIES[work.flavor]
        raise ParameterError(
            f"flavor {work.flavor} is {kind.title}, which does not come with the bench; no folder of it is given",
            hint=f"get it from {kind.url} and give its folder: {kind.option} PATH, or {kind.variable} in the environment ({DOCS})",
        )
    return find_library(work.flavor, root)


def _read(kind: LibraryKind, root: Path) -> dict[str, str]:
    paths = [
        path
        for folder in (*kind.include_dirs, *kind.source_dirs)
        for path in sorted((root / folder).rglob("*.[ch]"))
        if path.is_file()
    ]
    try:
        return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8", errors="replace") for path in paths}
    except OSError as error:
        raise ParameterError(
            f"{kind.option} {root}: {error.filename} is not readable: {error.strerror}", hint="mend its permissions"
        ) from error


def _commit(root: Path) -> str:
    """Return the commit that is checked out in ``root``, or nothing where that is no git checkout (gitrepository-layout(5))."""
    git = root / ".git"
    try:
        if git.is_file():  # a submodule or a worktree
            git = (root / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()).resolve()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        for folder in (git, (git / _text(git / "commondir")).resolve()):
            if loose := _text(folder / name):
                return loose
            for line in _text(folder / "packed-refs").splitlines():
                if line.endswith(f" {name}"):
                    return line.split()[0]
    except (OSError, UnicodeDecodeError):
        pass
    return ""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""
