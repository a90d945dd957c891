"""LLVM assembly to code of the host, in this process."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import binding as llvm

_LEVEL: Final = 1


class Compiler:
    """Compiles regions and keeps the code alive."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
        self._cpu = llvm.get_host_cpu_name()
        self._features = llvm.get_host_cpu_features()
        self._machine = target.create_target_machine(
            cpu=self._cpu, features=self._features.flatten(), opt=2, codemodel="jitdefault", jit=True
        )
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), self._machine)
        self._objects: list[Any] = []
        self._count = 0

    @property
    def has_fma(self) -> bool:
        """Whether the host multiplies and adds with one rounding."""
        return bool(self._features.get("fma"))

    def compile(self, assembly: str) -> int:
        """Return the address of the module's function ``region``."""
        self._count += 1
        name = f"region_{self._count}"
        module = llvm.parse_assembly(assembly.replace('@"region"', f'@"{name}"'))
        module.triple = llvm.get_default_triple()
        options = llvm.create_pipeline_tuning_options(speed_level=_LEVEL)
        options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
        builder = llvm.create_pass_builder(self._machine, options)
        builder.getModulePassManager().run(module, builder)
        self._engine.add_module(module)
        self._engine.finalize_object()
        self._objects.append(module)
        return int(self._engine.get_function_address(name))
