"""Files of look-up tables: which format, written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from bench.domain.lut import LutRow
from bench.errors import BenchError, UsageError
from bench.lut import csv_format, json_format, nas_formats, parquet_format


class Format(StrEnum):
    """Formats of look-up tables. The last two are for architecture search tools, of one setting each, and cannot be read back."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    NN_METER = "nn-meter"
    OFA = "ofa"


_WRITERS: dict[Format, Callable[[BinaryIO, Iterable[LutRow]], int]] = {
    Format.CSV: csv_format.write,
    Format.PARQUET: parquet_format.write,
    Format.JSON: json_format.write,
    Format.NN_METER: nas_formats.write_nn_meter,
    Format.OFA: nas_formats.write_ofa,
}
_READERS: dict[Format, Callable[[BinaryIO, str], Iterator[LutRow]]] = {
    Format.CSV: csv_format.read,
    Format.PARQUET: parquet_format.read,
    Format.JSON: json_format.read,
}


def format_of(path: Path) -> Format:
    """Return the format that the ending of ``path`` names. Raises UsageError."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in _READERS:
        raise UsageError(
            f"the ending of {path} names no format", hint=f"end it with .{', .'.join(_READERS)}, or use --format"
        )
    return Format(ending)


def write(path: Path, rows: Iterable[LutRow], format: Format | None = None) -> int:
    """Write ``rows`` to ``path`` and return their number; without ``format`` the ending decides.

    The file appears under its name when it is complete, whatever happens; an older one is kept until then. Raises UsageError for a path
    that cannot be written.
    """
    writer = _WRITERS[format or format_of(path)]
    with replacing(path) as file:
        return writer(file, rows)


def read(path: Path, format: Format | None = None) -> list[LutRow]:
    """Return the rows of the look-up table in ``path``; without ``format`` the ending decides.

    Raises UsageError for a file that cannot be read, ConfigurationError with file, line or row, and column for one that is malformed.
    """
    chosen = format or format_of(path)
    if chosen not in _READERS:
        raise UsageError(f"{chosen} tables cannot be read back", hint=f"readable are {', '.join(_READERS)}")
    reader = _READERS[chosen]
    try:
        with path.open("rb") as file:
            return list(reader(file, str(path)))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="check the path and its permissions") from None


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends without an error; devices and pipes are written directly.

    Raises UsageError for a path that cannot be written, BenchError for a full disk.
    """
    temporary: Path | None = None
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as file:
                yield file
            return
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        target = path.resolve()  # a link keeps pointing where it does
        temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        temporary = None
    except OSError as error:
        raise _unwritable(path, error) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> BenchError:
    message = f"cannot write {path}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return BenchError(message, hint="free some space, or write elsewhere")
    return UsageError(message, hint="check that the directory exists and that you may write there")
