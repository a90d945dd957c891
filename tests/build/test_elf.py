"""ELF reading, against what binutils say of the same file."""

from __future__ import annotations

import dataclasses
import re
import subprocess
from pathlib import Path
from posixpath import normpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.build import (
    BuildCache,
    BuiltImage,
    ElfImage,
    SectionKind,
    SourceTree,
    Toolchain,
    build,
    image_info,
    image_sizes,
)
from bench.errors import BuildError


def binutils(tool: str, *arguments: str | Path) -> str:
    command = [f"arm-none-eabi-{tool}", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_sizes_agree_with_size(image: BuiltImage) -> None:
    text, data, bss = map(int, binutils("size", image.elf_path).splitlines()[1].split()[:3])
    sizes = image.sizes
    assert (sizes.text_bytes + sizes.rodata_bytes, sizes.data_bytes, sizes.bss_bytes) == (text, data, bss)
    assert sizes.flash_bytes == text + data


def test_sections_agree_with_size(image: BuiltImage) -> None:
    said = re.findall(r"^(\.\S+)\s+(\d+)\s+(\d+)", binutils("size", "-A", image.elf_path), re.MULTILINE)
    expected = {name: (int(size), int(address)) for name, size, address in said if int(address)}
    assert {section.name: (section.size_bytes, section.address) for section in image.elf.sections} == expected
    kinds = {section.name: section.kind for section in image.elf.sections}
    assert kinds == {
        ".vectors": SectionKind.RODATA,
        ".kernel_text": SectionKind.TEXT,
        ".kernel_rodata": SectionKind.RODATA,
        ".workload_rodata": SectionKind.RODATA,
        ".text": SectionKind.TEXT,
        ".data": SectionKind.DATA,
        ".bss": SectionKind.BSS,
        ".workload_ram": SectionKind.BSS,
    }


def test_symbols_agree_with_nm(image: BuiltImage) -> None:
    expected = set()
    for line in binutils("nm", "-f", "sysv", image.elf_path).splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) == 7 and fields[3] in ("FUNC", "OBJECT"):
            expected.add((fields[0], int(fields[1], 16), int(fields[4], 16), fields[3].lower(), fields[6]))
    got = {(s.name, s.address, s.size_bytes, s.kind, s.section) for s in image.elf.symbols if s.kind != "notype"}
    assert got == expected
    assert {"main", "local", "kernel", "helper", "reset_handler", "weights", "counter"} <= {symbol[0] for symbol in got}
    assert "dropped" not in {symbol[0] for symbol in got}


def test_every_address_agrees_with_addr2line(image: BuiltImage) -> None:
    addresses = [
        address
        for symbol in image.elf.symbols
        if symbol.kind == "func"
        for address in range(symbol.address, symbol.address + symbol.size_bytes, 2)
    ]
    said = binutils("addr2line", "-f", "-e", image.elf_path, *[hex(address) for address in addresses]).splitlines()
    assert len(addresses) > 40
    for address, function, place in zip(addresses, said[::2], said[1::2], strict=True):
        location = image.elf.address_to_line(address)
        file, line = place.split(" ")[0].rsplit(":", 1)
        assert (location.function, location.file, location.line) == (function, normpath(file), int(line)), hex(address)


def test_location_reads_well(image: BuiltImage) -> None:
    main = image.elf.symbol("main")
    with_thumb_bit = image.elf.address_to_line(main.address + 2 + 1)
    assert str(with_thumb_bit).startswith(f"{main.address + 3:#010x} in main+0x2 at main.c:")
    assert str(image.elf.address_to_line(0xDEADBEEE)) == "0xdeadbeee in no function of the image"
    assert image.elf.function_at(0x20000000) is None


def test_segments_agree_with_objcopy(image: BuiltImage, tmp_path: Path) -> None:
    flat = tmp_path / "flat.bin"
    binutils("objcopy", "-O", "binary", image.elf_path, flat)
    expected = flat.read_bytes()
    base = image.elf.segments[0].address
    assert base == 0x08000000
    got = bytearray(len(expected))
    for segment in image.elf.segments:
        got[segment.address - base : segment.address - base + len(segment.data)] = segment.data
    assert bytes(got) == expected
    assert sum(len(segment.data) for segment in image.elf.segments) == image.sizes.flash_bytes


def test_initialised_data_is_loaded_in_flash_and_lives_in_ram(image: BuiltImage) -> None:
    (data,) = [section for section in image.elf.sections if section.kind is SectionKind.DATA]
    assert data.address >> 24 == 0x20
    assert data.load_address is not None
    assert data.load_address >> 24 == 0x08
    segment = next(s for s in image.elf.segments if s.address <= data.load_address < s.address + len(s.data))
    offset = data.load_address - segment.address + image.elf.symbol("counter").address - data.address
    assert segment.data[offset : offset + 4] == (7).to_bytes(4, "little")


def test_segments_hold_no_elf_header(tree: SourceTree, toolchain: Toolchain, cache: BuildCache) -> None:
    """With code a little above a page boundary the linker puts the ELF header into the first segment."""
    script = tree.files["link.ld"].replace("ORIGIN = 0x08000000", "ORIGIN = 0x08000200")
    moved = build(dataclasses.replace(tree, files={**tree.files, "link.ld": script}), toolchain, cache).elf
    assert moved.segments[0].address == 0x08000200
    assert all(b"\x7fELF" not in segment.data for segment in moved.segments)


def test_entry_and_single_symbols(image: BuiltImage) -> None:
    elf = image.elf
    assert elf.entry == elf.symbol("reset_handler").address | 1
    with pytest.raises(BuildError, match="no symbol 'absent'"):
        elf.symbol("absent")


def test_kernel_share_is_its_unit(image: BuiltImage) -> None:
    elf = image.elf
    assert [symbol.name for symbol in elf.unit_functions("kernel.c")] == ["helper", "kernel"]
    share = elf.function_share_bytes("kernel")
    assert share == elf.symbol("kernel").size_bytes + elf.symbol("helper").size_bytes
    assert share <= image.sizes.kernel_code_bytes < share + 8, "the section adds alignment and literals only"
    assert elf.function_share_bytes("reset_handler") == elf.symbol("reset_handler").size_bytes


def test_every_function_has_its_place_on_the_stack(image: BuiltImage) -> None:
    elf = image.elf
    frames = {frame.address: frame for frame in elf.stack_frames}
    assert {elf.symbol(name).address for name in ("kernel", "helper", "main")} <= set(frames)
    for frame in frames.values():
        assert frame.depths_bytes[0] == 0
        assert list(frame.depths_bytes) == sorted(set(frame.depths_bytes))
        assert all(depth % 4 == 0 for depth in frame.depths_bytes)
        assert frame.return_offset is None or -frame.depths_bytes[-1] <= frame.return_offset < 0
    assert frames[elf.symbol("main").address].size_bytes == elf.symbol("main").size_bytes


def test_digest_is_of_the_loaded_bytes_alone(
    tree: SourceTree, toolchain: Toolchain, image: BuiltImage, tmp_path: Path
) -> None:
    stripped = tmp_path / "stripped.elf"
    binutils("objcopy", "--strip-all", image.elf_path, stripped)
    assert ElfImage.from_path(stripped).sha256 == image.sha256
    other = dataclasses.replace(
        tree, files={**tree.files, "main.c": tree.files["main.c"].replace("counter = 7", "counter = 8")}
    )
    assert build(other, toolchain, BuildCache(tmp_path / "cache")).sha256 != image.sha256


def test_without_debug_information(image: BuiltImage, tmp_path: Path) -> None:
    bare = tmp_path / "bare.elf"
    binutils("objcopy", "--strip-debug", image.elf_path, bare)
    elf = ElfImage.from_path(bare)
    main = elf.symbol("main")
    assert str(elf.address_to_line(main.address)) == f"{main.address:#010x} in main+0x0"
    assert elf.function_share_bytes("kernel") == elf.symbol("kernel").size_bytes
    assert elf.unit_functions("kernel.c") == ()
    assert elf.stack_frames == ()
    stripped = tmp_path / "stripped.elf"
    binutils("objcopy", "--strip-all", image.elf_path, stripped)
    assert ElfImage.from_path(stripped).symbols == ()


@pytest.mark.parametrize("version", [3, 4, 5])
def test_older_debug_formats(tree: SourceTree, toolchain: Toolchain, cache: BuildCache, version: int) -> None:
    older = dataclasses.replace(tree, compile_flags=(*tree.compile_flags, f"-gdwarf-{version}", "-gstrict-dwarf"))
    elf = build(older, toolchain, cache).elf
    location = elf.address_to_line(elf.symbol("kernel").address)
    assert (location.function, location.file, location.line) == ("kernel", "kernel.c", 11)
    assert elf.line_table.unit_at(elf.symbol("helper").address) == "kernel.c"


def test_image_without_kernel_section_is_refused(tree: SourceTree, toolchain: Toolchain, cache: BuildCache) -> None:
    script = tree.files["link.ld"].replace(".kernel_text", ".other")
    image = build(dataclasses.replace(tree, files={**tree.files, "link.ld": script}), toolchain, cache)
    assert image_sizes(image.elf).kernel_code_bytes == 0
    with pytest.raises(BuildError, match=r"no section \.kernel_text") as caught:
        image_info(image.elf, compiler="gcc", opt_level="O3")
    assert ".other" in caught.value.hint


@pytest.mark.parametrize(
    "content", [b"", b"\x7f", b"hello world", b"\x00" * 100, b"\x7fELF", b"\x7fELF" + b"\xff" * 200]
)
def test_not_an_elf(content: bytes) -> None:
    with pytest.raises(BuildError, match=r"no ELF|damaged"):
        ElfImage(content, "x.elf")


def test_missing_file_and_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.elf", tmp_path):
        with pytest.raises(BuildError, match="cannot be read"):
            ElfImage.from_path(path)


def test_object_file_is_refused(toolchain: Toolchain, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a;\n")
    subprocess.run([toolchain.gcc, "-c", "a.c"], cwd=tmp_path, check=True)
    with pytest.raises(BuildError, match="no linked executable"):
        ElfImage.from_path(tmp_path / "a.o")


def test_program_of_the_host_is_refused() -> None:
    with pytest.raises(BuildError, match="needs EM_ARM, 32 bit"):
        ElfImage.from_path(Path("/bin/sh"))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_truncated_image_is_refused(image: BuiltImage, data: st.DataObject) -> None:
    """The section table lies at the end, so that any shorter file lacks part of it."""
    content = image.elf_path.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(BuildError):
        ElfImage(content[:cut])


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_image_is_read_or_refused(image: BuiltImage, data: st.DataObject) -> None:
    content = bytearray(image.elf_path.read_bytes())
    headers = (
        st.integers(0, 0x80) | st.integers(len(content) - 0x600, len(content) - 1) | st.integers(0, len(content) - 1)
    )
    for position in data.draw(st.lists(headers, min_size=1, max_size=6)):
        content[position] = data.draw(st.integers(0, 255))
    try:
        elf = ElfImage(bytes(content))
    except BuildError:
        return
    assert len(elf.sha256) == 64
    for symbol in elf.symbols[:5]:
        assert str(elf.address_to_line(symbol.address))
