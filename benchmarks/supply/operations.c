/* The published loops of single operations as they probably were: two operands and the result in arrays, one operation an iteration, the
 * index scaled anew for each access, nothing unrolled. TYPE and OPERATION (of a[i] and b[i]) come from the command line. */
#include <math.h>
#include <stdint.h>

#define COUNT 256
#define STACK_TOP 0x20010000U

TYPE first[COUNT], second[COUNT], result[COUNT];

__attribute__((noipa)) static void loop(const TYPE *a, const TYPE *b, TYPE *c, int n)
{
    for (int i = 0; i < n; i++) {
        c[i] = (TYPE)(OPERATION);
    }
}

__attribute__((noipa)) void kernel(void)
{
    loop(first, second, result, COUNT);
}

__attribute__((noipa)) static void fill(void)
{
    for (int i = 0; i < COUNT; i++) {
        first[i] = (TYPE)(FIRST);
        second[i] = (TYPE)(SECOND);
    }
}

__attribute__((noreturn)) void start(void)
{
    *(volatile uint32_t *)0xE000ED88U = 0xFU << 20; /* CPACR: FPU on */
    fill();
    for (;;) {
        kernel();
    }
}

__attribute__((section(".vectors"), used)) static const uint32_t vectors[2] = { STACK_TOP, (uint32_t)(uintptr_t)&start };
