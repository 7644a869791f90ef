/* native.c - see native.h. */
#include "lazymap/native.h"

#include "lazymap/feed.h"
#include "lazymap/recognise.h"

/* A list whose types change more often than this is read by calling. */
#define SHORT_RUN 16

/* Between two looks at signals, and with the GIL released, an item takes a step
 * so many times: that is 30 us of additions, and 1 ms of divisions. */
#define CHUNK_STEPS (256 * MO_BLOCK_ITEMS)

/* Ordinary steps that a slow one is reckoned as: a block of those takes 1 ms. */
#define SLOW_STEP 256

/* --- Life and death ---------------------------------------------------------- */

/* Items that all cursors are known to have. */
static Py_ssize_t
known_length(mo_lazymap_state *state, const mo_cursor *cursors, Py_ssize_t n)
{
    Py_ssize_t least = PY_SSIZE_T_MAX;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!mo_feed_suits(state, &cursors[i])) {
            return 0;
        }
        Py_ssize_t length =
            mo_cursor_remaining(state, (mo_cursor *)&cursors[i]);
        if (length < 0) {
            PyErr_Clear(); /* iterating says what is wrong */
            return 0;
        }
        least = length < least ? length : least;
    }
    return least;
}

static void
gather_programs(const mo_chain *chain, mo_program **programs)
{
    for (Py_ssize_t i = 0; i < chain->native; i++) {
        programs[i] = (mo_program *)chain->stage[i].program;
    }
}

static mo_native *
native_alloc(mo_lazymap_state *state, mo_chain *chain, int arguments,
             Py_ssize_t length)
{
    mo_native *self = PyMem_Malloc(sizeof *self);
    size_t room = length < MO_BLOCK_ITEMS ? (size_t)length : MO_BLOCK_ITEMS;
    if (self == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    mo_blocks_open(&self->blocks, arguments, room);
    self->blocks.programs = chain->native;
    self->state = state;
    self->arguments = arguments;
    self->busy = self->overtaken = false;
    self->fixed = false;
    self->called = self->ready = self->given = 0;
    self->kept[0] = self->kept[1] = NULL;
    self->turn = 0;
    return self;
}

static bool
are_fixed(const mo_cursor *cursors, Py_ssize_t n)
{
    bool fixed = true;
    for (Py_ssize_t i = 0; i < n; i++) {
        fixed &= cursors[i].kind == MO_CURSOR_RANGE ||
                 PyTuple_CheckExact(cursors[i].object);
    }
    return fixed;
}

/* A C function takes 13 ns an item of a list, a result handed out one at a
 * time 30 (CPython 3.11, Ice Lake Xeon). */
static bool
is_slow_to_call(const mo_chain *chain)
{
    PyObject *callable = chain->stage[0].callable;
    return chain->native > 1 ||
           !(PyCFunction_Check(callable) || PyType_Check(callable));
}

int
mo_native_new(mo_lazymap_state *state, mo_chain *chain,
              const mo_cursor *cursors, Py_ssize_t n, mo_native **native)
{
    *native = NULL;
    if (MO_LOAD_INT8(&chain->native) == 0 || n > MO_ARGUMENTS) {
        return 0;
    }
    Py_ssize_t length = known_length(state, cursors, n);
    if (length < MO_LOAD_SIZE(&state->short_pass) || length == 0 ||
        mo_is_watched(state)) {
        return 0;
    }
    if (mo_chain_recognise(state, chain, n) < 0) {
        return -1;
    }
    if (chain->native == 0 || !mo_chain_is_current(chain)) {
        return 0;
    }
    *native = native_alloc(state, chain, (int)n, length);
    if (*native == NULL) {
        return -1;
    }
    (*native)->fixed = are_fixed(cursors, n);
    (*native)->gives = is_slow_to_call(chain);
    return 0;
}

void
mo_native_free(mo_native *self)
{
    if (self != NULL) {
        mo_blocks_close(&self->blocks);
        Py_XDECREF(self->kept[0]);
        Py_XDECREF(self->kept[1]);
        PyMem_Free(self);
    }
}

/* --- Reading and running ------------------------------------------------------- */

/* All feeds or none. */
static bool
open_feeds(mo_native *self, mo_feed *feeds, const mo_cursor *cursors)
{
    bool numpy = false;
    for (int i = 0; i < self->arguments; i++) {
        if (!mo_feed_open(self->state, &feeds[i], &cursors[i])) {
            while (i-- > 0) {
                mo_feed_close(&feeds[i]);
            }
            return false;
        }
        numpy |= feeds[i].numpy;
    }
    if (numpy != self->blocks.numpy) {
        self->blocks.numpy = numpy;
        self->blocks.types[0] = MO_NO_TYPE;
    }
    return true;
}

static void
close_feeds(mo_native *self, mo_feed *feeds)
{
    for (int i = 0; i < self->arguments; i++) {
        mo_feed_close(&feeds[i]);
    }
}

/* Reads the block that begins `skip` items from here, of up to n items: how
 * many there are. */
static size_t
read_block(mo_native *self, mo_feed *feeds, Py_ssize_t skip, size_t n,
           mo_type *types, const void **places, bool in_place)
{
    for (int i = 0; i < self->arguments; i++) {
        mo_value *room = mo_blocks_argument(&self->blocks, i);
        size_t wanted = n;
        places[i] = NULL;
        n = mo_feed_read(&feeds[i], skip, room, n, &types[i],
                         in_place ? &places[i] : NULL);
        if (n == 0 || (n < wanted && n < SHORT_RUN &&
                       (Py_ssize_t)n < feeds[i].available - skip)) {
            return 0;
        }
    }
    return n;
}

/* Reads and runs a block: the results and their number *n, or NULL, when *n
 * items are to be had by calling.  With a consumer, arguments are not copied
 * where they need not be, and results written where it wants them. */
static const mo_value *
run_block(mo_native *self, const mo_chain *chain, mo_feed *feeds,
          Py_ssize_t skip, size_t *n, mo_consumer *consumer)
{
    mo_value *place = NULL;
    mo_type types[MO_ARGUMENTS];
    const void *places[MO_ARGUMENTS];
    mo_program *programs[MO_NATIVE_STAGES];
    if (!mo_blocks_reserve(&self->blocks)) {
        return NULL;
    }
    size_t got =
        read_block(self, feeds, skip, *n, types, places, consumer != NULL);
    if (got == 0) {
        return NULL;
    }
    *n = got;
    gather_programs(chain, programs);
    if (!mo_blocks_prepare(&self->blocks, programs, types)) {
        return NULL;
    }
    for (int i = 0; i < self->arguments; i++) {
        /* Only now: preparing may have moved the memory. */
        self->blocks.lane[i] = places[i] != NULL
                                   ? places[i]
                                   : mo_blocks_argument(&self->blocks, i);
    }
    if (consumer != NULL && consumer->place != NULL) {
        place = consumer->place(consumer, self->blocks.plan.result_type, got);
    }
    return mo_blocks_run(&self->blocks, got, place);
}

/* --- One result at a time ---------------------------------------------------------- */

/* What need not be asked for each item. */
static bool
is_forbidden(mo_native *self, const mo_chain *chain)
{
    return mo_is_watched(self->state) ||
           !mo_chain_partials_are_current(self->state, chain);
}

/* Runs the next block; false if there is none. */
static bool
fill(mo_native *self, const mo_chain *chain, const mo_cursor *cursors)
{
    mo_feed feeds[MO_ARGUMENTS];
    size_t n = self->blocks.room;
    self->ready = self->given = 0;
    self->called = (Py_ssize_t)n;
    if (is_forbidden(self, chain) || !open_feeds(self, feeds, cursors)) {
        return false;
    }
    if (!self->blocks.numpy) { /* else the results would be NumPy's */
        self->results = run_block(self, chain, feeds, 0, &n, NULL);
        self->called = (Py_ssize_t)n;
        if (self->results != NULL) {
            self->ready = (Py_ssize_t)n;
            self->type = self->blocks.plan.result_type;
            self->called = 0;
        }
    }
    close_feeds(self, feeds);
    return self->given < self->ready;
}

/* Whether the items that the cursors give next are those that result number
 * `given` was computed from. */
static bool
is_current(mo_native *self, const mo_cursor *cursors)
{
    for (int i = 0; i < self->arguments; i++) {
        mo_value item = mo_blocks_argument(&self->blocks, i)[self->given];
        if (!mo_feed_is_current(&cursors[i], self->blocks.types[i], item)) {
            return false;
        }
    }
    return true;
}

/* Whether there is a result, of the items that the cursors give next; if not,
 * how many of those are to be had by calling is in self->called. */
static bool
has_result(mo_native *self, const mo_chain *chain, const mo_cursor *cursors)
{
    if (self->given == self->ready && !fill(self, chain, cursors)) {
        return false;
    }
    if (!is_current(self, cursors)) {
        self->called = self->ready - self->given;
        return false;
    }
    return true;
}

PyObject *
mo_native_next_block(mo_native *self, mo_chain *chain, mo_cursor *cursors)
{
    if (self->busy) {
        self->overtaken = true;
        return NULL;
    }
    if (self->called > 0) {
        self->called--;
        return NULL;
    }
    if (mo_thread_is_traced() || !mo_chain_is_current(chain)) {
        self->ready = self->given = 0;
        return NULL;
    }
    self->busy = true;
    self->overtaken = false;
    bool there = has_result(self, chain, cursors);
    self->busy = false;
    if (self->overtaken) { /* which items were read is not known any more */
        there = false;
        self->called = (Py_ssize_t)self->blocks.room;
    }
    if (!there) {
        self->called--; /* this item is the first of them */
        self->ready = self->given = 0;
        return NULL;
    }
    return mo_native_give(self, cursors);
}

/* --- Whole passes --------------------------------------------------------------------- */

static Py_ssize_t
steps_of(const mo_block_plan *plan)
{
    return 1 + plan->steps + plan->slow_steps * SLOW_STEP;
}

/* Runs blocks until a chunk of items is done, one cannot be, or no more is
 * wanted; how many were done.  Sets self->called for the rest of a block. */
static Py_ssize_t
run_chunk(mo_native *self, const mo_chain *chain, mo_feed *feeds,
          mo_consumer *consumer)
{
    Py_ssize_t done = 0, steps = 0;
    while (steps < CHUNK_STEPS && !consumer->stopped) {
        size_t n = self->blocks.room;
        const mo_value *results =
            run_block(self, chain, feeds, done, &n, consumer);
        if (results == NULL ||
            !consumer->take(consumer, self->blocks.plan.result_type, results,
                            n)) {
            self->called = (Py_ssize_t)n;
            break;
        }
        done += (Py_ssize_t)n;
        steps += (Py_ssize_t)n * steps_of(&self->blocks.plan);
    }
    return done;
}

static bool
needs_gil(mo_native *self, const mo_feed *feeds, const mo_consumer *consumer)
{
    bool needed = consumer->needs_gil;
    for (int i = 0; i < self->arguments; i++) {
        needed |= feeds[i].kind == MO_FEED_OBJECTS;
    }
    return needed;
}

/* As run_chunk, with the GIL released where nothing of Python is touched. */
static Py_ssize_t
run_chunk_freely(mo_native *self, const mo_chain *chain, mo_feed *feeds,
                 mo_consumer *consumer)
{
    if (needs_gil(self, feeds, consumer)) {
        return run_chunk(self, chain, feeds, consumer);
    }
    Py_ssize_t done;
    Py_BEGIN_ALLOW_THREADS
    done = run_chunk(self, chain, feeds, consumer);
    Py_END_ALLOW_THREADS
    return done;
}

static int
fold(mo_native *self, mo_chain *chain, mo_cursor *cursors,
     mo_consumer *consumer)
{
    mo_feed feeds[MO_ARGUMENTS];
    self->ready = self->given = 0;
    while (self->called == 0 && !consumer->stopped) {
        if (mo_thread_is_traced() || !mo_chain_is_current(chain) ||
            is_forbidden(self, chain) || !open_feeds(self, feeds, cursors)) {
            return 0;
        }
        Py_ssize_t done = 0;
        self->called = 0;
        if (self->blocks.numpy && consumer->needs_types) {
            self->called = (Py_ssize_t)self->blocks.room;
        }
        else {
            done = run_chunk_freely(self, chain, feeds, consumer);
        }
        close_feeds(self, feeds);
        for (int i = 0; i < self->arguments; i++) {
            mo_cursor_skip(&cursors[i], done);
        }
        if (PyErr_Occurred() || PyErr_CheckSignals() < 0) {
            return -1; /* take() failed for want of memory, or a signal */
        }
    }
    return 0;
}

/* Others might find this pass by gc.get_objects(), while the GIL is released or
 * by a signal handler: they are told by `busy` to leave its memory alone. */
int
mo_native_fold(mo_native *self, mo_chain *chain, mo_cursor *cursors,
               mo_consumer *consumer)
{
    if (self->busy) {
        return 0;
    }
    self->busy = true;
    int status = fold(self, chain, cursors, consumer);
    self->busy = false;
    return status;
}
