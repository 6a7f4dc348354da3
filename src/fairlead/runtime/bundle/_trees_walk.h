/* Large trees, walked eight rows (or, for few rows, eight trees) side by side.
 *
 * One walk waits for memory at each step, eight walks wait together. Values are ranked among the splits first, so that
 * a node takes eight bytes: its split's rank, its column, and where its children lie, side by side. Children lie near
 * their parents, four pairs to a line of the cache. Leaves lead to themselves: a step asks nothing, and after some
 * steps nobody moves any more. A feature has two columns of ranks: of nodes that send NaN to their first child, and of
 * those that send it to their second.
 */
#ifndef FAIRLEAD_TREES_WALK_H
#define FAIRLEAD_TREES_WALK_H

#include "_trees_lookup.h"

#define NO_RANK 0xFFFF  /* of NaN, and of leaves: nothing is above it */
#define CROWD 256       /* walks whose leaves are added together */
#define FEW 4           /* rows of shallow trees that are better walked one by one, through eight trees at once */
#define SHALLOW 8       /* depth up to which one row is better off without ranks */
#define STEPS 3         /* between two looks whether anybody moves */

/* A child waits at `slot` to be placed. */
typedef struct {
    int32_t node, slot, depth;
} Waiting;

static int by_number(const void *one, const void *other)
{
    const double a = *(const double *)one, b = *(const double *)other;
    return a < b ? -1 : a > b;
}

/* Place of `split`, which is there, among `count` sorted numbers. */
static uint32_t place(const double *sorted, uint32_t count, double split)
{
    uint32_t low = 0;
    while (count > 1) {
        const uint32_t half = count / 2;
        if (sorted[low + half - 1] < split) low += half;
        count -= half;
    }
    return low;
}

/* Columns and sorted splits of all nodes; `of` gives each feature's column. 0: no memory, -1: they cannot be ranked. */
static int rank_nodes(const Trees *t, Segment *s, ptrdiff_t nodes, uint32_t *of)
{
    size_t *many = calloc((size_t)t->features + 1, sizeof(size_t));
    double *all = malloc(sizeof(double) * (size_t)nodes);
    uint32_t split = 0;
    int done = 0;
    if (many == NULL || all == NULL) goto end;
    for (ptrdiff_t n = 0; n < nodes; n++) many[t->nodes[n].feature]++;
    for (size_t f = 0, before = 0; f < (size_t)t->features; f++) {
        const size_t here = many[f];
        s->columns += here != 0;
        many[f] = before;
        before += here;
    }
    for (ptrdiff_t n = 0; n < nodes; n++) all[many[t->nodes[n].feature]++] = t->nodes[n].split;
    s->column = calloc(s->columns, sizeof(Column));
    s->split = malloc(sizeof(double) * (size_t)nodes);
    if (s->column == NULL || s->split == NULL) goto end;
    done = -1;
    for (size_t f = 0, from = 0, column = 0; f < (size_t)t->features; from = many[f++]) {
        Column *c = s->column + column;
        if (many[f] == from) continue;
        of[f] = (uint32_t)column++;
        qsort(all + from, many[f] - from, sizeof(double), by_number);
        c->feature = (uint16_t)f;
        c->first = split;
        for (size_t k = from; k < many[f]; k++)
            if (k == from || all[k] != all[k - 1]) s->split[split++] = all[k];
        c->count = split - c->first;
        if (c->count >= NO_RANK) goto end;
    }
    done = s->columns * 2 * LANES < NO_RANK ? 1 : -1;
end:
    free(many);
    free(all);
    return done;
}

/* A tree's nodes into slots from *end on, children near their parents. 0 where `most` slots are not enough. */
static int place_tree(const Trees *t, Segment *s, int32_t tree, const uint32_t *of, int32_t *end, int32_t most,
                      Waiting *stack)
{
    int32_t waiting = 0;
    if (*end + 2 > most) return 0;
    s->root[tree] = *end;
    stack[waiting++] = (Waiting){t->roots[s->from + tree], *end, 0};
    *end += 2;
    while (waiting) {
        Waiting line[2 + 2 * UNIT / 16];
        int from = 0, to = 1, pairs = UNIT / 16;
        line[0] = stack[--waiting];
        while (from < to) {
            const Waiting next = line[from];
            Slot *slot = s->slot + next.slot;
            if (next.node < 0) {
                *slot = (Slot){NO_RANK, 0, next.slot};
                s->leaf[next.slot] = t->weight[-1 - next.node];
                if (next.depth > s->depth[tree]) s->depth[tree] = next.depth;
                if (t->target != NULL) s->leaf_target[next.slot] = t->target[-1 - next.node];
                from++;
                continue;
            }
            if (!pairs) break;
            const Node *node = t->nodes + next.node;
            const Column *c = s->column + of[node->feature];
            if (*end + 2 > most) return 0;
            slot->rank = (uint16_t)place(s->split + c->first, c->count, node->split);
            slot->column = (uint16_t)((2 * of[node->feature] + node->missing) * LANES);
            slot->child = *end;
            line[to++] = (Waiting){node->child[0], *end, next.depth + 1};
            line[to++] = (Waiting){node->child[1], *end + 1, next.depth + 1};
            *end += 2;
            pairs--;
            from++;
        }
        while (to > from) stack[waiting++] = line[--to];
    }
    return 1;
}

/* Whether ranks cost less than small nodes save, which is some 40 cycles a tree. */
static int worth_ranks(const Segment *s)
{
    double cost = 0.0;
    for (uint32_t n = 0; n < s->columns; n++) cost += 4.0 + 2.0 * halvings(s->column[n].count);
    return cost < 40.0 * (s->to - s->from);
}

/* Where leaves have few weights, as in forests of classes, each names its own in `column`, which it has no other use
 * for but must keep within the ranks: nothing more is read then. 0: no memory. */
static int name_weights(const Trees *t, Segment *s, int32_t end)
{
    const size_t most = (size_t)s->columns * 2 * LANES - LANES;
    double *sorted = malloc(sizeof(double) * (size_t)t->leaves);
    size_t count = 0;
    if (sorted == NULL) return 0;
    memcpy(sorted, t->weight, sizeof(double) * (size_t)t->leaves);
    for (ptrdiff_t k = 0; k < t->leaves; k++) count += sorted[k] != sorted[k];
    if (!count) {
        qsort(sorted, (size_t)t->leaves, sizeof(double), by_number);
        for (ptrdiff_t k = 0; k < t->leaves; k++)
            if (k == 0 || sorted[k] != sorted[count - 1]) sorted[count++] = sorted[k];
    }
    if (count > most || sorted[0] != sorted[0]) {
        free(sorted);
        return 1;
    }
    for (int32_t k = 0; k < end; k++)
        if (s->slot[k].rank == NO_RANK) s->slot[k].column = (uint16_t)place(sorted, (uint32_t)count, s->leaf[k]);
    free(s->leaf);
    s->leaf = NULL;
    s->weight = sorted;
    return 1;
}

/* Nodes small and in order for a segment of trees; s->slot stays NULL where they cannot be. 0: no memory. */
static int build_walk(const Trees *t, Segment *s, ptrdiff_t nodes)
{
    const int64_t bound = 2 * ((int64_t)nodes + s->to - s->from);
    uint32_t *of = calloc((size_t)t->features, sizeof(uint32_t));
    Waiting *stack = NULL;
    int32_t end = 0;
    int done = 0, ranked;
    if (of == NULL) goto end;
    ranked = bound < INT32_MAX ? rank_nodes(t, s, nodes, of) : -1;
    if (ranked > 0 && !worth_ranks(s)) ranked = -1;
    if (ranked <= 0) {
        if (ranked < 0) {
            clear_segment(s);
            done = 1;
        }
        goto end;
    }
    stack = malloc(sizeof(Waiting) * (size_t)(bound + 16));
    s->memory = malloc(sizeof(Slot) * (size_t)bound + UNIT);
    s->leaf = calloc((size_t)bound, sizeof(double));
    s->leaf_target = calloc((size_t)bound, sizeof(int32_t));
    s->root = calloc((size_t)(s->to - s->from), sizeof(int32_t));
    s->depth = calloc((size_t)(s->to - s->from), sizeof(int32_t));
    if (stack == NULL || s->memory == NULL || s->leaf == NULL || s->leaf_target == NULL || s->root == NULL ||
        s->depth == NULL)
        goto end;
    s->slot = (Slot *)((uint8_t *)s->memory + (UNIT - (uintptr_t)s->memory % UNIT) % UNIT);
    memset(s->slot, 0, sizeof(Slot) * (size_t)bound);
    done = 1;
    for (int32_t k = 0; k < s->to - s->from; k++) {
        if (!place_tree(t, s, k, of, &end, (int32_t)bound, stack)) {
            clear_segment(s); /* nodes with several parents */
            break;
        }
        s->deep |= s->depth[k] > SHALLOW;
    }
    if (s->slot != NULL) done = name_weights(t, s, end);
end:
    free(of);
    free(stack);
    return done;
}

/* Ranks of up to eight rows, 2 * LANES for each feature. */
ALWAYS void rank_rows(const Segment *s, const double *x, ptrdiff_t width, int rows, uint16_t *rank)
{
    for (uint32_t n = 0; n < s->columns; n++, rank += 2 * LANES) {
        const Column *c = s->column + n;
        uint32_t found[LANES];
        intervals(s->split + c->first, c->count, x + c->feature, width, rows, found);
        for (int k = 0; k < rows; k++) {
            const double value = x[k * width + c->feature];
            rank[k] = value != value ? 0 : (uint16_t)found[k];
            rank[LANES + k] = value != value ? NO_RANK : (uint16_t)found[k];
        }
    }
}

/* A step of `lanes` walks: of as many rows, or (apart) of one through as many trees. */
ALWAYS void step_all(const Slot *slot, const uint16_t *rank, int32_t *at, const int lanes, const int apart)
{
    for (int k = 0; k < lanes; k++) {
        const Slot *here = slot + at[k];
        at[k] = here->child + (rank[here->column + (apart ? 0 : k)] > here->rank);
    }
}

/* Until nobody moves, or all have gone as deep as there is anything. */
ALWAYS void walk_all(const Slot *slot, const uint16_t *rank, int32_t *at, int32_t depth, const int lanes,
                     const int apart)
{
    int32_t before[LANES], moved;
    do {
        depth -= STEPS;
        for (int n = 1; n < STEPS; n++) step_all(slot, rank, at, lanes, apart);
        for (int k = 0; k < lanes; k++) before[k] = at[k];
        step_all(slot, rank, at, lanes, apart);
        moved = 0;
        for (int k = 0; k < lanes; k++) moved |= at[k] ^ before[k];
    } while (moved && depth > 0);
}

ALWAYS double weight_of(const Segment *s, int32_t slot)
{
    return s->weight != NULL ? s->weight[s->slot[slot].column] : s->leaf[slot];
}

/* Leaves of `trees` times `rows` walks, added in the order of the trees. */
static void add_leaves(const Trees *t, const Segment *s, const int32_t *slot, int trees, ptrdiff_t rows, double *out)
{
    for (int n = 0; n < trees; n++, slot += rows) {
        if (t->target == NULL && !t->single) {
            for (ptrdiff_t row = 0; row < rows; row++) out[row] += weight_of(s, slot[row]);
        } else {
            for (ptrdiff_t row = 0; row < rows; row++) {
                double *to = out + row * t->targets + (t->target == NULL ? 0 : s->leaf_target[slot[row]]);
                *to = t->single ? (double)((float)*to + (float)weight_of(s, slot[row])) : *to + weight_of(s, slot[row]);
            }
        }
    }
}

/* A leaf that is fetched while others are still walked to. */
ALWAYS void fetch(const Segment *s, int32_t slot)
{
#if defined(__GNUC__)
    if (s->leaf != NULL) __builtin_prefetch(s->leaf + slot);
#else
    (void)s;
    (void)slot;
#endif
}

/* One row through all trees. */
static void walk_row(const Trees *t, const Segment *s, const double *x, double *out, uint16_t *rank)
{
    const int32_t trees = s->to - s->from;
    int32_t found[CROWD];
    rank_rows(s, x, t->features, 1, rank);
    for (int32_t from = 0; from < trees; from += CROWD) {
        const int32_t many = trees - from < CROWD ? trees - from : CROWD;
        for (int32_t tree = 0; tree < many; tree += LANES) {
            int32_t at[LANES];
            int32_t depth = 0;
            for (int k = 0; k < LANES; k++) {
                const int32_t here = tree + k < many ? from + tree + k : from;
                at[k] = s->root[here];
                depth = s->depth[here] > depth ? s->depth[here] : depth;
            }
            walk_all(s->slot, rank, at, depth, LANES, 1);
            for (int k = 0; k < LANES && tree + k < many; k++) {
                found[tree + k] = at[k];
                fetch(s, at[k]);
            }
        }
        add_leaves(t, s, found, many, 1, out);
    }
}

/* `rows` are at most CROWD; rank: room for 2 * LANES of each column and eight rows. */
static void walk_rows(const Trees *t, const Segment *s, const double *x, ptrdiff_t rows, double *out, uint16_t *rank)
{
    const size_t size = (size_t)s->columns * 2 * LANES;
    const int32_t trees = s->to - s->from, together = (int32_t)(CROWD / rows);
    int32_t found[CROWD];
    for (ptrdiff_t row = 0; row < rows; row += LANES) {
        const int count = rows - row < LANES ? (int)(rows - row) : LANES;
        uint16_t *to = rank + size * (size_t)(row / LANES);
        if (count < LANES) memset(to, 0, size * sizeof(uint16_t));
        if (count == LANES) rank_rows(s, x + row * t->features, t->features, LANES, to);
        else rank_rows(s, x + row * t->features, t->features, count, to);
    }
    for (int32_t from = 0; from < trees; from += together) {
        const int32_t many = trees - from < together ? trees - from : together;
        for (int32_t tree = 0; tree < many; tree++) {
            for (ptrdiff_t row = 0; row < rows; row += LANES) {
                const int count = rows - row < LANES ? (int)(rows - row) : LANES;
                int32_t at[LANES];
                for (int k = 0; k < LANES; k++) at[k] = s->root[from + tree];
                walk_all(s->slot, rank + size * (size_t)(row / LANES), at, s->depth[from + tree], LANES, 0);
                for (int k = 0; k < count; k++) {
                    found[tree * rows + row + k] = at[k];
                    fetch(s, at[k]);
                }
            }
        }
        add_leaves(t, s, found, many, rows, out);
    }
}

#endif
