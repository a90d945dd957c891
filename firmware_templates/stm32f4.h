/* Registers of the STM32F446 that the harness touches.
 * Ref: RM0390 rev 6: 3.8 (FLASH), 5.4 (PWR), 6.3 (RCC), 7.4 (GPIO), 17.4 (TIM2 to TIM5). */
#ifndef STM32F4_H
#define STM32F4_H
#include "cortex_m.h"

#define FLASH_ACR REGISTER(0x40023C00U) /* 3.8.1 */
#define FLASH_ACR_LATENCY 0xFU
#define FLASH_ACR_PRFTEN (1U << 8)
#define FLASH_ACR_ICEN (1U << 9)
#define FLASH_ACR_DCEN (1U << 10)
#define FLASH_ACR_ICRST (1U << 11)
#define FLASH_ACR_DCRST (1U << 12)

#define PWR_CR REGISTER(0x40007000U)  /* 5.4.1 */
#define PWR_CSR REGISTER(0x40007004U) /* 5.4.2 */
#define PWR_CR_VOS (3U << 14)
#define PWR_CR_ODEN (1U << 16)
#define PWR_CR_ODSWEN (1U << 17)
#define PWR_CSR_VOSRDY (1U << 14)
#define PWR_CSR_ODRDY (1U << 16)
#define PWR_CSR_ODSWRDY (1U << 17)

#define RCC_CR REGISTER(0x40023800U)      /* 6.3.1 */
#define RCC_PLLCFGR REGISTER(0x40023804U) /* 6.3.2 */
#define RCC_CFGR REGISTER(0x40023808U)    /* 6.3.3 */
#define RCC_AHB1ENR REGISTER(0x40023830U) /* 6.3.10 */
#define RCC_APB1ENR REGISTER(0x40023840U) /* 6.3.13 */
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
#define RCC_APB1ENR_TIM2EN (1U << 0)
#define RCC_APB1ENR_PWREN (1U << 28)

#define GPIO_BASE(port) (0x40020000U + 0x400U * (port)) /* 2.2.2 memory map */
#define GPIO_MODER(port) REGISTER(GPIO_BASE(port) + 0x00U)   /* 7.4.1 */
#define GPIO_OSPEEDR(port) REGISTER(GPIO_BASE(port) + 0x08U) /* 7.4.3 */
#define GPIO_BSRR(port) REGISTER(GPIO_BASE(port) + 0x18U)    /* 7.4.7 */

#define TIM2_CR1 REGISTER(0x40000000U)  /* 17.4.1 */
#define TIM2_DIER REGISTER(0x4000000CU) /* 17.4.4 */
#define TIM2_SR REGISTER(0x40000010U)   /* 17.4.5 */
#define TIM2_EGR REGISTER(0x40000014U)  /* 17.4.6 */
#define TIM2_PSC REGISTER(0x40000028U)  /* 17.4.11 */
#define TIM2_ARR REGISTER(0x4000002CU)  /* 17.4.12 */
#define TIM_CR1_CEN (1U << 0)
#define TIM_CR1_OPM (1U << 3)
#define TIM_DIER_UIE (1U << 0)
#define TIM_SR_UIF (1U << 0)
#define TIM_EGR_UG (1U << 0)
#define TIM2_IRQ 28U /* table 38, vector table */

#endif
