/* memory_windows.c - see memory.h: the process status and heap functions of
 * kernel32, job objects.
 *
 * Everything called exists since Windows 8.  What later versions add is asked
 * for by a greater structure or a new number and refused by earlier ones;
 * a figure of 0 that cannot be 0 (Wine's) counts as not told. */
#include "platform/memory.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <psapi.h>
#include <malloc.h>
#include <string.h>

/* PROCESS_MEMORY_COUNTERS_EX2, of Windows 10 and 11 22H2 on (September 2023):
 * declared here because older headers lack it. */
typedef struct {
    PROCESS_MEMORY_COUNTERS_EX ex;
    SIZE_T private_working_set; /* bytes */
    ULONG64 shared_commit;      /* bytes */
} counters_ex2;

/* HEAP_OPTIMIZE_RESOURCES_INFORMATION and its number in
 * HEAP_INFORMATION_CLASS: Windows 8.1 on. */
typedef struct {
    DWORD version; /* 1 */
    DWORD flags;   /* 0 */
} heap_optimize_resources;
#define HEAP_OPTIMIZE_RESOURCES 3

static uint64_t
nonzero(uint64_t figure)
{
    return figure != 0 ? figure : MO_MEMORY_UNKNOWN;
}

/* Fills what this Windows knows and leaves the rest 0. */
static bool
query_counters(counters_ex2 *counters)
{
    static const DWORD sizes[] = {sizeof(counters_ex2),
                                  sizeof(PROCESS_MEMORY_COUNTERS_EX)};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(counters, 0, sizeof(*counters));
        counters->ex.cb = sizes[i];
        if (K32GetProcessMemoryInfo(GetCurrentProcess(),
                                    (PROCESS_MEMORY_COUNTERS *)counters,
                                    sizes[i])) {
            return true;
        }
    }
    return false;
}

uint64_t
mo_memory_resident(void)
{
    counters_ex2 counters;
    return query_counters(&counters) ? nonzero(counters.ex.WorkingSetSize)
                                     : MO_MEMORY_UNKNOWN;
}

/* The limits of the job that this process is in, if it is in one. */
static uint64_t
job_limit(void)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION job;
    if (!QueryInformationJobObject(NULL, JobObjectExtendedLimitInformation,
                                   &job, sizeof(job), NULL)) {
        return MO_MEMORY_UNKNOWN;
    }
    DWORD flags = job.BasicLimitInformation.LimitFlags;
    uint64_t limit = MO_MEMORY_UNKNOWN;
    if (flags & JOB_OBJECT_LIMIT_PROCESS_MEMORY) {
        limit = job.ProcessMemoryLimit;
    }
    if (flags & JOB_OBJECT_LIMIT_JOB_MEMORY && job.JobMemoryLimit < limit) {
        limit = job.JobMemoryLimit;
    }
    return limit;
}

void
mo_memory_query(mo_memory *info)
{
    memset(info, 0xff, sizeof(*info)); /* every field MO_MEMORY_UNKNOWN */
    counters_ex2 counters;
    if (query_counters(&counters)) {
        const PROCESS_MEMORY_COUNTERS_EX *ex = &counters.ex;
        info->resident = nonzero(ex->WorkingSetSize);
        info->peak_resident = nonzero(ex->PeakWorkingSetSize);
        /* Both are the commit charge; Wine tells only the second. */
        info->private_ =
            nonzero(ex->PrivateUsage ? ex->PrivateUsage : ex->PagefileUsage);
        info->peak_private = nonzero(ex->PeakPagefileUsage);
        info->page_faults = nonzero(ex->PageFaultCount);
        info->private_resident = nonzero(counters.private_working_set);
    }
    MEMORYSTATUSEX system = {.dwLength = sizeof(system)};
    if (GlobalMemoryStatusEx(&system)) {
        info->system_total = system.ullTotalPhys;
        info->system_available = system.ullAvailPhys;
    }
    info->limit = job_limit();
}

/* HEAP_SUMMARY, which older headers lack; so do older systems the function. */
typedef struct {
    DWORD size; /* of this structure */
    SIZE_T allocated, committed, reserved, most_reserved; /* bytes */
} heap_summary;

typedef BOOL(WINAPI *heap_summary_function)(HANDLE, DWORD, heap_summary *);

/* HeapSummary, or NULL.  Wine 8 has the name, and ends whoever calls it. */
static heap_summary_function
find_heap_summary(void)
{
    HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    HMODULE kernel32 = GetModuleHandleW(L"kernel32.dll");
    if (GetProcAddress(ntdll, "wine_get_version") != NULL) {
        return NULL;
    }
    return (heap_summary_function)(void *)GetProcAddress(kernel32,
                                                         "HeapSummary");
}

/* The process's heap, which is malloc's too. */
void
mo_memory_heap(uint64_t *held, uint64_t *used)
{
    heap_summary summary = {.size = sizeof(summary)};
    heap_summary_function summarise = find_heap_summary();
    *held = *used = MO_MEMORY_UNKNOWN;
    if (summarise != NULL && summarise(GetProcessHeap(), 0, &summary)) {
        *held = nonzero(summary.committed);
        *used = nonzero(summary.allocated);
    }
}

/* HeapOptimizeResources empties the caches of the low-fragmentation heaps, and
 * HeapCompact and _heapmin then give back the free pages.  That each may do
 * nothing is no error. */
void
mo_memory_compact(void)
{
    heap_optimize_resources optimize = {1, 0};
    (void)HeapSetInformation(NULL,
                             (HEAP_INFORMATION_CLASS)HEAP_OPTIMIZE_RESOURCES,
                             &optimize, sizeof(optimize));
    (void)HeapCompact(GetProcessHeap(), 0);
    (void)_heapmin();
}

void
mo_memory_prefer_huge_pages(void *start, size_t bytes)
{
    /* nothing to ask for: a process without privileges has none */
}

void
mo_memory_map_pages(void *start, size_t bytes)
{
    /* nothing to ask for */
}

int
mo_memory_trim(void)
{
    if (!K32EmptyWorkingSet(GetCurrentProcess())) {
        PyErr_SetFromWindowsErr(0);
        return -1;
    }
    return 0;
}

/* A new job with this process in it, nested in the one it is in already. */
static HANDLE
enter_job(JOBOBJECT_EXTENDED_LIMIT_INFORMATION *limits)
{
    HANDLE job = CreateJobObjectW(NULL, NULL);
    if (job == NULL ||
        !SetInformationJobObject(job, JobObjectExtendedLimitInformation,
                                 limits, sizeof(*limits)) ||
        !AssignProcessToJobObject(job, GetCurrentProcess())) {
        PyErr_SetFromWindowsErr(0);
        if (job != NULL) {
            CloseHandle(job);
        }
        return NULL;
    }
    return job;
}

/* A job object that limits the commit charge of each process in it.  A process
 * cannot leave a job, so the first one is kept in *job and changed; the system
 * frees it with its last process. */
int
mo_memory_limit(uint64_t bytes, void **job)
{
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    memset(&limits, 0, sizeof(limits));
    if (bytes != MO_MEMORY_UNKNOWN) {
        counters_ex2 counters;
        if (query_counters(&counters) && bytes < counters.ex.PagefileUsage) {
            PyErr_Format(PyExc_ValueError,
                         "limit_memory() limit of %llu bytes is below the "
                         "memory already committed, %llu bytes",
                         (unsigned long long)bytes,
                         (unsigned long long)counters.ex.PagefileUsage);
            return -1;
        }
        limits.BasicLimitInformation.LimitFlags =
            JOB_OBJECT_LIMIT_PROCESS_MEMORY;
        limits.ProcessMemoryLimit =
            bytes < SIZE_MAX ? (SIZE_T)bytes : SIZE_MAX;
    }
    else if (*job == NULL) {
        return 0;
    }
    if (*job == NULL) {
        *job = enter_job(&limits);
        return *job != NULL ? 0 : -1;
    }
    if (!SetInformationJobObject(*job, JobObjectExtendedLimitInformation,
                                 &limits, sizeof(limits))) {
        PyErr_SetFromWindowsErr(0);
        return -1;
    }
    return 0;
}

/* Windows says only whether memory is low. */
double
mo_memory_pressure(void)
{
    double pressure = -1.0;
    BOOL low;
    HANDLE notification =
        CreateMemoryResourceNotification(LowMemoryResourceNotification);
    if (notification != NULL) {
        if (QueryMemoryResourceNotification(notification, &low)) {
            pressure = low ? 1.0 : 0.0;
        }
        CloseHandle(notification);
    }
    return pressure;
}
