/* threads_windows.c - see threads.h; the twin of threads_posix.c. */
#include "compat.h"
#include "platform/threads.h"

#include <process.h>
#include <windows.h>

#define STACK_BYTES (512 * 1024) /* as in threads_posix.c */

typedef struct {
    HANDLE thread;
    void (*work)(void *context, int i);
    void *context; /* borrowed */
    int i;
} helper;

static int
count_processors(void)
{
    DWORD_PTR mine, all;
    int n = 0;
    if (GetProcessAffinityMask(GetCurrentProcess(), &mine, &all)) {
        for (; mine != 0; mine &= mine - 1) {
            n++;
        }
    }
    /* No mask: the process has threads in several processor groups. */
    return n > 0 ? n : (int)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
}

int
mo_threads_available(void)
{
    int n = count_processors();
    return n < 1 ? 1 : n > MO_MAX_THREADS ? MO_MAX_THREADS : n;
}

static unsigned __stdcall
help(void *argument)
{
    helper *h = argument;
    h->work(h->context, h->i);
    return 0;
}

void
mo_threads_run(int threads, void (*work)(void *context, int i), void *context)
{
    helper helpers[MO_MAX_THREADS];
    int n = 1;
    for (; n < threads; n++) {
        helper *h = &helpers[n];
        *h = (helper){.work = work, .context = context, .i = n};
        h->thread =
            (HANDLE)_beginthreadex(NULL, STACK_BYTES, help, h,
                                   STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
        if (h->thread == NULL) {
            break;
        }
    }
    work(context, 0);
    for (int i = 1; i < n; i++) {
        (void)WaitForSingleObject(helpers[i].thread, INFINITE);
        (void)CloseHandle(helpers[i].thread);
    }
}
