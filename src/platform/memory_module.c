/* memory_module.c - see memory_module.h: what memory.h knows, as objects. */
#include "platform/memory_module.h"

#include "platform/memory.h"
#include "state.h"

static mo_memory_state *
room_of(PyObject *module)
{
    mo_state *state = PyModule_GetState(module);
    return &state->memory;
}

/* ---- MemoryInfo --------------------------------------------------------- */

PyDoc_STRVAR(info_doc,
"What memory_info() returns: a named tuple of bytes, None where the system\n"
"does not tell.\n\n"
">>> isinstance(memopt.memory_info(), memopt.MemoryInfo)\n"
"True");

static PyStructSequence_Field info_fields[] = {
    {"resident",
     "Physical memory mapped by the process: the working set (Windows), RSS."},
    {"peak_resident", "The most that resident has been."},
    {"private",
     "Memory that no other process shares: the commit charge (Windows), "
     "resident or swapped private pages (Linux), the footprint (macOS)."},
    {"private_resident",
     "The part of private in physical memory (Windows from 22H2 on, Linux)."},
    {"peak_private", "The most that private has been (Windows, macOS)."},
    {"page_faults", "Page faults since the start, soft and hard: a number."},
    {"system_total", "Physical memory of the machine."},
    {"system_available", "The part of it to be had without swapping."},
    {"limit",
     "The least limit on the process: of its job object (Windows), of its "
     "cgroups and RLIMIT_AS (Linux); None if there is none."},
    {NULL, NULL},
};

static PyStructSequence_Desc info_desc = {
    .name = "memopt._memopt.MemoryInfo",
    .doc = info_doc,
    .fields = info_fields,
    .n_in_sequence = 9,
};

static PyObject *
figure(uint64_t bytes)
{
    return bytes == MO_MEMORY_UNKNOWN ? Py_NewRef(Py_None)
                                      : PyLong_FromUnsignedLongLong(bytes);
}

static PyObject *
new_info(mo_memory_state *room)
{
    mo_memory memory;
    Py_BEGIN_ALLOW_THREADS
    mo_memory_query(&memory);
    Py_END_ALLOW_THREADS
    const uint64_t figures[] = {
        memory.resident,         memory.peak_resident,    memory.private_,
        memory.private_resident, memory.peak_private,     memory.page_faults,
        memory.system_total,     memory.system_available, memory.limit,
    };
    PyObject *info = PyStructSequence_New(room->MemoryInfoType);
    if (info == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < info_desc.n_in_sequence; i++) {
        PyObject *value = figure(figures[i]);
        if (value == NULL) {
            Py_DECREF(info);
            return NULL;
        }
        PyStructSequence_SetItem(info, i, value); /* steals it */
    }
    return info;
}

PyDoc_STRVAR(memory_info_doc,
"memory_info()\n--\n\n"
"Return the memory of this process and of the machine, as a MemoryInfo.\n\n"
"A named tuple of resident, peak_resident, private, private_resident,\n"
"peak_private, page_faults, system_total, system_available and limit: bytes,\n"
"but for page_faults; None where the system does not tell.\n\n"
"Windows: GetProcessMemoryInfo, GlobalMemoryStatusEx, the job object.\n"
"Linux: /proc/self/statm, status and smaps_rollup, /proc/meminfo, getrusage,\n"
"the memory.max of the cgroups, RLIMIT_AS.  macOS: task_info,\n"
"host_statistics64.  On Linux the time grows with the process, by some\n"
"milliseconds per GB.\n\n"
">>> info = memopt.memory_info()\n"
">>> 0 < info.resident <= info.peak_resident\n"
"True");

static PyObject *
memory_info(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return new_info(room_of(module));
}

PyDoc_STRVAR(resident_doc,
"_resident()\n--\n\n"
"Return memory_info().resident alone, in microseconds.");

static PyObject *
resident(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return figure(mo_memory_resident());
}

PyDoc_STRVAR(malloc_bytes_doc,
"_malloc_bytes()\n--\n\n"
"Return (held, used): bytes that the C heap holds, and that are in use of them;\n"
"None for each where the system does not tell.\n\n"
"mallinfo2 (glibc 2.33), HeapSummary (Windows), malloc_zone_statistics (macOS).");

static PyObject *
malloc_bytes(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    uint64_t held, used;
    Py_BEGIN_ALLOW_THREADS
    mo_memory_heap(&held, &used);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("(NN)", figure(held), figure(used));
}

/* ---- release and trim --------------------------------------------------- */

PyDoc_STRVAR(compact_doc,
"_compact()\n--\n\n"
"Do what release() does, but for gc.collect(), and tell nothing.");

static PyObject *
compact(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    mo_memory_compact();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* (before, after); takes `before`, which may be NULL with an exception set. */
static PyObject *
before_and_after(mo_memory_state *room, PyObject *before)
{
    PyObject *after = before != NULL ? new_info(room) : NULL;
    PyObject *both = after != NULL ? PyTuple_Pack(2, before, after) : NULL;
    Py_XDECREF(before);
    Py_XDECREF(after);
    return both;
}

PyDoc_STRVAR(release_doc,
"release()\n--\n\n"
"Collect garbage and give the free memory of the C heap back to the system.\n\n"
"Runs gc.collect(), then HeapOptimizeResources, HeapCompact and _heapmin\n"
"(Windows), malloc_trim (glibc) or malloc_zone_pressure_relief (macOS).\n"
"Returns (before, after), two memory_info(): the difference of private is\n"
"what was given back.  Nothing that the program uses is touched, so there is\n"
"nothing to pay later.\n\n"
"It cannot give back Python's own arenas (objects up to 512 bytes) that\n"
"still hold one object, nor the memory of a free-threaded CPython, which is\n"
"mimalloc's.\n\n"
">>> before, after = memopt.release()\n"
">>> given_back = before.private - after.private");

static PyObject *
release(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    mo_memory_state *room = room_of(module);
    PyObject *before = new_info(room);
    if (before == NULL) {
        return NULL;
    }
    /* Not PyGC_Collect, which does nothing after gc.disable(). */
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *found =
        gc != NULL ? PyObject_CallMethod(gc, "collect", NULL) : NULL;
    Py_XDECREF(gc);
    if (found == NULL) {
        Py_DECREF(before);
        return NULL;
    }
    Py_DECREF(found);
    Py_BEGIN_ALLOW_THREADS
    mo_memory_compact();
    Py_END_ALLOW_THREADS
    return before_and_after(room, before);
}

PyDoc_STRVAR(trim_working_set_doc,
"trim_working_set()\n--\n\n"
"Ask Windows to move this process's pages out of physical memory.\n\n"
"This saves nothing: the pages go to the standby and modified lists, stay\n"
"committed, and each costs a page fault when it is next touched, a slow one\n"
"if it was written to the page file meanwhile.  It helps once, before a long\n"
"idle time on a machine short of memory; done regularly it makes a program\n"
"slower and only looks better in the Task Manager.  release() is what gives\n"
"memory back.\n\n"
"Returns (before, after), two memory_info().  Raises OSError if Windows\n"
"refuses, NotImplementedError on other systems.\n\n"
">>> import sys\n"
">>> if sys.platform == 'win32':\n"
"...     before, after = memopt.trim_working_set()");

static PyObject *
trim_working_set(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    mo_memory_state *room = room_of(module);
    PyObject *before = new_info(room);
    int failed = before != NULL ? mo_memory_trim() : 0;
    if (failed > 0) {
        PyErr_SetString(
            PyExc_NotImplementedError,
            "trim_working_set() is for Windows: this system has no "
            "working set to trim; release() gives memory back");
    }
    if (failed != 0) {
        Py_CLEAR(before);
    }
    return before_and_after(room, before);
}

/* ---- limit and pressure ------------------------------------------------- */

PyDoc_STRVAR(limit_memory_doc,
"limit_memory(bytes, /)\n--\n\n"
"Make allocations fail (MemoryError) once this process has so many bytes.\n\n"
"Windows limits the commit charge, through a job object; processes started\n"
"from then on have the same limit, each for itself.  Linux limits the\n"
"address space (RLIMIT_AS), which is more than the memory in use: with\n"
"threads much more.  None lifts the limit again, as far as the system's own\n"
"limits allow.\n\n"
"Raises ValueError if bytes is not above 0 or below what is in use already,\n"
"TypeError if it is no int, OSError if the system refuses,\n"
"NotImplementedError on macOS, which enforces no such limit.\n\n"
">>> import sys\n"
">>> if sys.platform != 'darwin':\n"
"...     memopt.limit_memory(1 << 50)\n"
"...     memopt.limit_memory(None)");

static PyObject *
limit_memory(PyObject *module, PyObject *argument)
{
    uint64_t bytes = MO_MEMORY_UNKNOWN;
    if (argument != Py_None) {
        PyObject *index = PyNumber_Index(argument);
        if (index == NULL) {
            return NULL;
        }
        long long value = PyLong_AsLongLong(index);
        Py_DECREF(index);
        if (value == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (value <= 0) {
            PyErr_Format(PyExc_ValueError,
                         "limit_memory() limit must be above 0, not %lld",
                         value);
            return NULL;
        }
        bytes = (uint64_t)value;
    }
    int status;
    MO_BEGIN_CRITICAL_SECTION(module); /* there is to be one job */
    status = mo_memory_limit(bytes, &room_of(module)->job);
    MO_END_CRITICAL_SECTION();
    return status < 0 ? NULL : Py_NewRef(Py_None);
}

PyDoc_STRVAR(memory_pressure_doc,
"memory_pressure()\n--\n\n"
"Return how short of memory the system is, from 0.0 to 1.0, or None.\n\n"
"Linux: the share of the last 10 s in which a task of this cgroup, or else\n"
"of the machine, waited for memory (pressure stall information).  Windows:\n"
"1.0 while its low-memory notification is set, else 0.0.  macOS: 0.0, 0.5 at\n"
"the warning level, 1.0 at the critical one.  None where the system does not\n"
"tell, as on a Linux without PSI.\n\n"
">>> pressure = memopt.memory_pressure()\n"
">>> pressure is None or 0.0 <= pressure <= 1.0\n"
"True");

static PyObject *
memory_pressure(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    double pressure = mo_memory_pressure();
    if (pressure < 0.0) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble(pressure);
}

/* ---- the module --------------------------------------------------------- */

static PyMethodDef memory_methods[] = {
    {"memory_info", memory_info, METH_NOARGS, memory_info_doc},
    {"_resident", resident, METH_NOARGS, resident_doc},
    {"_malloc_bytes", malloc_bytes, METH_NOARGS, malloc_bytes_doc},
    {"_compact", compact, METH_NOARGS, compact_doc},
    {"release", release, METH_NOARGS, release_doc},
    {"trim_working_set", trim_working_set, METH_NOARGS, trim_working_set_doc},
    {"limit_memory", limit_memory, METH_O, limit_memory_doc},
    {"memory_pressure", memory_pressure, METH_NOARGS, memory_pressure_doc},
    {NULL, NULL, 0, NULL},
};

int
mo_memory_setup(PyObject *module, mo_state *state)
{
    state->memory.MemoryInfoType = PyStructSequence_NewType(&info_desc);
    if (state->memory.MemoryInfoType == NULL ||
        PyModule_AddType(module, state->memory.MemoryInfoType) < 0) {
        return -1;
    }
    return PyModule_AddFunctions(module, memory_methods);
}

int
mo_memory_traverse(mo_state *state, visitproc visit, void *arg)
{
    Py_VISIT(state->memory.MemoryInfoType);
    return 0;
}

void
mo_memory_clear(mo_state *state)
{
    Py_CLEAR(state->memory.MemoryInfoType);
}
