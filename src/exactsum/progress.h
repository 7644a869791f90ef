/* progress.h - how far a long sum has come, for its caller to hear.
 *
 * Between two reports, signals are not handled and nobody is called: MO_REPORT
 * numbers, 3 ms of memory or 30 ms of a list.  The struct is its caller's. */
#ifndef MO_EXACTSUM_PROGRESS_H
#define MO_EXACTSUM_PROGRESS_H

#include "compat.h"

#define MO_REPORT ((int64_t)1 << 22)

typedef struct {
    PyObject *callback; /* borrowed; NULL: nobody wants to know */
    int64_t done;       /* numbers at the last report */
    int64_t total;      /* numbers that there are; -1: not known; or: */
} mo_progress;

/* That of the buffer to be read, which is not known before it is acquired. */
#define MO_TOTAL_OF_BUFFER (-2)

static inline bool
mo_progress_is_due(const mo_progress *progress, int64_t done)
{
    return MO_UNLIKELY(done - progress->done >= MO_REPORT);
}

/* Handles signals and calls callback(done, total); total is None if it is not
 * known.  0, or -1 with the exception set that either raised. */
int
mo_progress_report(mo_progress *progress, int64_t done);

#endif
