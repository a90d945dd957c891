/* Memory functions as a C library built for size has them: byte by byte. The published counts were made with such a build of newlib. */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  char *out = to;
  const char *in = from, *end = in + count;
  if (count) do *out++ = *in++; while (in != end);
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  char *out = to;
  const char *in = from;
  if (in < out && out < in + count) {
    in += count;
    out += count;
    while (count--) *--out = *--in;
  } else {
    while (count--) *out++ = *in++;
  }
  return to;
}

void *memset(void *to, int value, size_t count) {
  char *out = to;
  while (count--) *out++ = (char) value;
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  const unsigned char *a = left, *b = right;
  while (count--) {
    if (*a != *b) return *a - *b;
    a++;
    b++;
  }
  return 0;
}
