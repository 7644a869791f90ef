/* parallel.c - see parallel.h. */
#include "compat.h" /* first: Python.h asks for all of POSIX */

#include "exactsum/parallel.h"

#include "platform/fpenv.h"
#include "platform/threads.h"

/* Items for each thread, 6 MB of doubles: what one processor reads in 150 to
 * 200 us.  Two threads take 1.8 times as long as one for 2 MB, 1.1 times for 8
 * and 0.86 times for 12 (AVX2, Zen 3). */
#define WORTH_A_THREAD (16 * MO_CHUNK)

typedef struct {
    size_t chunks;
    mo_work work;
    const void *context;
    mo_atomic next;     /* the chunk that nobody has taken yet */
    mo_worker *workers; /* one for each thread */
} job;

/* Chunks, until nobody has any left to take. */
static void
take_chunks(void *context, int i)
{
    job *j = context;
    mo_worker *worker = &j->workers[i];
    size_t chunk;
    worker->used = true;
    mo_fpenv environment = mo_fpenv_enter();
    while ((chunk = (size_t)MO_ATOMIC_NEXT(&j->next)) < j->chunks) {
        j->work(j->context, chunk, worker);
    }
    mo_fpenv_leave(&environment);
}

static void
worker_init(mo_worker *worker, const mo_plan *plan, mo_accumulator *total)
{
    mo_ladder_init(&worker->ladder, plan->kernel);
    worker->ladder.ahead = plan->ahead;
    worker->total = total;
    worker->terms = 0;
    worker->used = false;
}

static void
count_usage(mo_plan *plan, const mo_worker *worker)
{
    mo_usage_add(&plan->usage, &worker->ladder.usage);
    plan->threads_used += worker->used;
}

static int
threads_worth_it(int wanted, size_t chunks, size_t items)
{
    if (wanted == MO_THREADS_AUTO) {
        if (items < 2 * WORTH_A_THREAD) {
            return 1;
        }
        size_t pay = items / WORTH_A_THREAD;
        wanted = mo_threads_available();
        wanted = pay < (size_t)wanted ? (int)pay : wanted;
    }
    wanted = wanted < MO_MAX_THREADS ? wanted : MO_MAX_THREADS;
    return chunks < (size_t)wanted ? (int)chunks : wanted;
}

/* One that adds to *total itself. */
static uint64_t
sum_alone(mo_plan *plan, job *j, mo_accumulator *total)
{
    mo_worker worker;
    worker_init(&worker, plan, total);
    j->workers = &worker;
    take_chunks(j, 0);
    count_usage(plan, &worker);
    return worker.terms;
}

/* Each in an accumulator of its own, and then together. */
static uint64_t
sum_together(mo_plan *plan, job *j, int threads, mo_accumulator *totals,
             mo_accumulator *total)
{
    uint64_t terms = 0;
    for (int i = 0; i < threads; i++) {
        mo_accumulator_init(&totals[i]);
        worker_init(&j->workers[i], plan, &totals[i]);
    }
    mo_threads_run(threads, take_chunks, j);
    for (int i = 0; i < threads; i++) {
        int failed = total && mo_accumulator_merge(total, &totals[i]) < 0;
        assert(!failed); /* it would take 2**63 doubles */
        (void)failed;
        count_usage(plan, &j->workers[i]);
        terms += j->workers[i].terms;
    }
    return terms;
}

uint64_t
mo_parallel_sum(mo_plan *plan, size_t chunks, size_t items, mo_work work,
                const void *context, mo_accumulator *total)
{
    job j = {.chunks = chunks, .work = work, .context = context};
    const int threads = threads_worth_it(plan->threads, chunks, items);
    const size_t n = (size_t)threads;
    if (threads <= 1) {
        return sum_alone(plan, &j, total);
    }
    mo_accumulator *totals = PyMem_RawMalloc(n * sizeof *totals);
    j.workers = PyMem_RawMalloc(n * sizeof *j.workers);
    mo_worker *workers = j.workers;
    uint64_t terms;
    if (totals != NULL && workers != NULL) {
        terms = sum_together(plan, &j, threads, totals, total);
    }
    else { /* no memory for more is no reason to fail */
        terms = sum_alone(plan, &j, total);
    }
    PyMem_RawFree(workers);
    PyMem_RawFree(totals);
    return terms;
}
