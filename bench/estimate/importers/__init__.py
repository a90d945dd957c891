"""Networks from model files: ONNX and TensorFlow Lite. Only the structure is read; weights stay where they are."""

from __future__ import annotations

from pathlib import Path

from bench.errors import ModelFileError
from bench.estimate.importers.graph import Imported

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Larger files are refused: no microcontroller holds a tenth of it."""

__all__ = ["MAX_FILE_BYTES", "Imported", "from_onnx", "from_tflite", "load"]


def load(path: Path) -> Imported:
    """Return the network in ``path``, by its ending. Raises ModelFileError, naming every operator that no primitive covers.

    Files that the model refers to are never opened.
    """
    readers = {".onnx": from_onnx, ".tflite": from_tflite}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ModelFileError(
            f"the ending of {path} is neither .onnx nor .tflite", hint="export the model in one of these formats"
        )
    try:
        if not path.is_file():
            raise ModelFileError(f"{path} is {'no file' if path.exists() else 'not there'}", hint="check the path")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelFileError(
                f"{path} has {size} bytes, more than {MAX_FILE_BYTES}", hint="no microcontroller could hold it"
            )
        data = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from None
    return reader(data, path.stem)


def from_onnx(data: bytes, name: str = "model") -> Imported:
    """Return the network of an ONNX file's content. Raises ModelFileError."""
    from bench.estimate.importers.onnx_file import read  # noqa: PLC0415 - brings protobuf

    return read(data, name)


def from_tflite(data: bytes, name: str = "model") -> Imported:
    """Return the network of a TensorFlow Lite file's content. Raises ModelFileError."""
    from bench.estimate.importers.tflite_file import read  # noqa: PLC0415 - brings flatbuffers

    return read(data, name)
