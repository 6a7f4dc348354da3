/* Rows of cells to rows of features: what the closures of by_row.py do, bit for bit, without a step of bytecode a cell.
 *
 * Cells of the kinds that a parser gives (exact floats, whole numbers, texts, None) go quick ways; any other cell goes
 * through the very operations that Python would use, so that results and errors are those of by_row.py whatever it is.
 *
 * build(...) takes a plan that is checked here again: outputs lie within a row, numbers of rows of tables below their
 * count. Positions of cells are checked where a row is read, since rows may be of any length.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_rows_steps.h"
#include "_rows_tensors.h"

#define CROWDED 32 /* look-ups of one text at most; a table that needs more is left to a dict */

/* Operations on one number; `apply` does the same for cells that are no simple numbers. No steps: apply does all. */
typedef struct {
    Py_ssize_t count;
    Step *steps;
    PyObject *apply;
} Path;

typedef struct {
    Py_ssize_t source, output;
    double fill, shift, scale;
} Scaled;

typedef struct {
    Py_ssize_t source, output;
    Path path;
} General;

typedef struct {
    Py_ssize_t output;
    double value;
} Write;

typedef struct {
    uint64_t hash;
    const char *text; /* within the key, which `known` keeps alive; NULL: a free place */
    Py_ssize_t size, row;
} Slot;

typedef struct {
    Py_ssize_t source, rows;
    Py_ssize_t *first; /* rows + 2 places in writes: row n has first[n] to first[n + 1], missing is row number `rows` */
    Write *writes;
    PyObject *known;    /* key -> number of its row */
    PyObject *unseen, *absent; /* what raises for a value never seen, or for none; NULL where that is no error */
    Slot *slots;        /* the same as `known` where all keys are texts, else NULL */
    uint64_t mask;
    int gaps, ahead; /* NaN is no value; there are operations ahead of the look-up */
    Path path;
} Table;

typedef struct {
    Py_ssize_t width, scaled, general, tables, tensors;
    int covered; /* tensors write every output of a row */
    double *template;
    Scaled *scale;
    General *more;
    Table *table;
    Tensor *tensor;
} Front;

static const char *NAME = "fairlead.rows";

static void release_path(Path *path)
{
    free(path->steps);
    Py_XDECREF(path->apply);
}

static void release(Front *f)
{
    if (f == NULL) return;
    for (Py_ssize_t n = 0; n < f->general; n++) release_path(&f->more[n].path);
    for (Py_ssize_t n = 0; n < f->tables; n++) {
        Table *t = f->table + n;
        free(t->first);
        free(t->writes);
        free(t->slots);
        Py_XDECREF(t->known);
        Py_XDECREF(t->unseen);
        Py_XDECREF(t->absent);
        release_path(&t->path);
    }
    for (Py_ssize_t n = 0; n < f->tensors; n++) release_tensor(f->tensor + n);
    free(f->template);
    free(f->scale);
    free(f->more);
    free(f->table);
    free(f->tensor);
    free(f);
}

static void destroy(PyObject *capsule)
{
    release((Front *)PyCapsule_GetPointer(capsule, NAME));
}

static uint64_t hashed(const char *text, Py_ssize_t size)
{
    uint64_t found = (uint64_t)size * 0x9E3779B97F4A7C15u, word = 0;
    Py_ssize_t at = 0;
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, text + at, 8);
        found = (found ^ word) * 0xD6E8FEB86659FD93u;
        found ^= found >> 32;
    }
    word = 0;
    for (int shift = 0; at < size; at++, shift += 8) word |= (uint64_t)(unsigned char)text[at] << shift;
    found = (found ^ word) * 0xD6E8FEB86659FD93u;
    return found ^ (found >> 29);
}

/* ---- One number ---- */

/* Any cell as Python would do it: (fill if x != x else x) - shift, divided by scale. */
static int scaled_oddly(const Scaled *lane, PyObject *cell, double *out)
{
    PyObject *differs, *by, *moved = NULL, *found = NULL;
    int gap;
    if ((differs = PyObject_RichCompare(cell, cell, Py_NE)) == NULL) return -1;
    gap = PyObject_IsTrue(differs);
    Py_DECREF(differs);
    if (gap < 0) return -1;
    if (gap) {
        *out = (lane->fill - lane->shift) / lane->scale;
        return 0;
    }
    if ((by = PyFloat_FromDouble(lane->shift)) == NULL) return -1;
    moved = PyNumber_Subtract(cell, by);
    Py_DECREF(by);
    if (moved == NULL) return -1;
    if ((by = PyFloat_FromDouble(lane->scale)) != NULL) {
        found = PyNumber_TrueDivide(moved, by);
        Py_DECREF(by);
    }
    Py_DECREF(moved);
    if (found == NULL) return -1;
    *out = PyFloat_AsDouble(found);
    Py_DECREF(found);
    return *out == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* apply(x), a new reference; x is NaN for None. */
static PyObject *applied(PyObject *apply, PyObject *cell)
{
    PyObject *gap, *found;
    if (cell != Py_None) return PyObject_CallFunctionObjArgs(apply, cell, NULL);
    if ((gap = PyFloat_FromDouble(Py_NAN)) == NULL) return NULL;
    found = PyObject_CallFunctionObjArgs(apply, gap, NULL);
    Py_DECREF(gap);
    return found;
}

static int general(const Path *path, PyObject *cell, double *out)
{
    PyObject *found;
    if (path->steps != NULL && simple(cell, out)) {
        *out = walked(path->steps, path->count, *out);
        return 0;
    }
    if ((found = applied(path->apply, cell)) == NULL) return -1;
    *out = PyFloat_AsDouble(found);
    Py_DECREF(found);
    return *out == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* ---- Look-ups ---- */

static void written(const Table *t, Py_ssize_t row, double *out)
{
    for (Py_ssize_t n = t->first[row]; n < t->first[row + 1]; n++) out[t->writes[n].output] = t->writes[n].value;
}

static int refused(PyObject *raises, Py_ssize_t number)
{
    PyObject *found = PyObject_CallFunction(raises, "n", number);
    if (found != NULL) {
        Py_DECREF(found);
        PyErr_SetString(PyExc_SystemError, "what should raise did not");
    }
    return -1;
}

static int unknown(const Table *t, Py_ssize_t number)
{
    return t->unseen == NULL ? 0 : refused(t->unseen, number);
}

static int absent(const Table *t, Py_ssize_t number, double *out)
{
    if (t->absent != NULL) return refused(t->absent, number);
    written(t, t->rows, out);
    return 0;
}

/* A cell that is no text, or a text of a table without places: by the dict. */
static int found_in(const Table *t, PyObject *cell, Py_ssize_t number, double *out)
{
    PyObject *held;
    Py_ssize_t row;
    if (t->gaps && !PyUnicode_CheckExact(cell)) {
        PyObject *differs = PyObject_RichCompare(cell, cell, Py_NE);
        int gap;
        if (differs == NULL) return -1;
        gap = PyObject_IsTrue(differs);
        Py_DECREF(differs);
        if (gap < 0) return -1;
        if (gap) return absent(t, number, out);
    }
    held = PyDict_GetItemWithError(t->known, cell);
    if (held == NULL) return PyErr_Occurred() ? -1 : unknown(t, number);
    row = PyLong_AsSsize_t(held);
    if (row < 0 || row >= t->rows) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a key has no row");
        return -1;
    }
    written(t, row, out);
    return 0;
}

static int looked_up(const Table *t, PyObject *cell, Py_ssize_t number, double *out)
{
    int failed;
    if (t->ahead) {
        PyObject *moved;
        double x;
        if (t->path.steps != NULL && simple(cell, &x)) {
            moved = PyFloat_FromDouble(walked(t->path.steps, t->path.count, x));
        } else {
            Py_INCREF(cell); /* what runs there may let go of the row's cells */
            moved = applied(t->path.apply, cell);
            Py_DECREF(cell);
        }
        if (moved == NULL) return -1;
        failed = moved == Py_None ? absent(t, number, out) : found_in(t, moved, number, out);
        Py_DECREF(moved);
        return failed;
    }
    if (cell == Py_None) return absent(t, number, out);
    if (t->slots != NULL && PyUnicode_CheckExact(cell)) {
        Py_ssize_t size;
        const char *text = PyUnicode_AsUTF8AndSize(cell, &size);
        if (text != NULL) {
            const uint64_t hash = hashed(text, size);
            for (uint64_t at = hash & t->mask; t->slots[at].text != NULL; at = (at + 1) & t->mask) {
                const Slot *slot = t->slots + at;
                if (slot->hash == hash && slot->size == size && memcmp(slot->text, text, (size_t)size) == 0) {
                    written(t, slot->row, out);
                    return 0;
                }
            }
            return unknown(t, number);
        }
        PyErr_Clear(); /* half of a surrogate pair, which no UTF-8 has; the dict knows it as it is */
    }
    Py_INCREF(cell); /* as above: comparing may run anything */
    failed = found_in(t, cell, number, out);
    Py_DECREF(cell);
    return failed;
}

/* ---- Rows ---- */

static inline PyObject *cell_of(PyObject *row, int listed, Py_ssize_t at)
{
    return listed ? PyList_GetItem(row, at) : PyTuple_GetItem(row, at);
}

static int encode_row(const Front *f, PyObject *row, Py_ssize_t number, double *out)
{
    const int listed = PyList_Check(row);
    for (Py_ssize_t n = 0; n < f->scaled; n++) {
        const Scaled *lane = f->scale + n;
        PyObject *cell = cell_of(row, listed, lane->source);
        double x;
        if (cell == NULL) return -1;
        if (simple(cell, &x)) {
            out[lane->output] = ((x != x ? lane->fill : x) - lane->shift) / lane->scale;
        } else {
            int failed;
            Py_INCREF(cell);
            failed = scaled_oddly(lane, cell, out + lane->output);
            Py_DECREF(cell);
            if (failed) return -1;
        }
    }
    for (Py_ssize_t n = 0; n < f->general; n++) {
        const General *lane = f->more + n;
        PyObject *cell = cell_of(row, listed, lane->source);
        int failed;
        if (cell == NULL) return -1;
        Py_INCREF(cell);
        failed = general(&lane->path, cell, out + lane->output);
        Py_DECREF(cell);
        if (failed) return -1;
    }
    for (Py_ssize_t n = 0; n < f->tables; n++) {
        const Table *t = f->table + n;
        PyObject *cell = cell_of(row, listed, t->source);
        if (cell == NULL || looked_up(t, cell, number, out)) return -1;
    }
    for (Py_ssize_t n = 0; n < f->tensors; n++) {
        PyObject *cell = cell_of(row, listed, f->tensor[n].source);
        int failed;
        if (cell == NULL) return -1;
        Py_INCREF(cell);
        failed = spread(f->tensor + n, cell, number, out);
        Py_DECREF(cell);
        if (failed) return -1;
    }
    return 0;
}

/* What Python would read of a row that is neither list nor tuple, as a list that has the same at these places. */
static PyObject *read_oddly(const Front *f, PyObject *row)
{
    PyObject *found, *at, *cell;
    Py_ssize_t most = -1;
    for (Py_ssize_t n = 0; n < f->scaled; n++) most = f->scale[n].source > most ? f->scale[n].source : most;
    for (Py_ssize_t n = 0; n < f->general; n++) most = f->more[n].source > most ? f->more[n].source : most;
    for (Py_ssize_t n = 0; n < f->tables; n++) most = f->table[n].source > most ? f->table[n].source : most;
    for (Py_ssize_t n = 0; n < f->tensors; n++) most = f->tensor[n].source > most ? f->tensor[n].source : most;
    if ((found = PyList_New(0)) == NULL) return NULL;
    for (Py_ssize_t n = 0; n <= most; n++) {
        int failed;
        if ((at = PyLong_FromSsize_t(n)) == NULL) break;
        cell = PyObject_GetItem(row, at);
        Py_DECREF(at);
        if (cell == NULL) break;
        failed = PyList_Append(found, cell);
        Py_DECREF(cell);
        if (failed) break;
    }
    if (!PyErr_Occurred()) return found;
    Py_DECREF(found);
    return NULL;
}

/* first: what the first row counts as in errors. */
static int encode_rows(const Front *f, PyObject *rows, Py_ssize_t count, Py_ssize_t first, double *out)
{
    const int listed = PyList_Check(rows);
    for (Py_ssize_t number = 0; number < count; number++, out += f->width) {
        PyObject *row = cell_of(rows, listed, number);
        int failed;
        if (row == NULL) return -1;
        if (PyList_Check(row) || PyTuple_Check(row)) Py_INCREF(row);
        else if ((row = read_oddly(f, row)) == NULL) return -1;
        if (!f->covered) memcpy(out, f->template, sizeof(double) * (size_t)f->width);
        failed = encode_row(f, row, first + number, out);
        Py_DECREF(row);
        if (failed) return -1;
    }
    return 0;
}

static PyObject *features(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    PyObject *rows, *made;
    Py_ssize_t count, first = 0;
    Front *f;
    if (given < 2 || given > 3) {
        PyErr_SetString(PyExc_TypeError, "features(front, rows, first = 0)");
        return NULL;
    }
    if (given == 3 && (first = PyLong_AsSsize_t(args[2])) < 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "first is below zero");
        return NULL;
    }
    if ((f = (Front *)PyCapsule_GetPointer(args[0], NAME)) == NULL) return NULL;
    rows = args[1];
    if (PyList_Check(rows) || PyTuple_Check(rows)) Py_INCREF(rows);
    else if ((rows = PySequence_List(rows)) == NULL) return NULL;
    count = PyList_Check(rows) ? PyList_Size(rows) : PyTuple_Size(rows);
    if (count > PY_SSIZE_T_MAX / 8 / f->width || first > PY_SSIZE_T_MAX - count) {
        Py_DECREF(rows);
        return PyErr_NoMemory();
    }
    made = PyByteArray_FromStringAndSize(NULL, count * f->width * 8);
    if (made != NULL && encode_rows(f, rows, count, first, (double *)(void *)PyByteArray_AsString(made)) < 0) {
        Py_DECREF(made);
        made = NULL;
    }
    Py_DECREF(rows);
    return made;
}

/* ---- Building ---- */

static int wrong(const char *what)
{
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, what);
    return -1;
}

static void *room(Py_ssize_t count, size_t size)
{
    void *found = calloc((size_t)count + 1, size);
    if (found == NULL) PyErr_NoMemory();
    return found;
}

static int read_path(PyObject *steps, PyObject *apply, Path *path)
{
    Py_INCREF(apply);
    path->apply = apply;
    if (steps == Py_None) return 0;
    if (!PyTuple_Check(steps)) return wrong("steps are no tuple");
    path->count = PyTuple_Size(steps);
    if ((path->steps = room(path->count, sizeof(Step))) == NULL) return -1;
    for (Py_ssize_t n = 0; n < path->count; n++) {
        Step *step = path->steps + n;
        if (!PyArg_ParseTuple(PyTuple_GetItem(steps, n), "idd", &step->code, &step->a, &step->b)) return -1;
        if (step->code < 0 || step->code >= CODES || (step->code == DIVIDE && step->a == 0.0))
            return wrong("a step is none");
    }
    return 0;
}

static int read_writes(const Front *f, Table *t, Py_ssize_t row, PyObject *writes, Py_ssize_t *room_left)
{
    Py_ssize_t at = t->first[row];
    if (!PyTuple_Check(writes) || PyTuple_Size(writes) > *room_left) return wrong("writes are no tuple");
    *room_left -= PyTuple_Size(writes);
    for (Py_ssize_t n = 0; n < PyTuple_Size(writes); n++, at++) {
        Write *write = t->writes + at;
        if (!PyArg_ParseTuple(PyTuple_GetItem(writes, n), "nd", &write->output, &write->value)) return -1;
        if (write->output < 0 || write->output >= f->width) return wrong("a table writes outside of a row");
    }
    t->first[row + 1] = at;
    return 0;
}

/* Places for texts; left out where a key is no text, or where too many would come to lie together. */
static int read_slots(Table *t)
{
    PyObject *key, *held;
    Py_ssize_t at = 0, size, keys = PyDict_Size(t->known);
    uint64_t places = 8;
    while (places < (uint64_t)keys * 4) places *= 2;
    if ((t->slots = room((Py_ssize_t)places, sizeof(Slot))) == NULL) return -1;
    t->mask = places - 1;
    while (PyDict_Next(t->known, &at, &key, &held)) {
        const Py_ssize_t row = PyLong_AsSsize_t(held);
        const char *text = PyUnicode_CheckExact(key) ? PyUnicode_AsUTF8AndSize(key, &size) : NULL;
        uint64_t place, steps = 0;
        if (row < 0 || row >= t->rows) return wrong("a key has no row");
        if (text == NULL) {
            PyErr_Clear();
            break;
        }
        place = hashed(text, size) & t->mask;
        for (; t->slots[place].text != NULL && steps < CROWDED; steps++) place = (place + 1) & t->mask;
        if (steps == CROWDED) break;
        t->slots[place] = (Slot){hashed(text, size), text, size, row};
        keys--;
    }
    if (keys > 0) {
        free(t->slots);
        t->slots = NULL;
    }
    return 0;
}

static int read_table(const Front *f, PyObject *said, Table *t)
{
    PyObject *known, *rows, *missing, *steps, *apply, *unseen, *absent;
    Py_ssize_t writes = 0, left;
    if (!PyTuple_Check(said)) return wrong("a table is no tuple");
    if (!PyArg_ParseTuple(said, "nO!O!O!pOOOO", &t->source, &PyDict_Type, &known, &PyTuple_Type, &rows, &PyTuple_Type,
                          &missing, &t->gaps, &steps, &apply, &unseen, &absent))
        return -1;
    if (t->source < 0) return wrong("a source is none");
    /* A copy: nobody else holds it, so the texts of its keys stay where they are. */
    if ((t->known = PyDict_Copy(known)) == NULL) return -1;
    t->rows = PyTuple_Size(rows);
    if (unseen != Py_None) t->unseen = Py_NewRef(unseen);
    if (absent != Py_None) t->absent = Py_NewRef(absent);
    t->ahead = apply != Py_None;
    if (t->ahead && read_path(steps, apply, &t->path) < 0) return -1;
    for (Py_ssize_t n = 0; n < t->rows; n++) {
        const Py_ssize_t size = PyTuple_Size(PyTuple_GetItem(rows, n));
        if (size < 0) return -1;
        writes += size;
    }
    writes += PyTuple_Size(missing);
    if ((t->first = room(t->rows + 1, sizeof(Py_ssize_t))) == NULL) return -1;
    if ((t->writes = room(writes, sizeof(Write))) == NULL) return -1;
    left = writes;
    for (Py_ssize_t n = 0; n <= t->rows; n++)
        if (read_writes(f, t, n, n < t->rows ? PyTuple_GetItem(rows, n) : missing, &left) < 0) return -1;
    return read_slots(t);
}

static int read_tensors(Front *f, PyObject *tensors)
{
    Py_ssize_t written = 0;
    if ((f->tensor = room(PyTuple_Size(tensors), sizeof(Tensor))) == NULL) return -1;
    f->covered = f->scaled + f->general + f->tables == 0;
    while (f->tensors < PyTuple_Size(tensors)) {
        Tensor *t = f->tensor + f->tensors++; /* counted first, so that what it holds is let go */
        if (read_tensor(PyTuple_GetItem(tensors, f->tensors - 1), f->width, t) < 0) return -1;
        f->covered = f->covered && t->output == written;
        written += t->size;
    }
    f->covered = f->covered && written == f->width;
    return 0;
}

static int read_front(Front *f, PyObject *scaled, PyObject *general, PyObject *tables)
{
    if ((f->scale = room(PyTuple_Size(scaled), sizeof(Scaled))) == NULL) return -1;
    if ((f->more = room(PyTuple_Size(general), sizeof(General))) == NULL) return -1;
    if ((f->table = room(PyTuple_Size(tables), sizeof(Table))) == NULL) return -1;
    for (; f->scaled < PyTuple_Size(scaled); f->scaled++) {
        Scaled *lane = f->scale + f->scaled;
        if (!PyArg_ParseTuple(PyTuple_GetItem(scaled, f->scaled), "ndddn", &lane->source, &lane->fill, &lane->shift,
                              &lane->scale, &lane->output))
            return -1;
        if (lane->source < 0 || lane->output < 0 || lane->output >= f->width || lane->scale == 0.0)
            return wrong("a lane does not fit");
    }
    while (f->general < PyTuple_Size(general)) {
        General *lane = f->more + f->general++; /* counted first, so that what it holds is let go */
        PyObject *steps, *apply;
        if (!PyArg_ParseTuple(PyTuple_GetItem(general, f->general - 1), "nOOn", &lane->source, &steps, &apply,
                              &lane->output))
            return -1;
        if (lane->source < 0 || lane->output < 0 || lane->output >= f->width) return wrong("a lane does not fit");
        if (read_path(steps, apply, &lane->path) < 0) return -1;
    }
    while (f->tables < PyTuple_Size(tables)) {
        Table *t = f->table + f->tables++;
        if (read_table(f, PyTuple_GetItem(tables, f->tables - 1), t) < 0) return -1;
    }
    return 0;
}

static PyObject *build(PyObject *module, PyObject *args)
{
    PyObject *scaled, *general, *tables, *template, *tensors, *capsule;
    Front *f;
    if (!PyArg_ParseTuple(args, "O!O!O!O!O!", &PyTuple_Type, &template, &PyTuple_Type, &scaled, &PyTuple_Type, &general,
                          &PyTuple_Type, &tables, &PyTuple_Type, &tensors))
        return NULL;
    if ((f = calloc(1, sizeof(Front))) == NULL) return PyErr_NoMemory();
    f->width = PyTuple_Size(template);
    if (f->width < 1 || f->width > INT32_MAX) wrong("a row has no outputs");
    else f->template = room(f->width, sizeof(double));
    for (Py_ssize_t n = 0; f->template != NULL && n < f->width && !PyErr_Occurred(); n++)
        f->template[n] = PyFloat_AsDouble(PyTuple_GetItem(template, n));
    if (PyErr_Occurred() || read_front(f, scaled, general, tables) < 0 || read_tensors(f, tensors) < 0) {
        release(f);
        return NULL;
    }
    if ((capsule = PyCapsule_New(f, NAME, destroy)) == NULL) release(f);
    return capsule;
}

static PyMethodDef METHODS[] = {
    {"build", build, METH_VARARGS, "build(template, scaled, general, tables, tensors) -> front"},
    {"features", (PyCFunction)(void (*)(void))features, METH_FASTCALL, "features(front, rows, first = 0) -> bytearray"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_rows", "Rows to features.", -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModule_Create(&MODULE);
}
