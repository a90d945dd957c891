/* What CoreMark's sources want to know of the platform: a bare virtual core. Names are CoreMark's. */
#ifndef CORE_PORTME_H
#define CORE_PORTME_H

#include <stddef.h>

typedef signed short ee_s16;
typedef unsigned short ee_u16;
typedef signed int ee_s32;
typedef double ee_f32;
typedef unsigned char ee_u8;
typedef unsigned int ee_u32;
typedef ee_u32 ee_ptr_int;
typedef size_t ee_size_t;
typedef ee_u32 CORE_TICKS;
typedef struct CORE_PORTABLE_S {
    ee_u8 portable_id;
} core_portable;

#define HAS_FLOAT 0
#define HAS_TIME_H 0
#define HAS_STDIO 0
#define HAS_PRINTF 0
#define SEED_METHOD SEED_VOLATILE
#define MEM_METHOD MEM_STACK
#define MULTITHREAD 1
#define MAIN_HAS_NOARGC 1
#define MAIN_HAS_NORETURN 0
#define PERFORMANCE_RUN 1
#define MEM_LOCATION "STACK"
#define COMPILER_VERSION __VERSION__
#define COMPILER_FLAGS ""
#define align_mem(x) (void *) (4 + (((ee_ptr_int) (x) - 1) & ~3))

extern ee_u32 default_num_contexts;
int ee_printf(const char *format, ...);
void portable_init(core_portable *p, int *argc, char *argv[]);
void portable_fini(core_portable *p);

#endif
