/* Exact interventional Shapley values of sums of trees, with groups of features as players.
 *
 * For a row x and a background row z, a coalition takes its features from x and all others from z. A leaf is reached
 * by the coalitions that hold every player by whose features only x stays on the leaf's path (u of them) and none by
 * whose features only z does (v of them), so each of the first gets weight (u-1)! v! / (u+v)! and each of the second
 * -u! (v-1)! / (u+v)! of the leaf's value. (Lundberg et al., From local explanations to global understanding, 2020,
 * as independent tree SHAP, for one feature a player.)
 *
 * Here all background rows of a leaf are sets of bits, and rows that left the path by the same players go on
 * together: what a leaf gives to them is worked out once. Each row meets each node at most once for each tree,
 * whatever the number of background rows, and leaves in their order in the tree, so its sums do not depend on the
 * rows beside it.
 *
 * build(...) checks the nodes: children come after their parent and lie within the arrays. A walk therefore ends.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST 128    /* background rows */
#define DEEPEST 2000 /* nodes on a path */
#define PLAYERS 256  /* players on a path */

static const char *NAME = "fairlead.shap";

typedef struct {
    uint64_t low, high;
} Set;

typedef struct {
    double split;
    int32_t child[2];
    int32_t feature, player;
    int32_t missing;
    Set second; /* background rows that go to the second child */
} Node;

typedef struct {
    Py_ssize_t features, players, targets, count, trees, leaves, background;
    int32_t depth, wide;
    Node *nodes;
    int32_t *roots, *target;
    double *weight, *share; /* share[u * (wide + 1) + v]: u! (v-1)! / (u+v)!, v > 0 */
} Forest;

typedef struct {
    const Forest *f;
    const double *x;
    double *out;
    Set all;
    Set *kept;      /* of a player on the path: background rows that it keeps there */
    uint8_t *left;  /* of a player: whether the rows have left the path by it */
    int32_t *times; /* of a player: its nodes on the path */
    int32_t *path;  /* players on the path */
    int32_t length, gone;
    double *values;
} Walk;

static inline Set both(Set a, Set b)
{
    Set found = {a.low & b.low, a.high & b.high};
    return found;
}

static inline Set without(Set a, Set b)
{
    Set found = {a.low & ~b.low, a.high & ~b.high};
    return found;
}

static inline int none(Set a)
{
    return (a.low | a.high) == 0;
}

static inline int side_of(const Node *node, double value)
{
    return value != value ? node->missing : !(value <= node->split);
}

/* What a leaf gives each player of its path, for rows that left it by the same players. */
static void settle(Walk *w, int32_t leaf, const int32_t *rows, int32_t count, Set alive)
{
    const Forest *f = w->f;
    const int32_t v = w->gone, stride = f->wide + 1;
    const Py_ssize_t targets = f->targets;
    const double weight = f->weight[leaf] / (double)f->background;
    uint16_t u[MOST];
    double against = 0.0;
    int any = v > 0;
    memset(u, 0, sizeof(uint16_t) * (size_t)f->background);
    for (int32_t k = 0; k < w->length; k++) {
        const int32_t player = w->path[k];
        if (w->left[player]) continue;
        Set apart = without(alive, w->kept[player]);
        if (!none(apart)) any = 1;
        for (uint64_t bits = apart.low; bits; bits &= bits - 1) u[__builtin_ctzll(bits)]++;
        for (uint64_t bits = apart.high; bits; bits &= bits - 1) u[64 + __builtin_ctzll(bits)]++;
    }
    if (!any) return;
    if (v > 0) {
        for (uint64_t bits = alive.low; bits; bits &= bits - 1)
            against += f->share[u[__builtin_ctzll(bits)] * stride + v];
        for (uint64_t bits = alive.high; bits; bits &= bits - 1)
            against += f->share[u[64 + __builtin_ctzll(bits)] * stride + v];
    }
    for (int32_t k = 0; k < w->length; k++) {
        const int32_t player = w->path[k];
        double sum = 0.0;
        if (w->left[player]) {
            w->values[k] = -weight * against;
            continue;
        }
        Set apart = without(alive, w->kept[player]);
        for (uint64_t bits = apart.low; bits; bits &= bits - 1) sum += f->share[v * stride + u[__builtin_ctzll(bits)]];
        for (uint64_t bits = apart.high; bits; bits &= bits - 1)
            sum += f->share[v * stride + u[64 + __builtin_ctzll(bits)]];
        w->values[k] = weight * sum;
    }
    double *out = w->out + (targets > 1 ? f->target[leaf] : 0);
    for (int32_t r = 0; r < count; r++) {
        double *to = out + (Py_ssize_t)rows[r] * f->players * targets;
        for (int32_t k = 0; k < w->length; k++) to[w->path[k] * targets] += w->values[k];
    }
}

static void walk(Walk *w, int32_t at, int32_t *rows, int32_t count, Set alive)
{
    if (at < 0) {
        settle(w, -1 - at, rows, count, alive);
        return;
    }
    const Forest *f = w->f;
    const Node *node = f->nodes + at;
    const int32_t player = node->player;
    const Set before = w->times[player] ? w->kept[player] : w->all;
    int32_t first = 0;
    if (!w->left[player]) {
        for (int32_t r = 0; r < count; r++) {
            const int32_t row = rows[r];
            if (!side_of(node, w->x[(Py_ssize_t)row * f->features + node->feature])) {
                rows[r] = rows[first];
                rows[first++] = row;
            }
        }
    }
    if (w->times[player]++ == 0) w->path[w->length++] = player;
    for (int side = 0; side < 2; side++) {
        const int32_t child = node->child[side];
        const Set stay = side ? both(before, node->second) : without(before, node->second);
        w->kept[player] = stay;
        if (w->left[player]) {
            const Set still = both(alive, stay);
            if (!none(still)) walk(w, child, rows, count, still);
            continue;
        }
        const int32_t here = side ? count - first : first;
        int32_t *ours = side ? rows + first : rows, *theirs = side ? rows : rows + first;
        if (here) walk(w, child, ours, here, alive);
        if (count - here) {
            const Set still = both(alive, stay);
            if (!none(still)) {
                w->kept[player] = stay;
                w->left[player] = 1;
                w->gone++;
                walk(w, child, theirs, count - here, still);
                w->gone--;
                w->left[player] = 0;
            }
        }
    }
    w->kept[player] = before;
    if (--w->times[player] == 0) w->length--;
}

static void release(Forest *f)
{
    if (f == NULL) return;
    free(f->nodes);
    free(f->roots);
    free(f->target);
    free(f->weight);
    free(f->share);
    free(f);
}

static void destroy(PyObject *capsule)
{
    release((Forest *)PyCapsule_GetPointer(capsule, NAME));
}

static int view(PyObject *from, Py_buffer *to, Py_ssize_t bytes, int flags, const char *what)
{
    if (PyObject_GetBuffer(from, to, flags) < 0) return -1;
    if (to->len == bytes) return 0;
    PyBuffer_Release(to);
    PyErr_Format(PyExc_ValueError, "%s has the wrong size", what);
    return -1;
}

static void *copied(PyObject *from, Py_ssize_t bytes, const char *what)
{
    Py_buffer seen;
    void *made;
    if (view(from, &seen, bytes, PyBUF_C_CONTIGUOUS, what) < 0) return NULL;
    made = malloc((size_t)(bytes ? bytes : 1));
    if (made == NULL) PyErr_NoMemory();
    else memcpy(made, seen.buf, (size_t)bytes);
    PyBuffer_Release(&seen);
    return made;
}

/* Whether the nodes are trees over their features, and how deep: -1 if they are none. */
static int32_t deepest(const Forest *f, int32_t *depth)
{
    int32_t most = 0;
    memset(depth, 0, sizeof(int32_t) * (size_t)f->count);
    for (Py_ssize_t tree = 0; tree < f->trees; tree++) {
        if (f->roots[tree] < 0 || f->roots[tree] >= f->count) return -1;
    }
    for (Py_ssize_t leaf = 0; f->target != NULL && leaf < f->leaves; leaf++) {
        if (f->target[leaf] < 0 || f->target[leaf] >= f->targets) return -1;
    }
    for (Py_ssize_t at = 0; at < f->count; at++) {
        const Node *node = f->nodes + at;
        if (node->feature < 0 || node->feature >= f->features || node->player < 0 || node->player >= f->players ||
            (node->missing != 0 && node->missing != 1))
            return -1;
        for (int side = 0; side < 2; side++) {
            const int32_t child = node->child[side];
            if (child < 0 ? -1 - (Py_ssize_t)child >= f->leaves : child <= at || child >= f->count) return -1;
            if (child >= 0 && depth[child] < depth[at] + 1) depth[child] = depth[at] + 1;
        }
        if (depth[at] + 1 > most) most = depth[at] + 1;
    }
    return most;
}

static int shares(Forest *f)
{
    const int32_t wide = f->wide;
    f->share = calloc((size_t)(wide + 1) * (size_t)(wide + 1), sizeof(double));
    if (f->share == NULL) return -1;
    for (int32_t v = 1; v <= wide; v++) {
        f->share[v] = 1.0 / v;
        for (int32_t u = 1; u <= wide; u++)
            f->share[u * (wide + 1) + v] = f->share[(u - 1) * (wide + 1) + v] * u / (double)(u + v);
    }
    return 0;
}

static void place(Forest *f, const double *z)
{
    for (Py_ssize_t at = 0; at < f->count; at++) {
        Node *node = f->nodes + at;
        Set second = {0, 0};
        for (Py_ssize_t row = 0; row < f->background; row++) {
            if (!side_of(node, z[row * f->features + node->feature])) continue;
            if (row < 64) second.low |= (uint64_t)1 << row;
            else second.high |= (uint64_t)1 << (row - 64);
        }
        node->second = second;
    }
}

static int fill(Forest *f, PyObject *split, PyObject *whole)
{
    Py_ssize_t count = f->count;
    double *splits = copied(split, count * 8, "split");
    int32_t *rest = splits == NULL ? NULL : copied(whole, count * 5 * 4, "nodes");
    if (rest != NULL) f->nodes = calloc((size_t)count, sizeof(Node));
    if (rest != NULL && f->nodes == NULL) PyErr_NoMemory();
    for (Py_ssize_t at = 0; f->nodes != NULL && at < count; at++) {
        Node *node = f->nodes + at;
        const int32_t *said = rest + at * 5;
        node->split = splits[at];
        node->child[0] = said[0];
        node->child[1] = said[1];
        node->feature = said[2];
        node->player = said[3];
        node->missing = said[4];
    }
    free(splits);
    free(rest);
    return f->nodes == NULL ? -1 : 0;
}

static int arrange(Forest *f)
{
    int32_t *depth = malloc(sizeof(int32_t) * (size_t)f->count);
    if (depth == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    f->depth = deepest(f, depth);
    free(depth);
    f->wide = f->depth < f->players ? f->depth : (int32_t)f->players;
    if (f->depth < 0 || f->depth > DEEPEST || f->wide > PLAYERS) {
        PyErr_SetString(PyExc_ValueError, f->depth < 0 ? "the nodes are no trees" : "the trees are too deep");
        return -1;
    }
    if (shares(f) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

static PyObject *build(PyObject *module, PyObject *args)
{
    PyObject *split, *whole, *roots, *target, *weight, *background, *capsule;
    Py_buffer z;
    Forest *f = calloc(1, sizeof(Forest));
    if (f == NULL) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "nnnnnnnOOOOOO", &f->features, &f->players, &f->targets, &f->count, &f->trees,
                          &f->leaves, &f->background, &split, &whole, &roots, &target, &weight, &background))
        goto failed;
    if (f->features < 1 || f->features > INT32_MAX || f->players < 1 || f->players > INT32_MAX || f->targets < 1 ||
        f->targets > 65535 || f->count < 1 || f->count > INT32_MAX / 5 || f->trees < 1 || f->trees > INT32_MAX ||
        f->leaves < 1 || f->leaves > INT32_MAX || f->background < 1 || f->background > MOST) {
        PyErr_SetString(PyExc_ValueError, "sizes are out of range");
        goto failed;
    }
    if (fill(f, split, whole) < 0) goto failed;
    if ((f->roots = copied(roots, f->trees * 4, "roots")) == NULL) goto failed;
    if ((f->weight = copied(weight, f->leaves * 8, "weight")) == NULL) goto failed;
    if (f->targets > 1 && (f->target = copied(target, f->leaves * 4, "target")) == NULL) goto failed;
    if (arrange(f) < 0) goto failed;
    if (view(background, &z, f->background * f->features * 8, PyBUF_C_CONTIGUOUS, "background") < 0) goto failed;
    place(f, z.buf);
    PyBuffer_Release(&z);
    capsule = PyCapsule_New(f, NAME, destroy);
    if (capsule == NULL) goto failed;
    return capsule;
failed:
    release(f);
    return NULL;
}

static int explain_all(const Forest *f, const double *x, Py_ssize_t rows, Py_ssize_t from, Py_ssize_t to, double *out)
{
    int32_t *order = malloc(sizeof(int32_t) * (size_t)rows);
    Walk w = {.f = f, .x = x, .out = out};
    w.kept = calloc((size_t)f->players, sizeof(Set));
    w.left = calloc((size_t)f->players, 1);
    w.times = calloc((size_t)f->players, sizeof(int32_t));
    w.path = calloc((size_t)f->wide + 1, sizeof(int32_t));
    w.values = calloc((size_t)f->wide + 1, sizeof(double));
    const int failed = !order || !w.kept || !w.left || !w.times || !w.path || !w.values;
    w.all.low = f->background >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << f->background) - 1;
    w.all.high = f->background >= MOST  ? ~(uint64_t)0
                 : f->background > 64 ? ((uint64_t)1 << (f->background - 64)) - 1
                                      : 0;
    for (Py_ssize_t tree = from; !failed && tree < to; tree++) {
        for (Py_ssize_t row = 0; row < rows; row++) order[row] = (int32_t)row;
        walk(&w, f->roots[tree], order, (int32_t)rows, w.all);
    }
    free(order);
    free(w.kept);
    free(w.left);
    free(w.times);
    free(w.path);
    free(w.values);
    return failed;
}

static PyObject *explain(PyObject *module, PyObject *args)
{
    PyObject *capsule, *from, *to;
    Py_ssize_t rows, first, last;
    Py_buffer x, out;
    const Forest *f;
    int failed;
    if (!PyArg_ParseTuple(args, "OnnnOO", &capsule, &rows, &first, &last, &from, &to)) return NULL;
    f = (Forest *)PyCapsule_GetPointer(capsule, NAME);
    if (f == NULL) return NULL;
    if (rows < 1 || rows > INT32_MAX || first < 0 || last > f->trees ||
        rows > PY_SSIZE_T_MAX / 8 / f->features || rows > PY_SSIZE_T_MAX / 8 / f->players / f->targets) {
        PyErr_SetString(PyExc_ValueError, "rows or trees are out of range");
        return NULL;
    }
    if (view(from, &x, rows * f->features * 8, PyBUF_C_CONTIGUOUS, "x") < 0) return NULL;
    if (view(to, &out, rows * f->players * f->targets * 8, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE, "out") < 0) {
        PyBuffer_Release(&x);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    failed = explain_all(f, x.buf, rows, first, last, out.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&x);
    PyBuffer_Release(&out);
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef METHODS[] = {
    {"build", build, METH_VARARGS, "build(features, players, targets, nodes, trees, leaves, ...) -> capsule"},
    {"explain", explain, METH_VARARGS, "explain(capsule, rows, first, last, x, out): adds what trees give to out"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_shap", "Shapley values of trees.", -1, METHODS, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__shap(void)
{
    return PyModule_Create(&MODULE);
}
