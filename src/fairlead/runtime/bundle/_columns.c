/* Columns as codes, and codes as features: the two loops over cells that numpy has no function for.
 *
 * codes(cells, out, rows) numbers the distinct objects of a column in the order in which they first appear: text and
 * whole numbers by value, any NaN as None, everything else by identity. It runs no code of the objects and keeps none.
 *
 * fill(...) writes rows of features in blocks that stay in the cache: a template, then scaled numbers, then what each
 * code of a table stands for. Every size, place and code is checked here again.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NEAR 8192  /* entries, at most, of the table of objects seen just before: most columns repeat few objects */
#define SOON 4096  /* distinct objects up to which nobody asks whether they repeat */
#define AHEAD 12   /* cells ahead whose object is fetched meanwhile */
#define CACHED 65536 /* bytes of features written at a time */

typedef struct {
    PyObject *key;
    Py_hash_t hash;
    int32_t code;
} Slot;

typedef struct {
    PyObject *key;
    int32_t code;
} Seen;

typedef struct {
    Slot *slots;
    size_t mask;
    Seen *near;
    size_t nearest;
    PyObject *found; /* list of the distinct objects, which keeps them */
    int32_t count;
} Codes;

static inline size_t spread(const void *pointer)
{
    return (size_t)(((uint64_t)(uintptr_t)pointer >> 4) * 0x9E3779B97F4A7C15u >> 32);
}

static int by_value(PyObject *cell)
{
    return PyUnicode_CheckExact(cell) || PyLong_CheckExact(cell);
}

/* 1 equal, 0 different, -1 raised. Both are of an exact type whose comparison runs no other code. */
static int same(PyObject *a, PyObject *b)
{
    if (a == b) return 1;
    if (Py_TYPE(a) != Py_TYPE(b) || !by_value(a)) return 0;
    return PyObject_RichCompareBool(a, b, Py_EQ);
}

static int grow(Codes *c)
{
    const size_t mask = c->mask * 2 + 1;
    Slot *slots = calloc(mask + 1, sizeof(Slot));
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t at = 0; at <= c->mask; at++) {
        if (c->slots[at].key == NULL) continue;
        size_t to = (size_t)c->slots[at].hash & mask;
        while (slots[to].key != NULL) to = (to + 1) & mask;
        slots[to] = c->slots[at];
    }
    free(c->slots);
    c->slots = slots;
    c->mask = mask;
    return 0;
}

/* The code of a cell, -1 where something was raised. */
static int32_t code_of(Codes *c, PyObject *cell)
{
    Py_hash_t hash;
    if (by_value(cell)) {
        hash = PyObject_Hash(cell);
        if (hash == -1 && PyErr_Occurred()) return -1;
    } else {
        if (PyFloat_CheckExact(cell)) {
            const double number = PyFloat_AsDouble(cell);
            if (number != number) cell = Py_None;
        }
        hash = (Py_hash_t)spread(cell);
    }
    size_t at = (size_t)hash & c->mask;
    for (; c->slots[at].key != NULL; at = (at + 1) & c->mask) {
        if (c->slots[at].hash != hash) continue;
        const int equal = same(c->slots[at].key, cell);
        if (equal < 0) return -1;
        if (equal) return c->slots[at].code;
    }
    if (PyList_Append(c->found, cell) < 0) return -1;
    c->slots[at] = (Slot){cell, hash, c->count};
    const int32_t code = c->count++;
    if ((size_t)c->count * 2 > c->mask && grow(c) < 0) return -1;
    return code;
}

/* 0 done, 1 given up, -1 raised. first: of the cells, `step` bytes apart; NULL: they are items of a list. */
static int run(Codes *c, PyObject *list, const char *first, Py_ssize_t step, Py_ssize_t rows, int32_t *out)
{
    for (Py_ssize_t row = 0; row < rows; row++) {
        PyObject *cell;
        if (first == NULL) {
            cell = PyList_GetItem(list, row);
            if (cell == NULL) return -1;
        } else {
            memcpy(&cell, first + row * step, sizeof cell);
#ifdef __GNUC__
            if (row + AHEAD < rows) {
                const void *later;
                memcpy(&later, first + (row + AHEAD) * step, sizeof later);
                __builtin_prefetch(later);
            }
#endif
            if (cell == NULL) cell = Py_None; /* so numpy reads it */
        }
        Seen *seen = &c->near[spread(cell) & c->nearest];
        if (seen->key != cell) {
            const int32_t code = code_of(c, cell);
            if (code < 0) return -1;
            if (c->count > SOON && c->count > row / 4) return 1;
            *seen = (Seen){cell, code};
        }
        out[row] = seen->code;
    }
    return 0;
}

static PyObject *codes(PyObject *self, PyObject *args)
{
    PyObject *cells;
    Py_buffer given = {0}, out = {0};
    Codes c = {0};
    PyObject *answer = NULL;
    Py_ssize_t rows, step = 0;
    const char *first = NULL;
    (void)self;
    if (!PyArg_ParseTuple(args, "Ow*", &cells, &out)) return NULL;
    if (PyList_CheckExact(cells)) {
        rows = PyList_Size(cells);
    } else {
        if (PyObject_GetBuffer(cells, &given, PyBUF_STRIDED_RO | PyBUF_FORMAT) < 0) goto done;
        if (given.ndim != 1 || given.format == NULL || strcmp(given.format, "O") != 0 ||
            given.itemsize != (Py_ssize_t)sizeof(PyObject *)) {
            PyErr_SetString(PyExc_ValueError, "cells must be a list or one dimension of objects");
            goto done;
        }
        rows = given.shape[0];
        step = given.strides[0];
        first = given.buf;
    }
    if (rows > INT32_MAX / 4 || out.len != rows * (Py_ssize_t)sizeof(int32_t)) {
        PyErr_SetString(PyExc_ValueError, "a code a cell is wanted");
        goto done;
    }
    c.mask = 255;
    c.slots = calloc(c.mask + 1, sizeof(Slot));
    c.nearest = 255;
    while (c.nearest + 1 < NEAR && (Py_ssize_t)c.nearest < rows) c.nearest = c.nearest * 2 + 1;
    c.near = calloc(c.nearest + 1, sizeof(Seen));
    c.found = PyList_New(0);
    if (c.slots == NULL || c.near == NULL || c.found == NULL) {
        if (!PyErr_Occurred()) PyErr_NoMemory();
        goto done;
    }
    const int ended = rows == 0 ? 0 : run(&c, cells, first, step, rows, out.buf);
    if (ended == 0) answer = Py_NewRef(c.found);
    if (ended == 1) answer = Py_NewRef(Py_None);
done:
    free(c.slots);
    free(c.near);
    Py_XDECREF(c.found);
    if (given.obj != NULL) PyBuffer_Release(&given);
    PyBuffer_Release(&out);
    return answer;
}

typedef struct {
    Py_buffer column;
    double fill, shift, scale;
    Py_ssize_t output;
} Number;

typedef struct {
    Py_buffer codes;
    const int32_t *ends, *places; /* of bytes, which nobody can change meanwhile */
    const double *values;
    Py_ssize_t classes;
} Table;

typedef struct {
    Number *numbers;
    Table *tables;
    Py_ssize_t count, looked; /* numbers, tables */
    Py_ssize_t width, start, rows;
} Work;

static void drop(Py_buffer *view)
{
    if (view->obj != NULL) PyBuffer_Release(view);
}

static int wrong(const char *what)
{
    PyErr_SetString(PyExc_ValueError, what);
    return -1;
}

static int whole(const Py_buffer *view, size_t item)
{
    return view->len % (Py_ssize_t)item == 0 && (uintptr_t)view->buf % item == 0;
}

static int read_number(const Work *w, PyObject *given, Number *n)
{
    if (!PyTuple_Check(given)) return wrong("a number is a tuple");
    if (!PyArg_ParseTuple(given, "y*dddn", &n->column, &n->fill, &n->shift, &n->scale, &n->output)) return -1;
    if (!whole(&n->column, sizeof(double)) || n->column.len / (Py_ssize_t)sizeof(double) - w->start < w->rows)
        return wrong("a column of numbers has too few rows");
    if (n->output < 0 || n->output >= w->width) return wrong("a number has no place in a row");
    return 0;
}

/* How many items of `size` some bytes hold; -1 and an error where they are no whole number of them, aligned. */
static Py_ssize_t items(PyObject *bytes, size_t size, const void *first)
{
    char *data;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(bytes, &data, &length) < 0) return -1;
    if (length % (Py_ssize_t)size != 0 || (uintptr_t)data % size != 0) return wrong("a table does not agree with itself");
    memcpy((void *)first, &data, sizeof data);
    return length / (Py_ssize_t)size;
}

static int read_table(const Work *w, PyObject *given, Table *t)
{
    PyObject *ends, *places, *values;
    if (!PyTuple_Check(given)) return wrong("a table is a tuple");
    if (!PyArg_ParseTuple(given, "y*SSS", &t->codes, &ends, &places, &values)) return -1;
    if (!whole(&t->codes, sizeof(int32_t)) || t->codes.len / (Py_ssize_t)sizeof(int32_t) - w->start < w->rows)
        return wrong("a column of codes has too few rows");
    const Py_ssize_t last = items(ends, sizeof(int32_t), &t->ends) - 1;
    const Py_ssize_t writes = items(places, sizeof(int32_t), &t->places);
    const Py_ssize_t count = items(values, sizeof(double), &t->values);
    if (PyErr_Occurred()) return -1;
    if (last < 0 || count != writes || t->ends[0] != 0 || t->ends[last] != writes)
        return wrong("a table does not agree with itself");
    for (Py_ssize_t at = 0; at < last; at++)
        if (t->ends[at] > t->ends[at + 1]) return wrong("a table does not agree with itself");
    for (Py_ssize_t at = 0; at < writes; at++)
        if (t->places[at] < 0 || t->places[at] >= w->width) return wrong("a table writes outside a row");
    t->classes = last;
    return 0;
}

/* -1 for a code that the table does not have; whoever holds the interpreter may still change codes, so each counts. */
static int write_table(const Table *t, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t width, double *out)
{
    const int32_t *codes = (const int32_t *)t->codes.buf + first;
    for (Py_ssize_t row = 0; row < rows; row++, out += width) {
        const int32_t code = codes[row];
        if (code < 0 || code >= t->classes) return -1;
        for (int32_t at = t->ends[code]; at < t->ends[code + 1]; at++) out[t->places[at]] = t->values[at];
    }
    return 0;
}

static int write_all(const Work *w, const double *template, double *out)
{
    const size_t size = (size_t)w->width * sizeof(double);
    Py_ssize_t block = CACHED / (Py_ssize_t)size;
    if (block < 16) block = 16;
    for (Py_ssize_t first = 0; first < w->rows; first += block) {
        const Py_ssize_t rows = w->rows - first < block ? w->rows - first : block;
        double *part = out + first * w->width;
        for (Py_ssize_t row = 0; row < rows; row++) memcpy(part + row * w->width, template, size);
        for (Py_ssize_t at = 0; at < w->count; at++) {
            const Number *n = w->numbers + at;
            const double *column = (const double *)n->column.buf + w->start + first, fill = n->fill;
            double *to = part + n->output;
            for (Py_ssize_t row = 0; row < rows; row++) {
                const double x = column[row];
                to[row * w->width] = ((x != x ? fill : x) - n->shift) / n->scale;
            }
        }
        for (Py_ssize_t at = 0; at < w->looked; at++)
            if (write_table(w->tables + at, w->start + first, rows, w->width, part) < 0) return -1;
    }
    return 0;
}

static PyObject *fill(PyObject *self, PyObject *args)
{
    Py_buffer out = {0}, template = {0};
    PyObject *numbers, *tables, *answer = NULL;
    Work w = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "w*y*nO!O!", &out, &template, &w.start, &PyTuple_Type, &numbers, &PyTuple_Type, &tables))
        return NULL;
    w.width = template.len / (Py_ssize_t)sizeof(double);
    if (!whole(&out, sizeof(double)) || !whole(&template, sizeof(double)) || w.width == 0 || w.start < 0 ||
        w.width > INT32_MAX || out.len % template.len != 0) {
        wrong("rows and template do not agree");
        goto done;
    }
    w.rows = out.len / template.len;
    const Py_ssize_t count = PyTuple_Size(numbers), looked = PyTuple_Size(tables);
    w.numbers = calloc((size_t)count + 1, sizeof(Number));
    w.tables = calloc((size_t)looked + 1, sizeof(Table));
    if (w.numbers == NULL || w.tables == NULL) {
        PyErr_NoMemory();
        goto done;
    }
    /* Counted as they are taken, so that those taken are given back whatever comes next. */
    while (w.count < count) {
        const Py_ssize_t at = w.count++;
        if (read_number(&w, PyTuple_GetItem(numbers, at), &w.numbers[at]) < 0) goto done;
    }
    while (w.looked < looked) {
        const Py_ssize_t at = w.looked++;
        if (read_table(&w, PyTuple_GetItem(tables, at), &w.tables[at]) < 0) goto done;
    }
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = write_all(&w, template.buf, out.buf);
    Py_END_ALLOW_THREADS
    if (failed)
        wrong("a code that no table has");
    else
        answer = Py_NewRef(Py_None);
done:
    for (Py_ssize_t at = 0; at < w.count; at++) drop(&w.numbers[at].column);
    for (Py_ssize_t at = 0; at < w.looked; at++) drop(&w.tables[at].codes);
    free(w.numbers);
    free(w.tables);
    drop(&out);
    drop(&template);
    return answer;
}

static PyMethodDef methods[] = {
    {"codes", codes, METH_VARARGS, NULL},
    {"fill", fill, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_columns", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__columns(void)
{
    return PyModuleDef_Init(&module);
}
