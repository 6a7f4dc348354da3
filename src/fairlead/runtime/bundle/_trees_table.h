/* Small trees without walking: which leaves are possible, looked up for each feature and struck out by AND.
 *
 * A tree's leaves are bits, left to right. A node whose test fails rules out the leaves of its left side; of the leaves
 * that all failing nodes leave, the first is the one that a walk finds (Lucchese et al., QuickScorer, 2015). Here the
 * failing nodes of one feature are ANDed ahead: between two neighbouring splits they are always the same, so each
 * feature has one row of bits, of all trees of a segment, for each of its intervals, and one for NaN. A row of features
 * costs one AND a feature, and none where nothing fails, which is what most one-hot columns are.
 *
 * A tree takes as many bytes as its leaves need. Eight bytes are read at its place: what follows it cannot be mistaken
 * for its leaf, as one of its own bits is always left and comes first.
 */
#ifndef FAIRLEAD_TREES_TABLE_H
#define FAIRLEAD_TREES_TABLE_H

#include "_trees.h"

#define TABLE (384 << 10) /* bytes of a table of several trees, to stay in the second cache */
#define TABLES ((size_t)64 << 20) /* bytes of all of them */
#define WALK 20.0 /* cycles that a walk through a small tree takes more than adding its leaf */

/* One tree, left to right. */
typedef struct {
    int inner, leaves;
    int32_t node[LEAVES], leaf[LEAVES];
    uint8_t from[LEAVES], middle[LEAVES]; /* leaves of a node's left side */
} Shape;

/* 0 where the tree has too many leaves. Nodes are counted too, so that a deep tree ends the recursion. */
static int shape_of(const Trees *t, int32_t at, Shape *shape)
{
    int me;
    if (at < 0) {
        if (shape->leaves == LEAVES) return 0;
        shape->leaf[shape->leaves++] = -1 - at;
        return 1;
    }
    if (shape->inner == LEAVES - 1) return 0;
    me = shape->inner++;
    shape->node[me] = at;
    shape->from[me] = (uint8_t)shape->leaves;
    if (!shape_of(t, t->nodes[at].child[0], shape)) return 0;
    shape->middle[me] = (uint8_t)shape->leaves;
    return shape_of(t, t->nodes[at].child[1], shape);
}

/* A node: bits of `clear`, from byte `where` of a row on, go where its test fails. */
typedef struct {
    double split;
    uint64_t clear;
    uint16_t feature, where, missing;
} Failing;

static int by_split(const void *one, const void *other)
{
    const Failing *a = one, *b = other;
    if (a->feature != b->feature) return a->feature < b->feature ? -1 : 1;
    return a->split < b->split ? -1 : a->split > b->split;
}

static void strike(uint8_t *row, const Failing *node)
{
    for (int byte = 0; byte < 8; byte++)
        if (node->clear >> (8 * byte)) row[node->where + byte] &= (uint8_t)~(node->clear >> (8 * byte));
}

/* Appends what the tree's nodes strike out; its place begins at `where`. */
static size_t failing(const Trees *t, const Shape *shape, uint32_t where, Failing *into)
{
    for (int k = 0; k < shape->inner; k++) {
        const Node *node = t->nodes + shape->node[k];
        const int span = shape->middle[k] - shape->from[k];
        into[k].split = node->split;
        into[k].clear = (span == 64 ? ~(uint64_t)0 : (((uint64_t)1 << span) - 1)) << shape->from[k];
        into[k].feature = node->feature;
        into[k].where = (uint16_t)where;
        into[k].missing = node->missing;
    }
    return (size_t)shape->inner;
}

/* Rows of a table, columns and splits of sorted nodes. */
static void counted(const Failing *nodes, size_t count, size_t *rows, size_t *columns, size_t *splits)
{
    *rows = *columns = *splits = 0;
    for (size_t k = 0; k < count; k++) {
        const int other = k == 0 || nodes[k].feature != nodes[k - 1].feature;
        *columns += other;
        *splits += other || nodes[k].split != nodes[k - 1].split;
    }
    *rows = *splits + *columns;
}

static void clear_segment(Segment *s)
{
    free(s->column);
    free(s->split);
    free(s->memory);
    free(s->root);
    free(s->depth);
    free(s->leaf);
    free(s->weight);
    free(s->leaf_target);
    s->column = NULL;
    s->split = s->leaf = s->weight = NULL;
    s->root = s->depth = s->leaf_target = NULL;
    s->memory = s->table = NULL;
    s->slot = NULL;
    s->columns = s->singles = 0;
}

static void fill_column(Segment *s, const Failing *nodes, size_t count, Column *column, uint32_t split, uint32_t row)
{
    uint8_t *at = s->table + row, *missing;
    column->feature = nodes[0].feature;
    column->first = split;
    column->row = row;
    column->count = 0;
    column->split = nodes[0].split;
    for (size_t k = 0; k < count; k++) {
        if (k == 0 || nodes[k].split != nodes[k - 1].split) {
            if (k) {
                memcpy(at + s->stride, at, s->stride);
                at += s->stride;
            }
            s->split[split + column->count++] = nodes[k].split;
        }
        strike(at, nodes + k);
    }
    missing = at + s->stride;
    for (size_t k = 0; k < count; k++)
        if (nodes[k].missing) strike(missing, nodes + k);
}

/* A column's nodes. */
typedef struct {
    size_t from, to;
    uint32_t splits;
} Run;

static int by_splits(const void *one, const void *other)
{
    const Run *a = one, *b = other;
    if (a->splits != b->splits) return a->splits < b->splits ? -1 : 1;
    return a->from < b->from ? -1 : a->from > b->from;
}

/* Columns of one split first, as their interval takes one comparison; then by their number of splits, so that searches
 * of equal length follow each other, as a machine expects. 0 where there is no memory. */
static int fill_segment(Segment *s, const Failing *nodes, size_t count)
{
    size_t rows, columns, splits, column = 0;
    uint32_t split = 0, row = 0;
    Run *run;
    counted(nodes, count, &rows, &columns, &splits);
    run = calloc(columns, sizeof(Run));
    s->column = calloc(columns, sizeof(Column));
    s->split = calloc(splits, sizeof(double));
    s->memory = malloc(rows * s->stride + UNIT);
    if (run == NULL || s->column == NULL || s->split == NULL || s->memory == NULL) {
        free(run);
        return 0;
    }
    s->table = (uint8_t *)s->memory + (UNIT - (uintptr_t)s->memory % UNIT) % UNIT;
    memset(s->table, 0xFF, rows * s->stride);
    s->columns = (uint32_t)columns;
    for (size_t k = 0; k < count; k = run[column++].to) {
        run[column].from = k;
        for (size_t end = k; end < count && nodes[end].feature == nodes[k].feature; end++) {
            run[column].to = end + 1;
            run[column].splits += end == k || nodes[end].split != nodes[end - 1].split;
        }
    }
    qsort(run, columns, sizeof(Run), by_splits);
    for (column = 0; column < columns; column++) {
        Column *c = s->column + column;
        fill_column(s, nodes + run[column].from, run[column].to - run[column].from, c, split, row);
        split += c->count;
        row += (c->count + 1) * s->stride;
        s->singles += c->count == 1;
    }
    free(run);
    return 1;
}

static double halvings(uint32_t count)
{
    double found = 0.0;
    for (; count > 1; count -= count / 2) found += 1.0;
    return found;
}

/* Whether a table is less work than walks, in measured cycles: 4 a column, 2 a halving of its splits, 1.5 a line. */
static int pays(const Segment *s, size_t rows, size_t columns, int32_t trees)
{
    const double many = (double)columns, each = halvings((uint32_t)(rows / columns));
    return many * (4.0 + 2.0 * each + 1.5 * s->stride / UNIT) < WALK * trees;
}

/* The trees from `from` on that share a table, as many as TABLE takes; s->table stays NULL where walking is better.
 * nodes: room for STRIDE * LEAVES. 0 where there is no memory. */
static int build_table(const Trees *t, Segment *s, const Shape *shape, int32_t most, Failing *nodes, size_t *room)
{
    size_t count = 0, rows, columns, splits;
    uint32_t bytes = 0;
    for (int32_t k = 0; k < most; k++) {
        t->where[s->from + k] = (uint16_t)bytes;
        count += failing(t, shape + k, bytes, nodes + count);
        bytes += (uint32_t)(shape[k].leaves + 7) / 8;
    }
    qsort(nodes, count, sizeof(Failing), by_split);
    counted(nodes, count, &rows, &columns, &splits);
    s->to = s->from + most;
    s->stride = (bytes + UNIT - 1) / UNIT * UNIT;
    if (rows * s->stride > TABLE && most > 1) {
        /* Rows grow with trees as their length does. */
        const double share = 0.97 * sqrt((double)TABLE / (double)(rows * s->stride));
        int32_t fewer = (int32_t)((double)most * share);
        fewer = fewer < 1 ? 1 : fewer >= most ? most - 1 : fewer;
        return build_table(t, s, shape, fewer, nodes, room);
    }
    if (rows * s->stride > *room || !pays(s, rows, columns, most)) return 1;
    *room -= rows * s->stride;
    return fill_segment(s, nodes, count);
}

/* Cuts the trees into segments. -1 where there is no memory. */
static int build_segments(Trees *t)
{
    size_t room = TABLES;
    int done = -1;
    Shape *shape = malloc(sizeof(Shape) * STRIDE);
    Failing *nodes = malloc(sizeof(Failing) * STRIDE * LEAVES);
    if (shape == NULL || nodes == NULL) goto end;
    for (int32_t from = 0; from < t->trees;) {
        int32_t many = 0;
        uint32_t bytes = 0;
        Segment *s = t->segment + t->segments;
        for (; from + many < t->trees && many < STRIDE; many++) {
            shape[many].inner = shape[many].leaves = 0;
            if (!shape_of(t, t->roots[from + many], shape + many)) break;
            bytes += (uint32_t)(shape[many].leaves + 7) / 8;
            if (bytes > STRIDE) break;
        }
        s->from = from;
        s->to = from + 1;
        t->segments++;
        if (many && !build_table(t, s, shape, many, nodes, &room)) goto end;
        if (s->table == NULL && t->segments > 1 && s[-1].table == NULL) {
            s[-1].to = s->to; /* one walk through neighbours */
            t->segments--;
        }
        from = s->to;
    }
    done = 0;
end:
    free(shape);
    free(nodes);
    return done;
}

/* Leaves of trees in tables, left to right, so that a bit's number finds its weight. -1 where there is no memory. */
static int hold_leaves(Trees *t)
{
    Shape shape;
    size_t count = 0;
    for (int fill = 0; fill < 2; fill++) {
        if (fill) {
            t->held = malloc(sizeof(double) * (count + 1));
            t->held_single = malloc(sizeof(float) * (count + 1));
            t->held_target = malloc(sizeof(int32_t) * (count + 1));
            if (t->held == NULL || t->held_single == NULL || t->held_target == NULL) return -1;
            count = 0;
        }
        for (ptrdiff_t n = 0; n < t->segments; n++) {
            for (int32_t tree = t->segment[n].from; t->segment[n].table != NULL && tree < t->segment[n].to; tree++) {
                shape.inner = shape.leaves = 0;
                shape_of(t, t->roots[tree], &shape);
                t->first[tree] = (int32_t)count;
                for (int k = 0; fill && k < shape.leaves; k++) {
                    t->held[count + (size_t)k] = t->weight[shape.leaf[k]];
                    t->held_single[count + (size_t)k] = (float)t->weight[shape.leaf[k]];
                    t->held_target[count + (size_t)k] = t->target == NULL ? 0 : t->target[shape.leaf[k]];
                }
                count += (size_t)shape.leaves;
                if (count > INT32_MAX) return -1;
            }
        }
    }
    return 0;
}

#endif
