/* memory_macos.c - see memory.h: the Mach task and host calls, sysctl.
 *
 * The figures of Activity Monitor and of vm_stat; phys_footprint is what the
 * system itself charges a process for.  Compiled, never run, by the authors. */
#include "platform/memory.h"

#include <mach/mach.h>
#include <malloc/malloc.h>
#include <string.h>
#include <sys/sysctl.h>

static bool
query_task(task_vm_info_data_t *task)
{
    mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
    memset(task, 0, sizeof(*task)); /* an older system fills a part */
    return task_info(mach_task_self(), TASK_VM_INFO, (task_info_t)task,
                     &count) == KERN_SUCCESS;
}

static uint64_t
nonzero(uint64_t figure)
{
    return figure != 0 ? figure : MO_MEMORY_UNKNOWN;
}

uint64_t
mo_memory_resident(void)
{
    task_vm_info_data_t task;
    return query_task(&task) ? task.resident_size : MO_MEMORY_UNKNOWN;
}

static void
query_faults(mo_memory *info)
{
    task_events_info_data_t events;
    mach_msg_type_number_t count = TASK_EVENTS_INFO_COUNT;
    if (task_info(mach_task_self(), TASK_EVENTS_INFO, (task_info_t)&events,
                  &count) == KERN_SUCCESS) {
        /* The kernel's counters have 32 bits. */
        info->page_faults = (uint32_t)events.faults;
    }
}

/* Available is free and inactive memory, as psutil and the Activity Monitor
 * have it. */
static void
query_system(mo_memory *info)
{
    uint64_t total;
    size_t size = sizeof(total);
    if (sysctlbyname("hw.memsize", &total, &size, NULL, 0) == 0) {
        info->system_total = total;
    }
    vm_statistics64_data_t pages;
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    mach_port_t host = mach_host_self();
    if (host_statistics64(host, HOST_VM_INFO64, (host_info64_t)&pages,
                          &count) == KERN_SUCCESS) {
        info->system_available =
            ((uint64_t)pages.free_count + pages.inactive_count) * vm_page_size;
    }
    mach_port_deallocate(mach_task_self(), host);
}

void
mo_memory_query(mo_memory *info)
{
    memset(info, 0xff, sizeof(*info)); /* every field MO_MEMORY_UNKNOWN */
    task_vm_info_data_t task;
    if (query_task(&task)) {
        info->resident = task.resident_size;
        info->peak_resident = task.resident_size_peak;
        info->private_ = nonzero(task.phys_footprint);
        info->peak_private =
            nonzero((uint64_t)task.ledger_phys_footprint_peak);
    }
    query_faults(info);
    query_system(info);
}

void
mo_memory_heap(uint64_t *held, uint64_t *used)
{
    malloc_statistics_t all;
    malloc_zone_statistics(NULL, &all); /* every zone */
    *held = nonzero(all.size_allocated);
    *used = nonzero(all.size_in_use);
}

void
mo_memory_compact(void)
{
    malloc_zone_pressure_relief(NULL, 0); /* every zone, as much as it has */
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
    return 1;
}

int
mo_memory_limit(uint64_t bytes, void **job)
{
    PyErr_SetString(PyExc_NotImplementedError,
                    "limit_memory() is for Windows and Linux: macOS does not "
                    "enforce a limit that a process sets for itself");
    return -1;
}

/* The level is 1 (normal), 2 (warning) or 4 (critical). */
double
mo_memory_pressure(void)
{
    int level;
    size_t size = sizeof(level);
    if (sysctlbyname("kern.memorystatus_vm_pressure_level", &level, &size,
                     NULL, 0) != 0) {
        return -1.0;
    }
    return level >= 4 ? 1.0 : level >= 2 ? 0.5 : 0.0;
}
