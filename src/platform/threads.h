/* threads.h - the same work in several threads at once.
 *
 * Threads are started for each call and have ended when it returns: nothing
 * is left that a fork could cut in two, that must be shut down, or that keeps
 * memory.  Starting and joining one costs the caller 20 us (Linux, Ice Lake
 * Xeon), which is why only large inputs are divided.  The threads run no
 * Python code and hold no lock of Python's; signals are left to the threads
 * that there were. */
#ifndef MO_PLATFORM_THREADS_H
#define MO_PLATFORM_THREADS_H

/* The most threads of one call, the caller's included. */
#define MO_MAX_THREADS 64

/* Processors that this process may use: 1 to MO_MAX_THREADS. */
int
mo_threads_available(void);

/* Calls work(context, i) once for each i in 0..threads - 1, all at once: 0 in
 * the calling thread, the others in new ones.  Those that cannot be started
 * are left out, so the work must be such that any one of the calls does all
 * that the others do not.  Returns when all calls have. */
void
mo_threads_run(int threads, void (*work)(void *context, int i), void *context);

/* Only Linux tells which threads there are. */
#ifdef __linux__
/* The calling thread's number for the system. */
unsigned long
mo_threads_native_id(void);

/* Waits until the system has no thread of this number any more: one that has
 * ended, for Python and for who joined it, is still counted for microseconds.  Not
 * longer than some 0.1 s, as the number may be another's by now. */
void
mo_threads_wait_gone(unsigned long native_id);
#else
static inline unsigned long
mo_threads_native_id(void)
{
    return 0;
}

static inline void
mo_threads_wait_gone(unsigned long native_id)
{
    (void)native_id;
}
#endif

#endif
