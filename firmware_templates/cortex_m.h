/* Core peripherals used by the harness.
 * Ref: Armv7-M Architecture Reference Manual, ARM DDI 0403E.e: C1.6 (debug), C1.8 (DWT), B3.2 (SCB), B3.4 (NVIC). */
#ifndef CORTEX_M_H
#define CORTEX_M_H
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define NVIC_ISER0 REGISTER(0xE000E100U) /* B3.4.4 interrupt set-enable */
#define NVIC_ICER0 REGISTER(0xE000E180U) /* B3.4.5 interrupt clear-enable */
#define NVIC_ICPR0 REGISTER(0xE000E280U) /* B3.4.7 interrupt clear-pending */

#define SCB_SCR REGISTER(0xE000ED10U)   /* B3.2.7 */
#define SCB_CCR REGISTER(0xE000ED14U)   /* B3.2.8 */
#define SCB_CFSR REGISTER(0xE000ED28U)  /* B3.2.15 */
#define SCB_HFSR REGISTER(0xE000ED2CU)  /* B3.2.16 */
#define SCB_MMFAR REGISTER(0xE000ED34U) /* B3.2.17 */
#define SCB_BFAR REGISTER(0xE000ED38U)  /* B3.2.18 */
#define SCB_CPACR REGISTER(0xE000ED88U) /* B3.2.20 */

#define SCB_CCR_DIV_0_TRP (1U << 4)
#define SCB_CPACR_FPU_FULL (0xFU << 20)

#define DCB_DHCSR REGISTER(0xE000EDF0U) /* C1.6.2 */
#define DCB_DEMCR REGISTER(0xE000EDFCU) /* C1.6.5 */
#define DCB_DHCSR_C_DEBUGEN (1U << 0)
#define DCB_DEMCR_TRCENA (1U << 24)

#define DWT_CTRL REGISTER(0xE0001000U)   /* C1.8.7 */
#define DWT_CYCCNT REGISTER(0xE0001004U) /* C1.8.8 */
#define DWT_CTRL_CYCCNTENA (1U << 0)

static inline void barrier(void)
{
    __asm__ volatile("dsb\n\tisb" ::: "memory");
}

/* About three cycles a count. Polls a register less often than every few cycles: nothing needs it, and the bus has other work. */
static inline void delay(uint32_t count)
{
    while (count != 0U) {
        __asm__ volatile("" : "+r"(count));
        count--;
    }
}

#endif
