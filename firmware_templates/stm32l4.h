/* Registers of the STM32L496 and STM32L4R9 that the harness touches.
 * Ref: RM0351 rev 9 and RM0432 rev 9 (section numbers agree but for PWR_CR5): 3.7 (FLASH), 5.4 (PWR), 6.4 (RCC), 8.4 (GPIO), TIM2. */
#ifndef STM32L4_H
#define STM32L4_H
#include "cortex_m.h"

#define FLASH_ACR REGISTER(0x40022000U) /* 3.7.1 */
#define FLASH_ACR_LATENCY 0xFU          /* 3 bits on the L4, the fourth is reserved there and 0 */
#define FLASH_ACR_PRFTEN (1U << 8)
#define FLASH_ACR_ICEN (1U << 9)
#define FLASH_ACR_DCEN (1U << 10)
#define FLASH_ACR_ICRST (1U << 11)
#define FLASH_ACR_DCRST (1U << 12)

#define PWR_CR1 REGISTER(0x40007000U) /* 5.4.1 */
#define PWR_SR2 REGISTER(0x40007014U) /* 5.4.6 */
#define PWR_CR5 REGISTER(0x40007080U) /* L4+ only, RM0432 5.4.25 */
#define PWR_CR1_VOS (3U << 9)
#define PWR_CR1_VOS_RANGE1 (1U << 9)
#define PWR_SR2_VOSF (1U << 10)
#define PWR_CR5_R1MODE (1U << 8) /* 1: range 1 normal, 0: range 1 boost */

#define RCC_CR REGISTER(0x40021000U)       /* 6.4.1 */
#define RCC_CFGR REGISTER(0x40021008U)     /* 6.4.3 */
#define RCC_PLLCFGR REGISTER(0x4002100CU)  /* 6.4.4 */
#define RCC_AHB2ENR REGISTER(0x4002104CU)  /* 6.4.17 */
#define RCC_APB1ENR1 REGISTER(0x40021058U) /* 6.4.19 */
#define RCC_CR_MSION (1U << 0)
#define RCC_CR_MSIRDY (1U << 1)
#define RCC_CR_MSIRGSEL (1U << 3)
#define RCC_CR_MSIRANGE (0xFU << 4)
#define RCC_CR_MSIRANGE_4MHZ (6U << 4)
#define RCC_CR_HSION (1U << 8)
#define RCC_CR_HSIRDY (1U << 10)
#define RCC_CR_HSEON (1U << 16)
#define RCC_CR_HSERDY (1U << 17)
#define RCC_CR_HSEBYP (1U << 18)
#define RCC_CR_PLLON (1U << 24)
#define RCC_CR_PLLRDY (1U << 25)
#define RCC_CFGR_SW 0x3U
#define RCC_CFGR_SW_MSI 0x0U
#define RCC_CFGR_SW_PLL 0x3U
#define RCC_CFGR_SWS (0x3U << 2)
#define RCC_CFGR_HPRE (0xFU << 4)
#define RCC_CFGR_HPRE_DIV2 (0x8U << 4)
#define RCC_CFGR_PRESCALERS 0x00003FF0U /* HPRE, PPRE1, PPRE2 */
#define RCC_APB1ENR1_TIM2EN (1U << 0)
#define RCC_APB1ENR1_PWREN (1U << 28)

#define GPIO_BASE(port) (0x48000000U + 0x400U * (port)) /* 2.2.2 memory map */
#define GPIO_MODER(port) REGISTER(GPIO_BASE(port) + 0x00U)   /* 8.4.1 */
#define GPIO_OSPEEDR(port) REGISTER(GPIO_BASE(port) + 0x08U) /* 8.4.3 */
#define GPIO_BSRR(port) REGISTER(GPIO_BASE(port) + 0x18U)    /* 8.4.7 */

#define TIM2_CR1 REGISTER(0x40000000U)
#define TIM2_DIER REGISTER(0x4000000CU)
#define TIM2_SR REGISTER(0x40000010U)
#define TIM2_EGR REGISTER(0x40000014U)
#define TIM2_PSC REGISTER(0x40000028U)
#define TIM2_ARR REGISTER(0x4000002CU)
#define TIM_CR1_CEN (1U << 0)
#define TIM_CR1_OPM (1U << 3)
#define TIM_DIER_UIE (1U << 0)
#define TIM_SR_UIF (1U << 0)
#define TIM_EGR_UG (1U << 0)
#define TIM2_IRQ 28U

#endif
