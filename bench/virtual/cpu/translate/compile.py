"""LLVM assembly to code of the host, kept on disk: a region is compiled once, and loaded by whoever meets it again.

A file holds the object code and its checksum, under a name that tells the region's content, the files of this package, LLVM and the host's
processor apart. It may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import llvmlite  # type: ignore[import-untyped]
from llvmlite import binding as llvm

_KEPT: Final = 2000  # files; some 20 KB each
_DIGEST_BYTES: Final = hashlib.sha256().digest_size
_PASSES: Final = ("sroa", "instruction_combine", "simplify_cfg", "instruction_combine", "simplify_cfg")


def store_folder() -> Path:
    """Where compiled regions are kept: ``translated`` in ``BENCH_CACHE``, else in the user's cache folder of the bench."""
    base = os.environ.get("BENCH_CACHE") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "bench")
    return Path(base).expanduser() / "translated"


class Compiler:
    """Compiles regions, and keeps the code alive as long as the process."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        cpu, self._features = llvm.get_host_cpu_name(), llvm.get_host_cpu_features()
        flat = self._features.flatten()
        target = llvm.Target.from_default_triple()
        self._machine = target.create_target_machine(cpu=cpu, features=flat, opt=2, codemodel="jitdefault", jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), self._machine)
        self._loaded: dict[str, int] = {}
        self._lock = threading.Lock()
        self._host = repr((llvmlite.__version__, llvm.llvm_version_info, cpu, flat, _sources()))

    @property
    def has_fused_multiply(self) -> bool:
        """Whether the host multiplies and adds with one rounding."""
        return bool(self._features.get("fma"))

    def function(self, content: str, build: Callable[[], str], worth_compiling: bool) -> int | None:
        """Address of the function ``region`` of the module that ``build`` writes, which ``content`` stands for.

        None when it would have to be compiled and that is not worth it.
        """
        key = hashlib.sha256((self._host + content).encode()).hexdigest()
        with self._lock:
            if key not in self._loaded:
                code = _read(key)
                if code is None:
                    if not worth_compiling:
                        return None
                    code = self._compile(build(), f"region_{key}")
                    _write(key, code)
                self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
                self._engine.finalize_object()
                self._loaded[key] = int(self._engine.get_function_address(f"region_{key}"))
            return self._loaded[key]

    def _compile(self, assembly: str, name: str) -> bytes:
        module = llvm.parse_assembly(assembly.replace('@"region"', f'@"{name}"'))
        module.triple = self._machine.triple
        passes: Any = llvm.create_new_function_pass_manager()
        for pass_name in _PASSES:
            getattr(passes, f"add_{pass_name}_pass")()
        builder = llvm.create_pass_builder(self._machine, llvm.create_pipeline_tuning_options(speed_level=2))
        for function in module.functions:
            if not function.is_declaration:
                passes.run(function, builder)
        return bytes(self._machine.emit_object(module))


@lru_cache(maxsize=1)
def compiler() -> Compiler:
    """The process's compiler, made when the first region is."""
    return Compiler()


def _sources() -> str:
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for file in (*sorted(here.glob("*.py")), here.parent / "layout.py"):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _read(key: str) -> bytes | None:
    try:
        content = (store_folder() / key).read_bytes()
    except OSError:
        return None
    digest, code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return code if hashlib.sha256(code).digest() == digest else None


def _write(key: str, code: bytes) -> None:
    """Keep the code; a folder that cannot be written to only costs time."""
    folder = store_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        files = list(folder.iterdir())
        if len(files) >= _KEPT:
            for file in sorted(files, key=lambda file: file.stat().st_mtime)[: _KEPT // 4]:
                file.unlink(missing_ok=True)
        handle, name = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "wb") as file_object:
            file_object.write(hashlib.sha256(code).digest() + code)
        Path(name).replace(folder / key)
