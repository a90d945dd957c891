"""Whatever is wrong in a board file is reported with file, line, key, value, and what is allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.boards import board_files, load_board_file
from bench.errors import ConfigurationError

NAME = "nucleo_f446ze"


def good_text() -> str:
    return board_files()[NAME].read_text(encoding="utf-8")


def refused(tmp_path: Path, content: str | bytes) -> ConfigurationError:
    path = tmp_path / f"{NAME}.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigurationError) as caught:
        load_board_file(path)
    assert caught.value.exit_code == 2
    assert str(path) in caught.value.message
    return caught.value


def edited(old: str, new: str) -> tuple[str, int]:
    """Return the good file with ``old`` replaced, and the line where it was."""
    text = good_text()
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new), text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "line_offset", "complaint"),
    [
        # unknown key
        ("idd_jumper: JP5", "idd_jumpr: JP5", 0, "unknown key idd_jumpr, did you mean idd_jumper?"),
        (
            "    input_preferred: 2 MHz",
            "    input_prefered: 2 MHz",
            0,
            "unknown key clock.pll.input_prefered, did you mean",
        ),
        ("    prefetch: false", "    colour: red", 0, "unknown key clock.flash[3].colour"),
        ("    hsi:", "    hsx:", 0, "clock.oscillators.hsx"),
        ("{prefetch: true,", "{turbo: true,", 0, "clock.accelerators.turbo"),
        # wrong type
        ("vdd: 3.3 V\n", "vdd: 3.3\n", 0, "vdd = 3.3: expected a quantity with its unit, like 3.3 V"),
        ("    input_preferred: 2 MHz", "    input_preferred: 2 s", 0, "like 16 MHz"),
        ("    input_preferred: 2 MHz", "    input_preferred: fast MHz", 0, "like 16 MHz"),
        ("    input_preferred: 2 MHz", "    input_preferred: inf Hz", 0, "clock.pll.input_preferred"),
        ("  pin: 13", "  pin: thirteen", 0, "trigger_pin.pin = 'thirteen': input should be a valid integer"),
        ("  pin: 13", "  pin: yes please", 0, "trigger_pin.pin"),
        ("  pin: 13", "  pin: [13]", 0, "trigger_pin.pin"),
        ("    size: 512 KiB", "    size: 512 kB", 0, "memory.flash.size = '512 kB': expected a size in B, KiB or MiB"),
        ("      tolerance: 50 ppm", "      tolerance: 50", 0, "tolerance = 50: expected a share in % or ppm"),
        ("    sectors: [16 KiB,", "    sectors: [0 x 16 KiB,", 0, "expected a size in B, KiB or MiB"),
        (
            "    sectors: [16 KiB,",
            "    sectors: [2 x 16 KiB,",
            0,
            "sectors: sum to 540672 bytes, the region has 524288",
        ),
        ("product: NUCLEO-F446ZE", "product: 446", 0, "product = 446 is not a text"),
        ("idd_jumper: JP5", "idd_jumper:", 0, "idd_jumper = None is not a text"),
        ("idd_jumper: JP5", "446: JP5", 0, "the key 446 is not a text"),
        ("idd_jumper: JP5", "idd_jumper: 2020-01-01", 0, "idd_jumper is a"),
        ("  8 MHz: 3 mA", "  8 MHz: 3 mV", 0, "typical_currents.8 MHz = '3 mV': expected a quantity with its unit"),
        ("  8 MHz: 3 mA", "  eight: 3 mA", 0, "typical_currents.eight = 'eight': expected a quantity with its unit"),
        # impossible ranges
        ("  pin: 13", "  pin: 16", 0, "trigger_pin.pin = 16: input should be less than or equal to 15"),
        ("  port: F", "  port: f", 0, "trigger_pin.port"),
        ("    m: [2, 63]", "    m: [63, 2]", 0, "clock.pll.m: expected two values, the lower one first"),
        ("    m: [2, 63]", "    m: [2]", 0, "clock.pll.m: expected two values"),
        ("    m: [2, 63]", "    m: [0, 63]", 0, "clock.pll.m: 0 .. 63 is not a range of positive numbers"),
        (
            "    input_preferred: 2 MHz",
            "    input_preferred: 3 MHz",
            0,
            "clock.pll.input_preferred: 3000000 Hz is outside the PLL's input range",
        ),
        ("    vco: [100 MHz, 432 MHz]", "    vco: [432 MHz, 100 MHz]", 0, "clock.pll.vco"),
        ("  idcode: 0xE0042000", "  idcode: 0x1E0042000", 0, "expected an even 32-bit address"),
        ("  dev_id: 0x421", "  dev_id: 0x1421", 0, "identity.dev_id"),
        (
            "    base: 0x20000000",
            "    base: 0x08010000",
            -2,
            "memory.sram: begins at 0x08010000, before flash ends at 0x08080000",
        ),
        ("    size: 128 KiB", "    size: 4096 MiB", -3, "are not in a 32-bit address space"),
        (
            "    size: 512 KiB",
            "    size: 256 KiB",
            1,
            "memory.flash.sectors: sum to 524288 bytes, the region has 262144",
        ),
        ("vdd: 3.3 V\n", "vdd: 5 V\n", 0, "vdd: 5.0 V is not within 1.7 .. 3.6 V"),
        ("apb_dividers: [1, 2,", "apb_dividers: [2, 1,", 0, "clock.apb_dividers: must be positive and rise"),
        (
            "[24 MHz, 48 MHz, 72 MHz,",
            "[24 MHz, 72 MHz, 48 MHz,",
            0,
            "clock.flash[1].max_hclk: must rise with the wait states",
        ),
        ("{name: scale3,", "{name: scale2,", 1, "clock.levels[1].name: scale2 is there twice"),
        ("{name: scale3,", "{name: Scale-3,", 0, "clock ids need it so"),
        (
            "regulators: [scale3, scale2, scale1]",
            "regulators: [scale4]",
            0,
            "clock.flash[3].regulators: 'scale4' is not a regulator level",
        ),
        ("  8 MHz: 3 mA", "  8 MHz: 0 mA", -1, "typical_currents: must be positive"),
        ("  8 MHz: 3 mA", "  400 MHz: 3 mA", -1, "rise in frequency"),
        ("  [16 MHz, 24 MHz,", "  [16 MHz, 16 MHz,", 0, "clocks[1]: 16000000 Hz is there twice"),
        (
            "  [16 MHz, 24 MHz,",
            "  [16 MHz, 24.01 MHz,",
            0,
            "clocks[1]: no clock configuration of NUCLEO-F446ZE gives 24.01 MHz",
        ),
        ("  [16 MHz, 24 MHz,", "  [16 MHz, 240 MHz,", 0, "nearest reachable: 180 MHz"),
        ("name: nucleo_f446ze", "name: nucleo_f446re", 0, "the file's name says 'nucleo_f446ze'"),
        # missing keys
        ("idd_jumper: JP5\n", "", None, "idd_jumper is missing"),
        ("    n: [50, 432]\n", "", -6, "clock.pll.n is missing"),
        # syntax
        ("vdd: 3.3 V\n", "vdd: 3.3: V\n", 0, "not YAML"),
        ("  port: F", "  port: [F", None, "not YAML"),
        ("  port: F", "\tport: F", 0, "not YAML"),
        ("  port: F", "  port: !!python/object:os.system F", 0, "trigger_pin.port is a"),
        # duplicates
        ("idd_jumper: JP5", "vdd: 3.3 V", 0, "duplicate key"),
    ],
)
def test_bad_value(tmp_path: Path, old: str, new: str, line_offset: int | None, complaint: str) -> None:
    text, line = edited(old, new)
    error = refused(tmp_path, text)
    assert complaint in error.message + error.hint
    match = re.search(r"\.yaml:(\d+): ", error.message)
    assert match, error.message
    if line_offset is not None:
        assert abs(int(match[1]) - (line + line_offset)) == 0, error.message


def test_unknown_key_lists_the_allowed_ones(tmp_path: Path) -> None:
    error = refused(tmp_path, edited("  pin: 13", "  pin: 13\n  speed: high")[0])
    assert error.hint == "allowed here: port, pin, connector"


def test_all_complaints_are_listed(tmp_path: Path) -> None:
    text = (
        edited("idd_jumper: JP5", "idd_jumpr: JP5")[0].replace("pin: 13", "pin: 99").replace("  port: F", "  port: Z")
    )
    error = refused(tmp_path, text)
    assert len(error.detail.splitlines()) == 3
    assert all(re.search(r"\.yaml:\d+: ", line) for line in error.detail.splitlines())


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", ":1: the file is empty"),
        ("# nothing but a comment\n", ":1: the file is empty"),
        ("- a\n- b\n", ":1: expected keys and values"),
        ("just text\n", ":1: expected keys and values"),
        ("a: 1\n---\nb: 2\n", ":2: not YAML"),
        ("name: x\nproduct: \x07\n", ":2: not YAML"),
        (b"name: x\nproduct: caf\xe9\n", ":2: not UTF-8: byte 0xE9"),
        ("name: nucleo_f446ze\nname: other\n", ":2: not YAML: found duplicate key"),
        ("name: {a: 1, a: 2}\n", ":1: not YAML: found duplicate key"),
        ("a: &x [*x]\n", ":1: unknown key a"),
        ("a: " + 5000 * "[" + "\n", ":1: nested too deeply, or an alias within itself"),
        ("a: *nowhere\n", ":1: not YAML: found undefined alias"),
        ("name: nucleo_f446ze\n", ":1: product is missing"),
    ],
)
def test_broken_file(tmp_path: Path, content: str | bytes, complaint: str) -> None:
    assert complaint in refused(tmp_path, content).message


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_board_file(tmp_path / "gone.yaml")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_board_file(tmp_path)
