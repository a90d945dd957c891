"""The cache: hits, damage, several processes, limits, and directories that are no use."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import shutil
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.build import BuildCache, BuiltImage, SourceTree, Toolchain, build, default_cache_directory
from bench.build import compile as compile_module
from bench.errors import BuildError, CompileError

FILES = ("image.elf", "image.map", "build.log", "sources/kernel.c", "entry.json")


def variant(tree: SourceTree, number: int) -> SourceTree:
    return dataclasses.replace(tree, files={**tree.files, "variant.c": f"const int variant = {number};\n"})


def build_in_child(tree: SourceTree, toolchain: Toolchain, root: Path) -> tuple[str, str, bool]:
    """Build and return key, digest of the ELF as it lies there, and whether it was a hit."""
    image = build(tree, toolchain, BuildCache(root), jobs=1)
    return image.key, str(image.elf_path), image.from_cache


def test_second_build_is_a_hit(
    tree: SourceTree, toolchain: Toolchain, cache: BuildCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(tree, toolchain, cache)

    def refuse(*_arguments: object) -> None:
        raise AssertionError("nothing must be compiled")

    monkeypatch.setattr(compile_module, "_compile_and_link", refuse)
    second = build(tree, toolchain, cache)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert second.elf_path == first.elf_path
    assert second.info == first.info


def test_change_is_a_miss_and_change_back_a_hit(tree: SourceTree, toolchain: Toolchain, cache: BuildCache) -> None:
    hits = [build(each, toolchain, cache).from_cache for each in (tree, variant(tree, 1), tree, variant(tree, 1))]
    assert hits == [False, False, True, True]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["truncated", "changed", "missing"])
def test_damaged_entry_is_built_again(image: BuiltImage, cache: BuildCache, name: str, damage: str) -> None:
    """Lookup decides; it is given a copy of a good entry, so that nothing needs compiling."""
    key = image.key
    with cache.locked(key), cache.workspace(key) as workspace:
        shutil.copytree(image.directory, workspace, dirs_exist_ok=True, ignore=shutil.ignore_patterns("entry.json"))
        entry = cache.publish(key, workspace)
    assert cache.lookup(key) == entry
    content = (entry / name).read_bytes()
    if damage == "missing":
        (entry / name).unlink()
    else:
        half = len(content) // 2
        (entry / name).write_bytes(
            content[:half] if damage == "truncated" else content[:half] + b"\0\1" + content[half + 2 :]
        )
    assert cache.lookup(key) is None


def test_damaged_entry_is_replaced(tree: SourceTree, toolchain: Toolchain, cache: BuildCache) -> None:
    first = build(tree, toolchain, cache)
    good = first.elf_path.read_bytes()
    first.elf_path.write_bytes(good[:1000])
    second = build(tree, toolchain, cache)
    assert not second.from_cache
    assert second.elf_path.read_bytes() == good
    assert build(tree, toolchain, cache).from_cache
    assert not list((cache.root / "work").iterdir())


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"files": []}', '{"files": {"../../x": 3}}', "null", "\xff"])
def test_nonsense_manifest_is_a_miss(cache: BuildCache, manifest: str) -> None:
    entry = cache.root / "entries" / "ab" / "abcd"
    entry.mkdir(parents=True)
    (entry / "entry.json").write_bytes(manifest.encode("latin-1"))
    assert cache.lookup("abcd") is None


def test_processes_share_one_directory(tree: SourceTree, toolchain: Toolchain, cache: BuildCache) -> None:
    """Four processes, three trees, each asked for four times: every tree is compiled once, every answer is good."""
    trees = [variant(tree, number) for number in (0, 1, 2)] * 4
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        answers = list(pool.map(build_in_child, trees, [toolchain] * len(trees), [cache.root] * len(trees)))
    assert len({key for key, _, _ in answers}) == 3
    assert sum(not from_cache for _, _, from_cache in answers) == 3
    assert all(cache.lookup(key) == Path(path).parent for key, path, _ in answers)
    assert not list((cache.root / "work").iterdir())


def test_threads_share_one_directory(tree: SourceTree, toolchain: Toolchain, cache: BuildCache) -> None:
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda _: build(tree, toolchain, cache), range(4)))
    assert sorted(image.from_cache for image in images) == [False, True, True, True]


def test_lock_keeps_others_out(cache: BuildCache) -> None:
    order: list[str] = []
    entered = threading.Event()

    def other() -> None:
        entered.set()
        with cache.locked("ab1"):
            order.append("other")

    thread = threading.Thread(target=other)
    with cache.locked("ab1"):
        thread.start()
        entered.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "other"]


def test_compile_error_is_not_cached_and_leaves_no_workspace(
    tree: SourceTree, toolchain: Toolchain, cache: BuildCache
) -> None:
    bad = dataclasses.replace(tree, files={**tree.files, "bad.c": "nonsense\n"})
    for _ in range(2):
        with pytest.raises(CompileError) as caught:
            build(bad, toolchain, cache)
    assert not list((cache.root / "work").iterdir())
    failed = Path(caught.value.hint.split(" kept in ")[1])
    assert (failed / "sources" / "bad.c").read_text() == "nonsense\n"
    assert not (cache.root / "entries").exists()


def test_prune_removes_the_least_recently_used(image: BuiltImage, cache: BuildCache) -> None:
    keys = [f"{number:02d}entry" for number in range(4)]
    for age, key in enumerate(keys):
        with cache.workspace(key) as workspace:
            (workspace / "image.elf").write_bytes(bytes(1000))
            entry = cache.publish(key, workspace)
        os.utime(entry / "entry.json", (1000.0 + age, 1000.0 + age))
    assert cache.lookup(keys[0]) is not None, "used now, so the last to go"
    total = cache.size_bytes()
    removed = cache.prune(total * 6 // 10)
    assert [cache.lookup(key) is not None for key in keys] == [True, False, False, True]
    assert cache.size_bytes() == total - removed
    assert cache.prune(total) == 0
    assert cache.clear() == total - removed
    assert cache.size_bytes() == 0


def test_clear_leaves_what_is_not_the_caches_own(cache: BuildCache) -> None:
    cache.root.mkdir()
    (cache.root / "mine.txt").write_text("keep")
    with cache.workspace("aa1") as running:
        with cache.workspace("aa2") as workspace:
            cache.keep_failed("aa2", workspace)
        cache.clear()
        assert running.is_dir(), "a build under way in another process"
    assert (cache.root / "mine.txt").read_text() == "keep"
    assert not (cache.root / "failed").exists()


def test_prune_of_a_cache_that_is_not_there(cache: BuildCache) -> None:
    assert cache.prune(0) == 0
    assert cache.size_bytes() == 0


def test_image_stays_usable_when_the_cache_is_cleared(
    tree: SourceTree, toolchain: Toolchain, cache: BuildCache
) -> None:
    image = build(tree, toolchain, cache)
    cache.clear()
    assert image.info.sha256 == image.sha256
    assert image.elf.address_to_line(image.elf.symbol("main").address).file == "main.c"


@pytest.mark.parametrize("place", ["file", "under_file", "proc"])
def test_unusable_directory(tree: SourceTree, toolchain: Toolchain, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    root = {"file": tmp_path / "file", "under_file": tmp_path / "file" / "cache", "proc": Path("/proc/cache")}[place]
    with pytest.raises(BuildError, match=f"build cache {root} is not usable") as caught:
        build(tree, toolchain, BuildCache(root))
    assert "BENCH_CACHE" in caught.value.hint


def test_full_disk(tree: SourceTree, toolchain: Toolchain, cache: BuildCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object, **_keywords: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BuildError, match="No space left on device"):
        build(tree, toolchain, cache)
    assert not list((cache.root / "work").iterdir())


def test_manifest_lists_every_file(image: BuiltImage) -> None:
    files = json.loads((image.directory / "entry.json").read_text())["files"]
    there = {str(path.relative_to(image.directory)) for path in image.directory.rglob("*") if path.is_file()}
    assert set(files) == there - {"entry.json"}


def test_default_directory() -> None:
    assert default_cache_directory({"BENCH_CACHE": "/somewhere"}) == Path("/somewhere")
    assert default_cache_directory({"XDG_CACHE_HOME": "/xdg"}) == Path("/xdg/bench/build")
    assert default_cache_directory({}) == Path.home() / ".cache" / "bench" / "build"
