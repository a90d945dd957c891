"""Tables for neural architecture search tools: latency (and energy) of layers by shape, at one setting.

Such a table knows neither clocks nor stations, so all its rows must be of one setting: station, clock configuration, data type, flavor and
optimisation level. They are written, never read back: what they leave out (uncertainty of energy, provenance) cannot be restored.

nn-Meter (microsoft/nn-Meter, builder's ``profiled_results.json``): kernel type -> id -> ``config`` (HW, CIN, COUT, KERNEL_SIZE, STRIDES ...)
and ``latency`` as "mean +- standard uncertainty" in milliseconds.

Once-for-all (mit-han-lab/once-for-all, ``latency_tools``): a YAML mapping from ``type-input:HxWxC-output:HxWxC-kernel:K-stride:S`` to
``mean`` in milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from bench.domain.lut import LutRow
from bench.errors import UsageError

_MS = 1e3
_COVERAGE = 2.0
"""From the expanded uncertainty back to a standard one, which is what these tools mean by a deviation."""

_SETTING = ("source", "station", "clock_id", "dtype", "flavor", "opt_level")
_FILTERS = {"clock_id": "--freq"}

_SQUARE = {"HW": "in_h", "CIN": "in_c"}
_CONVOLUTION = {**_SQUARE, "COUT": "out_c", "KERNEL_SIZE": "kernel_h", "STRIDES": "stride"}
_POOL = {**_SQUARE, "KERNEL_SIZE": "kernel_h", "POOL_STRIDES": "stride"}
_NN_METER: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "conv2d": ("conv_block", _CONVOLUTION),
    "conv2d_rgb": ("conv_block", _CONVOLUTION),
    "depthwise_conv2d": (
        "dwconv_block",
        {name: column for name, column in _CONVOLUTION.items() if name != "COUT"},
    ),
    "maxpool2d": ("maxpool_block", _POOL),
    "avgpool2d": ("avgpool_block", _POOL),
    "global_avgpool2d": ("globalavgpool_block", _SQUARE),
    "fully_connected": ("fc_block", {"CIN": "in_c", "COUT": "out_c"}),
}
"""Kernel types of nn-Meter that a primitive is, and which of our columns their configuration is. Element-wise primitives have no image shape to give."""


def write_nn_meter(file: BinaryIO, rows: Iterable[LutRow]) -> int:
    """Write the rows that nn-Meter has a kernel type for, and return their number. Raises UsageError for several settings, or no such row."""
    table: dict[str, dict[str, object]] = {}
    for row in _one_setting(rows):
        kind, columns = _NN_METER.get(row.primitive, ("", {}))
        if not kind or ("HW" in columns and row.in_h != row.in_w):
            continue  # nn-Meter knows square images alone
        entries = table.setdefault(kind, {})
        entries[f"{row.primitive};{row.params}"] = {
            "config": {name: getattr(row, column) for name, column in columns.items()},
            "latency": f"{row.latency_s * _MS!r} +- {row.latency_u95_s / _COVERAGE * _MS!r}",
            "energy_j": row.energy_j,
        }
    return _write(file, table, sum(map(len, table.values())), "nn-meter", sorted(_NN_METER))


def write_ofa(file: BinaryIO, rows: Iterable[LutRow]) -> int:
    """Write the rows that have an input and an output shape, and return their number. Raises UsageError for several settings, or no such row."""
    table: dict[str, object] = {}
    for row in _one_setting(rows):
        if row.in_c is None or row.out_c is None:
            continue
        table[_ofa_key(row)] = {
            "mean": row.latency_s * _MS,
            "std": row.latency_u95_s / _COVERAGE * _MS,
            "count": row.repeats,
            "energy_j": row.energy_j,
        }
    return _write(file, table, len(table), "ofa", sorted(_NN_METER))


def _ofa_key(row: LutRow) -> str:
    parameters = dict(part.split("=", 1) for part in row.params.split(";") if "=" in part)
    parts = [row.primitive]
    if row.in_h is None or row.in_w is None:
        shapes = [f"{row.in_c}", f"{row.out_c}"]
    else:
        out_h, out_w = (_output(size, row, parameters.get("padding", "valid")) for size in (row.in_h, row.in_w))
        shapes = [f"{row.in_h}x{row.in_w}x{row.in_c}", f"{out_h}x{out_w}x{row.out_c}"]
    parts += [f"input:{shapes[0]}", f"output:{shapes[1]}"]
    if row.kernel_h is not None:
        parts += [f"kernel:{row.kernel_h}", f"stride:{row.stride}"]
    elif "n" in parameters:
        parts.append(f"n:{parameters['n']}")
    if "scaling" in parameters:
        parts.append(f"scaling:{parameters['scaling']}")
    return "-".join(parts)


def _output(size: int, row: LutRow, padding: str) -> int:
    """Return the output height or width; without a window all of the input becomes one value."""
    if row.kernel_h is None or row.stride is None:
        return 1
    return -(-size // row.stride) if padding == "same" else (size - row.kernel_h) // row.stride + 1


def _one_setting(rows: Iterable[LutRow]) -> list[LutRow]:
    found = list(rows)
    for column in _SETTING:
        values = sorted({str(getattr(row, column)) for row in found})
        if len(values) > 1:
            option = _FILTERS.get(column, f"--{column.replace('_level', '')}")
            raise UsageError(
                f"a table for architecture search is of one {column}, the selection has {len(values)}: {', '.join(values[:4])}"
                + (" ..." if len(values) > 4 else ""),
                hint=f"choose one with {option}, as in: bench export table --format ofa {option} {values[0]}",
            )
    return found


def _write(file: BinaryIO, table: Mapping[str, object], count: int, name: str, kinds: list[str]) -> int:
    if not count:
        raise UsageError(
            f"the selection holds nothing that {name} has a layer type for", hint=f"it knows: {', '.join(kinds)}"
        )
    # JSON is YAML too, which is what once-for-all reads.
    file.write((json.dumps(table, indent=1, allow_nan=False) + "\n").encode())
    return count
