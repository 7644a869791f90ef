/* program.c - see program.h. */
#include "lazymap/program.h"

#include "lazymap/internal.h"
#include "state.h"

/* --- From a tape to a program ---------------------------------------------- */

static int
parse_number(PyObject *item, mo_instruction *instruction)
{
    instruction->argument = -1;
    if (PyFloat_CheckExact(item)) {
        instruction->type = MO_FLOAT;
        instruction->value.f = PyFloat_AS_DOUBLE(item);
        return 0;
    }
    instruction->type = MO_INT;
    if (!mo_int_as_int64(item, &instruction->value.i)) {
        PyErr_SetString(PyExc_OverflowError, "a constant exceeds 64 bits");
        return -1;
    }
    return 0;
}

/* "x0" or "i0": true if `name` is such, and not one beyond `arguments`. */
static bool
parse_argument(const char *name, Py_ssize_t arguments,
               mo_instruction *instruction)
{
    int number = name[0] && name[1] ? name[1] - '0' : -1;
    if ((name[0] != 'x' && name[0] != 'i') || name[1] == 0 || name[2] != 0 ||
        number < 0 || number >= arguments) {
        return false;
    }
    instruction->argument = (int8_t)number;
    instruction->only_int = name[0] == 'i';
    return true;
}

static int
parse_item(const mo_program *self, PyObject *item, mo_instruction *instruction)
{
    *instruction = (mo_instruction){.operation = NULL};
    if (PyLong_CheckExact(item) || PyFloat_CheckExact(item)) {
        return parse_number(item, instruction);
    }
    const char *name =
        PyUnicode_CheckExact(item) ? PyUnicode_AsUTF8(item) : NULL;
    if (name == NULL && PyErr_Occurred()) {
        return -1;
    }
    if (name == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "a tape has int, float and str items, not %.200s",
                     Py_TYPE(item)->tp_name);
        return -1;
    }
    if (parse_argument(name, self->arguments, instruction)) {
        return 0;
    }
    instruction->operation = mo_operation_find(self->table, name);
    if (instruction->operation == NULL) {
        PyErr_Format(PyExc_ValueError, "a tape has no operation %R", item);
        return -1;
    }
    return 0;
}

/* Fills in the code: 0 or -1. */
static int
parse_tape(mo_program *self, PyObject *tape)
{
    Py_ssize_t depth = 0; /* of the stack */
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        mo_instruction *instruction = &self->code[i];
        if (parse_item(self, PyTuple_GET_ITEM(tape, i), instruction) < 0) {
            return -1;
        }
        if (instruction->operation != NULL) {
            depth -= instruction->operation->operands;
        }
        if (depth++ < 0) {
            break;
        }
    }
    if (depth != 1) {
        PyErr_SetString(PyExc_ValueError, "not the tape of one expression");
        return -1;
    }
    return 0;
}

/* --- Polynomials ---------------------------------------------------------- */

/* The degree of a power whose exponent is a constant, or -1. */
static int
degree_of_power(int base, const mo_instruction *exponent)
{
    if (exponent->operation != NULL || exponent->argument >= 0 ||
        exponent->type != MO_INT || exponent->value.i < 0 ||
        exponent->value.i > MO_DEGREE) {
        return -1;
    }
    return base * (int)exponent->value.i;
}

/* The degree of `a operation b`, polynomials of those degrees, or -1. */
static int
degree_of_operation(const mo_instruction *instruction, int a, int b)
{
    const char *name = instruction->operation->name;
    if (strcmp(name, "+") == 0 || strcmp(name, "-") == 0) {
        return a > b ? a : b;
    }
    if (strcmp(name, "*") == 0) {
        return a + b;
    }
    if (strcmp(name, "**") == 0) { /* the exponent is the item before */
        return degree_of_power(a, instruction - 1);
    }
    bool keeps = strcmp(name, "neg") == 0 || strcmp(name, "pos") == 0;
    return keeps ? a : -1;
}

/* See mo_program.degree. */
static int8_t
degree_of_program(const mo_program *self)
{
    int stack[MO_PROGRAM_LENGTH + 1], depth = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        const mo_instruction *instruction = &self->code[i];
        int degree = instruction->argument >= 0;
        if (instruction->operation != NULL) {
            depth -= instruction->operation->operands;
            degree = degree_of_operation(instruction, stack[depth],
                                         stack[depth + 1]);
        }
        else if (instruction->argument < 0 && instruction->type != MO_INT) {
            degree = -1;
        }
        if (degree < 0 || degree > MO_DEGREE) {
            return -1;
        }
        stack[depth++] = degree;
    }
    return (int8_t)(self->arguments == 1 ? stack[0] : -1);
}

mo_program *
mo_program_new(mo_lazymap_state *state, PyObject *tape, Py_ssize_t arguments)
{
    Py_ssize_t length = PyTuple_GET_SIZE(tape);
    if (length > MO_PROGRAM_LENGTH || arguments > MO_ARGUMENTS) {
        PyErr_Format(PyExc_OverflowError,
                     "a program has at most %d instructions and %d arguments",
                     MO_PROGRAM_LENGTH, MO_ARGUMENTS);
        return NULL;
    }
    if (arguments < 1) {
        PyErr_SetString(PyExc_ValueError, "a program has an argument");
        return NULL;
    }
    mo_program *self =
        PyObject_GC_NewVar(mo_program, state->program_type, length);
    if (self == NULL) {
        return NULL;
    }
    self->table = MO_LOAD_POINTER(&state->operations);
    self->arguments = (uint8_t)arguments;
    if (parse_tape(self, tape) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    self->degree = degree_of_program(self);
    PyObject_GC_Track(self);
    return self;
}

/* It owns nothing but its type, and is of the collector's for that: the module
 * knows programs, which so are part of a cycle. */
static int
program_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
program_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* --- From programs to a plan ------------------------------------------------ */

void
mo_block_plan_start(mo_block_plan *plan, const mo_type *types, int arguments,
                    bool numpy)
{
    plan->steps = plan->slow_steps = 0;
    plan->lanes = (uint8_t)arguments;
    plan->argument = plan->result = 0;
    plan->numpy = numpy;
    for (int i = 0; i < arguments; i++) {
        plan->lane[i] =
            (mo_lane){.kind = MO_LANE_ARGUMENT, .type = (uint8_t)types[i]};
    }
}

/* A new lane, or -1 if there is no more room. */
static int
add_lane(mo_block_plan *plan, mo_lane_kind kind, mo_type type, mo_value value)
{
    if (plan->lanes == MO_PLAN_LANES) {
        return -1;
    }
    plan->lane[plan->lanes] =
        (mo_lane){(uint8_t)kind, (uint8_t)type, true, value};
    return plan->lanes++;
}

/* A work lane that holds nothing that is still needed, or -1. */
static int
free_lane(mo_block_plan *plan, mo_type type)
{
    for (int i = 0; i < plan->lanes; i++) {
        mo_lane *lane = &plan->lane[i];
        if (lane->kind == MO_LANE_WORK && !lane->in_use) {
            lane->in_use = true;
            lane->type = (uint8_t)type;
            return i;
        }
    }
    return add_lane(plan, MO_LANE_WORK, type, (mo_value){0});
}

/* What the kernel makes of constants, as one in the lane of the first, which
 * nobody else uses; or -1 if the operands are not all constant, or it makes
 * nothing of them.  A stage may have a constant for an argument, which stays
 * what it is wherever the stage uses it. */
static int
fold(mo_block_plan *plan, mo_block_step kernel, mo_type type,
     const uint8_t *in, int operands)
{
    const void *operand[MO_OPERANDS];
    mo_value value;
    for (int i = 0; i < operands; i++) {
        const mo_lane *lane = &plan->lane[in[i]];
        if (lane->kind != MO_LANE_CONSTANT || in[i] == plan->argument) {
            return -1;
        }
        operand[i] = &lane->value;
    }
    if (!kernel(&value, operand, 1)) {
        return -1; /* as each block will find: it is left to Python */
    }
    plan->lane[in[0]].type = (uint8_t)type;
    plan->lane[in[0]].value = value;
    return in[0];
}

/* out = kernel(in...), in a new lane, which is returned, or -1. */
static int
add_step(mo_block_plan *plan, mo_block_step kernel, mo_type type,
         const uint8_t *in, int operands)
{
    int out = fold(plan, kernel, type, in, operands);
    if (out >= 0) {
        return out;
    }
    out = free_lane(plan, type);
    if (out < 0 || plan->steps == MO_PLAN_STEPS) {
        return -1;
    }
    mo_step *step = &plan->step[plan->steps++];
    *step = (mo_step){.kernel = kernel, .out = (uint8_t)out};
    memcpy(step->in, in, (size_t)operands);
    return out;
}

/* Lets go of operands that have been used; but the program's argument may be
 * needed again. */
static void
release(mo_block_plan *plan, const uint8_t *in, int operands)
{
    for (int i = 0; i < operands; i++) {
        if (in[i] != plan->argument) {
            plan->lane[in[i]].in_use = false;
        }
    }
}

/* The operand as a float lane, or -1; `exact`: only if every item is one. */
static int
convert(mo_block_plan *plan, uint8_t operand, bool exact)
{
    const mo_lane lane = plan->lane[operand];
    if (lane.type == MO_FLOAT) {
        return operand;
    }
    if (lane.kind == MO_LANE_CONSTANT) {
        mo_value value = {.f = (double)lane.value.i};
        if (exact && !mo_all_within(&lane.value.i, 1, 53)) {
            return -1;
        }
        return add_lane(plan, MO_LANE_CONSTANT, MO_FLOAT, value);
    }
    mo_block_step kernel =
        exact ? plan->table->convert_exact : plan->table->convert_nearest;
    int converted = add_step(plan, kernel, MO_FLOAT, &operand, 1);
    if (converted >= 0) {
        release(plan, &operand, 1);
    }
    return converted;
}

/* Applies the operation to operands that are all float after conversion. */
static int
add_on_floats(mo_block_plan *plan, const mo_operation *operation, mo_type type,
              uint8_t *in, bool exact)
{
    for (int i = 0; i < operation->operands; i++) {
        int converted = convert(plan, in[i], exact);
        if (converted < 0) {
            return -1;
        }
        in[i] = (uint8_t)converted;
    }
    plan->slow_steps += operation->slow_float;
    return add_step(plan, operation->on_float, type, in, operation->operands);
}

typedef struct {
    bool any_float, any_bool, all_bool;
} mo_signature;

static mo_signature
signature_of(const mo_block_plan *plan, const uint8_t *in, int operands)
{
    mo_signature signature = {.all_bool = true};
    for (int i = 0; i < operands; i++) {
        mo_type type = (mo_type)plan->lane[in[i]].type;
        signature.any_float |= type == MO_FLOAT;
        signature.any_bool |= type == MO_BOOL;
        signature.all_bool &= type == MO_BOOL;
    }
    return signature;
}

/* where(): the condition's truth chooses between two lanes of one type. */
static int
add_choice(mo_block_plan *plan, const mo_operation *operation,
           const uint8_t *in)
{
    mo_type type = (mo_type)plan->lane[in[1]].type;
    if (type != plan->lane[in[2]].type || plan->lane[in[0]].type == MO_FLOAT) {
        return -1;
    }
    mo_block_step choose =
        type == MO_FLOAT ? operation->on_float : operation->on_int;
    return add_step(plan, choose, type, in, MO_OPERANDS);
}

/* The lane of the operation's result, or -1 if there is no exact way. */
static int
add_operation(mo_block_plan *plan, const mo_operation *operation, uint8_t *in)
{
    int operands = operation->operands;
    mo_signature types = signature_of(plan, in, operands);
    mo_type type = MO_INT;
    switch (operation->rule) {
        case MO_RULE_ARITHMETIC:
            if (types.any_float) {
                return add_on_floats(plan, operation, MO_FLOAT, in, false);
            }
            break;
        case MO_RULE_QUOTIENT:
            return add_on_floats(plan, operation, MO_FLOAT, in,
                                 !types.any_float);
        case MO_RULE_REAL:
            return add_on_floats(plan, operation, MO_FLOAT, in, false);
        case MO_RULE_COMPARISON:
            if (types.any_float) {
                return add_on_floats(plan, operation, MO_BOOL, in, true);
            }
            type = MO_BOOL;
            break;
        case MO_RULE_TRUTH:
        case MO_RULE_ROUNDED:
            type = operation->rule == MO_RULE_TRUTH ? MO_BOOL : MO_INT;
            if (types.any_float) {
                return add_on_floats(plan, operation, type, in, false);
            }
            break;
        case MO_RULE_INVERT:
            if (types.any_bool || types.any_float) {
                return -1;
            }
            break;
        case MO_RULE_BITWISE:
        case MO_RULE_INTEGER:
            if (types.any_float) {
                return -1;
            }
            if (operation->rule == MO_RULE_BITWISE && types.all_bool) {
                type = MO_BOOL;
            }
            break;
        case MO_RULE_CHOICE:
            return add_choice(plan, operation, in);
    }
    return add_step(plan, operation->on_int, type, in, operands);
}

/* NumPy's scalars follow rules of their own: bools neither add nor negate. */
static bool
is_like_numpy(const mo_block_plan *plan, const mo_operation *operation,
              const uint8_t *in)
{
    return operation->like_numpy &&
           (operation->rule != MO_RULE_ARITHMETIC ||
            !signature_of(plan, in, operation->operands).any_bool);
}

/* The lane of the instruction's result, or -1 if there is no exact way. */
static int
add_instruction(mo_block_plan *plan, const mo_instruction *instruction,
                uint8_t *operands)
{
    const mo_operation *operation = instruction->operation;
    if (operation != NULL) {
        if (plan->numpy && !is_like_numpy(plan, operation, operands)) {
            return -1;
        }
        int lane = add_operation(plan, operation, operands);
        release(plan, operands, operation->operands);
        return lane;
    }
    if (instruction->argument < 0) {
        return add_lane(plan, MO_LANE_CONSTANT, instruction->type,
                        instruction->value);
    }
    int lane = plan->argument + instruction->argument;
    bool fits = !instruction->only_int || plan->lane[lane].type == MO_INT;
    return fits ? lane : -1;
}

bool
mo_block_plan_add(mo_block_plan *plan, const mo_program *program)
{
    uint8_t stack[MO_PROGRAM_LENGTH];
    int depth = 0;
    plan->argument = plan->result;
    plan->table = program->table;
    for (Py_ssize_t i = 0; i < Py_SIZE(program); i++) {
        const mo_instruction *instruction = &program->code[i];
        if (instruction->operation != NULL) {
            depth -= instruction->operation->operands;
        }
        int lane = add_instruction(plan, instruction, &stack[depth]);
        if (lane < 0) {
            return false;
        }
        stack[depth++] = (uint8_t)lane;
    }
    plan->lane[plan->argument].in_use = stack[0] == plan->argument;
    plan->result = stack[0];
    plan->result_type = (mo_type)plan->lane[stack[0]].type;
    return true;
}

/* --- The type ------------------------------------------------------------------ */

static PyType_Slot program_slots[] = {
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_traverse, program_traverse},
    {0, NULL},
};

static PyType_Spec program_spec = {
    .name = "memopt._memopt.lazymap_program",
    .basicsize = offsetof(mo_program, code),
    .itemsize = sizeof(mo_instruction),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = program_slots,
};

int
mo_program_setup(PyObject *module, mo_lazymap_state *state)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &program_spec, NULL);
    state->program_type = (PyTypeObject *)type;
    return type == NULL ? -1 : 0;
}
