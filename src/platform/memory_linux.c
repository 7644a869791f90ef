/* memory_linux.c - see memory.h: /proc (man 5 proc), cgroups, getrusage.
 *
 * Every file is read whole into a buffer on the stack.  One that is missing,
 * as on another Unix or in a sandbox, makes its figures unknown. */
#include "platform/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* The greatest of the files, /proc/meminfo, has some 1600 bytes. */
#define FILE_BYTES 8192

/* Reads at most FILE_BYTES - 1 bytes and ends them with a NUL; false if the
 * file cannot be read. */
static bool
read_file(const char *path, char *text)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    size_t length = 0;
    Py_ssize_t got;
    do {
        got = read(file, text + length, FILE_BYTES - 1 - length);
        length += got > 0 ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    close(file);
    text[length] = '\0';
    return got == 0 && length > 0;
}

/* The figure of the line "name:   123 kB", in bytes. */
static uint64_t
field(const char *text, const char *name)
{
    const char *line = text;
    size_t length = strlen(name);
    while (line != NULL) {
        if (strncmp(line, name, length) == 0 && line[length] == ':') {
            return strtoull(line + length + 1, NULL, 10) * 1024;
        }
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return MO_MEMORY_UNKNOWN;
}

static uint64_t
sum(uint64_t a, uint64_t b)
{
    bool known = a != MO_MEMORY_UNKNOWN && b != MO_MEMORY_UNKNOWN;
    return known ? a + b : MO_MEMORY_UNKNOWN;
}

/* Field 0 (size) or 1 (resident) of /proc/self/statm, which are in pages. */
static uint64_t
statm(int which)
{
    char text[FILE_BYTES];
    unsigned long long size, resident;
    if (!read_file("/proc/self/statm", text) ||
        sscanf(text, "%llu %llu", &size, &resident) != 2) {
        return MO_MEMORY_UNKNOWN;
    }
    uint64_t pages = which == 0 ? size : resident;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t
mo_memory_resident(void)
{
    return statm(1);
}

/* smaps_rollup: its Private lines are what psutil calls uss.  Summing the page
 * tables takes the kernel some milliseconds per GB. */
static void
query_private(mo_memory *info)
{
    char text[FILE_BYTES];
    if (read_file("/proc/self/smaps_rollup", text)) {
        info->private_resident =
            sum(field(text, "Private_Clean"), field(text, "Private_Dirty"));
        info->private_ = sum(info->private_resident, field(text, "Swap"));
    }
}

static void
query_peak(mo_memory *info)
{
    char text[FILE_BYTES];
    /* Not ru_maxrss, which a new program inherits from its parent. */
    if (read_file("/proc/self/status", text)) {
        info->peak_resident = field(text, "VmHWM");
    }
    /* The kernel brings VmHWM up to date only when pages are unmapped. */
    if (info->resident != MO_MEMORY_UNKNOWN &&
        info->peak_resident < info->resident) {
        info->peak_resident = info->resident;
    }
}

static void
query_system(mo_memory *info)
{
    char text[FILE_BYTES];
    if (read_file("/proc/meminfo", text)) {
        info->system_total = field(text, "MemTotal");
        info->system_available = field(text, "MemAvailable");
    }
}

/* The limit in `folder``file`; unknown for "max" and for cgroup v1's way of
 * saying that there is none, a number close to 2**63. */
static uint64_t
cgroup_limit(const char *folder, const char *file)
{
    char path[FILE_BYTES], text[FILE_BYTES];
    int length = snprintf(path, sizeof(path), "%s/%s", folder, file);
    if (length < 0 || (size_t)length >= sizeof(path) ||
        !read_file(path, text) || text[0] < '0' || text[0] > '9') {
        return MO_MEMORY_UNKNOWN;
    }
    uint64_t limit = strtoull(text, NULL, 10);
    return limit < UINT64_C(1) << 62 ? limit : MO_MEMORY_UNKNOWN;
}

/* The least limit of `folder` and the folders above it, down to `top` bytes of
 * the path.  Shortens `folder`. */
static uint64_t
cgroup_least(char *folder, size_t top, const char *file)
{
    uint64_t least = cgroup_limit(folder, file);
    while (strlen(folder) > top) {
        *strrchr(folder, '/') = '\0';
        uint64_t limit = cgroup_limit(folder, file);
        least = limit < least ? limit : least;
    }
    return least;
}

/* Writes the folder of this process's cgroup below `root`: of the line of
 * /proc/self/cgroup that has `controller` between its colons, "" for v2. */
static bool
cgroup_folder(const char *root, const char *controller, char *folder)
{
    char text[FILE_BYTES];
    if (!read_file("/proc/self/cgroup", text)) {
        return false;
    }
    char wanted[32];
    snprintf(wanted, sizeof(wanted), ":%s:/", controller);
    char *found = strstr(text, wanted);
    if (found == NULL) {
        return false;
    }
    char *path = found + strlen(wanted) - 1;
    path[strcspn(path, "\n")] = '\0';
    int length = snprintf(folder, FILE_BYTES, "%s%s", root,
                          strcmp(path, "/") == 0 ? "" : path);
    return length > 0 && length < FILE_BYTES;
}

#define CGROUP_V2 "/sys/fs/cgroup"
#define CGROUP_V1 "/sys/fs/cgroup/memory"

static void
query_limit(mo_memory *info)
{
    char folder[FILE_BYTES];
    uint64_t v2 = MO_MEMORY_UNKNOWN, v1 = MO_MEMORY_UNKNOWN;
    if (cgroup_folder(CGROUP_V2, "", folder)) {
        v2 = cgroup_least(folder, strlen(CGROUP_V2), "memory.max");
    }
    if (cgroup_folder(CGROUP_V1, "memory", folder)) {
        v1 = cgroup_least(folder, strlen(CGROUP_V1), "memory.limit_in_bytes");
    }
    info->limit = v2 < v1 ? v2 : v1;
    struct rlimit own;
    if (getrlimit(RLIMIT_AS, &own) == 0 && own.rlim_cur != RLIM_INFINITY &&
        own.rlim_cur < info->limit) {
        info->limit = own.rlim_cur;
    }
}

void
mo_memory_query(mo_memory *info)
{
    memset(info, 0xff, sizeof(*info)); /* every field MO_MEMORY_UNKNOWN */
    info->resident = mo_memory_resident();
    query_private(info);
    query_peak(info);
    query_system(info);
    query_limit(info);
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        info->page_faults = (uint64_t)usage.ru_minflt + usage.ru_majflt;
    }
}

/* glibc before 2.33 counts in ints, which overflow at 2 GB. */
void
mo_memory_heap(uint64_t *held, uint64_t *used)
{
    *held = *used = MO_MEMORY_UNKNOWN;
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
# if __GLIBC_PREREQ(2, 33)
    struct mallinfo2 info = mallinfo2();
    /* Large blocks are mapped one by one, and none of them is free. */
    *held = info.arena + info.hblkhd;
    *used = info.uordblks + info.hblkhd;
# endif
#endif
}

void
mo_memory_compact(void)
{
#ifdef __GLIBC__ /* musl gives freed pages back by itself */
    malloc_trim(0);
#endif
}

/* madvise() takes whole pages; a system that does not know it refuses. */
static void
advise_pages(void *start, size_t bytes, int advice)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)start + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)start + bytes) / page * page;
    if (first < end) {
        (void)madvise((void *)first, end - first, advice);
    }
}

void
mo_memory_prefer_huge_pages(void *start, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    advise_pages(start, bytes, MADV_HUGEPAGE);
#endif
}

/* Linux 5.14; glibc 2.35 has its name. */
#ifndef MADV_POPULATE_WRITE
# define MADV_POPULATE_WRITE 23
#endif

void
mo_memory_map_pages(void *start, size_t bytes)
{
    advise_pages(start, bytes, MADV_POPULATE_WRITE);
}

int
mo_memory_trim(void)
{
    return 1;
}

/* RLIMIT_AS, the address space: mmap and brk fail beyond it.  Only the soft
 * limit is set, which the process may raise again. */
int
mo_memory_limit(uint64_t bytes, void **job)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    uint64_t used = statm(0);
    if (used != MO_MEMORY_UNKNOWN && bytes < used) {
        PyErr_Format(PyExc_ValueError,
                     "limit_memory() limit of %llu bytes is below the address "
                     "space already in use, %llu bytes",
                     (unsigned long long)bytes, (unsigned long long)used);
        return -1;
    }
    limit.rlim_cur = bytes < limit.rlim_max ? (rlim_t)bytes : limit.rlim_max;
    if (setrlimit(RLIMIT_AS, &limit) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

/* Pressure stall information: the share of the last 10 s in which some task of
 * the cgroup, or else of the system, waited for memory. */
double
mo_memory_pressure(void)
{
    char path[FILE_BYTES], text[FILE_BYTES];
    bool told = false;
    if (cgroup_folder(CGROUP_V2, "", path) &&
        strlen(path) + sizeof("/memory.pressure") <= sizeof(path)) {
        told = read_file(strcat(path, "/memory.pressure"), text);
    }
    told = told || read_file("/proc/pressure/memory", text);
    /* Not sscanf's %lf: the decimal point must not depend on the locale. */
    unsigned int whole, hundredths;
    if (!told || sscanf(text, "some avg10=%u.%2u", &whole, &hundredths) != 2) {
        return -1.0;
    }
    return (whole + hundredths / 100.0) / 100.0;
}
