/* What the parts of `_trees.c` share: the trees as they are kept. */
#ifndef FAIRLEAD_TREES_H
#define FAIRLEAD_TREES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define ALWAYS static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(64)))
#else
#define ALWAYS static inline
#define ALIGNED
#endif

#define LANES 8     /* rows or trees side by side */
#define LEAVES 64   /* of a tree in a table at most */
#define STRIDE 512  /* bytes of a table's row at most */
#define UNIT 64     /* its multiple: a line of the cache */
#define PART 256    /* columns looked up at once */

/* child[0] where x <= split, child[1] elsewhere; a negative child is leaf -1 - child. */
typedef struct {
    double split;
    int32_t child[2];
    uint16_t feature;
    uint16_t missing; /* which child a NaN goes to */
} Node;

/* A feature that a segment asks for. Its rows of the table, from `row` on: one for each of its intervals but the
 * first, in the order of its splits, then that of NaN. */
typedef struct {
    double split; /* the only one where count is 1 */
    uint32_t count, first, row;
    uint16_t feature;
} Column;

/* A node of a large tree, see _trees_walk.h. */
typedef struct {
    uint16_t rank, column;
    int32_t child;
} Slot;

/* Trees `from` to `to`: by their table (see _trees_table.h) or, where there is none, by walking. */
typedef struct {
    int32_t from, to;
    uint32_t stride; /* bytes of a row of the table */
    uint32_t singles, columns; /* columns of one split come first */
    Column *column;
    double *split;
    uint8_t *table;
    Slot *slot;
    int deep; /* whether a tree is */
    int32_t *root, *depth, *leaf_target;
    double *leaf, *weight; /* of each slot, or of each name that leaves have for theirs */
    void *memory; /* of the table or the slots, before they were aligned */
} Segment;

/* What is left of the leaves of a row; eight bytes may be read at its last. */
typedef struct {
    ALIGNED uint8_t bytes[STRIDE + UNIT];
} Left;

/* Rows of the table that rows of features call for. */
typedef struct {
    uint32_t at[LANES][PART];
    int count[LANES];
} Calls;

typedef void (*Strike)(const Segment *, const Calls *, int rows, Left *, int first);

typedef struct {
    ptrdiff_t features, targets, trees, leaves;
    int rounded; /* x is rounded to single precision first */
    int single;  /* sums are kept in single precision, and x is rounded */
    int sparse;  /* zeros are missing */
    Node *nodes;
    int32_t *roots;
    int32_t *target; /* of each leaf; NULL when there is one target */
    double *weight;
    ptrdiff_t segments;
    Segment *segment;
    Strike strike;
    /* For trees in tables: where a tree's bits begin in a row; where its leaves begin, left to right, in `held`. */
    uint16_t *where;
    int32_t *first;
    double *held;
    float *held_single;
    int32_t *held_target;
} Trees;

#endif
