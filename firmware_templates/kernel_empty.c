/* The empty kernel: same signature, no work. What it costs is the call and the counting. */
#include "harness.h"

__attribute__((noipa)) void kernel_empty(const struct kernel_args *args)
{
    (void)args;
}
