"""What a debugger does: breakpoints, stepping, memory, and changing code."""

from __future__ import annotations

import pytest

from bench.virtual.cpu import AccessFault, StopReason
from bench.virtual.cpu.system import CCR_DIV_0_TRP
from tests.virtual.cpu.machine import CODE, FLASH, FOREVER, PLAIN, RAM, RAM_BYTES, Machine, assemble

LOOP = "movs r0, #0\n 1: adds r0, #1\n adds r1, #1\n adds r2, #1\n cmp r0, #10\n bne 1b\n wfi"


def test_software_breakpoint_stops_on_itself() -> None:
    machine = Machine("movs r0, #1\n bkpt #7\n movs r0, #2\n wfi")
    for _ in range(2):
        assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
        assert machine.register("pc") == CODE + 2
    assert machine.cpu.step() is StopReason.BREAKPOINT
    machine.cpu.write_register("pc", CODE + 4)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.register("r0") == 2


@pytest.mark.parametrize("offset", [2, 4, 8])
def test_hardware_breakpoint_stops_each_time_before_its_instruction(offset: int) -> None:
    plain = Machine(LOOP)
    plain.cpu.run(FOREVER)
    machine = Machine(LOOP)
    machine.cpu.set_breakpoint(CODE + offset)
    hits = 0
    while machine.cpu.run(FOREVER) is StopReason.BREAKPOINT:
        assert machine.register("pc") == CODE + offset
        hits += 1
        assert machine.cpu.step() is StopReason.STEP
    assert hits == 10
    assert (machine.cpu.cycles, machine.cpu.instructions) == (plain.cpu.cycles, plain.cpu.instructions)


def test_breakpoints_in_code_that_has_run_and_again_not() -> None:
    machine = Machine(LOOP + "\n b 1b")
    assert machine.cpu.run(20) is StopReason.CYCLES
    machine.cpu.set_breakpoint(CODE + 6)
    assert machine.cpu.breakpoints == {CODE + 6}
    assert machine.cpu.run(FOREVER) is StopReason.BREAKPOINT
    machine.cpu.clear_breakpoint(CODE + 6)
    machine.cpu.clear_breakpoint(CODE + 6)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert machine.cpu.breakpoints == frozenset()


def test_eight_breakpoints_at_once() -> None:
    machine = Machine("nop\n" * 40 + "wfi")
    places = [CODE + 8 * number + 2 for number in range(8)]
    for place in places:
        machine.cpu.set_breakpoint(place | 1)
    stops = []
    while machine.cpu.run(FOREVER) is StopReason.BREAKPOINT:
        stops.append(machine.register("pc"))
        machine.cpu.step()
    assert stops == places


def test_step_follows_branches_and_enters_sleep() -> None:
    machine = Machine("movs r0, #2\n 1: subs r0, #1\n bne 1b\n wfi")
    trace = []
    reason = StopReason.STEP
    while reason is StopReason.STEP:
        trace.append(machine.register("pc") - CODE)
        reason = machine.cpu.step()
    assert trace == [0, 2, 4, 2, 4, 6]
    assert reason is StopReason.SLEEP


def test_step_over_a_bus_access() -> None:
    machine = Machine(f"ldr r1, ={PLAIN:#x}\n ldrsb r0, [r1], #1\n ldrh.w r2, [r1, #3]\n strb r2, [r1, #-1]!\n wfi")
    for _ in range(4):
        assert machine.cpu.step() is StopReason.STEP
    assert (machine.register("r0"), machine.register("r1"), machine.register("r2")) == (0xFFFF_FF84, PLAIN, 0x8384)
    assert machine.writes[0][:2] == (PLAIN, 0x84)


def test_device_access_in_an_it_block_and_multiple() -> None:
    source = f"ldr r1, ={PLAIN:#x}\n movs r0, #0\n itett eq\n ldreq r2, [r1]\n movne r3, #1\n ldreq r4, [r1]\n moveq r5, #5\n ldm r1!, {{r6, r7, r8}}\n wfi"
    machine = Machine(source)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    values = [machine.register(f"r{number}") for number in (2, 3, 4, 5, 6, 8)]
    assert values == [0x8182_8384, 0, 0x8182_8384, 5, 0x8182_8384, 0x8182_8384]
    assert machine.register("r1") == PLAIN + 12


def test_halt_request_from_the_bus_stops_behind_the_access() -> None:
    machine = Machine(f"ldr r1, ={PLAIN:#x}\n ldr r0, [r1]\n movs r2, #1\n wfi")
    original = machine.read

    def read(address: int, size: int) -> int:
        machine.cpu.request_halt()
        return original(address, size)

    machine.read = read  # type: ignore[method-assign]
    assert machine.cpu.run(FOREVER) is StopReason.HALT_REQUEST
    assert (machine.register("pc"), machine.register("r2")) == (CODE + 4, 0)
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP


def test_reset_from_the_bus_starts_over() -> None:
    machine = Machine(f"adds r0, #1\n ldr r1, ={PLAIN:#x}\n str r0, [r1]\n wfi")
    original = machine.write

    def write(address: int, size: int, value: int) -> None:
        original(address, size, value)
        if len(machine.writes) < 3:
            machine.cpu.reset()

    machine.write = write  # type: ignore[method-assign]
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert [value for _, value, _ in machine.writes] == [1, 1, 1]
    assert machine.cpu.instructions == 2 + 2 + 4


def test_host_write_to_code_is_seen() -> None:
    machine = Machine("movs r0, #1\n wfi")
    machine.cpu.run(FOREVER)
    machine.cpu.write_memory(CODE, assemble("movs r0, #2\n wfi"))
    machine.cpu.reset()
    machine.cpu.run(FOREVER)
    assert machine.register("r0") == 2


@pytest.mark.parametrize("after", ["movs r0, #2\n wfi", "movs r0, #1\n movs r0, #2\n wfi"])
def test_host_write_to_code_is_seen_when_the_blocks_there_were_forgotten_before(after: str) -> None:
    machine = Machine("movs r0, #1\n wfi")
    machine.cpu.system.ccr |= CCR_DIV_0_TRP
    machine.cpu.run(FOREVER)
    machine.cpu.reset()  # other traps: other checks, so that the table of blocks is made anew
    machine.cpu.write_memory(CODE, assemble(after))
    machine.cpu.run(FOREVER)
    assert machine.register("r0") == 2


def test_host_write_to_code_is_seen_that_the_core_was_about_to_do_for_the_first_time() -> None:
    machine = Machine("b far\n .org 0x800\nfar: movs r0, #1\n wfi")
    machine.cpu.run(1)
    assert machine.register("pc") == CODE + 0x800
    machine.cpu.write_memory(CODE + 0x800, assemble("movs r0, #2\n wfi"))
    machine.cpu.run(FOREVER)
    assert machine.register("r0") == 2


def test_flash_programmed_by_the_core_is_seen() -> None:
    """A store to flash goes to the bus, which changes code that has run before."""
    source = "bl function\n mov r6, r0\n ldr r1, =function\n bic r1, #3\n ldr r2, =0xBF002002\n str r2, [r1]\n bl function\n wfi\n .align 2\nfunction: movs r0, #1\n nop\n bx lr"
    machine = Machine(source)
    machine.flash_writes = True
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (machine.register("r6"), machine.register("r0")) == (1, 2)


def test_code_written_by_the_core_to_ram_is_seen() -> None:
    copy = "ldr r2, =0x47702000\n adds r2, r2, r4\n str r2, [r1]\n blx r5\n"
    machine = Machine(
        f"ldr r1, =0x20000000\n adds r5, r1, #1\n movs r4, #1\n {copy} mov r6, r0\n movs r4, #2\n {copy} wfi"
    )
    assert machine.cpu.run(FOREVER) is StopReason.SLEEP
    assert (machine.register("r6"), machine.register("r0")) == (1, 2)


def test_memory_outside_is_refused() -> None:
    cpu = Machine().cpu
    cpu.write_memory(RAM + RAM_BYTES - 4, b"abcd")
    assert cpu.read_memory(RAM + RAM_BYTES - 4, 4) == b"abcd"
    assert cpu.read_memory(0x200, 2) == cpu.read_memory(FLASH + 0x200, 2)
    for address in (RAM + RAM_BYTES - 3, PLAIN, 0x3000_0000):
        with pytest.raises(AccessFault):
            cpu.read_memory(address, 4)
        with pytest.raises(AccessFault):
            cpu.write_memory(address, b"abcd")


def test_writing_pc_leaves_a_block_in_the_middle() -> None:
    machine = Machine(LOOP)
    machine.cpu.set_breakpoint(CODE + 4)
    machine.cpu.run(FOREVER)
    assert (machine.cpu.cycles, machine.cpu.instructions) == (2, 2)
    machine.cpu.write_register("pc", CODE)
    assert (machine.cpu.cycles, machine.cpu.instructions) == (2, 2)
    machine.cpu.run(FOREVER)
    assert (machine.cpu.cycles, machine.cpu.instructions) == (4, 4)
