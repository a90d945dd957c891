"""Addresses of a block as linear forms, checked against a small interpreter of the same code."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.virtual.cpu.accesses import AccessPlan, Form, plan_accesses
from bench.virtual.cpu.decode import decode_block
from tests.virtual.cpu.machine import CODE, assemble

_TERMS = st.lists(st.tuples(st.integers(0, 14), st.integers(-4, 8)), max_size=3, unique_by=lambda term: term[0])
_FORMS = st.builds(lambda c, terms: Form(c).plus(Form(0, tuple(sorted(terms)))), st.integers(0, 2**32 - 1), _TERMS)
_REGISTERS = st.lists(st.integers(0, 2**32 - 1), min_size=16, max_size=16)


@given(_FORMS, _FORMS, st.integers(-8, 8), _REGISTERS)
def test_forms_add_like_their_values(left: Form, right: Form, factor: int, registers: list[int]) -> None:
    expected = (left.value(registers) + factor * right.value(registers)) % 2**32
    assert left.plus(right, factor).value(registers) == expected


@given(_FORMS, st.sampled_from([1, 2, 4]), _REGISTERS)
def test_reduced_forms_agree_modulo(form: Form, modulus: int, registers: list[int]) -> None:
    assert form.modulo(modulus).value(registers) % modulus == form.value(registers) % modulus


def plan(source: str, *, flash_reads: bool = False, traps: bool = False) -> AccessPlan:
    return plan_accesses(decode_block(CODE, assemble(source)), flash_reads=flash_reads, unaligned_traps=traps)


def test_one_check_serves_many_accesses_with_the_same_base() -> None:
    found = plan("vldr s0, [r0]\n vldr s1, [r0, #4]\n vldmia r0!, {s2}\n adds r0, #8\n vldr s3, [r0]")
    assert [(check.form, check.mask) for check in found.alignments] == [(Form(0, ((0, 1),)), 3)]
    assert found.hooked == ()


def test_index_arithmetic_is_followed() -> None:
    found = plan("add r2, r0, r1, lsl #2\n vldr s0, [r2, #4]\n add r3, r0, r1\n ldrd r4, r5, [r3]")
    assert [check.form for check in found.alignments] == [Form(0, ((0, 1),)), Form(0, ((0, 1), (1, 1)))]


def test_pointer_loaded_in_the_block_is_checked_at_its_first_use_only() -> None:
    found = plan("ldr r0, [r1]\n vldr s0, [r0]\n vldr s1, [r0, #4]\n ldmia r0, {r2, r3}")
    assert found.alignments == ()
    assert found.hooked == (1,)


def test_conditional_first_use_does_not_settle_the_next() -> None:
    found = plan("ldr r0, [r1]\n it eq\n vldreq s0, [r0]\n vldr s1, [r0, #4]")
    assert found.hooked == (2, 3)


def test_conditional_write_makes_a_register_unknown() -> None:
    assert plan("it eq\n addeq r0, #1\n vldr s0, [r0]").hooked == (2,)


def test_stack_and_literals_need_no_check() -> None:
    found = plan("push {r4, lr}\n vldr s0, [sp, #4]\n vldr s1, lit\n b .\n .align 2\nlit: .word 0")
    assert found.alignments == ()
    assert found.hooked == ()


def test_plain_loads_are_checked_only_when_they_trap() -> None:
    assert plan("ldr r0, [r1]\n ldrh r2, [r3]\n ldrb r4, [r5]").alignments == ()
    checks = plan("ldr r0, [r1]\n ldrh r2, [r3]\n ldrb r4, [r5]", traps=True).alignments
    assert [(check.form.terms, check.mask) for check in checks] == [(((1, 1),), 3), (((3, 1),), 1)]


def test_flash_reads_keep_their_order_and_length() -> None:
    found = plan("ldr r0, [r1, #8]\n ldrd r2, r3, [r1]\n ldr r4, [sp]\n ldrb r5, [r6, r7]", flash_reads=True)
    assert [(read.index, read.bytes) for read in found.reads] == [(0, 4), (1, 8), (3, 1)]
    assert [(window.form, window.bytes) for window in found.windows] == [
        (Form(0, ((1, 1),)), 12),
        (Form(0, ((6, 1), (7, 1))), 1),
    ]
