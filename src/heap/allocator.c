/* allocator.c - see allocator.h: what sys._debugmallocstats() prints, read.
 *
 * CPython has no other way to tell.  It prints to a FILE, so it is given one
 * that is buffered in memory of ours and reads as nothing else; the text is
 * taken from there before it would be written. */
#include "heap/allocator.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text has some 3 kB: two figures and a line for each of 32 sizes. */
#define TEXT_BYTES 65536

#ifdef MS_WINDOWS
# define NOWHERE "NUL"
#else
# define NOWHERE "/dev/null"
#endif

/* The figure after "name ... =", which has commas between its thousands. */
static bool
read_figure(const char *text, const char *name, uint64_t *figure)
{
    const char *p = strstr(text, name);
    p = p != NULL ? strchr(p, '=') : NULL;
    if (p == NULL) {
        return false;
    }
    *figure = 0;
    for (p++; *p != '\n' && *p != '\0'; p++) {
        if (*p >= '0' && *p <= '9') {
            *figure = 10 * *figure + (uint64_t)(*p - '0');
        }
    }
    return true;
}

/* What MO_PRINT_PYMALLOC says, or -1. */
static int
print_figures(char *text)
{
    FILE *file = fopen(NOWHERE, "w");
    if (file == NULL) {
        return -1;
    }
    int printed = -1;
    if (setvbuf(file, text, _IOFBF, TEXT_BYTES) == 0) {
        printed = MO_PRINT_PYMALLOC(file);
    }
    text[TEXT_BYTES - 1] = '\0';
    fclose(file); /* empties the buffer; the text stays where it is */
    return printed;
}

bool
mo_pymalloc_bytes(uint64_t *held, uint64_t *used)
{
    *held = *used = 0;
    char *text = PyMem_RawCalloc(TEXT_BYTES, 1);
    int printed = text != NULL ? print_figures(text) : -1;
    bool told = printed == 0 && text[0] == '\0'; /* else mimalloc's figures */
    if (printed == 1) {
        told = read_figure(text, "bytes/arena", held) &&
               read_figure(text, "# bytes in allocated blocks", used);
    }
    PyMem_RawFree(text);
    return told;
}
