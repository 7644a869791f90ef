/* threads_posix.c - see threads.h; the twin of threads_windows.c. */
#include "compat.h" /* first: Python.h asks for all of POSIX and GNU */

#include "platform/threads.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#ifdef __linux__
# include <sched.h>
# include <sys/syscall.h>
# include <time.h>
#endif

/* Bytes of stack of a new thread.  The work needs up to 110 kB; the C library
 * may take the libraries' thread-local data from it, too. */
#define STACK_BYTES (512 * 1024)

typedef struct {
    pthread_t thread;
    void (*work)(void *context, int i);
    void *context; /* borrowed */
    int i;
} helper;

static int
count_processors(void)
{
#ifdef __linux__
    cpu_set_t set; /* up to 1024 processors */
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        return CPU_COUNT(&set);
    }
#endif
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

int
mo_threads_available(void)
{
    int n = count_processors();
    return n < 1 ? 1 : n > MO_MAX_THREADS ? MO_MAX_THREADS : n;
}

static void *
help(void *argument)
{
    helper *h = argument;
    h->work(h->context, h->i);
    return NULL;
}

/* Starts helpers 1 to threads - 1; how many there are, the caller included. */
static int
start(helper helpers[MO_MAX_THREADS], int threads,
      void (*work)(void *context, int i), void *context)
{
    pthread_attr_t attributes;
    int n = 1;
    if (pthread_attr_init(&attributes) != 0) {
        return n;
    }
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
    for (; n < threads; n++) {
        helper *h = &helpers[n];
        *h = (helper){.work = work, .context = context, .i = n};
        if (pthread_create(&h->thread, &attributes, help, h) != 0) {
            break;
        }
    }
    (void)pthread_attr_destroy(&attributes);
    return n;
}

void
mo_threads_run(int threads, void (*work)(void *context, int i), void *context)
{
    helper helpers[MO_MAX_THREADS];
    sigset_t all, before;
    /* New threads inherit the mask: no signal interrupts them, and none is
     * handled by a thread that is no Python thread. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int n = start(helpers, threads, work, context);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    work(context, 0);
    for (int i = 1; i < n; i++) {
        (void)pthread_join(helpers[i].thread, NULL);
    }
}

#ifdef __linux__
unsigned long
mo_threads_native_id(void)
{
    return (unsigned long)syscall(SYS_gettid);
}

void
mo_threads_wait_gone(unsigned long native_id)
{
    const struct timespec pause = {.tv_nsec = 100000};
    char folder[48];
    (void)snprintf(folder, sizeof folder, "/proc/self/task/%lu", native_id);
    for (int i = 0; i < 1000 && access(folder, F_OK) == 0; i++) {
        (void)nanosleep(&pause, NULL);
    }
}
#endif
