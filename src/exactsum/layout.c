/* layout.c - see layout.h. */
#include "exactsum/layout.h"

/* Broadcast axes, whose items are all the same one, go outside all others. */
static size_t
rank(size_t stride)
{
    return stride > 0 ? stride : SIZE_MAX;
}

/* One more axis, outside those whose items are nearer together.  A negative
 * stride is the same items from the other end. */
static void
insert_axis(mo_layout *layout, size_t n, ptrdiff_t stride)
{
    size_t distance = (size_t)stride;
    if (stride < 0) {
        distance = (size_t)0 - distance;
        layout->first -= (n - 1) * distance;
    }
    int i = layout->ndim++;
    for (; i > 0 && rank(layout->strides[i - 1]) < rank(distance); i--) {
        layout->shape[i] = layout->shape[i - 1];
        layout->strides[i] = layout->strides[i - 1];
    }
    layout->shape[i] = n;
    layout->strides[i] = distance;
}

/* Two axes are one if the outer goes on where the inner ends. */
static void
join_axes(mo_layout *layout)
{
    int last = 0;
    for (int i = 1; i < layout->ndim; i++) {
        if (layout->strides[last] == layout->shape[i] * layout->strides[i]) {
            layout->shape[last] *= layout->shape[i];
        }
        else {
            last++;
            layout->shape[last] = layout->shape[i];
        }
        layout->strides[last] = layout->strides[i];
    }
    layout->ndim = last + 1;
}

void
mo_layout_init(mo_layout *layout, mo_item item, const void *first, int ndim,
               const Py_ssize_t *shape, const Py_ssize_t *strides)
{
    const size_t itemsize = item.size;
    size_t contiguous = itemsize;
    layout->item = item;
    layout->first = first;
    layout->count = 0;
    layout->ndim = 0;
    for (int i = 0; i < ndim; i++) {
        if (shape[i] == 0) {
            return;
        }
    }
    for (int i = ndim - 1; i >= 0; i--) {
        Py_ssize_t stride = strides ? strides[i] : (Py_ssize_t)contiguous;
        if (shape[i] > 1) {
            insert_axis(layout, (size_t)shape[i], stride);
        }
        contiguous *= (size_t)shape[i];
    }
    layout->count = contiguous / itemsize;
    if (layout->ndim == 0) {
        insert_axis(layout, 1, (Py_ssize_t)itemsize);
    }
    join_axes(layout);
}

/* Gives items from..from + n - 1 to the intake. */
static void
read_items(const mo_layout *layout, size_t from, size_t n, mo_intake *intake)
{
    const int last = layout->ndim - 1;
    size_t index[MO_MAX_NDIM];
    const char *p = layout->first;
    for (int i = last; i >= 0; i--) {
        index[i] = from % layout->shape[i];
        from /= layout->shape[i];
        p += index[i] * layout->strides[i];
    }
    while (n > 0) {
        size_t run = layout->shape[last] - index[last];
        run = run < n ? run : n;
        mo_intake_add(intake, p, run, (ptrdiff_t)layout->strides[last]);
        n -= run;
        /* To the next line, as an odometer counts. */
        p -= index[last] * layout->strides[last];
        index[last] = 0;
        for (int i = last - 1; i >= 0 && n > 0; i--) {
            p += layout->strides[i];
            if (++index[i] < layout->shape[i]) {
                break;
            }
            p -= index[i] * layout->strides[i];
            index[i] = 0;
        }
    }
}

typedef struct {
    const mo_layout *layout;
    size_t from, n;
} job;

static void
sum_chunk(const void *context, size_t chunk, mo_worker *worker)
{
    const job *j = context;
    const size_t done = chunk * MO_CHUNK;
    const size_t n = j->n - done < MO_CHUNK ? j->n - done : MO_CHUNK;
    mo_intake intake;
    mo_intake_init(&intake, &worker->ladder, j->layout->item, worker->total);
    read_items(j->layout, j->from + done, n, &intake);
    mo_intake_finish(&intake);
}

void
mo_sum_layout(mo_plan *plan, const mo_layout *layout, size_t from, size_t n,
              mo_accumulator *total)
{
    const job j = {layout, from, n};
    const size_t chunks = n / MO_CHUNK + (n % MO_CHUNK != 0);
    (void)mo_parallel_sum(plan, chunks, n, sum_chunk, &j, total);
}
