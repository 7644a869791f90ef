/* operations.c - see operations.h: the choice, and the loops for any processor. */
#include "lazymap/operations.h"

#include <math.h>

static bool
usable(const mo_cpu *cpu)
{
    return true;
}

#define V_OPERATIONS mo_operations_baseline
#define V_NAME "baseline"
#include "lazymap/lanes.h"

/* Best first. */
static const mo_operations *const tables[] = {
#if MO_X86_64 && MO_HAS_TARGETS
    &mo_operations_avx512,
    &mo_operations_avx2,
#endif
    &mo_operations_baseline,
};

const mo_operations *
mo_operations_choose(const char *name)
{
    const mo_cpu cpu = mo_cpu_detect();
    for (size_t i = 0; i < Py_ARRAY_LENGTH(tables); i++) {
        if (tables[i]->usable(&cpu) &&
            (name == NULL || strcmp(tables[i]->name, name) == 0)) {
            return tables[i];
        }
    }
    return NULL;
}

const mo_operation *
mo_operation_find(const mo_operations *table, const char *name)
{
    for (size_t i = 0; i < table->rows; i++) {
        if (strcmp(table->row[i].name, name) == 0) {
            return &table->row[i];
        }
    }
    return NULL;
}
