/* Sums of decision trees, in double or single: what onnxruntime's TreeEnsemble gives, bit for bit, in less time.
 *
 * Small trees are looked up (_trees_table.h); large ones are walked by ranks (_trees_walk.h) and those whose features are
 * too many to be ranked by their nodes, eight rows (or, for few rows, eight trees) side by side: one walk waits for
 * memory at each step, eight walks wait together. Leaves are added in the order of the trees, so the
 * rounding is the same.
 *
 * build(...) takes nodes that are checked here again: children come after their parent and lie within the arrays,
 * features are below `features`, leaves below their count. A walk therefore ends, and reads nothing else.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "_trees_walk.h"

#define BLOCK CROWD /* rows that pass all trees together */

enum { ROUNDED = 1, SINGLE = 2, SPARSE = 4, FLAGS = 7 };

static const char *NAME = "fairlead.trees";

static void release(Trees *t)
{
    if (t == NULL) return;
    free(t->nodes);
    free(t->roots);
    free(t->target);
    free(t->weight);
    for (Py_ssize_t n = 0; n < t->segments; n++) clear_segment(t->segment + n);
    free(t->segment);
    free(t->where);
    free(t->first);
    free(t->held);
    free(t->held_single);
    free(t->held_target);
    free(t);
}

static void destroy(PyObject *capsule)
{
    release((Trees *)PyCapsule_GetPointer(capsule, NAME));
}

static inline int32_t step(const Node *nodes, int32_t at, const double *x)
{
    const Node *node = nodes + at;
    const double value = x[node->feature];
    int side = !(value <= node->split);
    if (value != value) side = node->missing;
    return node->child[side];
}

/* The leaves that `count` <= LANES rows fall into, in one tree. */
static inline void visit_rows(const Node *nodes, int32_t root, const double *const *x, int count, int32_t *at)
{
    int going;
    for (int k = 0; k < count; k++) at[k] = root;
    do {
        going = 0;
        for (int k = 0; k < count; k++) {
            if (at[k] >= 0) {
                at[k] = step(nodes, at[k], x[k]);
                going = 1;
            }
        }
    } while (going);
}

/* The leaves that one row falls into, in `count` <= LANES trees. */
static inline void visit_trees(const Node *nodes, const int32_t *roots, const double *x, int count, int32_t *at)
{
    int going;
    for (int k = 0; k < count; k++) at[k] = roots[k];
    do {
        going = 0;
        for (int k = 0; k < count; k++) {
            if (at[k] >= 0) {
                at[k] = step(nodes, at[k], x);
                going = 1;
            }
        }
    } while (going);
}

static inline void add(const Trees *t, double *out, int32_t leaf)
{
    const int32_t number = -1 - leaf;
    double *to = out + (t->target == NULL ? 0 : t->target[number]);
    *to = t->single ? (double)((float)*to + (float)t->weight[number]) : *to + t->weight[number];
}

static void visit_row(const Trees *t, const Segment *s, const double *x, double *out)
{
    int32_t at[LANES];
    for (int32_t tree = s->from; tree < s->to; tree += LANES) {
        const int count = s->to - tree < LANES ? (int)(s->to - tree) : LANES;
        visit_trees(t->nodes, t->roots + tree, x, count, at);
        for (int k = 0; k < count; k++) add(t, out, at[k]);
    }
}

static void visit_block(const Trees *t, const Segment *s, const double *x, Py_ssize_t rows, double *out)
{
    const double *lane[LANES];
    int32_t at[LANES];
    for (int32_t tree = s->from; tree < s->to; tree++) {
        const int32_t root = t->roots[tree];
        for (Py_ssize_t row = 0; row < rows; row += LANES) {
            const int count = rows - row < LANES ? (int)(rows - row) : LANES;
            for (int k = 0; k < count; k++) lane[k] = x + (row + k) * t->features;
            if (count == LANES) visit_rows(t->nodes, root, lane, LANES, at);
            else visit_rows(t->nodes, root, lane, count, at);
            for (int k = 0; k < count; k++) add(t, out + (row + k) * t->targets, at[k]);
        }
    }
}

/* How many of the rows are walked together; the others, too few to fill the lanes, are walked alone. */
static Py_ssize_t together(const Segment *s, Py_ssize_t rows)
{
    const Py_ssize_t rest = rows % LANES;
    if (s->slot == NULL) return rows < FEW ? 0 : rows;
    return rest < (s->deep ? LANES - 1 : FEW) ? rows - rest : rows;
}

static void sum_segment(const Trees *t, const Segment *s, const double *x, Py_ssize_t rows, double *out, uint16_t *rank)
{
    const Py_ssize_t many = s->table != NULL ? rows : together(s, rows);
    if (s->table != NULL) sum_rows(t, s, x, rows, out);
    else if (many && s->slot != NULL) walk_rows(t, s, x, many, out, rank);
    else if (many) visit_block(t, s, x, many, out);
    for (Py_ssize_t k = many; k < rows; k++) {
        if (s->slot != NULL && s->deep) walk_row(t, s, x + k * t->features, out + k * t->targets, rank);
        else visit_row(t, s, x + k * t->features, out + k * t->targets);
    }
}

/* Cells as the trees compare them. */
static void prepare(const Trees *t, const double *from, Py_ssize_t count, double *to)
{
    for (Py_ssize_t k = 0; k < count; k++) to[k] = t->rounded || t->single ? (double)(float)from[k] : from[k];
    if (t->sparse)
        for (Py_ssize_t k = 0; k < count; k++) to[k] = to[k] == 0.0 ? NAN : to[k];
}

static int score_all(const Trees *t, const double *x, Py_ssize_t rows, double *out)
{
    double *copy = NULL;
    uint16_t *rank = NULL;
    uint32_t columns = 0;
    for (Py_ssize_t n = 0; n < t->segments; n++)
        if (t->segment[n].slot != NULL && t->segment[n].columns > columns) columns = t->segment[n].columns;
    if (columns) {
        const Py_ssize_t groups = ((rows < BLOCK ? rows : BLOCK) + LANES - 1) / LANES;
        rank = malloc(sizeof(uint16_t) * 2 * LANES * columns * (size_t)(groups ? groups : 1));
        if (rank == NULL) return -1;
    }
    memset(out, 0, sizeof(double) * (size_t)(rows * t->targets));
    if (t->rounded || t->single || t->sparse) {
        const Py_ssize_t most = rows < BLOCK ? rows : BLOCK;
        copy = malloc(sizeof(double) * (size_t)(most * t->features + 1));
        if (copy == NULL) {
            free(rank);
            return -1;
        }
    }
    for (Py_ssize_t row = 0; row < rows; row += BLOCK) {
        const Py_ssize_t count = rows - row < BLOCK ? rows - row : BLOCK;
        const double *from = x + row * t->features;
        if (copy != NULL) {
            prepare(t, from, count * t->features, copy);
            from = copy;
        }
        for (Py_ssize_t n = 0; n < t->segments; n++)
            sum_segment(t, t->segment + n, from, count, out + row * t->targets, rank);
    }
    free(copy);
    free(rank);
    return 0;
}

static int view(PyObject *object, Py_buffer *buffer, Py_ssize_t size, int flags, const char *what)
{
    if (PyObject_GetBuffer(object, buffer, flags) < 0) return -1;
    if (buffer->len != size) {
        PyErr_Format(PyExc_ValueError, "%s has %zd bytes, not %zd", what, buffer->len, size);
        PyBuffer_Release(buffer);
        return -1;
    }
    return 0;
}

static void *copied(PyObject *object, Py_ssize_t size, const char *what)
{
    Py_buffer buffer;
    void *found;
    if (view(object, &buffer, size, PyBUF_SIMPLE, what) < 0) return NULL;
    found = malloc(size ? (size_t)size : 1);
    if (found == NULL) PyErr_NoMemory();
    else memcpy(found, buffer.buf, (size_t)size);
    PyBuffer_Release(&buffer);
    return found;
}

static int sound(const Trees *t, Py_ssize_t nodes)
{
    for (Py_ssize_t n = 0; n < nodes; n++) {
        if (t->nodes[n].feature >= t->features || t->nodes[n].missing > 1 || t->nodes[n].split != t->nodes[n].split)
            return 0;
        for (int side = 0; side < 2; side++) {
            const int32_t child = t->nodes[n].child[side];
            if (child >= 0 ? (child <= n || child >= nodes) : (-1 - (Py_ssize_t)child >= t->leaves)) return 0;
        }
    }
    for (Py_ssize_t k = 0; k < t->trees; k++)
        if (t->roots[k] < 0 || t->roots[k] >= nodes) return 0;
    if (t->target != NULL)
        for (Py_ssize_t k = 0; k < t->leaves; k++)
            if (t->target[k] < 0 || t->target[k] >= t->targets) return 0;
    return 1;
}

/* Walks between tables are for few trees: where most are walked, all are. */
static void settle(Trees *t)
{
    Py_ssize_t walks = 0, walked = 0;
    for (Py_ssize_t n = 0; n < t->segments; n++) {
        if (t->segment[n].table != NULL) continue;
        walks++;
        walked += t->segment[n].to - t->segment[n].from;
    }
    if (walks < 2 || 2 * walked < t->trees) return;
    for (Py_ssize_t n = 0; n < t->segments; n++) clear_segment(t->segment + n);
    t->segments = 1;
    t->segment->to = (int32_t)t->trees;
}

/* Ranks for the walk, where there is but one: they are of all nodes. 0 where there is no memory. */
static int walk_once(Trees *t, Py_ssize_t nodes)
{
    Segment *only = NULL;
    for (Py_ssize_t n = 0; n < t->segments; n++) {
        if (t->segment[n].table != NULL) continue;
        if (only != NULL) return 1;
        only = t->segment + n;
    }
    return only == NULL || build_walk(t, only, nodes);
}

/* Tables for small trees; -1 with an error set. */
static int arrange(Trees *t, Py_ssize_t nodes, int widest_form)
{
    t->segment = calloc((size_t)t->trees, sizeof(Segment));
    t->where = calloc((size_t)t->trees, sizeof(uint16_t));
    t->first = calloc((size_t)t->trees, sizeof(int32_t));
    if (t->segment != NULL && t->where != NULL && t->first != NULL) {
        if (widest_form < 0) {
            t->segment->to = (int32_t)t->trees;
            t->segments = 1;
            return 0;
        }
        t->strike = widest(widest_form);
        if (build_segments(t) == 0) {
            settle(t);
            if (hold_leaves(t) == 0 && walk_once(t, nodes)) return 0;
        }
    }
    PyErr_NoMemory();
    return -1;
}

static PyObject *build(PyObject *module, PyObject *args)
{
    PyObject *nodes, *roots, *target, *weight, *capsule;
    Py_ssize_t features, targets, count, trees, leaves;
    int flags, widest_form = 1;
    Trees *t;
    if (!PyArg_ParseTuple(args, "nnnnniOOOO|i", &features, &targets, &count, &trees, &leaves, &flags, &nodes, &roots,
                          &target, &weight, &widest_form))
        return NULL;
    if (features < 1 || features > 65535 || targets < 1 || targets > 65535 || count < 1 || trees < 1 || leaves < 1 ||
        count > INT32_MAX || trees > INT32_MAX - LANES || leaves > INT32_MAX || flags < 0 || flags > FLAGS) {
        PyErr_SetString(PyExc_ValueError, "sizes are out of range");
        return NULL;
    }
    t = calloc(1, sizeof(Trees));
    if (t == NULL) return PyErr_NoMemory();
    t->features = features;
    t->targets = targets;
    t->trees = trees;
    t->leaves = leaves;
    t->rounded = (flags & ROUNDED) != 0;
    t->single = (flags & SINGLE) != 0;
    t->sparse = (flags & SPARSE) != 0;
    t->nodes = copied(nodes, count * (Py_ssize_t)sizeof(Node), "nodes");
    if (t->nodes != NULL) t->roots = copied(roots, trees * 4, "roots");
    if (t->roots != NULL) t->weight = copied(weight, leaves * 8, "weight");
    if (t->weight != NULL && targets > 1) t->target = copied(target, leaves * 4, "target");
    if (t->weight == NULL || (targets > 1 && t->target == NULL)) {
        release(t);
        return NULL;
    }
    if (!sound(t, count)) {
        release(t);
        PyErr_SetString(PyExc_ValueError, "the nodes are no trees");
        return NULL;
    }
    if (arrange(t, count, widest_form) < 0) {
        release(t);
        return NULL;
    }
    capsule = PyCapsule_New(t, NAME, destroy);
    if (capsule == NULL) release(t);
    return capsule;
}

static PyObject *score(PyObject *module, PyObject *args)
{
    PyObject *capsule, *from, *to;
    Py_ssize_t rows;
    Py_buffer x, out;
    Trees *t;
    int failed;
    if (!PyArg_ParseTuple(args, "OnOO", &capsule, &rows, &from, &to)) return NULL;
    t = (Trees *)PyCapsule_GetPointer(capsule, NAME);
    if (t == NULL) return NULL;
    if (rows < 0 || rows > PY_SSIZE_T_MAX / 8 / (t->features > t->targets ? t->features : t->targets)) {
        PyErr_SetString(PyExc_ValueError, "rows are out of range");
        return NULL;
    }
    if (view(from, &x, rows * t->features * 8, PyBUF_C_CONTIGUOUS, "x") < 0) return NULL;
    if (view(to, &out, rows * t->targets * 8, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE, "out") < 0) {
        PyBuffer_Release(&x);
        return NULL;
    }
    if (rows > 64) {
        Py_BEGIN_ALLOW_THREADS
        failed = score_all(t, x.buf, rows, out.buf);
        Py_END_ALLOW_THREADS
    } else {
        failed = score_all(t, x.buf, rows, out.buf);
    }
    PyBuffer_Release(&x);
    PyBuffer_Release(&out);
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"build", build, METH_VARARGS, "build(features, targets, nodes, trees, leaves, rounded, ...) -> capsule"},
    {"score", score, METH_VARARGS, "score(capsule, rows, x, out): sums of leaves into out"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_trees", "Sums of decision trees.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__trees(void)
{
    return PyModule_Create(&MODULE);
}
