"""Building: the same bytes anywhere, and errors that show what is wrong."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.build import BuildCache, BuiltImage, SourceTree, Toolchain, build, build_key
from bench.build.diagnostics import parse_diagnostics
from bench.errors import BuildError, CompileError, ParameterError, ToolchainMissing

Edit = Callable[..., SourceTree]


def test_build_leaves_image_map_log_and_sources(image: BuiltImage, tree: SourceTree) -> None:
    assert not image.from_cache
    assert image.elf_path.read_bytes()[:4] == b"\x7fELF"
    assert "Memory Configuration" in image.map_path.read_text()
    log = image.log_path.read_text()
    assert "-O3 -c kernel.c -o kernel.o" in log
    assert "-T link.ld data/weights.o kernel.o main.o startup.o" in log
    kept = {str(path.relative_to(image.sources_path)) for path in image.sources_path.rglob("*") if path.is_file()}
    assert kept == set(tree.files)
    assert (image.sources_path / "main.c").read_text() == tree.files["main.c"]


def test_image_info_is_complete(image: BuiltImage, toolchain: Toolchain) -> None:
    info = image.info
    assert info.sha256 == image.sha256
    assert info.compiler == toolchain.version
    assert info.opt_level == "O3", "the kernel's own level, not the others'"
    assert info.kernel_code_bytes > 0
    assert info.kernel_rodata_bytes == 16
    assert info.workload_rodata_bytes == 64
    assert info.workload_ram_bytes == 256


def test_same_bytes_wherever_and_however_it_is_built(
    tree: SourceTree, toolchain: Toolchain, image: BuiltImage, tmp_path: Path
) -> None:
    shuffled = dataclasses.replace(tree, files=dict(reversed(list(tree.files.items()))))
    other = build(shuffled, toolchain, BuildCache(tmp_path / "a=b, with spaces" / "é"), jobs=1)
    assert other.key == image.key
    assert not other.from_cache
    assert other.elf_path.read_bytes() == image.elf_path.read_bytes()
    assert str(tmp_path).encode() not in other.elf_path.read_bytes()
    assert b"/proc/self" not in other.elf_path.read_bytes()


def test_environment_does_not_reach_the_compiler(
    tree: SourceTree,
    toolchain: Toolchain,
    image: BuiltImage,
    cache: BuildCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "stdint.h").write_text("#error found on CPATH\n")
    for name in ("CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1234567890")
    assert build(tree, toolchain, cache).elf_path.read_bytes() == image.elf_path.read_bytes()


def test_key_depends_on_all_that_matters(tree: SourceTree, toolchain: Toolchain, edited: Edit) -> None:
    trees = [
        tree,
        edited({"kernel.h": tree.files["kernel.h"] + "\n"}),
        edited({"other.h": ""}),
        dataclasses.replace(tree, machine_flags=("-mcpu=cortex-m7", *tree.machine_flags[1:])),
        dataclasses.replace(tree, compile_flags=(*tree.compile_flags, "-fno-inline")),
        dataclasses.replace(tree, link_flags=("-lm",)),
        dataclasses.replace(tree, defines={"N": "1"}),
        dataclasses.replace(tree, defines={"N": "2"}),
        dataclasses.replace(tree, file_flags={"kernel.c": ("-O2",)}),
    ]
    keys = [build_key(each, toolchain) for each in trees]
    keys.append(build_key(tree, dataclasses.replace(toolchain, identity="another compiler")))
    assert len(set(keys)) == len(keys)
    assert build_key(dataclasses.replace(tree, origins={}), toolchain) == keys[0], "an origin is for messages only"


def test_defines_reach_the_sources(edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    text = '#if SIZE != 5\n#error wrong\n#endif\n_Static_assert(sizeof(NAME) == 3, "quoted");\n'
    tree = edited({"probe.c": text}, defines={"SIZE": "5", "NAME": '"ab"'})
    assert build(tree, toolchain, cache).elf.segments


def test_compile_error_shows_the_rendered_line(
    tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache
) -> None:
    bad = edited({"main.c": tree.files["main.c"].replace("    counter += x;", "\tcounter += undeclared;")})
    with pytest.raises(CompileError) as caught:
        build(bad, toolchain, cache)
    error = caught.value
    assert error.message.startswith("main.c:12:")
    assert "'undeclared' undeclared" in error.message
    assert error.detail.splitlines()[:7] == [
        f"{error.message.removesuffix(' (and 1 more)')}  [rendered from template main.c.j2]",
        "    10 | static __attribute__((noinline)) int local(int x)",
        "    11 | {",
        ">   12 |         counter += undeclared;",
        "       |                    ^",
        "    13 |     return counter;",
        "    14 | }",
    ]
    kept = Path(error.hint.split(" kept in ")[1])
    assert (kept / "sources" / "main.c").read_text() == bad.files["main.c"]
    assert "undeclared" in (kept / "build.log").read_text()


def test_all_units_are_tried_and_the_first_errors_shown(
    tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache
) -> None:
    broken = {f"unit{i}.c": f"int f{i}(void) {{ return nope{i}; }}\n" for i in range(5)}
    with pytest.raises(CompileError, match=r"unit0\.c:1:\d+: 'nope0' .* \(and 4 more\)") as caught:
        build(edited(broken, compile_flags=("-O1",)), toolchain, cache, jobs=2)
    assert "nope2" in caught.value.detail
    assert "nope3" not in caught.value.detail
    assert "nope4" in (Path(caught.value.hint.split(" kept in ")[1]) / "build.log").read_text()


def test_error_in_a_header_and_a_missing_header(edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    with pytest.raises(CompileError, match=r"kernel\.h:1:\d+: unknown type name 'flaot'"):
        build(edited({"kernel.h": "flaot kernel(void);\n"}), toolchain, cache)
    with pytest.raises(CompileError, match=r"data/weights\.c:1:10: nothere\.h: No such file"):
        build(edited({"data/weights.c": '#include "nothere.h"\n'}), toolchain, cache)


def test_warning_is_an_error_where_the_flags_say_so(edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    extra = {"extra.c": "int f(void);\nint f(void) { int unused; return 0; }\n"}
    with pytest.raises(CompileError, match="unused variable 'unused'"):
        build(edited(extra), toolchain, cache)
    lenient = edited(extra, compile_flags=("-O1", "-Wall"))
    assert "unused variable" in build(lenient, toolchain, cache).log_path.read_text()


def test_assembler_error_shows_the_line(
    tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache
) -> None:
    bad = edited({"startup.S": tree.files["startup.S"].replace("bl main", "jump main")})
    with pytest.raises(CompileError, match=r"startup\.S:11: bad instruction `jump main'") as caught:
        build(bad, toolchain, cache)
    assert ">   11 |     jump main" in caught.value.detail
    assert "startup.S.j2" in caught.value.detail


def test_region_overflow_gives_the_numbers(
    tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache
) -> None:
    small = edited({"link.ld": tree.files["link.ld"].replace("LENGTH = 512K", "LENGTH = 128")})
    with pytest.raises(
        CompileError, match=r"does not fit: FLASH overflowed by (\d+) bytes: it needs (\d+) of 128 bytes"
    ) as caught:
        build(small, toolchain, cache)
    numbers = [int(word) for word in caught.value.message.split() if word.isdigit()]
    assert numbers[0] == numbers[1] - numbers[2]
    assert "smaller input" in caught.value.hint


def test_ram_overflow(tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    large = edited({"main.c": tree.files["main.c"].replace("buffer[64]", "buffer[65536]")})
    with pytest.raises(CompileError, match=r"RAM overflowed by \d+ bytes: it needs \d+ of 131072 bytes"):
        build(large, toolchain, cache)


def test_undefined_symbol(tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    bad = edited(
        {
            "main.c": tree.files["main.c"]
            .replace("= local(3)", "= absent(3)")
            .replace("int main", "int absent(int);\nint main")
        }
    )
    bad = dataclasses.replace(bad, compile_flags=("-O1",))
    with pytest.raises(CompileError, match=r"undefined symbol absent, used in main\.c:\d+"):
        build(bad, toolchain, cache)


def test_symbol_defined_twice(tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    with pytest.raises(CompileError, match=r"symbol weights is defined twice"):
        build(edited({"other.c": tree.files["data/weights.c"]}), toolchain, cache)


def test_linker_script_error_shows_the_linkers_words(edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    with pytest.raises(CompileError, match=r"the linker failed: link\.ld:\d+: syntax error"):
        build(edited({"link.ld": "SECTIONS { oops\n"}), toolchain, cache)


def test_linker_warning_is_fatal(tree: SourceTree, edited: Edit, toolchain: Toolchain, cache: BuildCache) -> None:
    bad = edited({"link.ld": tree.files["link.ld"].replace("ENTRY(reset_handler)", "ENTRY(reset_handle)")})
    with pytest.raises(CompileError, match="cannot find entry symbol reset_handle"):
        build(bad, toolchain, cache)


def test_killed_compiler_shows_what_it_said(
    tree: SourceTree, toolchain: Toolchain, cache: BuildCache, tmp_path: Path
) -> None:
    gcc = tmp_path / "gcc"
    gcc.write_text(
        f'#!/bin/sh\ncase "$*" in *-print*) exec {toolchain.gcc} "$@";; esac\necho "cc1: out of memory" >&2\nexit 1\n'
    )
    gcc.chmod(0o755)
    with pytest.raises(CompileError, match=r"the compiler failed on data/weights\.c") as caught:
        build(tree, dataclasses.replace(toolchain, gcc=gcc, identity="dying"), cache)
    assert caught.value.detail == "cc1: out of memory"


def test_compiler_that_went_away(tree: SourceTree, toolchain: Toolchain, cache: BuildCache, tmp_path: Path) -> None:
    with pytest.raises(ToolchainMissing, match="does not run"):
        build(tree, dataclasses.replace(toolchain, gcc=tmp_path / "gone"), cache)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../up.c", "a/../b.c", "-o.c", "a\\b.c", "./a.c", "a//b.c", "", "a\nb.c"]
)
def test_paths_stay_in_the_tree(path: str) -> None:
    with pytest.raises(BuildError, match="relative path"):
        SourceTree({path: "", "a.c": "", "l.ld": ""}, "l.ld")


@pytest.mark.parametrize(
    ("files", "script", "flags", "message"),
    [
        (("a.c",), "l.ld", {}, "linker script 'l.ld' is not among the sources"),
        (("l.ld", "a.h"), "l.ld", {}, "nothing to compile"),
        (("l.ld", "a.c", "a.S"), "l.ld", {}, "both be compiled to a.o"),
        (("l.ld", "a.c"), "l.ld", {"b.c": ("-O3",)}, "'b.c', which is not among"),
    ],
)
def test_inconsistent_tree(
    files: tuple[str, ...], script: str, flags: dict[str, tuple[str, ...]], message: str
) -> None:
    with pytest.raises(BuildError, match=message):
        SourceTree(dict.fromkeys(files, ""), script, file_flags=flags)


def test_optimisation_level_is_the_last_one(tree: SourceTree) -> None:
    assert tree.opt_level("kernel.c") == "-O3"
    assert tree.opt_level("main.c") == "-O1"
    assert dataclasses.replace(tree, compile_flags=()).opt_level("main.c") == "-O0"


def test_no_compiler_at_once_is_refused(tree: SourceTree, toolchain: Toolchain, cache: BuildCache) -> None:
    with pytest.raises(ParameterError, match="jobs is 0"):
        build(tree, toolchain, cache, jobs=0)


@given(st.text())
def test_any_output_can_be_parsed(output: str) -> None:
    for diagnostic in parse_diagnostics(output + "\nmain.c:3:1: error: x\n"):
        assert diagnostic.line >= 0


def test_build_runs_without_a_usable_home(
    tree: SourceTree, toolchain: Toolchain, cache: BuildCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setenv("PATH", os.defpath)
    assert build(tree, toolchain, cache).sha256
