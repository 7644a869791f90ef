/* blocks.c - see blocks.h. */
#include "lazymap/blocks.h"

#include "platform/fpenv.h"

/* Lanes that ordinary functions get by with: x * 2 + 1 takes five. */
#define FEW_LANES 6

void
mo_blocks_open(mo_blocks *blocks, int arguments, size_t room)
{
    assert(arguments >= 1 && arguments <= MO_ARGUMENTS && room > 0);
    blocks->types[0] = MO_NO_TYPE;
    blocks->has_plan = false;
    blocks->numpy = false;
    blocks->arguments = (uint8_t)arguments;
    blocks->room = room;
    blocks->lanes = arguments > FEW_LANES ? arguments : FEW_LANES;
    blocks->memory = NULL;
}

bool
mo_blocks_reserve(mo_blocks *blocks)
{
    if (blocks->memory == NULL) {
        blocks->memory = PyMem_RawMalloc((size_t)blocks->lanes * blocks->room *
                                         sizeof *blocks->memory);
    }
    return blocks->memory != NULL;
}

void
mo_blocks_close(mo_blocks *blocks)
{
    PyMem_RawFree(blocks->memory);
    blocks->memory = NULL;
}

static bool
make_room(mo_blocks *blocks)
{
    if (blocks->plan.lanes <= blocks->lanes) {
        return true;
    }
    mo_value *memory =
        PyMem_RawRealloc(blocks->memory, (size_t)blocks->plan.lanes *
                                             blocks->room * sizeof *memory);
    if (memory == NULL) {
        return false;
    }
    blocks->memory = memory;
    blocks->lanes = blocks->plan.lanes;
    return true;
}

/* Points the lanes at their memory and fills the constant ones. */
static void
lay_out(mo_blocks *blocks)
{
    for (int i = 0; i < blocks->plan.lanes; i++) {
        const mo_lane *lane = &blocks->plan.lane[i];
        mo_value *items = blocks->memory + (size_t)i * blocks->room;
        blocks->lane[i] = items;
        if (lane->kind == MO_LANE_CONSTANT) {
            for (size_t k = 0; k < blocks->room; k++) {
                items[k] = lane->value;
            }
        }
    }
}

static bool
make_plan(mo_blocks *blocks, mo_program *const *programs)
{
    mo_block_plan_start(&blocks->plan, blocks->types, blocks->arguments,
                        blocks->numpy);
    for (Py_ssize_t i = 0; i < blocks->programs; i++) {
        if (!mo_block_plan_add(&blocks->plan, programs[i])) {
            return false;
        }
    }
    /* NumPy's bools are not Python's, nor ints. */
    return !blocks->numpy || blocks->plan.result_type != MO_BOOL;
}

bool
mo_blocks_prepare(mo_blocks *blocks, mo_program *const *programs,
                  const mo_type *types)
{
    size_t size = blocks->arguments * sizeof *types;
    if (memcmp(blocks->types, types, size) == 0) {
        return blocks->has_plan;
    }
    memcpy(blocks->types, types, size);
    blocks->has_plan = make_plan(blocks, programs) && make_room(blocks);
    if (blocks->has_plan) {
        lay_out(blocks);
    }
    return blocks->has_plan;
}

/* The results, or NULL. */
static const void *
run_steps(mo_blocks *blocks, size_t n, mo_value *place)
{
    const mo_block_plan *plan = &blocks->plan;
    const void *results = blocks->lane[plan->result];
    for (int i = 0; i < plan->steps; i++) {
        const mo_step *step = &plan->step[i];
        const void *in[MO_OPERANDS];
        for (int k = 0; k < MO_OPERANDS; k++) {
            in[k] = blocks->lane[step->in[k]];
        }
        mo_value *out = blocks->memory + step->out * blocks->room;
        /* A last stage that is constant takes no step. */
        if (place != NULL && i == plan->steps - 1 &&
            step->out == plan->result) {
            results = out = place;
        }
        if (!step->kernel(out, in, n)) {
            return NULL;
        }
    }
    return results;
}

/* NumPy's scalars warn, or raise, by these flags where Python's floats are
 * silent: then they must be asked themselves. */
static const void *
run_like_numpy(mo_blocks *blocks, size_t n, mo_value *place)
{
    mo_fpflags saved = mo_fpflags_clear();
    const void *results = run_steps(blocks, n, place);
    return mo_fpflags_restore(&saved) ? NULL : results;
}

const void *
mo_blocks_run(mo_blocks *blocks, size_t n, mo_value *place)
{
    assert(blocks->has_plan && n <= blocks->room);
    return blocks->numpy ? run_like_numpy(blocks, n, place)
                         : run_steps(blocks, n, place);
}
