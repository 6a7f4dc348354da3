/* Lists of numbers in JSON as doubles side by side: tensors, whose elements would else be an object of Python's each.
 *
 * None is the answer to whatever is not surely numbers in the stated shape, or a flat list of as many; other code then
 * reads it, by the same rules, and words the errors. Room is made only for as many elements as the text can hold.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_json.h"

#define DIMENSIONS 8
#define LARGEST (PY_SSIZE_T_MAX / 8) /* elements; each is a double */

typedef struct {
    Py_ssize_t edge[DIMENSIONS];
    int depth;
    char *out; /* where the next element goes; there is room for the product of all edges */
    const char *end;
} Walk;

/* Minus zero, which `number` leaves: an integer that is so written is zero, a fraction keeps its sign. */
static int minus_zero(const char **cursor, const char *end, double *out)
{
    const char *at = *cursor;
    int fraction = 0;
    if (end - at < 2 || at[0] != '-' || at[1] != '0') return 0;
    at += 2;
    if (at < end && *at == '.') {
        fraction = 1;
        if (!digit(++at, end)) return 0;
        while (at < end && *at == '0') at++;
    }
    if (digit(at, end) || (at < end && (*at == 'e' || *at == 'E'))) return 0;
    *out = fraction ? -0.0 : 0.0;
    *cursor = at;
    return 1;
}

static inline int element(const char **cursor, const char *end, double *out)
{
    /* Most are small whole numbers: a few digits, and what is behind them is no part of the number. */
    const char *at = *cursor;
    uint32_t whole = 0;
    while (digit(at, end) && at - *cursor < 9) whole = whole * 10 + (uint32_t)(*at++ - '0');
    if (at > *cursor && at < end && (*at == ',' || *at == ']') && (**cursor != '0' || at - *cursor == 1)) {
        *out = (double)whole;
        *cursor = at;
        return 1;
    }
    return number(cursor, end, out) || minus_zero(cursor, end, out);
}

/* The innermost lists: `edge` numbers. */
static int numerals(Walk *w, const char **cursor, Py_ssize_t edge)
{
    const char *at = *cursor, *const end = w->end;
    char *out = w->out;
    for (Py_ssize_t n = 0; n < edge; n++) {
        double x;
        if (n > 0) {
            if (at >= end || *at != ',') at = blank(at, end);
            if (at >= end || *at != ',') return 0;
            at++;
            if (at < end && *at == ' ') at++;
            if (at < end && *at <= ' ') at = blank(at, end);
        }
        if (!element(&at, end, &x)) return 0;
        memcpy(out, &x, sizeof x);
        out += sizeof x;
    }
    w->out = out;
    *cursor = at;
    return 1;
}

/* A list of `edge` numbers, or of lists; 1 if it was one. `level` counts from the outermost list and stays below the
 * depth, so there is an end to it. */
static int list(Walk *w, const char **cursor, int level)
{
    const Py_ssize_t edge = w->edge[level];
    if (!mark(cursor, w->end, '[')) return 0;
    if (level + 1 == w->depth) return numerals(w, cursor, edge) && mark(cursor, w->end, ']');
    for (Py_ssize_t at = 0; at < edge; at++) {
        if (at > 0 && !mark(cursor, w->end, ',')) return 0;
        if (!list(w, cursor, level + 1)) return 0;
    }
    return mark(cursor, w->end, ']');
}

/* -1: raised; 0: a shape of which nothing can be read. */
static int read_shape(PyObject *shape, Walk *w, Py_ssize_t *size)
{
    const Py_ssize_t depth = PyTuple_Size(shape);
    *size = 1;
    if (depth < 1 || depth > DIMENSIONS) return 0;
    for (Py_ssize_t at = 0; at < depth; at++) {
        PyObject *item = PyTuple_GetItem(shape, at);
        const Py_ssize_t edge = item == NULL ? -1 : PyLong_AsSsize_t(item);
        if (edge == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return -1;
            PyErr_Clear();
            return 0;
        }
        if (edge < 1 || edge > LARGEST / *size) return 0;
        *size *= edge;
        w->edge[w->depth++] = edge;
    }
    return 1;
}

static PyObject *read_lists(Walk *w, const char *from, Py_ssize_t length, Py_ssize_t size)
{
    const char *at = blank(from, from + length), *inner;
    PyObject *made;
    w->end = from + length;
    /* An element is a digit and a comma at least. */
    if (size > length / 2 || at >= w->end || *at != '[') Py_RETURN_NONE;
    inner = blank(at + 1, w->end);
    if (inner < w->end && *inner != '[') {
        w->edge[0] = size;
        w->depth = 1;
    }
    if ((made = PyBytes_FromStringAndSize(NULL, size * (Py_ssize_t)sizeof(double))) == NULL) return NULL;
    w->out = PyBytes_AsString(made);
    if (list(w, &at, 0) && at == w->end && !PyErr_Occurred()) return made;
    Py_DECREF(made);
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) return NULL;
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

static PyObject *numbers(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    Walk w = {{0}, 0, NULL, NULL};
    Py_buffer held;
    Py_ssize_t size;
    PyObject *found;
    int shaped;
    (void)module;
    if (given != 2 || !PyTuple_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "numbers(text, shape)");
        return NULL;
    }
    if ((shaped = read_shape(args[1], &w, &size)) < 0) return NULL;
    if (shaped == 0) Py_RETURN_NONE;
    if (PyObject_GetBuffer(args[0], &held, PyBUF_SIMPLE) < 0) return NULL;
    found = read_lists(&w, (const char *)held.buf, held.len, size);
    PyBuffer_Release(&held);
    return found;
}

static PyMethodDef METHODS[] = {
    {"numbers", (PyCFunction)(void (*)(void))numbers, METH_FASTCALL, "numbers(text, shape) -> bytes of doubles or None"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_lists", "Lists of numbers in JSON.", -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__lists(void)
{
    return PyModule_Create(&MODULE);
}
