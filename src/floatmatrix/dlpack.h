/* dlpack.h - the C structures of DLPack 1.0, as its specification lays them
 * out (https://dmlc.github.io/dlpack/latest/c_api.html). */
#ifndef MO_FLOATMATRIX_DLPACK_H
#define MO_FLOATMATRIX_DLPACK_H

#include <stdint.h>

#define MO_DL_CPU 1       /* device types */
#define MO_DL_CUDA_HOST 3 /* page-locked memory of the host */

#define MO_DL_INT 0 /* dtype codes */
#define MO_DL_UINT 1
#define MO_DL_FLOAT 2
#define MO_DL_BOOL 6

#define MO_DL_READ_ONLY UINT64_C(1) /* flags of a versioned tensor */
#define MO_DL_IS_COPIED UINT64_C(2)

typedef struct {
    void *data;
    struct {
        int32_t type, id;
    } device;
    int32_t ndim;
    struct {
        uint8_t code, bits;
        uint16_t lanes;
    } dtype;
    int64_t *shape;
    int64_t *strides; /* in items; NULL means C order */
    uint64_t byte_offset;
} mo_dl_tensor;

/* Capsule "dltensor". */
typedef struct mo_dl_managed {
    mo_dl_tensor tensor;
    void *context;
    void (*deleter)(struct mo_dl_managed *);
} mo_dl_managed;

/* Capsule "dltensor_versioned". */
typedef struct mo_dl_versioned {
    struct {
        uint32_t major, minor;
    } version;
    void *context;
    void (*deleter)(struct mo_dl_versioned *);
    uint64_t flags;
    mo_dl_tensor tensor;
} mo_dl_versioned;

#endif
