/* From features of a few rows to what is answered: small dense models, links, labels and lists of numbers.
 *
 * A tail is dense layers in turn (none: the features are sums that something else made), then
 * link(((x + base) / count) * slope), then the curves of a calibration, if it has one. Sums run over the inputs in one order whatever the number of rows, so that a row
 * gets the same bits alone and among others.
 *
 * tail(...) and deciding(...) take sizes and buffers that are checked here again; answer(...) checks the rest.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIDEST 65535
#define NARROW 16  /* outputs below which each is a sum of its own */
#define AT_ONCE 64 /* rows beyond which others may run meanwhile */

enum { SAME, RELU, TANH, SIGMOID, ACTIVATIONS };
enum { IDENTITY, EXP, SIGMOIDS, SOFTMAX, LOGISTIC, SECOND, LINKS };

/* A calibrated probability of a raw one. KNOTS: straight between (x, y), flat beyond; LOGIT: sigmoid(a * log-odds + b);
 * POWER: p ** a. x, y, slope: `knots` doubles each in one block that x points to. */
enum { KNOTS, LOGIT, POWER, CURVES };
#define LEAST 1e-6   /* what a probability of LOGIT or POWER is taken for at least, and 1 - LEAST at most */
#define MOST_KNOTS 65536

typedef struct {
    int kind;
    double a, b;
    Py_ssize_t knots;
    double *x, *y, *slope;
} Curve;

/* One curve: of the second of two scores. Else one a score, whose results are made to sum to 1. */
typedef struct {
    Py_ssize_t count;
    Curve *each;
} Curves;

/* weights: (outputs, inputs) where outputs are fewer than NARROW, else (inputs, outputs). */
typedef struct {
    Py_ssize_t inputs, outputs;
    int active;
    double *weights, *bias;
} Layer;

typedef struct {
    Py_ssize_t features, targets, outputs, widest, depth;
    Layer *layers;
    double *base; /* NULL: none */
    double count, slope;
    int link;
    const Curves *curves; /* NULL: none */
    PyObject *kept[2];    /* of a calibrated tail: the tail whose parts it uses, and its curves */
} Tail;

/* positive < 0: the class with the largest score; ties: a score at the threshold is enough. */
typedef struct {
    PyObject *classes;
    Py_ssize_t count, positive;
    double threshold;
    int ties;
} Deciding;

static const char *TAIL = "fairlead.tail", *DECIDING = "fairlead.deciding", *CALIBRATION = "fairlead.curves";

static void release(Tail *t)
{
    if (t == NULL) return;
    if (t->kept[0] != NULL) {
        Py_DECREF(t->kept[0]);
        Py_DECREF(t->kept[1]);
        free(t);
        return;
    }
    for (Py_ssize_t n = 0; n < t->depth; n++) {
        free(t->layers[n].weights);
        free(t->layers[n].bias);
    }
    free(t->layers);
    free(t->base);
    free(t);
}

static void destroy_tail(PyObject *capsule)
{
    release((Tail *)PyCapsule_GetPointer(capsule, TAIL));
}

static void release_curves(Curves *c)
{
    if (c == NULL) return;
    for (Py_ssize_t k = 0; c->each != NULL && k < c->count; k++) free(c->each[k].x);
    free(c->each);
    free(c);
}

static void destroy_curves(PyObject *capsule)
{
    release_curves((Curves *)PyCapsule_GetPointer(capsule, CALIBRATION));
}

static void destroy_deciding(PyObject *capsule)
{
    Deciding *d = (Deciding *)PyCapsule_GetPointer(capsule, DECIDING);
    if (d == NULL) return;
    Py_DECREF(d->classes);
    free(d);
}

/* ---- Arithmetic ---- */

static inline double sigmoid(double x)
{
    double e;
    if (x >= 0.0) return 1.0 / (1.0 + exp(-x));
    e = exp(x);
    return e / (1.0 + e);
}

/* Four sums side by side, as one would wait for itself at every step. */
static double dot(const double *x, const double *weights, Py_ssize_t count)
{
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    Py_ssize_t n = 0;
    for (; n + 4 <= count; n += 4)
        for (int k = 0; k < 4; k++) sum[k] += x[n + k] * weights[n + k];
    for (; n < count; n++) sum[0] += x[n] * weights[n];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void multiplied(const Layer *layer, const double *x, double *restrict out)
{
    const Py_ssize_t width = layer->outputs;
    if (width < NARROW) {
        for (Py_ssize_t k = 0; k < width; k++)
            out[k] = dot(x, layer->weights + k * layer->inputs, layer->inputs) + layer->bias[k];
        return;
    }
    memset(out, 0, sizeof(double) * (size_t)width);
    for (Py_ssize_t n = 0; n < layer->inputs; n++) {
        const double *weights = layer->weights + n * width, by = x[n];
        if (by == 0.0) continue; /* most of a row of categories; weights are finite */
        for (Py_ssize_t k = 0; k < width; k++) out[k] += by * weights[k];
    }
    for (Py_ssize_t k = 0; k < width; k++) out[k] += layer->bias[k];
}

static void activated(int active, double *x, Py_ssize_t count)
{
    switch (active) {
    case RELU:
        for (Py_ssize_t k = 0; k < count; k++) x[k] = x[k] < 0.0 ? 0.0 : x[k];
        break;
    case TANH:
        for (Py_ssize_t k = 0; k < count; k++) x[k] = tanh(x[k]);
        break;
    case SIGMOID:
        for (Py_ssize_t k = 0; k < count; k++) x[k] = sigmoid(x[k]);
    }
}

/* x: `targets` sums. out: `outputs` scores; may be x. */
static void linked(const Tail *t, const double *x, double *out)
{
    double most, sum = 0.0, p;
    for (Py_ssize_t k = 0; k < t->targets; k++) {
        double moved = x[k];
        if (t->base != NULL) moved += t->base[k];
        if (t->count != 1.0) moved /= t->count;
        if (t->slope != 1.0) moved *= t->slope;
        out[k] = moved;
    }
    switch (t->link) {
    case EXP:
        for (Py_ssize_t k = 0; k < t->targets; k++) out[k] = exp(out[k]);
        break;
    case SIGMOIDS:
        for (Py_ssize_t k = 0; k < t->targets; k++) out[k] = sigmoid(out[k]);
        break;
    case SOFTMAX:
        most = out[0];
        for (Py_ssize_t k = 1; k < t->targets; k++)
            if (out[k] > most || out[k] != out[k]) most = out[k];
        for (Py_ssize_t k = 0; k < t->targets; k++) sum += out[k] = exp(out[k] - most);
        for (Py_ssize_t k = 0; k < t->targets; k++) out[k] /= sum;
        break;
    case LOGISTIC:
    case SECOND:
        p = t->link == LOGISTIC ? sigmoid(out[0]) : out[0];
        out[0] = 1.0 - p;
        out[1] = p;
    }
}

static double within(double p)
{
    return p < LEAST ? LEAST : p > 1.0 - LEAST ? 1.0 - LEAST : p;
}

static double between(const Curve *c, double p)
{
    Py_ssize_t low = 0, high = c->knots - 1;
    if (!(p > c->x[0])) return p == p ? c->y[0] : p;
    if (p >= c->x[high]) return c->y[high];
    while (high - low > 1) { /* x[low] <= p < x[high] */
        const Py_ssize_t middle = (low + high) / 2;
        if (c->x[middle] <= p) low = middle;
        else high = middle;
    }
    return c->y[low] + (p - c->x[low]) * c->slope[low];
}

static double curved(const Curve *c, double p)
{
    switch (c->kind) {
    case KNOTS:
        return between(c, p);
    case LOGIT:
        p = within(p);
        return sigmoid(c->a * log(p / (1.0 - p)) + c->b);
    default:
        return pow(within(p), c->a);
    }
}

static void calibrated(const Curves *c, double *scores, Py_ssize_t outputs)
{
    double sum = 0.0;
    if (c->count == 1) {
        scores[1] = curved(c->each, scores[1]);
        scores[0] = 1.0 - scores[1];
        return;
    }
    for (Py_ssize_t k = 0; k < outputs; k++) sum += scores[k] = curved(c->each + k, scores[k]);
    for (Py_ssize_t k = 0; k < outputs; k++) scores[k] = sum == 0.0 ? 1.0 / (double)outputs : scores[k] / sum;
}

/* scratch: twice `widest` doubles. out: `outputs` doubles. */
static void score_row(const Tail *t, const double *x, double *scratch, double *out)
{
    for (Py_ssize_t n = 0; n < t->depth; n++) {
        double *to = scratch + (n & 1) * t->widest;
        multiplied(t->layers + n, x, to);
        activated(t->layers[n].active, to, t->layers[n].outputs);
        x = to;
    }
    linked(t, x, out);
    if (t->curves != NULL) calibrated(t->curves, out, t->outputs);
}

static void score_rows(const Tail *t, const double *x, Py_ssize_t rows, double *scratch, double *out)
{
    for (Py_ssize_t row = 0; row < rows; row++, x += t->features, out += t->outputs) score_row(t, x, scratch, out);
}

/* ---- Answers ---- */

static Py_ssize_t chosen(const Deciding *d, const double *scores)
{
    Py_ssize_t best = 0;
    if (d->positive >= 0) {
        const double p = scores[d->positive];
        const int taken = p > d->threshold || (d->ties && p == d->threshold);
        return taken ? d->positive : 1 - d->positive;
    }
    for (Py_ssize_t k = 1; k < d->count; k++)
        if (scores[k] > scores[best]) best = k;
    return best;
}

static PyObject *listed(const double *numbers, Py_ssize_t count)
{
    PyObject *found = PyList_New(count);
    if (found == NULL) return NULL;
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *number = PyFloat_FromDouble(numbers[k]);
        if (number == NULL || PyList_SetItem(found, k, number) < 0) {
            Py_DECREF(found);
            return NULL;
        }
    }
    return found;
}

/* One label and one list of scores a row; labels may be NULL. */
static int answered(const Tail *t, const Deciding *d, const double *x, Py_ssize_t rows, PyObject *labels,
                    PyObject *scores)
{
    double few[256], *scratch = few;
    const Py_ssize_t needed = 2 * t->widest + t->outputs;
    int failed = 0;
    if (needed > 256 && (scratch = malloc(sizeof(double) * (size_t)needed)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t row = 0; row < rows && !failed; row++, x += t->features) {
        double *out = scratch + 2 * t->widest;
        PyObject *one;
        score_row(t, x, scratch, out);
        one = listed(out, t->outputs);
        if (one == NULL || PyList_SetItem(scores, row, one) < 0) failed = -1;
        else if (labels != NULL) {
            PyObject *label = PyTuple_GetItem(d->classes, chosen(d, out));
            Py_XINCREF(label);
            if (label == NULL || PyList_SetItem(labels, row, label) < 0) failed = -1;
        }
    }
    if (scratch != few) free(scratch);
    return failed;
}

static int viewed(PyObject *object, Py_buffer *buffer, Py_ssize_t rows, Py_ssize_t columns, int flags)
{
    if (rows < 0 || rows > PY_SSIZE_T_MAX / 8 / columns) {
        PyErr_SetString(PyExc_ValueError, "rows are out of range");
        return -1;
    }
    if (PyObject_GetBuffer(object, buffer, flags) < 0) return -1;
    if (buffer->len != rows * columns * 8) {
        PyErr_Format(PyExc_ValueError, "a buffer has %zd bytes, not %zd", buffer->len, rows * columns * 8);
        PyBuffer_Release(buffer);
        return -1;
    }
    return 0;
}

static PyObject *answer(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    PyObject *labels = NULL, *scores, *both = NULL;
    Deciding *d = NULL;
    Py_ssize_t rows;
    Py_buffer x;
    Tail *t;
    if (given != 4) {
        PyErr_SetString(PyExc_TypeError, "answer(tail, deciding, rows, features)");
        return NULL;
    }
    if ((t = (Tail *)PyCapsule_GetPointer(args[0], TAIL)) == NULL) return NULL;
    if (args[1] != Py_None) {
        if ((d = (Deciding *)PyCapsule_GetPointer(args[1], DECIDING)) == NULL) return NULL;
        if (d->count != t->outputs) {
            PyErr_SetString(PyExc_ValueError, "there are more or fewer classes than scores");
            return NULL;
        }
    }
    rows = PyLong_AsSsize_t(args[2]);
    if (rows == -1 && PyErr_Occurred()) return NULL;
    if (viewed(args[3], &x, rows, t->features, PyBUF_C_CONTIGUOUS) < 0) return NULL;
    scores = PyList_New(rows);
    if (scores != NULL && d != NULL) labels = PyList_New(rows);
    if (scores != NULL && (d == NULL || labels != NULL) && answered(t, d, x.buf, rows, labels, scores) == 0)
        both = PyTuple_Pack(2, labels == NULL ? Py_None : labels, scores);
    PyBuffer_Release(&x);
    Py_XDECREF(labels);
    Py_XDECREF(scores);
    return both;
}

static PyObject *score(PyObject *module, PyObject *args)
{
    PyObject *capsule, *from, *to;
    Py_ssize_t rows;
    Py_buffer x, out;
    double *scratch;
    Tail *t;
    if (!PyArg_ParseTuple(args, "OnOO", &capsule, &rows, &from, &to)) return NULL;
    if ((t = (Tail *)PyCapsule_GetPointer(capsule, TAIL)) == NULL) return NULL;
    if (viewed(from, &x, rows, t->features, PyBUF_C_CONTIGUOUS) < 0) return NULL;
    if (viewed(to, &out, rows, t->outputs, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0) {
        PyBuffer_Release(&x);
        return NULL;
    }
    scratch = malloc(sizeof(double) * (size_t)(2 * t->widest + 1));
    if (scratch != NULL) {
        if (rows > AT_ONCE) {
            Py_BEGIN_ALLOW_THREADS
            score_rows(t, x.buf, rows, scratch, out.buf);
            Py_END_ALLOW_THREADS
        } else {
            score_rows(t, x.buf, rows, scratch, out.buf);
        }
        free(scratch);
    }
    PyBuffer_Release(&x);
    PyBuffer_Release(&out);
    if (scratch == NULL) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* Whether every number of a list of lists of floats is finite. */
static PyObject *all_finite(PyObject *module, PyObject *scores)
{
    const Py_ssize_t rows = PyList_Size(scores);
    if (rows < 0) return NULL;
    for (Py_ssize_t row = 0; row < rows; row++) {
        PyObject *one = PyList_GetItem(scores, row);
        const Py_ssize_t count = one == NULL ? -1 : PyList_Size(one);
        if (count < 0) return NULL;
        for (Py_ssize_t k = 0; k < count; k++) {
            PyObject *number = PyList_GetItem(one, k);
            double x;
            if (number == NULL || !PyFloat_Check(number)) {
                if (number != NULL) PyErr_SetString(PyExc_TypeError, "a score is no float");
                return NULL;
            }
            x = PyFloat_AsDouble(number);
            if (!isfinite(x)) Py_RETURN_FALSE;
        }
    }
    Py_RETURN_TRUE;
}

/* ---- Building ---- */

static double *copied(PyObject *object, Py_ssize_t count, const char *what)
{
    Py_buffer buffer;
    double *found = NULL;
    if (PyObject_GetBuffer(object, &buffer, PyBUF_C_CONTIGUOUS) < 0) return NULL;
    if (buffer.len != count * 8) {
        PyErr_Format(PyExc_ValueError, "%s: %zd bytes, not %zd", what, buffer.len, count * 8);
    } else if ((found = malloc(sizeof(double) * (size_t)count)) == NULL) {
        PyErr_NoMemory();
    } else {
        memcpy(found, buffer.buf, (size_t)buffer.len);
        for (Py_ssize_t n = 0; n < count; n++) {
            if (!isfinite(found[n])) {
                PyErr_Format(PyExc_ValueError, "%s: a number is not finite", what);
                free(found);
                found = NULL;
                break;
            }
        }
    }
    PyBuffer_Release(&buffer);
    return found;
}

static int read_layer(PyObject *said, Py_ssize_t inputs, Layer *layer)
{
    PyObject *weights, *bias;
    if (!PyTuple_Check(said) ||
        !PyArg_ParseTuple(said, "nnOOi", &layer->inputs, &layer->outputs, &weights, &bias, &layer->active))
        return -1;
    if (layer->inputs != inputs || layer->outputs < 1 || layer->outputs > WIDEST || layer->active < 0 ||
        layer->active >= ACTIVATIONS)
        return -1;
    if ((layer->bias = copied(bias, layer->outputs, "bias")) == NULL) return -1;
    if ((layer->weights = copied(weights, layer->inputs * layer->outputs, "weights")) == NULL) return -1;
    if (layer->outputs > 1 && layer->outputs < NARROW) {
        const double *given = layer->weights;
        double *turned = malloc(sizeof(double) * (size_t)(layer->inputs * layer->outputs));
        if (turned == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (Py_ssize_t n = 0; n < layer->inputs; n++)
            for (Py_ssize_t k = 0; k < layer->outputs; k++)
                turned[k * layer->inputs + n] = given[n * layer->outputs + k];
        free(layer->weights);
        layer->weights = turned;
    }
    return 0;
}

static int read_tail(Tail *t, PyObject *layers, PyObject *base)
{
    Py_ssize_t width = t->features;
    if (width < 1 || t->link < 0 || t->link >= LINKS || !isfinite(t->count) || t->count == 0.0 || !isfinite(t->slope))
        return -1;
    if ((t->layers = calloc((size_t)PyTuple_Size(layers) + 1, sizeof(Layer))) == NULL) return -1;
    while (t->depth < PyTuple_Size(layers)) {
        Layer *layer = t->layers + t->depth++; /* counted first, so that what it holds is let go */
        if (read_layer(PyTuple_GetItem(layers, t->depth - 1), width, layer) < 0) return -1;
        width = layer->outputs;
        if (width > t->widest) t->widest = width;
    }
    if (width > WIDEST || ((t->link == LOGISTIC || t->link == SECOND) && width != 1)) return -1;
    t->targets = width;
    t->outputs = width + (t->link == LOGISTIC || t->link == SECOND);
    if (base != Py_None && (t->base = copied(base, width, "base")) == NULL) return -1;
    return 0;
}

static PyObject *tail(PyObject *module, PyObject *args)
{
    PyObject *layers, *base, *capsule;
    Tail *t = calloc(1, sizeof(Tail));
    if (t == NULL) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "nO!Oddi", &t->features, &PyTuple_Type, &layers, &base, &t->count, &t->slope, &t->link) ||
        t->features > INT32_MAX || read_tail(t, layers, base) < 0) {
        release(t);
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a tail does not fit together");
        return NULL;
    }
    if ((capsule = PyCapsule_New(t, TAIL, destroy_tail)) == NULL) release(t);
    return capsule;
}

/* x: strictly rising; y: never falling; both within [0, 1]. */
static int read_knots(Curve *c, PyObject *x, PyObject *y)
{
    const size_t bytes = sizeof(double) * (size_t)c->knots;
    double *xs, *ys;
    if (c->knots < 1 || c->knots > MOST_KNOTS) return -1;
    if ((xs = copied(x, c->knots, "x")) == NULL) return -1;
    if ((ys = copied(y, c->knots, "y")) == NULL) {
        free(xs);
        return -1;
    }
    if ((c->x = malloc(3 * bytes)) != NULL) {
        c->y = c->x + c->knots;
        c->slope = c->y + c->knots;
        memcpy(c->x, xs, bytes);
        memcpy(c->y, ys, bytes);
    } else {
        PyErr_NoMemory();
    }
    free(xs);
    free(ys);
    if (c->x == NULL) return -1;
    if (c->x[0] < 0.0 || c->x[c->knots - 1] > 1.0 || c->y[0] < 0.0 || c->y[c->knots - 1] > 1.0) return -1;
    c->slope[c->knots - 1] = 0.0;
    for (Py_ssize_t n = 1; n < c->knots; n++) {
        if (c->x[n] <= c->x[n - 1] || c->y[n] < c->y[n - 1]) return -1;
        c->slope[n - 1] = (c->y[n] - c->y[n - 1]) / (c->x[n] - c->x[n - 1]);
        if (!isfinite(c->slope[n - 1])) return -1;
    }
    return 0;
}

static int read_curve(Curve *c, PyObject *said)
{
    PyObject *x, *y;
    if (!PyTuple_Check(said) || !PyArg_ParseTuple(said, "iddnOO", &c->kind, &c->a, &c->b, &c->knots, &x, &y)) return -1;
    if (c->kind < 0 || c->kind >= CURVES || !isfinite(c->a) || !isfinite(c->b) || c->a < 0.0) return -1;
    return c->kind == KNOTS ? read_knots(c, x, y) : 0;
}

static PyObject *curves(PyObject *module, PyObject *said)
{
    PyObject *capsule;
    Curves *c;
    if (!PyTuple_Check(said) || PyTuple_Size(said) < 1 || PyTuple_Size(said) == 2 || PyTuple_Size(said) > WIDEST) {
        PyErr_SetString(PyExc_ValueError, "a calibration has one curve, or one a score");
        return NULL;
    }
    if ((c = calloc(1, sizeof(Curves))) == NULL) return PyErr_NoMemory();
    c->count = PyTuple_Size(said);
    if ((c->each = calloc((size_t)c->count, sizeof(Curve))) == NULL) {
        free(c);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t k = 0; k < c->count; k++) {
        if (read_curve(c->each + k, PyTuple_GetItem(said, k)) < 0) {
            release_curves(c);
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a curve is not finite, or falls");
            return NULL;
        }
    }
    if ((capsule = PyCapsule_New(c, CALIBRATION, destroy_curves)) == NULL) release_curves(c);
    return capsule;
}

static int fits(const Curves *c, Py_ssize_t outputs)
{
    return c->count == 1 ? outputs == 2 : c->count == outputs;
}

/* The tail, its scores calibrated. */
static PyObject *over(PyObject *module, PyObject *args)
{
    PyObject *of, *by, *capsule;
    const Curves *c;
    Tail *t, *made;
    if (!PyArg_ParseTuple(args, "OO", &of, &by)) return NULL;
    if ((t = (Tail *)PyCapsule_GetPointer(of, TAIL)) == NULL) return NULL;
    if ((c = (Curves *)PyCapsule_GetPointer(by, CALIBRATION)) == NULL) return NULL;
    if (t->curves != NULL || !fits(c, t->outputs)) {
        PyErr_SetString(PyExc_ValueError, "these curves are not of this tail's scores");
        return NULL;
    }
    if ((made = malloc(sizeof(Tail))) == NULL) return PyErr_NoMemory();
    *made = *t;
    made->curves = c;
    made->kept[0] = of;
    made->kept[1] = by;
    Py_INCREF(of);
    Py_INCREF(by);
    if ((capsule = PyCapsule_New(made, TAIL, destroy_tail)) == NULL) release(made);
    return capsule;
}

static PyObject *calibrate(PyObject *module, PyObject *args)
{
    PyObject *by, *to;
    Py_ssize_t rows, outputs;
    const Curves *c;
    Py_buffer out;
    if (!PyArg_ParseTuple(args, "OnnO", &by, &rows, &outputs, &to)) return NULL;
    if ((c = (Curves *)PyCapsule_GetPointer(by, CALIBRATION)) == NULL) return NULL;
    if (!fits(c, outputs)) {
        PyErr_SetString(PyExc_ValueError, "these curves are not of these scores");
        return NULL;
    }
    if (viewed(to, &out, rows, outputs, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0) return NULL;
    if (rows > AT_ONCE) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t row = 0; row < rows; row++) calibrated(c, (double *)out.buf + row * outputs, outputs);
        Py_END_ALLOW_THREADS
    } else {
        for (Py_ssize_t row = 0; row < rows; row++) calibrated(c, (double *)out.buf + row * outputs, outputs);
    }
    PyBuffer_Release(&out);
    Py_RETURN_NONE;
}

static PyObject *deciding(PyObject *module, PyObject *args)
{
    Deciding *d = calloc(1, sizeof(Deciding));
    PyObject *capsule;
    if (d == NULL) return PyErr_NoMemory();
    if (!PyArg_ParseTuple(args, "O!ndp", &PyTuple_Type, &d->classes, &d->positive, &d->threshold, &d->ties)) {
        free(d);
        return NULL;
    }
    d->count = PyTuple_Size(d->classes);
    if (d->count < 1 || d->positive >= d->count || (d->positive >= 0 && d->count != 2)) {
        free(d);
        PyErr_SetString(PyExc_ValueError, "there is no such class");
        return NULL;
    }
    Py_INCREF(d->classes);
    if ((capsule = PyCapsule_New(d, DECIDING, destroy_deciding)) == NULL) {
        Py_DECREF(d->classes);
        free(d);
    }
    return capsule;
}

static PyMethodDef METHODS[] = {
    {"tail", tail, METH_VARARGS, "tail(features, layers, base, count, slope, link) -> tail"},
    {"deciding", deciding, METH_VARARGS, "deciding(classes, positive, threshold, ties) -> deciding"},
    {"answer", (PyCFunction)(void (*)(void))answer, METH_FASTCALL, "answer(tail, deciding, rows, x) -> labels, scores"},
    {"curves", curves, METH_O, "curves(((kind, a, b, knots, x, y), ...)) -> curves"},
    {"over", over, METH_VARARGS, "over(tail, curves) -> tail"},
    {"calibrate", calibrate, METH_VARARGS, "calibrate(curves, rows, outputs, scores): scores in place"},
    {"score", score, METH_VARARGS, "score(tail, rows, x, out): scores into out"},
    {"finite", all_finite, METH_O, "finite(scores) -> bool"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_tails", "Features to answers.", -1, METHODS, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__tails(void)
{
    return PyModule_Create(&MODULE);
}
