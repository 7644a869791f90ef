/* parallel.c - see parallel.h. */
#include "exactsum/parallel.h"

#include "platform/fpenv.h"
#include "platform/threads.h"

/* Items of a chunk: two blocks, 393 kB of doubles.  TODO */
#define CHUNK (2 * (size_t)MO_BLOCK)

/* Items for each thread that is started: TODO */
#define WORTH_A_THREAD (4 * CHUNK)

/* What one thread has done. */
typedef struct {
    mo_plan plan; /* only what it has used counts */
    mo_accumulator total;
} partial;

typedef struct {
    const mo_kernel *kernel;
    const mo_layout *layout;
    mo_item item;
    mo_atomic next;    /* the chunk that nobody has taken yet */
    partial *partials; /* one for each thread; zeros while it has not run */
} job;

void
mo_plan_count(mo_plan *plan, const mo_ladder *ladder)
{
    for (int i = 0; i < MO_RUNGS; i++) {
        plan->used[i] += ladder->used[i];
    }
}

/* Chunks, until nobody has any left to take. */
static void
sum_chunks(job *j, mo_plan *plan, mo_accumulator *total)
{
    const size_t count = j->layout->count;
    const size_t chunks = count / CHUNK + (count % CHUNK != 0);
    mo_intake intake;
    size_t chunk;
    mo_intake_init(&intake, j->kernel, j->item, total);
    mo_fpenv environment = mo_fpenv_enter();
    while ((chunk = (size_t)MO_ATOMIC_NEXT(&j->next)) < chunks) {
        size_t from = chunk * CHUNK;
        size_t n = count - from < CHUNK ? count - from : CHUNK;
        mo_layout_read(j->layout, from, n, &intake);
    }
    mo_intake_finish(&intake);
    mo_fpenv_leave(&environment);
    mo_plan_count(plan, &intake.ladder);
    plan->threads_used++;
}

static void
work(void *context, int i)
{
    job *j = context;
    partial *mine = &j->partials[i];
    mo_accumulator_init(&mine->total);
    sum_chunks(j, &mine->plan, &mine->total);
}

static int
threads_worth_it(int wanted, size_t count)
{
    size_t most = wanted == MO_THREADS_AUTO ? count / WORTH_A_THREAD
                                            : count / CHUNK + 1;
    if (most < 2) {
        return 1;
    }
    if (wanted == MO_THREADS_AUTO) {
        wanted = mo_threads_available();
    }
    wanted = wanted < MO_MAX_THREADS ? wanted : MO_MAX_THREADS;
    return most < (size_t)wanted ? (int)most : wanted;
}

static void
add_partial(mo_plan *plan, const partial *part, mo_accumulator *total)
{
    int failed = mo_accumulator_merge(total, &part->total);
    assert(!failed); /* it would take 2**63 doubles */
    (void)failed;
    for (int i = 0; i < MO_RUNGS; i++) {
        plan->used[i] += part->plan.used[i];
    }
    plan->threads_used += part->plan.threads_used;
}

void
mo_sum_layout(mo_plan *plan, const mo_layout *layout, mo_item item,
              mo_accumulator *total)
{
    job j = {.kernel = plan->kernel, .layout = layout, .item = item};
    const int threads = threads_worth_it(plan->threads, layout->count);
    if (threads > 1) {
        j.partials = PyMem_RawCalloc((size_t)threads, sizeof(partial));
    }
    if (j.partials == NULL) { /* no memory for more is no reason to fail */
        sum_chunks(&j, plan, total);
        return;
    }
    mo_threads_run(threads, work, &j);
    for (int i = 0; i < threads; i++) {
        if (j.partials[i].plan.threads_used > 0) {
            add_partial(plan, &j.partials[i], total);
        }
    }
    PyMem_RawFree(j.partials);
}
