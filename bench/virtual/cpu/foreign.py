"""Calls through addresses and loads from addresses, for code compiled by numba.

numba's cache of the hooks in native.py does not notice changes in this file: touch native.py after changing it.
"""
# ruff: noqa: ARG001  (numba gives intrinsics and their generators more than they need)

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic


def _call(builder: Any, address: Any, result: Any, arguments: list[Any]) -> Any:
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)


@intrinsic  # type: ignore[untyped-decorator]
def call_1(typing: Any, address: Any, first: Any) -> Any:
    """int64 function(int64) at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, arguments[0], ir.IntType(64), [arguments[1]])

    return types.int64(types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def call_2(typing: Any, address: Any, first: Any, second: Any) -> Any:
    """int64 function(int64, int64) at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, arguments[0], ir.IntType(64), list(arguments[1:]))

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def call_3(typing: Any, address: Any, first: Any, second: Any, third: Any) -> Any:
    """int64 function(int64, int64, int64) at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, arguments[0], ir.IntType(64), list(arguments[1:]))

    return types.int64(*[types.int64] * 4), generate


@intrinsic  # type: ignore[untyped-decorator]
def call_4(typing: Any, address: Any, first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """int64 function(int64, int64, int64, int64) at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _call(builder, arguments[0], ir.IntType(64), list(arguments[1:]))

    return types.int64(*[types.int64] * 5), generate


@intrinsic  # type: ignore[untyped-decorator]
def load_word(typing: Any, address: Any) -> Any:
    """Unsigned 32-bit word at ``address``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.IntType(32).as_pointer())
        return builder.zext(builder.load(pointer), ir.IntType(64))

    return types.int64(types.int64), generate
