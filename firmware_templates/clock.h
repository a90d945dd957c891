/* Switches to entry `index` of the image's clock table; returns an ERROR_ code of mailbox.h. */
#ifndef CLOCK_H
#define CLOCK_H
#include <stdint.h>

uint32_t clock_apply(uint32_t index);

#endif
