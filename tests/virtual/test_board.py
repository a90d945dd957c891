"""The whole virtual board: firmware runs, sleeps, faults and is timed, without pyOCD."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.virtual.board import VirtualBoard
from bench.virtual.cpu import AccessFault
from bench.virtual.cpu.timing_m4 import CortexM4Timing
from bench.virtual.soc import flash
from bench.virtual.supply import Activity, model_of
from tests.virtual.firmware import compile_firmware, image, symbol

DHCSR, DCRSR, DCRDR, DEMCR = 0xE000EDF0, 0xE000EDF4, 0xE000EDF8, 0xE000EDFC
KEY = 0xA05F0000
S_HALT, S_SLEEP = 1 << 17, 1 << 18

Boot = Callable[[str], tuple[VirtualBoard, Path]]

TO_180_MHZ = """
static void to_180_mhz(void) {
  REG(0x40023840) |= 1u << 28;
  REG(0x40023800) |= 1u << 18; REG(0x40023800) |= 1u << 16; while (!(REG(0x40023800) & 1u << 17)) {}
  REG(0x40007000) = 0xC000;
  REG(0x40023804) = 4 | 180 << 6 | 1u << 22 | 8u << 24 | 2u << 28;
  REG(0x40023800) |= 1u << 24;
  REG(0x40007000) |= 1u << 16; while (!(REG(0x40007004) & 1u << 16)) {}
  REG(0x40007000) |= 1u << 17; while (!(REG(0x40007004) & 1u << 17)) {}
  REG(0x40023C00) = 0x705;
  REG(0x40023808) = 5u << 10 | 4u << 13;
  while (!(REG(0x40023800) & 1u << 25)) {}
  REG(0x40023808) |= 2; while ((REG(0x40023808) >> 2 & 3) != 2) {}
}
"""


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    """Return a function that compiles firmware and returns a board that has it in flash, halting debug enabled, at its reset vector."""

    def make(source: str) -> tuple[VirtualBoard, Path]:
        elf = compile_firmware(tmp_path, source)
        data = bytearray(b"\xff" * flash.SIZE)
        code = image(elf)
        data[: len(code)] = code
        board = VirtualBoard("virtual-test", data, CortexM4Timing())
        board.debug_write(DHCSR, 4, KEY | 1)
        return board, elf

    return make


def is_halted(board: VirtualBoard) -> bool:
    return bool(board.debug_read(DHCSR, 4) & S_HALT)


def run_to_halt(board: VirtualBoard, limit_s: float = 1.0) -> None:
    assert board.advance_until(lambda: is_halted(board), limit_s), "the core did not stop"


def register(board: VirtualBoard, number: int) -> int:
    board.debug_write(DCRSR, 4, number)
    return board.debug_read(DCRDR, 4)


def test_waiting_ends_where_less_than_half_a_cycle_is_left(boot: Boot) -> None:
    board, _ = boot("int main(void) { for (;;) {} }")
    board.debug_write(DHCSR, 4, KEY)
    for step in range(100):
        before_s, limit_s = board.time_s, step * 7.3e-9
        assert not board.advance_until(lambda: False, limit_s)
        assert limit_s - 0.51 / 16e6 <= board.time_s - before_s <= limit_s + 1e-6  # a block of instructions is not cut


def test_over_drive_sequence_and_cycle_counter(boot: Boot) -> None:
    board, elf = boot(TO_180_MHZ + """
        volatile uint32_t cycles;
        int main(void) {
          to_180_mhz();
          REG(0xE000EDFC) |= 1u << 24; REG(0xE0001004) = 0; REG(0xE0001000) |= 1;
          for (volatile int i = 0; i < 1000; i++) {}
          cycles = REG(0xE0001004);
          return 0;
        }""")  # fmt: skip
    run_to_halt(board)
    assert board.diagnoses == []
    assert board.soc.clocks.hclk_hz == 180e6
    cycles = board.debug_read(symbol(elf, "cycles"), 4)
    assert 5_000 < cycles < 20_000
    assert board.state.activity is Activity.HALTED


OVER_DRIVE = ("REG(0x40007000) |= 1u << 16; while (!(REG(0x40007004) & 1u << 16)) {}",
              "REG(0x40007000) |= 1u << 17; while (!(REG(0x40007004) & 1u << 17)) {}")  # fmt: skip


@pytest.mark.parametrize(
    ("left_out", "diagnosis"),
    [
        (OVER_DRIVE, "over-drive off"),
        (("REG(0x40023C00) = 0x705;",), "flash wait states"),
        (("REG(0x40023808) = 5u << 10 | 4u << 13;",), "APB1"),
        ((*OVER_DRIVE, "while (!(REG(0x40023800) & 1u << 25)) {}"), "before it is ready"),
    ],
    ids=["no over-drive", "no wait states", "no bus dividers", "pll not awaited"],
)
def test_wrong_clock_orders_end_in_a_hard_fault(boot: Boot, left_out: tuple[str, ...], diagnosis: str) -> None:
    source = TO_180_MHZ
    for line in left_out:
        assert line in source
        source = source.replace(line, "")
    board, elf = boot(source + "int main(void) { to_180_mhz(); return 0; }")
    run_to_halt(board)
    assert board.debug_read(symbol(elf, "fault_seen"), 4) == 0xFA17
    assert board.debug_read(symbol(elf, "fault_cfsr"), 4) & 1 << 9, "a precise bus fault"
    assert diagnosis in board.diagnoses[-1]


def test_unmodelled_peripherals_fault_with_their_address(boot: Boot) -> None:
    board, elf = boot("int main(void) { return REG(0x40013000); }")
    run_to_halt(board)
    assert board.debug_read(symbol(elf, "fault_bfar"), 4) == 0x40013000
    assert "0x40013000" in board.diagnoses[-1]


TIMER_SLEEP = """
volatile uint32_t wakes;
int main(void) {
  __asm volatile("cpsid i");
  REG(0x40023840) |= 1; REG(0x40023830) |= 1u << 5; REG(0x40021400) = 1u << 26;
  REG(0x40000028) = 15; REG(0x4000002C) = 999; REG(0x40000014) = 1; REG(0x40000010) = 0;
  REG(0x4000000C) = 1; REG(0xE000E100) = 1u << 28; REG(0x40000000) = 1;
  REG(0x40021418) = 1u << 13;
  for (wakes = 0; wakes < 10;) {
    __asm volatile("wfi");
    if (REG(0x40000010) & 1) { REG(0x40000010) = 0; REG(0xE000E280) = 1u << 28; wakes++; }
  }
  REG(0x40021418) = 1u << 29;
  return 0;
}
"""


def test_timer_wakes_wfi_and_sleep_draws_less(boot: Boot) -> None:
    board, elf = boot(TIMER_SLEEP)
    board.debug_write(DHCSR, 4, KEY | 1)
    board.advance(5.5e-3)
    assert board.state.activity is Activity.SLEEP
    run_to_halt(board, 0.1)
    assert board.debug_read(symbol(elf, "wakes"), 4) == 10
    rise, fall = board.timeline.edges("PF13", 0, board.time_s)
    assert (rise.rising, fall.rising) == (True, False)
    assert fall.time_s - rise.time_s == pytest.approx(10e-3, abs=20e-6)
    mean_a = board.timeline.charge_c(rise.time_s, fall.time_s) / (fall.time_s - rise.time_s)
    running_a = model_of("stm32f446").current_a(replace(board.state, activity=Activity.RUN))
    assert 0 < mean_a < 0.5 * running_a
    assert board.cpu.cycles < 16_000, "asleep most of the time"


def test_halting_ends_a_sleep(boot: Boot) -> None:
    board, elf = boot(
        'volatile uint32_t awake; int main(void) { awake = 0; __asm volatile("wfi"); awake = 1; return 0; }'
    )
    board.advance(1e-3)
    assert board.debug_read(DHCSR, 4) & S_SLEEP
    board.debug_write(DHCSR, 4, KEY | 3)
    assert is_halted(board)
    assert not board.debug_read(DHCSR, 4) & S_SLEEP
    board.debug_write(DHCSR, 4, KEY | 1)
    run_to_halt(board)
    assert board.debug_read(symbol(elf, "awake"), 4) == 1


def test_an_interrupt_is_taken(boot: Boot) -> None:
    board, elf = boot("""
        volatile uint32_t ticks;
        void TIM2_Handler(void) { REG(0x40000010) = 0; ticks++; }
        int main(void) {
          ticks = 0;
          REG(0x40023840) |= 1; REG(0x4000002C) = 15999; REG(0x40000014) = 1; REG(0x40000010) = 0;
          REG(0x4000000C) = 1; REG(0xE000E100) = 1u << 28; REG(0x40000000) = 1;
          while (ticks < 5) {}
          return 0;
        }""")  # fmt: skip
    run_to_halt(board, 0.1)
    assert board.debug_read(symbol(elf, "ticks"), 4) == 5
    assert board.time_s == pytest.approx(5e-3, rel=0.25)


def test_time_passes_exactly_in_every_state(boot: Boot) -> None:
    board, _ = boot("int main(void) { for (;;) {} }")
    board.advance(0.010)
    assert board.time_s == pytest.approx(0.010, abs=2e-6)
    board.debug_write(DHCSR, 4, KEY | 3)
    cycles = board.cpu.cycles
    board.advance(0.5)
    assert board.cpu.cycles == cycles, "halted"
    assert board.time_s == pytest.approx(0.510, abs=2e-6)
    board.set_supply(None)
    board.advance(1.0)
    assert board.timeline.charge_c(board.time_s - 0.9, board.time_s) == 0.0
    with pytest.raises(ValueError, match="backwards"):
        board.advance(-1)


def test_power_cycle_loses_ram_but_not_flash(boot: Boot) -> None:
    board, elf = boot("volatile uint32_t x; int main(void) { x = 0x1234; for (;;) {} }")
    board.advance(1e-3)
    address = symbol(elf, "x")
    assert board.debug_read(address, 4) == 0x1234
    board.debug_write(0xE0042004, 4, 7)
    board.set_supply(None)
    board.set_supply(3.0)
    assert board.debug_read(address, 4) != 0x1234
    assert board.debug_read(0xE0042004, 4) == 0
    board.advance(1e-3)
    assert board.debug_read(address, 4) == 0x1234
    with pytest.raises(ValueError, match=r"above 3\.6 V"):
        board.set_supply(5.0)


def test_reset_pin_holds_and_catch_stops_at_the_vector(boot: Boot) -> None:
    board, elf = boot("volatile uint32_t x; int main(void) { for (;;) x++; }")
    board.advance(1e-3)
    board.assert_reset(True)
    cycles = board.cpu.cycles
    board.advance(1e-3)
    assert board.cpu.cycles == cycles
    board.debug_write(DEMCR, 4, 1)
    board.assert_reset(False)
    assert is_halted(board)
    assert register(board, 15) == symbol(elf, "Reset_Handler")


def test_breakpoint_step_and_fpb(boot: Boot) -> None:
    board, elf = boot("int __attribute__((noinline)) f(int a) { return a + 1; } int main(void) { return f(41); }")
    at = symbol(elf, "f")
    board.debug_write(0xE0002000, 4, 3)
    board.debug_write(0xE0002008, 4, (at & 0x1FFFFFFC) | (2 if at & 2 else 1) << 30 | 1)
    run_to_halt(board)
    assert register(board, 15) == at
    assert register(board, 0) == 41
    board.debug_write(DHCSR, 4, KEY | 0b1101)
    assert register(board, 15) == at + 2
    assert register(board, 0) == 42
    board.debug_write(DHCSR, 4, KEY | 1)
    run_to_halt(board)


def test_bkpt_without_debugger_is_a_fault_not_a_halt(boot: Boot) -> None:
    board, elf = boot("int main(void) { return 0; }")
    board.debug_write(DHCSR, 4, KEY)
    board.advance(1e-3)
    assert not board.soc.debug.halted
    assert board.debug_read(symbol(elf, "fault_seen"), 4) == 0xFA17


def test_a_store_into_flash_from_firmware_faults(boot: Boot) -> None:
    board, _ = boot("int main(void) { REG(0x08004000) = 0; return 0; }")
    run_to_halt(board)
    assert "store into flash at 0x08004000" in board.diagnoses[-1]


def test_refused_debugger_accesses(boot: Boot) -> None:
    board, _ = boot("int main(void) { for (;;) {} }")
    for address in (0x40020000, 0x40026000, 0x60000000, 0xFFFFFFF0):
        with pytest.raises(AccessFault):
            board.debug_read(address, 4)
    assert board.diagnoses == []


def test_two_runs_are_alike(boot: Boot) -> None:
    def once() -> tuple[float, int, float]:
        board, _ = boot(TIMER_SLEEP)
        run_to_halt(board, 0.1)
        return board.time_s, board.cpu.cycles, board.timeline.charge_c(0, board.time_s)

    assert once() == once()


def test_the_current_follows_the_code_that_runs(boot: Boot) -> None:
    """Divisions keep the core waiting, plain arithmetic keeps it busy; the same clock, another current; asleep the least."""
    means = {}
    for name, body in {
        "busy": 'for (;;) __asm volatile(".rept 64\\n adds r2, r2, r3\\n eors r3, r2\\n .endr" ::: "r2", "r3", "cc");',
        "divides": 'for (;;) __asm volatile("mvn r2, #0\\n movs r3, #1\\n .rept 64\\n udiv r1, r2, r3\\n .endr" ::: "r1", "r2", "r3", "cc");',
        "asleep": 'for (;;) __asm volatile("wfi");',
    }.items():
        board, _ = boot(f"int main(void) {{ {body} }}")
        board.debug_write(DHCSR, 4, KEY)
        board.advance(2e-3)
        end_s = board.time_s
        means[name] = board.timeline.charge_c(end_s - 1e-3, end_s) / 1e-3
    assert means["busy"] > 1.05 * means["divides"] > 1.05 * means["asleep"]


def test_charge_does_not_depend_on_how_often_it_is_looked_at(boot: Boot) -> None:
    charges = []
    for looks in (1, 50):
        board, _ = boot("volatile int x; int main(void) { for (int i = 0;; i++) x += i % 7; }")
        board.debug_write(DHCSR, 4, KEY)
        for _ in range(looks):
            board.advance(2e-3 / looks)
            _ = board.timeline
        charges.append(board.timeline.charge_c(0.0, 2e-3))
    assert charges[0] == pytest.approx(charges[1], rel=1e-4)
