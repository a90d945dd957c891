"""Which clocks a command line asks for."""

import pytest

from bench.boards import load_board
from bench.clocktree import clock_table
from bench.domain.clock import Accelerator
from bench.errors import ParameterError, UnknownName, UnreachableClock
from bench.sweep.plan import choose_clocks

F446 = load_board("nucleo_f446ze")
F746 = load_board("nucleo_f746zg")


def test_all_is_the_boards_own_table() -> None:
    assert choose_clocks(F446, "all") == tuple(clock for _, clock in clock_table(F446))


def test_frequencies_and_ids_may_be_mixed_and_repeated() -> None:
    (slow,) = choose_clocks(F446, "16MHz")
    assert choose_clocks(F446, f"16MHz, {slow.id},180MHz,16 MHz") == (slow, *choose_clocks(F446, "180MHz"))


def test_accelerators_are_part_of_the_clock() -> None:
    (plain,) = choose_clocks(F446, "180MHz", "none")
    (cached,) = choose_clocks(F446, "180MHz", "icache,prefetch")
    assert plain.accelerators == frozenset()
    assert cached.accelerators == {Accelerator.ICACHE, Accelerator.PREFETCH}
    assert len({plain.id, cached.id, choose_clocks(F446, "180MHz")[0].id}) == 3
    assert all(not clock.accelerators for clock in choose_clocks(F746, "all", "none"))


def test_an_accelerator_of_another_microcontroller_is_refused() -> None:
    with pytest.raises(UnknownName, match="accelerator of NUCLEO-F446ZE 'l1i'") as caught:
        choose_clocks(F446, "all", "l1i")
    assert "icache" in caught.value.hint


def test_an_id_that_breaks_a_limit_is_refused_with_the_limit() -> None:
    (fast,) = choose_clocks(F446, "180MHz")
    with pytest.raises(ParameterError, match="wait states"):
        choose_clocks(F446, fast.id.replace("ws5", "ws2"))
    with pytest.raises(ParameterError, match="not a clock id"):
        choose_clocks(F446, "hsi16-fast")


def test_an_unreachable_clock_names_its_neighbours() -> None:
    with pytest.raises(UnreachableClock):
        choose_clocks(F446, "181MHz")
