"""From rendered sources to a linked image: toolchain, compile, cache, ELF reading."""

from bench.build.cache import BuildCache, default_cache_directory
from bench.build.compile import BuiltImage, build, build_key
from bench.build.elf import CodeLocation, ElfImage, LoadSegment, Section, SectionKind, Symbol
from bench.build.sizes import ImageSizes, image_info, image_sizes
from bench.build.toolchain import Toolchain, find_toolchain
from bench.firmware.source import SourceTree

__all__ = [
    "BuildCache",
    "BuiltImage",
    "CodeLocation",
    "ElfImage",
    "ImageSizes",
    "LoadSegment",
    "Section",
    "SectionKind",
    "SourceTree",
    "Symbol",
    "Toolchain",
    "build",
    "build_key",
    "default_cache_directory",
    "find_toolchain",
    "image_info",
    "image_sizes",
]
