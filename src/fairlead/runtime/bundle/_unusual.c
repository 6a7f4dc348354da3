/* Which rows of cells are unlike those a model was trained on: the same two numbers a row as unusual.py has by column.
 *
 * surprise: sum over columns of -log of the share of training rows with such a cell (a table a column). distance:
 * squared Mahalanobis distance of the standardised numbers. build(...) takes a plan that is checked here again.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST 4096
#define CLIP 20.0
#define BEYOND 50.0

typedef struct {
    Py_ssize_t source, edges, place; /* place: among the numbers */
    double *edge, *cost;             /* edges + 1 costs, then that of a missing cell */
    double shift, scale, low, high;
    PyObject *known; /* of a text: text -> cost, as floats; NULL of a number */
    double other, missing;
} Column;

typedef struct {
    Py_ssize_t columns, numbers;
    Column *column;
    double *mean, *precision, *z; /* precision: of the numbers, (numbers, numbers) */
    double most_surprise, most_distance;
} Plan;

static const char *NAME = "fairlead.unusual";

static void release(Plan *p)
{
    for (Py_ssize_t n = 0; p->column != NULL && n < p->columns; n++) {
        free(p->column[n].edge);
        free(p->column[n].cost);
        Py_XDECREF(p->column[n].known);
    }
    free(p->column);
    free(p->mean);
    free(p->precision);
    free(p->z);
    free(p);
}

static void destroy(PyObject *capsule)
{
    release((Plan *)PyCapsule_GetPointer(capsule, NAME));
}

static int wrong(const char *what)
{
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, what);
    return -1;
}

/* Doubles from bytes, `count` of them. */
static double *doubles(PyObject *bytes, Py_ssize_t count)
{
    double *found;
    if (!PyBytes_Check(bytes) || PyBytes_Size(bytes) != count * 8) {
        wrong("not so many doubles");
        return NULL;
    }
    if ((found = malloc((size_t)count * 8 + 8)) == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(found, PyBytes_AsString(bytes), (size_t)count * 8);
    return found;
}

static int read_column(PyObject *said, Column *c, Py_ssize_t numbers)
{
    PyObject *edges, *costs, *known;
    if (!PyTuple_Check(said)) return wrong("a column is no tuple");
    if (!PyArg_ParseTuple(said, "nnOOddddOdd", &c->source, &c->place, &edges, &costs, &c->shift, &c->scale, &c->low,
                          &c->high, &known, &c->other, &c->missing))
        return -1;
    if (c->source < 0 || c->place >= numbers) return wrong("a column does not fit");
    if (known != Py_None) {
        PyObject *key, *cost;
        Py_ssize_t at = 0;
        if (!PyDict_Check(known)) return wrong("no costs of texts");
        while (PyDict_Next(known, &at, &key, &cost))
            if (!PyFloat_Check(cost)) return wrong("a cost is no number");
        if ((c->known = PyDict_Copy(known)) == NULL) return -1; /* ours alone: nobody changes it */
        return 0;
    }
    if (!PyBytes_Check(edges) || c->scale == 0.0 || c->place < 0) return wrong("a column does not fit");
    c->edges = PyBytes_Size(edges) / 8;
    if ((c->edge = doubles(edges, c->edges)) == NULL) return -1;
    if ((c->cost = doubles(costs, c->edges + 2)) == NULL) return -1;
    return 0;
}

static PyObject *build(PyObject *module, PyObject *args)
{
    PyObject *columns, *mean, *precision, *capsule;
    double surprise, distance;
    Py_ssize_t count;
    Plan *p;
    if (!PyArg_ParseTuple(args, "O!SSdd", &PyTuple_Type, &columns, &mean, &precision, &surprise, &distance)) return NULL;
    count = PyTuple_Size(columns);
    if ((p = calloc(1, sizeof(Plan))) == NULL) return PyErr_NoMemory();
    p->most_surprise = surprise;
    p->most_distance = distance;
    p->numbers = PyBytes_Size(mean) / 8;
    if (count < 1 || count > MOST || p->numbers > MOST) wrong("too many columns, or none");
    else if ((p->column = calloc((size_t)count, sizeof(Column))) == NULL ||
             (p->z = calloc((size_t)p->numbers + 1, 8)) == NULL)
        PyErr_NoMemory();
    if (!PyErr_Occurred()) p->mean = doubles(mean, p->numbers);
    if (!PyErr_Occurred()) p->precision = doubles(precision, p->numbers * p->numbers);
    while (!PyErr_Occurred() && p->columns < count) {
        p->columns++; /* first, so that what it holds is let go */
        read_column(PyTuple_GetItem(columns, p->columns - 1), p->column + p->columns - 1, p->numbers);
    }
    if (PyErr_Occurred()) {
        release(p);
        return NULL;
    }
    if ((capsule = PyCapsule_New(p, NAME, destroy)) == NULL) release(p);
    return capsule;
}

/* NaN for what is no number. */
static double number_of(PyObject *cell)
{
    double found;
    if (cell == Py_None) return Py_NAN;
    found = PyFloat_AsDouble(cell);
    if (found == -1.0 && PyErr_Occurred()) {
        PyErr_Clear();
        return Py_NAN;
    }
    return found;
}

static double cost_of_number(const Column *c, double x, double *z)
{
    Py_ssize_t low = 0, left = c->edges;
    double away;
    if (x != x) return c->cost[c->edges + 1];
    while (left > 0) { /* edges up to x: the first place whose edge lies above */
        const Py_ssize_t half = left / 2;
        const int over = c->edge[low + half] <= x;
        low += over ? half + 1 : 0;
        left = over ? left - half - 1 : half;
    }
    away = (x - c->shift) / c->scale;
    *z = away > CLIP ? CLIP : away < -CLIP ? -CLIP : away;
    away = x < c->low ? (c->low - x) / c->scale : x > c->high ? (x - c->high) / c->scale : 0.0;
    return c->cost[low] + (away > BEYOND ? BEYOND : away);
}

/* Whether a row is unusual; -1 on an error. */
static int strange(const Plan *p, PyObject *row)
{
    const int listed = PyList_Check(row);
    const Py_ssize_t width = listed ? PyList_Size(row) : PyTuple_Check(row) ? PyTuple_Size(row) : -1;
    double surprise = 0.0, distance = 0.0;
    if (width < 0) return wrong("a row is no list");
    for (Py_ssize_t n = 0; n < p->columns; n++) {
        const Column *c = p->column + n;
        PyObject *cell;
        if (c->source >= width) return wrong("a row is too short");
        cell = listed ? PyList_GetItem(row, c->source) : PyTuple_GetItem(row, c->source);
        if (c->known == NULL) {
            double z = 0.0;
            surprise += cost_of_number(c, number_of(cell), &z);
            p->z[c->place] = z - p->mean[c->place];
        } else if (cell == Py_None) {
            surprise += c->missing;
        } else {
            PyObject *cost = PyDict_GetItemWithError(c->known, cell);
            if (cost == NULL) PyErr_Clear(); /* never seen, or nothing that could be */
            surprise += cost == NULL ? c->other : PyFloat_AsDouble(cost);
        }
    }
    if (surprise >= p->most_surprise) return 1;
    for (Py_ssize_t i = 0; i < p->numbers; i++) {
        const double *line = p->precision + i * p->numbers;
        double sum = 0.5 * line[i] * p->z[i];
        for (Py_ssize_t j = 0; j < i; j++) sum += line[j] * p->z[j];
        distance += 2.0 * sum * p->z[i];
    }
    return distance >= p->most_distance;
}

static PyObject *find(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    PyObject *rows, *found;
    Py_ssize_t count;
    int listed;
    Plan *p;
    if (given != 2) {
        PyErr_SetString(PyExc_TypeError, "find(plan, rows)");
        return NULL;
    }
    if ((p = (Plan *)PyCapsule_GetPointer(args[0], NAME)) == NULL) return NULL;
    rows = args[1];
    listed = PyList_Check(rows);
    if (!listed && !PyTuple_Check(rows)) {
        PyErr_SetString(PyExc_TypeError, "rows are no list");
        return NULL;
    }
    if ((found = PyList_New(0)) == NULL) return NULL;
    count = listed ? PyList_Size(rows) : PyTuple_Size(rows);
    for (Py_ssize_t n = 0; n < count; n++) {
        const int is = strange(p, listed ? PyList_GetItem(rows, n) : PyTuple_GetItem(rows, n));
        if (is > 0) {
            PyObject *number = PyLong_FromSsize_t(n);
            const int failed = number == NULL || PyList_Append(found, number) < 0;
            Py_XDECREF(number);
            if (failed) break;
        } else if (is < 0)
            break;
    }
    if (!PyErr_Occurred()) return found;
    Py_DECREF(found);
    return NULL;
}

static PyMethodDef METHODS[] = {
    {"build", build, METH_VARARGS, "build(columns, mean, precision, most_surprise, most_distance) -> plan"},
    {"find", (PyCFunction)(void (*)(void))find, METH_FASTCALL, "find(plan, rows) -> numbers of unusual rows"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_unusual", "Unusual rows.", -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__unusual(void)
{
    return PyModule_Create(&MODULE);
}
