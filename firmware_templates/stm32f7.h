/* Registers of the STM32F746 that the harness touches.
 * Ref: RM0385 rev 8: 3.7 (FLASH), 4.4 (PWR), 5.3 (RCC), 6.4 (GPIO), 23.4 (TIM2 to TIM5); ARM DDI 0403E.e B2.2.7, B3.2 (caches). */
#ifndef STM32F7_H
#define STM32F7_H
#include "cortex_m.h"

#define FLASH_ACR REGISTER(0x40023C00U) /* 3.7.1 */
#define FLASH_ACR_LATENCY 0xFU
#define FLASH_ACR_PRFTEN (1U << 8)
#define FLASH_ACR_ARTEN (1U << 9)
#define FLASH_ACR_ARTRST (1U << 11)

#define PWR_CR1 REGISTER(0x40007000U)  /* 4.4.1 */
#define PWR_CSR1 REGISTER(0x40007004U) /* 4.4.2 */
#define PWR_CR1_VOS (3U << 14)
#define PWR_CR1_ODEN (1U << 16)
#define PWR_CR1_ODSWEN (1U << 17)
#define PWR_CSR1_VOSRDY (1U << 14)
#define PWR_CSR1_ODRDY (1U << 16)
#define PWR_CSR1_ODSWRDY (1U << 17)

#define RCC_CR REGISTER(0x40023800U)      /* 5.3.1 */
#define RCC_PLLCFGR REGISTER(0x40023804U) /* 5.3.2 */
#define RCC_CFGR REGISTER(0x40023808U)    /* 5.3.3 */
#define RCC_AHB1ENR REGISTER(0x40023830U) /* 5.3.10 */
#define RCC_APB1ENR REGISTER(0x40023840U) /* 5.3.13 */
#define RCC_CR_HSION (1U << 0)
#define RCC_CR_HSIRDY (1U << 1)
#define RCC_CR_HSEON (1U << 16)
#define RCC_CR_HSERDY (1U << 17)
#define RCC_CR_HSEBYP (1U << 18)
#define RCC_CR_PLLON (1U << 24)
#define RCC_CR_PLLRDY (1U << 25)
#define RCC_CFGR_SW 0x3U
#define RCC_CFGR_SW_HSI 0x0U
#define RCC_CFGR_SWS (0x3U << 2)
#define RCC_CFGR_PRESCALERS 0x0000FCF0U /* HPRE, PPRE1, PPRE2 */
#define RCC_AHB1ENR_DTCMRAMEN (1U << 20)
#define RCC_APB1ENR_TIM2EN (1U << 0)
#define RCC_APB1ENR_PWREN (1U << 28)

#define GPIO_BASE(port) (0x40020000U + 0x400U * (port)) /* 2.2.2 memory map */
#define GPIO_MODER(port) REGISTER(GPIO_BASE(port) + 0x00U)   /* 6.4.1 */
#define GPIO_OSPEEDR(port) REGISTER(GPIO_BASE(port) + 0x08U) /* 6.4.3 */
#define GPIO_BSRR(port) REGISTER(GPIO_BASE(port) + 0x18U)    /* 6.4.7 */

#define TIM2_CR1 REGISTER(0x40000000U)  /* 23.4.1 */
#define TIM2_DIER REGISTER(0x4000000CU) /* 23.4.4 */
#define TIM2_SR REGISTER(0x40000010U)   /* 23.4.5 */
#define TIM2_EGR REGISTER(0x40000014U)  /* 23.4.6 */
#define TIM2_PSC REGISTER(0x40000028U)  /* 23.4.11 */
#define TIM2_ARR REGISTER(0x4000002CU)  /* 23.4.12 */
#define TIM_CR1_CEN (1U << 0)
#define TIM_CR1_OPM (1U << 3)
#define TIM_DIER_UIE (1U << 0)
#define TIM_SR_UIF (1U << 0)
#define TIM_EGR_UG (1U << 0)
#define TIM2_IRQ 28U /* vector table, section 10 */

/* Caches of the core: 4 KiB each, lines of 32 bytes, the data cache has 4 ways of 32 sets (DS10916 2.1, ARM DDI 0489 5). */
#define SCB_ICIALLU REGISTER(0xE000EF50U) /* invalidate the instruction cache */
#define SCB_DCISW REGISTER(0xE000EF60U)   /* invalidate a line of the data cache, by set and way */
#define SCB_DCCSW REGISTER(0xE000EF6CU)   /* clean it */
#define SCB_DCCISW REGISTER(0xE000EF74U)  /* clean and invalidate it */
#define SCB_CCR_DC (1U << 16)
#define SCB_CCR_IC (1U << 17)
#define DCACHE_WAYS 4U
#define DCACHE_SETS 32U

/* Applies a maintenance operation to every line of the data cache. */
static inline void dcache_all(volatile uint32_t *operation)
{
    barrier();
    for (uint32_t set = 0; set < DCACHE_SETS; set++) {
        for (uint32_t way = 0; way < DCACHE_WAYS; way++) {
            *operation = way << 30 | set << 5;
        }
    }
    barrier();
}

#endif
