/* What the parts of the harness share. */
#ifndef HARNESS_H
#define HARNESS_H
#include <stdint.h>
#include "workload.h"

typedef void kernel_fn(const struct kernel_args *args);

/* The kernel under test, and one of the same signature that does nothing. Each sits in a translation unit of its own. */
kernel_fn kernel, kernel_empty;

/* Kernels that call an external library: what it answered, 0 for success, and how many bytes of scratch memory it asks for. */
extern volatile int32_t library_status;
uint32_t library_scratch_bytes(const struct kernel_args *args);

void harness_main(void) __attribute__((noreturn));
void park(void);

/* Board port: trigger output and the sleep between windows. */
void trigger_init(void);
void trigger_high(void);
void trigger_low(void);
void sleep_ticks(uint32_t ticks);
/* Cores with a data cache only: writes back what a debugger would not see. */
void publish(void);

#endif
