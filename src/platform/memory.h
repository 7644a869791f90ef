/* memory.h - what the operating system says of this process's memory.
 *
 * One contract, implemented by memory_linux.c, memory_windows.c and
 * memory_macos.c; setup.py picks the one to compile.  Each file names the
 * source of every figure.  mo_memory_query, mo_memory_resident and
 * mo_memory_heap call no Python and may run without the GIL; the others need
 * it, since they may set an exception.  Nothing here owns memory. */
#ifndef MO_PLATFORM_MEMORY_H
#define MO_PLATFORM_MEMORY_H

#include "compat.h"

/* A figure that this system does not tell.  Never 0, which is an answer. */
#define MO_MEMORY_UNKNOWN UINT64_MAX

/* Bytes, but for page_faults. */
typedef struct {
    uint64_t resident;      /* physical memory mapped now */
    uint64_t peak_resident; /* the most it has been */
    uint64_t private_;      /* what no other process shares, swap included */
    uint64_t private_resident; /* the part of it in physical memory */
    uint64_t peak_private;
    uint64_t page_faults; /* since the process started, soft and hard */
    uint64_t system_total;
    uint64_t system_available; /* what could be had without swapping */
    uint64_t limit; /* the least of the limits on this process, if any */
} mo_memory;

/* Fills every field, with MO_MEMORY_UNKNOWN where there is no answer. */
void
mo_memory_query(mo_memory *info);

/* mo_memory.resident alone: some microseconds, whatever the process's size. */
uint64_t
mo_memory_resident(void);

/* Bytes that the C heap holds, and that the program uses of them;
 * MO_MEMORY_UNKNOWN where there is no answer. */
void
mo_memory_heap(uint64_t *held, uint64_t *used);

/* Gives the C allocator's free pages back to the system, where it can. */
void
mo_memory_compact(void);

/* Asks for huge pages under `bytes` from `start` on, before they are used: an
 * array of 64 MB is then written in a third of the time.  Where the system
 * gives them anyway, or does not, nothing happens. */
void
mo_memory_prefer_huge_pages(void *start, size_t bytes);

/* Has pages of this process's own, all of which will be written, mapped now: in a
 * third of the time that they take one by one.  Where the system cannot,
 * nothing happens. */
void
mo_memory_map_pages(void *start, size_t bytes);

/* Moves the working set's pages out of it.  0; 1 where a process has no such
 * thing; -1 with OSError set. */
int
mo_memory_trim(void);

/* Limits this process to `bytes`; MO_MEMORY_UNKNOWN lifts that limit again.
 * *job keeps what the system needs for that; it starts as NULL.  0, or -1
 * with OSError, ValueError (already above it) or NotImplementedError set. */
int
mo_memory_limit(uint64_t bytes, void **job);

/* How short memory is, 0.0 (not at all) to 1.0, or -1.0 if not told. */
double
mo_memory_pressure(void);

#endif
