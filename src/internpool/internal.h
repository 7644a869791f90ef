/* internal.h - what the files of this room share, by the file it is in.
 *
 * Functions that return int give 0, or -1 with an exception set, unless said
 * otherwise.  Those that take `op` are methods and slots of InternPool: they
 * lock it themselves, and release what they evicted after unlocking. */
#ifndef MO_INTERNPOOL_INTERNAL_H
#define MO_INTERNPOOL_INTERNAL_H

#include "internpool/internpool.h"
#include "internpool/shards.h"
#include "internpool/utf8.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall; /* pool(string) */
    PyObject *weakrefs;        /* the interpreter's list */
    mo_shards shards;
    int8_t pickle_contents; /* bool: whether pickles carry the residents;
                               an attribute, so that there is no lock */
} InternPoolObject;

static inline mo_shards *
mo_shards_of(PyObject *op)
{
    return &((InternPoolObject *)op)->shards;
}

#define MO_KEYWORDS(function) ((PyCFunction)(void (*)(void))(function))

/* --- arguments.c ------------------------------------------------------- */

/* Sorts the arguments of a METH_FASTCALL | METH_KEYWORDS method: values[i]
 * becomes that for names[i], borrowed, or NULL.  The first `required` must be
 * given; all may be given by position. */
int
mo_parse_fastcall(const char *function, const char *const *names, int count,
                  int required, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames, PyObject **values);

/* An index of a slice, clipped to Py_ssize_t; None and NULL leave it. */
int
mo_convert_slice_index(PyObject *value, Py_ssize_t *index);

/* The name of an error handler, borrowed from the str; NULL leaves the default,
 * NULL. */
int
mo_convert_errors(const char *function, PyObject *value, const char **errors);

int
mo_convert_max_entries(PyObject *value, uint32_t *max_entries);

/* An int of `least` or more, or None: MO_NO_LIMIT. */
int
mo_convert_limit(PyObject *value, const char *name, long long least,
                 size_t *limit);

/* A limit as Python sees it: an int or None. */
PyObject *
mo_limit_as_object(size_t limit);

const char *
mo_policy_name(mo_policy policy);

/* Reads the arguments of the constructor. */
int
mo_parse_pool_options(PyObject *args, PyObject *kwargs,
                      mo_pool_options *options);

/* --- lookup.c: one string at a time ---------------------------------- */

/* A new reference to the one string to use instead of an exact, ready one. */
PyObject *
mo_internpool_intern_exact(PyObject *op, PyObject *string);

PyObject *
mo_internpool_intern(PyObject *op, PyObject *string);

PyObject *
mo_internpool_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf,
                         PyObject *kwnames);

PyObject *
mo_internpool_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs);

int
mo_internpool_contains(PyObject *op, PyObject *string);

PyObject *
mo_internpool_discard(PyObject *op, PyObject *string);

PyObject *
mo_internpool_pin(PyObject *op, PyObject *string);

PyObject *
mo_internpool_unpin(PyObject *op, PyObject *string);

extern const char mo_internpool_intern_doc[];
extern const char mo_internpool_get_doc[];
extern const char mo_internpool_discard_doc[];
extern const char mo_internpool_pin_doc[];
extern const char mo_internpool_unpin_doc[];

/* --- contents.c: all residents ------------------------------------------ */

Py_ssize_t
mo_internpool_length(PyObject *op);

/* A new list of all residents, each queue of a shard from its oldest on; the
 * pinned ones are the last.  *bounds is what was taken, and the bounds, then. */
PyObject *
mo_internpool_snapshot(PyObject *op, mo_bounds *bounds);

PyObject *
mo_internpool_iter(PyObject *op);

PyObject *
mo_internpool_drop_all(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_cache_clear(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_resize(PyObject *op, PyObject *args, PyObject *kwargs);

PyObject *
mo_internpool_trim(PyObject *op, PyObject *args, PyObject *kwargs);

PyObject *
mo_internpool_enter(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs);

extern const char mo_internpool_clear_doc[];
extern const char mo_internpool_cache_clear_doc[];
extern const char mo_internpool_resize_doc[];
extern const char mo_internpool_trim_doc[];
extern const char mo_internpool_enter_doc[];
extern const char mo_internpool_exit_doc[];

/* --- inspect.c: options, figures, and what tests look at ----------------- */

extern PyGetSetDef mo_internpool_getset[];

PyObject *
mo_internpool_cache_info(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_live_saved(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_sizeof(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_repr(PyObject *op);

int
mo_pool_info_setup(PyObject *module, mo_internpool_state *room);

extern const char mo_internpool_cache_info_doc[];
extern const char mo_internpool_live_saved_doc[];
extern const char mo_internpool_sizeof_doc[];

PyObject *
mo_internpool_debug_validate(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_debug_probes(PyObject *op, PyObject *unused);

PyObject *
mo_internpool_debug_hash_bits(PyObject *op, PyObject *bits);

extern const char mo_internpool_debug_validate_doc[];
extern const char mo_internpool_debug_probes_doc[];
extern const char mo_internpool_debug_hash_bits_doc[];

/* --- pickle.c: pickling and copying -------------------------------------- */

PyObject *
mo_internpool_reduce(PyObject *op, PyObject *unused);

/* _restore_pool(type, args, kwargs, contents): what a pickle calls. */
PyObject *
mo_restore_pool(PyObject *module, PyObject *arguments);

extern const char mo_internpool_reduce_doc[];

/* --- bulk.c: many strings at a time --------------------------------------- */

/* Strings that are looked up together.  8, 16 and 32 are alike: 48 to 50 ns a
 * string of 1,000 distinct ones, 119 to 121 of 200,000; with 64, 53 and 125
 * (CPython 3.11, 2.8 GHz Xeon).  Shards share them out: of more strings each
 * has enough for its lock to be worth it, and the waits to overlap.  Two threads
 * take 25 ns a string with 256, 29 with 128, 38 with 32 (CPython 3.13t, AMD
 * EPYC). */
#if MO_FREE_THREADED
# define MO_STRINGS 256
#else
# define MO_STRINGS 32
#endif

/* Looks up n <= MO_STRINGS exact, ready strs: kept[i], a new reference, is to be
 * used instead of strings[i].  If it fails, none is.  Runs no Python code, but
 * may let go of critical sections: without a GIL the caller owns the strings. */
int
mo_intern_strings(PyObject *op, PyObject *const *strings, int n,
                  PyObject **kept);

/* What became of strings; each function adds to them. */
typedef struct {
    uint64_t seen;        /* exact strs looked at */
    uint64_t replaced;    /* of these, by another object */
    uint64_t bytes_freed; /* sizes of those that are gone for that */
} mo_intern_counts;

/* Replaces each exact str among a list's items from `start` to `stop`, or its
 * end, by the one to use instead; leaves everything else.  If it fails, some
 * are replaced. */
int
mo_intern_list_items(PyObject *op, PyObject *list, Py_ssize_t start,
                     Py_ssize_t stop, mo_intern_counts *counts);

PyObject *
mo_internpool_intern_many(PyObject *op, PyObject *iterable);

PyObject *
mo_internpool_intern_list(PyObject *op, PyObject *list);

extern const char mo_internpool_intern_many_doc[];
extern const char mo_internpool_intern_list_doc[];

/* --- dedup.c: all that an object holds -------------------------------------- */

PyObject *
mo_internpool_dedup(PyObject *op, PyObject *args, PyObject *kwargs);

int
mo_dedup_setup(PyObject *module, mo_internpool_state *room);

extern const char mo_internpool_dedup_doc[];

/* --- decode.c: strings from UTF-8 ------------------------------------------ */

/* The one str to use for a text.  A new reference. */
PyObject *
mo_intern_text(PyObject *op, const mo_text *text);

/* The one str to use for n bytes of UTF-8: what bytes.decode(errors=errors)
 * gives, made only if it is not resident.  A new reference. */
PyObject *
mo_intern_utf8(PyObject *op, const char *bytes, size_t n, const char *errors);

/* A source of a str, or of a buffer, which is to be released if its obj is not
 * NULL. */
int
mo_source_init(mo_source *text, PyObject *value, Py_buffer *buffer);

/* The units from start to stop as text, which lies in the source or in the
 * scratch; false if it is too long for that, or no UTF-8. */
bool
mo_source_text(const mo_source *source, size_t start, size_t stop,
               mo_scratch *scratch, mo_text *text);

/* The one str to use for the units from start to stop.  A new reference; NULL
 * with what decoding the whole raises if the part is no UTF-8. */
PyObject *
mo_intern_field(PyObject *op, const mo_source *source, size_t start,
                size_t stop);

PyObject *
mo_internpool_intern_utf8(PyObject *op, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames);

extern const char mo_internpool_intern_utf8_doc[];

/* --- json.c: documents ------------------------------------------------------ */

PyObject *
mo_internpool_scan_json(PyObject *op, PyObject *text);

PyObject *
mo_internpool_object_pairs_hook(PyObject *op, PyObject *pairs);

PyObject *
mo_internpool_intern_value(PyObject *op, PyObject *args);

extern const char mo_internpool_scan_json_doc[];
extern const char mo_internpool_intern_value_doc[];
extern const char mo_internpool_object_pairs_hook_doc[];

/* --- split.c: fields and lines ------------------------------------------- */

PyObject *
mo_internpool_split(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames);

PyObject *
mo_internpool_split_lines(PyObject *op, PyObject *const *args,
                          Py_ssize_t nargs, PyObject *kwnames);

extern const char mo_internpool_split_doc[];
extern const char mo_internpool_split_lines_doc[];

#endif
