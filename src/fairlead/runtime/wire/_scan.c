/* One row of JSON, as V2's tensors or as an object, scanned straight into cells: the common request and nothing else.
 *
 * `scan` gives None for whatever it does not surely understand; the typed decoders and then the careful way decide
 * about it and word the errors. So it may turn down anything, and must never take what they refuse or read it
 * otherwise.
 *
 * Clients write the same bytes between the values of every request. What stood there in a request that was understood
 * is kept as a layout; the next request is compared with it, and only its values are looked at. A layout says nothing
 * but "after these bytes comes the value of that column", and bytes that are equal up to a value mean the same.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "_json.h"

#define WIDEST 256     /* columns of a signature, pass-through ones among them */
#define LAYOUTS 4      /* kept for each signature */
#define LONGEST 32768  /* bytes of one layout */

enum { NUMBER, INTEGER, BOOLEAN, CODE, TEXT, PASSED };
enum { FP64 = 1, FP32 = 2, INT64 = 4, BOOL = 8, BYTES = 16, INT32 = 32, ANY = 63 };

typedef struct {
    int kind, nullable, datatypes;
    Py_ssize_t place;   /* among the cells, or among the pass-through cells */
    double low, high;   /* inclusive */
    PyObject *yes, *no; /* borrowed; what true and false become */
    Table known;        /* texts and codes that share one object each */
} Column;

/* `length` bytes, and then a value of `column` in a tensor of `datatype`. */
typedef struct {
    Py_ssize_t length;
    int column, datatype;
} Segment;

typedef struct {
    char *bytes;
    Segment *segments; /* count values, and what stands behind the last one */
    int count;
} Layout;

typedef struct {
    PyObject *kept; /* owns every object and every byte that entries point to */
    Column *columns;
    Table names;
    int count, object; /* object: a row is {"column": value, ...}, else V2's tensors */
    PyObject *wrapped; /* owns the bytes of `wraps` */
    Table wraps;       /* keys under one of which the row is, in a list alone; without entries it stands by itself */
    Py_ssize_t width, passed;
    Layout layouts[LAYOUTS]; /* the one that fitted last comes first */
    int followed;            /* a layout is being read: none may be learnt or moved */
} Kernel;

/* Where the value of a column stands in a body. */
typedef struct {
    const char *from, *to;
    int column, datatype;
} Found;

typedef struct {
    PyObject *cells, *passes;
} Row;

static const char *CAPSULE = "fairlead.scan";

/* --- values --- */

static PyObject *whole(const char *from, const char *to)
{
    const int minus = *from == '-';
    long long sum = 0;
    for (from += minus; from < to; from++) sum = sum * 10 + (*from - '0');
    return PyLong_FromLongLong(minus ? -sum : sum);
}

/* The cell that a value becomes, a new reference; NULL where it is not surely right, or with an exception. */
static inline PyObject *value(const Column *column, int datatype, const char **cursor, const char *end)
{
    const char *from = *cursor, *to;
    PyObject *found = NULL;
    double x;
    if (from >= end) return NULL;
    if (*from == 'n') {
        if (!column->nullable || !word(cursor, end, "null", 4)) return NULL;
        Py_IncRef(Py_None);
        return Py_None;
    }
    switch (column->kind) {
    case NUMBER:
    case INTEGER:
        /* A whole number may be written as 3.0 where the column is one of integers, too. */
        if ((datatype == INT32 || (datatype == INT64 && column->kind == NUMBER)) && integer(from, end) == NULL)
            return NULL;
        if (!number(cursor, end, &x) || !(x >= column->low && x <= column->high)) return NULL;
        /* An integer's limits are within 2**62. */
        if (column->kind == INTEGER && (double)(int64_t)x != x) return NULL;
        if (datatype == INT32 && !(x >= -2147483648.0 && x <= 2147483647.0)) return NULL;
        return PyFloat_FromDouble(x);
    case BOOLEAN:
        if (word(cursor, end, "true", 4)) found = column->yes;
        else if (word(cursor, end, "false", 5)) found = column->no;
        Py_XINCREF(found);
        return found;
    case TEXT:
        if (*from != '"') return NULL;
        *cursor = from + 1;
        return text(&column->known, cursor, end);
    case CODE:
        if ((to = integer(from, end)) == NULL) return NULL;
        *cursor = to;
        const Entry *entry = look_up(&column->known, from, to - from);
        if (entry == NULL) return PyUnicode_FromStringAndSize(from, to - from);
        Py_IncRef(entry->object);
        return entry->object;
    default:
        if (*from == '"') {
            *cursor = from + 1;
            return datatype & BYTES ? text(NULL, cursor, end) : NULL;
        }
        if (!(datatype & INT64) || (to = integer(from, end)) == NULL) return NULL;
        *cursor = to;
        return whole(from, to);
    }
}

static int begun(const Kernel *k, Row *row)
{
    row->cells = PyList_New(k->width);
    return row->cells != NULL;
}

/* Steals `cell`. */
static inline int put(const Kernel *k, Row *row, const Column *column, PyObject *cell)
{
    if (column->kind != PASSED) return PyList_SetItem(row->cells, column->place, cell) == 0;
    if (row->passes == NULL) {
        if (cell == Py_None) {
            Py_DecRef(cell);
            return 1;
        }
        row->passes = PyList_New(k->passed);
        for (Py_ssize_t at = 0; row->passes != NULL && at < k->passed; at++) {
            Py_IncRef(Py_None);
            PyList_SetItem(row->passes, at, Py_None);
        }
        if (row->passes == NULL) {
            Py_DecRef(cell);
            return 0;
        }
    }
    return PyList_SetItem(row->passes, column->place, cell) == 0;
}

/* --- the text between the values --- */

/* Over a value, whatever it is: `value` looks at it later and must end at the same byte. */
static int skipped(const char **cursor, const char *end, Found *found)
{
    const char *at = *cursor;
    int escaped;
    found->from = at;
    if (at < end && *at == '"') {
        at = closing(at + 1, end, &escaped);
        if (at == NULL) return 0;
        at++;
    } else {
        while (at < end && ((*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') || *at == '-' || *at == '+' ||
                            *at == '.' || *at == 'E'))
            at++;
    }
    found->to = *cursor = at;
    return at > found->from;
}

static int named(const Kernel *k, const char **cursor, const char *end, Found *found)
{
    int escaped;
    const char *from, *to;
    const Entry *entry;
    if (*cursor >= end || **cursor != '"') return 0;
    from = *cursor + 1;
    to = closing(from, end, &escaped);
    entry = to == NULL ? NULL : look_up(&k->names, from, to - from);
    if (entry == NULL) return 0;
    *cursor = to + 1;
    found->column = entry->column;
    return 1;
}

static int datatype_of(const char *from, Py_ssize_t length)
{
    if (is(from, length, "FP64")) return FP64;
    if (is(from, length, "BYTES")) return BYTES;
    if (is(from, length, "INT64")) return INT64;
    if (is(from, length, "BOOL")) return BOOL;
    if (is(from, length, "FP32")) return FP32;
    return is(from, length, "INT32") ? INT32 : 0;
}

/* One tensor, behind its brace, up to and with the other one. */
static int tensor(const Kernel *k, const char **cursor, const char *end, Found *found)
{
    enum { NAME = 1, SHAPE = 2, DATATYPE = 4, DATA = 8 };
    int seen = 0;
    const char *key;
    do {
        const Py_ssize_t length = plain(cursor, end, &key);
        int now;
        if (length < 0 || !mark(cursor, end, ':')) return 0;
        if (is(key, length, "name")) {
            now = NAME;
            if (!named(k, cursor, end, found)) return 0;
        } else if (is(key, length, "shape")) {
            now = SHAPE;
            if (!mark(cursor, end, '[') || !mark(cursor, end, '1')) return 0;
            if (mark(cursor, end, ',') && !mark(cursor, end, '1')) return 0;
            if (!mark(cursor, end, ']')) return 0;
        } else if (is(key, length, "datatype")) {
            const char *said;
            const Py_ssize_t size = plain(cursor, end, &said);
            now = DATATYPE;
            if (size < 0 || (found->datatype = datatype_of(said, size)) == 0) return 0;
        } else if (is(key, length, "data")) {
            now = DATA;
            if (!mark(cursor, end, '[') || !skipped(cursor, end, found) || !mark(cursor, end, ']')) return 0;
        } else {
            return 0;
        }
        if (seen & now) return 0;
        seen |= now;
        *cursor = blank(*cursor, end);
    } while (mark(cursor, end, ','));
    return seen == (NAME | SHAPE | DATATYPE | DATA) && mark(cursor, end, '}') &&
           (k->columns[found->column].datatypes & found->datatype) != 0;
}

/* The tensors behind the bracket, up to and with the other one: how many, 0 for not surely right. */
static int tensors(const Kernel *k, const char **cursor, const char *end, Found *found)
{
    int count = 0;
    do {
        if (count == k->count || !mark(cursor, end, '{') || !tensor(k, cursor, end, found + count)) return 0;
        count++;
    } while (mark(cursor, end, ','));
    return mark(cursor, end, ']') ? count : 0;
}

/* One row as an object, by itself or alone in a list under one of the keys, to the end of the body. */
static int object(const Kernel *k, const char **cursor, const char *end, Found *found)
{
    const int wrapped = k->wraps.mask != 0;
    int count = 0;
    if (wrapped) {
        const char *key;
        Py_ssize_t length;
        if (!mark(cursor, end, '{')) return 0;
        length = plain(cursor, end, &key);
        if (length < 0 || look_up(&k->wraps, key, length) == NULL) return 0;
        if (!mark(cursor, end, ':') || !mark(cursor, end, '[')) return 0;
    }
    if (!mark(cursor, end, '{')) return 0;
    do {
        if (count == k->count || !named(k, cursor, end, found + count) || !mark(cursor, end, ':')) return 0;
        if (!skipped(cursor, end, found + count)) return 0;
        found[count++].datatype = ANY;
    } while (mark(cursor, end, ','));
    if (!mark(cursor, end, '}') || (wrapped && (!mark(cursor, end, ']') || !mark(cursor, end, '}')))) return 0;
    return *cursor == end ? count : 0;
}

/* Whether every feature is there, and no column twice. */
static int complete(const Kernel *k, const Found *found, int count)
{
    char seen[WIDEST] = {0};
    Py_ssize_t features = 0;
    for (int at = 0; at < count; at++) {
        if (seen[found[at].column]) return 0;
        seen[found[at].column] = 1;
        features += k->columns[found[at].column].kind != PASSED;
    }
    return features == k->width;
}

/* --- layouts --- */

static void forget(Layout *layout)
{
    free(layout->bytes);
    free(layout->segments);
    memset(layout, 0, sizeof(Layout));
}

static void to_front(Kernel *k, int at)
{
    const Layout fitted = k->layouts[at];
    memmove(k->layouts + 1, k->layouts, sizeof(Layout) * (size_t)at);
    k->layouts[0] = fitted;
}

/* Keep what stood between the values of a body that was understood; for want of memory, do not. */
static void learn(Kernel *k, const char *from, const char *to, const Found *found, int count)
{
    Layout *last = k->layouts + LAYOUTS - 1;
    Py_ssize_t total = to - from;
    char *bytes;
    for (int at = 0; at < count; at++) total -= found[at].to - found[at].from;
    if (total > LONGEST) return;
    forget(last);
    last->bytes = bytes = malloc((size_t)total + 1);
    last->segments = malloc(sizeof(Segment) * (size_t)(count + 1));
    if (last->bytes == NULL || last->segments == NULL) {
        forget(last);
        return;
    }
    last->count = count;
    for (int at = 0; at <= count; at++) {
        Segment *segment = last->segments + at;
        segment->length = (at < count ? found[at].from : to) - from;
        segment->column = at < count ? found[at].column : 0;
        segment->datatype = at < count ? found[at].datatype : 0;
        memcpy(bytes, from, (size_t)segment->length);
        bytes += segment->length;
        from = at < count ? found[at].to : to;
    }
    to_front(k, LAYOUTS - 1);
}

/* The values of a body that is written as a layout is; 0 for none. A value that does not fit its column need not be
 * wrong: where data comes before the name, the bytes behind it may say that it is another column's. */
static int follow(const Kernel *k, const Layout *layout, const char **cursor, const char *end, Row *row)
{
    const char *at = *cursor, *bytes = layout->bytes;
    for (int number = 0; number <= layout->count; number++) {
        const Segment *segment = layout->segments + number;
        PyObject *cell;
        if (end - at < segment->length || memcmp(at, bytes, (size_t)segment->length) != 0) return 0;
        at += segment->length;
        bytes += segment->length;
        if (number == layout->count) break;
        if (row->cells == NULL && !begun(k, row)) return 0;
        cell = value(k->columns + segment->column, segment->datatype, &at, end);
        if (cell == NULL || !put(k, row, k->columns + segment->column, cell)) return 0;
    }
    *cursor = at;
    return 1;
}

static int gathered(const Kernel *k, const Found *found, int count, const char *end, Row *row)
{
    if (!begun(k, row)) return 0;
    for (int number = 0; number < count; number++) {
        const Column *column = k->columns + found[number].column;
        const char *at = found[number].from;
        PyObject *cell = value(column, found[number].datatype, &at, end);
        if (cell != NULL && at != found[number].to) {
            Py_DecRef(cell);
            return 0;
        }
        if (cell == NULL || !put(k, row, column, cell)) return 0;
    }
    return 1;
}

static void dropped(Row *row)
{
    Py_CLEAR(row->cells);
    Py_CLEAR(row->passes);
}

/* The values from `cursor` on, by a layout or step by step, up to and with what closes them. */
static int filled(Kernel *k, const char **cursor, const char *end, Row *row)
{
    const char *from = *cursor;
    Found found[WIDEST];
    int count;
    /* A new list may begin a collection, which may run other code and that let another thread in, which asks the same
     * model: a scan within a scan reads step by step. */
    const int alone = !k->followed;
    for (int at = 0; alone && at < LAYOUTS && k->layouts[at].bytes != NULL; at++) {
        int fits;
        k->followed = 1;
        fits = follow(k, k->layouts + at, cursor, end, row);
        k->followed = 0;
        if (fits) {
            if (at > 0) to_front(k, at);
            return 1;
        }
        if (PyErr_Occurred()) return 0;
        dropped(row);
    }
    count = k->object ? object(k, cursor, end, found) : tensors(k, cursor, end, found);
    if (count == 0 || !complete(k, found, count) || !gathered(k, found, count, end, row)) return 0;
    if (!k->followed) learn(k, from, *cursor, found, count);
    return 1;
}

/* The whole body. id: a new reference where there is one. */
static int read_body(Kernel *k, const char *at, const char *end, Row *row, PyObject **id)
{
    int inputs = 0;
    if (k->object) return filled(k, &at, end, row) && blank(at, end) == end;
    if (!mark(&at, end, '{')) return 0;
    do {
        const char *key;
        const Py_ssize_t length = plain(&at, end, &key);
        if (length < 0 || !mark(&at, end, ':')) return 0;
        if (is(key, length, "inputs")) {
            if (inputs || at >= end || *at != '[') return 0;
            inputs = 1;
            at++;
            if (!filled(k, &at, end, row)) return 0;
        } else if (is(key, length, "id")) {
            if (*id != NULL || at >= end || *at != '"') return 0;
            at++;
            if ((*id = text(NULL, &at, end)) == NULL) return 0;
        } else {
            return 0;
        }
        at = blank(at, end);
    } while (mark(&at, end, ','));
    return inputs && mark(&at, end, '}') && at == end;
}

/* --- what Python calls --- */

static void release(Kernel *k)
{
    if (k == NULL) return;
    for (int at = 0; at < LAYOUTS; at++) forget(k->layouts + at);
    for (int at = 0; k->columns != NULL && at < k->count; at++) free(k->columns[at].known.entries);
    free(k->columns);
    free(k->names.entries);
    free(k->wraps.entries);
    Py_XDECREF(k->kept);
    Py_XDECREF(k->wrapped);
    free(k);
}

static void destroy(PyObject *capsule)
{
    release((Kernel *)PyCapsule_GetPointer(capsule, CAPSULE));
}

static int knows(Table *table, PyObject *known)
{
    const Py_ssize_t count = PyTuple_Size(known);
    if (count < 0 || !roomy(table, count)) return 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        PyObject *pair = PyTuple_GetItem(known, at);
        if (!PyTuple_Check(pair) || PyTuple_Size(pair) != 2 || !PyUnicode_Check(PyTuple_GetItem(pair, 1)))
            return refused("what is known must be pairs of bytes and text");
        if (!enter(table, PyTuple_GetItem(pair, 0), PyTuple_GetItem(pair, 1), 0)) return 0;
    }
    return 1;
}

static int described(Kernel *k, int at, PyObject *said, PyObject **names)
{
    const double far = 4611686018427387904.0; /* 2**62 */
    Column *column = k->columns + at;
    PyObject *known;
    if (!PyTuple_Check(said)) return refused("a column must be a tuple");
    if (!PyArg_ParseTuple(said, "iiiddOOO!O!", &column->kind, &column->nullable, &column->datatypes, &column->low,
                          &column->high, &column->yes, &column->no, &PyTuple_Type, names, &PyTuple_Type, &known))
        return 0;
    column->place = at < k->width ? at : at - k->width;
    if (column->kind < NUMBER || column->kind > PASSED || (column->kind == PASSED) != (at >= k->width) ||
        column->datatypes != (column->datatypes & ANY))
        return refused("a column is of no kind");
    if (column->kind == INTEGER && !(column->low >= -far && column->high <= far))
        return refused("an integer's limits are too far");
    return knows(&column->known, known);
}

static int all_described(Kernel *k)
{
    Py_ssize_t spellings = 0;
    PyObject *names[WIDEST];
    for (int at = 0; at < k->count; at++) {
        if (!described(k, at, PyTuple_GetItem(k->kept, at), names + at)) return 0;
        spellings += PyTuple_Size(names[at]);
    }
    if (!roomy(&k->names, spellings)) return 0;
    for (int at = 0; at < k->count; at++)
        for (Py_ssize_t which = 0; which < PyTuple_Size(names[at]); which++)
            if (!enter(&k->names, PyTuple_GetItem(names[at], which), NULL, at)) return 0;
    return 1;
}

static int all_wraps(Kernel *k)
{
    if (k->wrapped == Py_None) return 1;
    if (!PyTuple_Check(k->wrapped) || !roomy(&k->wraps, PyTuple_Size(k->wrapped)))
        return refused("keys must be a tuple or None");
    k->object = 1;
    for (Py_ssize_t at = 0; at < PyTuple_Size(k->wrapped); at++)
        if (!enter(&k->wraps, PyTuple_GetItem(k->wrapped, at), NULL, 0)) return 0;
    return 1;
}

static PyObject *build(PyObject *module, PyObject *args)
{
    PyObject *columns, *wrapped, *capsule = NULL;
    Py_ssize_t width;
    Kernel *k;
    if (!PyArg_ParseTuple(args, "nO!O", &width, &PyTuple_Type, &columns, &wrapped)) return NULL;
    if (width < 1 || width > PyTuple_Size(columns) || PyTuple_Size(columns) > WIDEST) {
        PyErr_SetString(PyExc_ValueError, "the number of columns is out of range");
        return NULL;
    }
    k = calloc(1, sizeof(Kernel));
    if (k == NULL) return PyErr_NoMemory();
    Py_INCREF(columns);
    Py_INCREF(wrapped);
    k->kept = columns;
    k->wrapped = wrapped;
    k->count = (int)PyTuple_Size(columns);
    k->width = width;
    k->passed = k->count - width;
    k->columns = calloc((size_t)k->count, sizeof(Column));
    if (k->columns == NULL) PyErr_NoMemory();
    else if (all_described(k) && all_wraps(k)) capsule = PyCapsule_New(k, CAPSULE, destroy);
    if (capsule == NULL) release(k);
    return capsule;
}

static PyObject *scan(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Kernel *k;
    Row row = {NULL, NULL};
    PyObject *id = NULL, *found = NULL;
    char *from;
    Py_ssize_t length;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "scan takes a kernel and a body");
        return NULL;
    }
    k = (Kernel *)PyCapsule_GetPointer(args[0], CAPSULE);
    if (k == NULL) return NULL;
    if (!PyBytes_Check(args[1])) Py_RETURN_NONE;
    if (PyBytes_AsStringAndSize(args[1], &from, &length) < 0) return NULL;
    if (read_body(k, from, from + length, &row, &id))
        found = PyTuple_Pack(3, row.cells, row.passes == NULL ? Py_None : row.passes, id == NULL ? Py_None : id);
    dropped(&row);
    Py_XDECREF(id);
    if (found != NULL) return found;
    if (PyErr_Occurred()) {
        /* Bytes that are not UTF-8; what else goes wrong is no fault of the body. */
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) return NULL;
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"build", build, METH_VARARGS, "build(width, columns, keys) -> kernel"},
    {"scan", (PyCFunction)(void (*)(void))scan, METH_FASTCALL, "scan(kernel, body) -> (cells, passes, id) or None"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_scan", "One row of JSON.", -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__scan(void)
{
    return PyModule_Create(&MODULE);
}
