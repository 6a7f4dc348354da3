/* Elements of a tensor cell to doubles, as by_tensor.py has them; part of `_rows.c`. */
#ifndef FAIRLEAD_ROWS_TENSORS_H
#define FAIRLEAD_ROWS_TENSORS_H

#include "_rows_steps.h"

enum { UINT8, INT8, UINT16, INT16, INT32, FLOAT16, FLOAT32, FLOAT64, DTYPES };
static const int ITEM[DTYPES] = {1, 1, 2, 2, 4, 2, 4, 8};

typedef struct {
    Py_ssize_t source, output, size, count; /* elements; steps */
    int code;
    Step *steps;
    PyObject *refuse; /* what raises for a cell that is no such tensor */
} Tensor;

static double half(uint16_t bits)
{
    const uint64_t sign = (uint64_t)(bits >> 15) << 63, mantissa = bits & 0x3FF;
    const int exponent = bits >> 10 & 31;
    uint64_t made;
    double found;
    if (exponent == 0) {
        found = (double)mantissa / 16777216.0;
        return sign ? -found : found;
    }
    made = sign | (exponent == 31 ? (uint64_t)2047 : (uint64_t)(exponent + 1008)) << 52 | mantissa << 42;
    memcpy(&found, &made, sizeof found);
    return found;
}

/* Copied out one by one: where a cell's bytes lie says nothing of how they are aligned. */
#define EACH(type, expression)                                       \
    for (Py_ssize_t n = 0; n < t->size; n++) {                       \
        type held;                                                   \
        memcpy(&held, from + n * (Py_ssize_t)sizeof held, sizeof held); \
        out[n] = expression;                                         \
    }                                                                \
    break

static void elements(const Tensor *t, const char *from, double *out)
{
    switch (t->code) {
    case UINT8: EACH(uint8_t, (double)held);
    case INT8: EACH(int8_t, (double)held);
    case UINT16: EACH(uint16_t, (double)held);
    case INT16: EACH(int16_t, (double)held);
    case INT32: EACH(int32_t, (double)held);
    case FLOAT16: EACH(uint16_t, half(held));
    case FLOAT32: EACH(float, (double)held);
    default: memcpy(out, from, (size_t)t->size * sizeof(double));
    }
    /* A step over all elements, then the next, which the compiler does several at once. */
    for (Py_ssize_t at = 0; at < t->count; at++) {
        const double by = t->steps[at].a;
        switch (t->steps[at].code) {
        case ADD: for (Py_ssize_t n = 0; n < t->size; n++) out[n] += by; break;
        case SUBTRACT: for (Py_ssize_t n = 0; n < t->size; n++) out[n] -= by; break;
        case MULTIPLY: for (Py_ssize_t n = 0; n < t->size; n++) out[n] *= by; break;
        default: for (Py_ssize_t n = 0; n < t->size; n++) out[n] /= by;
        }
    }
}

/* 0 done, -1 raised. number: of the row, for the error. */
static int spread(const Tensor *t, PyObject *cell, Py_ssize_t number, double *out)
{
    PyObject *found;
    char *from;
    Py_ssize_t length;
    if (PyBytes_Check(cell)) {
        if (PyBytes_AsStringAndSize(cell, &from, &length) < 0) return -1;
        if (length == t->size * ITEM[t->code]) {
            elements(t, from, out + t->output);
            return 0;
        }
    }
    found = PyObject_CallFunction(t->refuse, "nO", number, cell);
    if (found != NULL) {
        Py_DECREF(found);
        PyErr_SetString(PyExc_SystemError, "what should raise did not");
    }
    return -1;
}

static int read_tensor(PyObject *said, Py_ssize_t width, Tensor *t)
{
    PyObject *steps, *refuse;
    if (!PyArg_ParseTuple(said, "ninO!On", &t->source, &t->code, &t->size, &PyTuple_Type, &steps, &refuse, &t->output))
        return -1;
    t->refuse = Py_NewRef(refuse);
    if (t->source < 0 || t->code < 0 || t->code >= DTYPES || t->size < 1 || t->output < 0 || t->size > width ||
        t->output > width - t->size) {
        PyErr_SetString(PyExc_ValueError, "a tensor does not fit");
        return -1;
    }
    t->count = PyTuple_Size(steps);
    if ((t->steps = calloc((size_t)t->count + 1, sizeof(Step))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t n = 0; n < t->count; n++) {
        Step *step = t->steps + n;
        if (!PyArg_ParseTuple(PyTuple_GetItem(steps, n), "idd", &step->code, &step->a, &step->b)) return -1;
        if (step->code < ADD || step->code > DIVIDE || (step->code == DIVIDE && step->a == 0.0)) {
            PyErr_SetString(PyExc_ValueError, "a step of a tensor is none");
            return -1;
        }
    }
    return 0;
}

static void release_tensor(Tensor *t)
{
    free(t->steps);
    Py_XDECREF(t->refuse);
}

#endif
