/* Vector table, reset, and a fault handler that leaves a report in the mailbox.
 * Ref: ARM DDI 0403E.e B1.5 (exception model); the table has no interrupt handler because no interrupt is ever taken. */
#include "cortex_m.h"
#include "harness.h"
#include "mailbox.h"

extern uint32_t stack_bottom[], stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];

void reset_handler(void);
void fault_handler(void);
void fault_report(const uint32_t *frame, uint32_t exc_return) __attribute__((noreturn, used));

#define SYSTEM_EXCEPTIONS 15
#define INTERRUPTS 112 /* more than any supported MCU has; all of them lead to the fault report */

__attribute__((section(".vectors"), used)) static const void *const vectors[1 + SYSTEM_EXCEPTIONS + INTERRUPTS] = {
    [0] = stack_top,
    [1] = (const void *)reset_handler,
    [2 ... SYSTEM_EXCEPTIONS + INTERRUPTS] = (const void *)fault_handler,
};

/* Naked, and on a fresh stack: the old one may be what failed. */
__attribute__((naked)) void fault_handler(void)
{
    __asm__ volatile("mrs r0, msp\n\t"
                     "mov r1, lr\n\t"
                     "ldr r2, =stack_top\n\t"
                     "msr msp, r2\n\t"
                     "b fault_report\n\t");
}

void fault_report(const uint32_t *frame, uint32_t exc_return)
{
    mailbox.fault_exc_return = exc_return;
    mailbox.fault_sp = (uint32_t)(uintptr_t)frame;
    mailbox.fault_cfsr = SCB_CFSR;
    mailbox.fault_hfsr = SCB_HFSR;
    mailbox.fault_mmfar = SCB_MMFAR;
    mailbox.fault_bfar = SCB_BFAR;
    mailbox.fault_frame_valid = frame >= stack_bottom && frame + 8 <= stack_top;
    for (uint32_t i = 0; i < 8U && mailbox.fault_frame_valid; i++) {
        mailbox.fault_frame[i] = frame[i];
    }
    mailbox.state = STATE_FAULT;
    for (;;) {
        park();
    }
}

__attribute__((noreturn)) void reset_handler(void)
{
    SCB_CPACR |= SCB_CPACR_FPU_FULL;
    SCB_CCR |= SCB_CCR_DIV_0_TRP;
    barrier();
    __asm__ volatile("cpsid i" ::: "memory");
    for (uint32_t *to = data_start, *from = data_load; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0U;
    }
    harness_main();
}
