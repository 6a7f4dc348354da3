/* Sums of a segment by its table, eight rows together; compiled once for each width of vector that machines have. */
#ifndef FAIRLEAD_TREES_LOOKUP_H
#define FAIRLEAD_TREES_LOOKUP_H

#include "_trees_table.h"

ALWAYS int lowest(const uint8_t *at)
{
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    uint64_t bits;
    memcpy(&bits, at, 8);
    return __builtin_ctzll(bits);
#else
    int bit = 0;
    while (*at == 0 && bit < 56) {
        at++;
        bit += 8;
    }
    for (int byte = *at; !(byte & 1) && bit < 63; byte >>= 1) bit++;
    return bit;
#endif
}

ALWAYS void call(Calls *calls, int k, uint32_t row, int wanted)
{
    calls->at[k][calls->count[k]] = row;
    calls->count[k] += wanted;
}

/* How many of `count` sorted splits are below each of `rows` values, which lie `width` apart; without a branch. */
ALWAYS void intervals(const double *split, uint32_t count, const double *x, ptrdiff_t width, int rows, uint32_t *found)
{
    const double *at[LANES];
    double value[LANES];
    for (int k = 0; k < rows; k++) {
        value[k] = x[k * width];
        at[k] = split;
    }
    for (uint32_t many = count; many > 1; many -= many / 2)
        for (int k = 0; k < rows; k++) at[k] += (many / 2) & (uint32_t)-(int32_t)(at[k][many / 2 - 1] < value[k]);
    for (int k = 0; k < rows; k++) found[k] = (uint32_t)(at[k] - split) + (*at[k] < value[k]);
}

/* The first interval strikes nothing out. */
ALWAYS void rank(const Segment *s, const Column *c, const double *x, ptrdiff_t width, int rows, Calls *calls)
{
    uint32_t found[LANES];
    intervals(s->split + c->first, c->count, x + c->feature, width, rows, found);
    for (int k = 0; k < rows; k++) {
        const double value = x[k * width + c->feature];
        const uint32_t interval = value != value ? c->count + 1 : found[k];
        call(calls, k, c->row + (interval - 1) * s->stride, interval != 0);
    }
}

ALWAYS void rank_single(const Segment *s, const Column *c, const double *x, ptrdiff_t width, int rows, Calls *calls)
{
    for (int k = 0; k < rows; k++) {
        const double value = x[k * width + c->feature];
        call(calls, k, c->row + (value != value ? s->stride : 0), !(value <= c->split));
    }
}

/* What is left of the bits of each row, of a table whose first columns these are or not. Vectors are written out, since
 * compilers make halves of them; a function for each width, as each is lowered for its own target. */
#define STRIKE(NAME, TARGET, VECTOR)                                                                              \
    TARGET static inline void NAME##_part(const uint8_t *table, const uint32_t *at, int count, void *bits,        \
                                          const int bytes, const int first)                                       \
    {                                                                                                             \
        VECTOR left[128 / sizeof(VECTOR)];                                                                        \
        const int parts = bytes / (int)sizeof(VECTOR);                                                            \
        for (int p = 0; p < parts; p++) left[p] = first ? ~(VECTOR){0} : ((VECTOR *)bits)[p];                     \
        for (int n = 0; n < count; n++)                                                                           \
            for (int p = 0; p < parts; p++) left[p] &= ((const VECTOR *)(table + at[n]))[p];                      \
        for (int p = 0; p < parts; p++) ((VECTOR *)bits)[p] = left[p];                                            \
    }                                                                                                             \
    TARGET static void NAME(const Segment *s, const Calls *calls, int rows, Left *left, int first)                \
    {                                                                                                             \
        for (int k = 0; k < rows; k++) {                                                                          \
            const uint32_t *at = calls->at[k];                                                                    \
            const int count = calls->count[k];                                                                    \
            uint32_t done = 0;                                                                                    \
            for (; done + 128 <= s->stride; done += 128)                                                          \
                NAME##_part(s->table + done, at, count, left[k].bytes + done, 128, first);                        \
            if (done < s->stride) NAME##_part(s->table + done, at, count, left[k].bytes + done, 64, first);       \
        }                                                                                                         \
    }

#if defined(__GNUC__)
typedef uint64_t Vector16 __attribute__((vector_size(16), may_alias));
STRIKE(strike_plain, , Vector16)
#else
STRIKE(strike_plain, , uint64_t)
#endif

#if defined(__x86_64__) && defined(__GNUC__) && defined(__gnu_linux__)
typedef uint64_t Vector32 __attribute__((vector_size(32), may_alias));
STRIKE(strike_avx2, __attribute__((target("avx2"))), Vector32)
#endif

ALWAYS void add_one(const Trees *t, const Segment *s, const Left *left, int rows, double *out)
{
    double sum[LANES];
    for (int k = 0; k < rows; k++) sum[k] = out[k];
    for (int32_t tree = s->from; tree < s->to; tree++) {
        const double *held = t->held + t->first[tree];
        for (int k = 0; k < rows; k++) sum[k] += held[lowest(left[k].bytes + t->where[tree])];
    }
    for (int k = 0; k < rows; k++) out[k] = sum[k];
}

ALWAYS void add_one_single(const Trees *t, const Segment *s, const Left *left, int rows, double *out)
{
    float sum[LANES];
    for (int k = 0; k < rows; k++) sum[k] = (float)out[k];
    for (int32_t tree = s->from; tree < s->to; tree++) {
        const float *held = t->held_single + t->first[tree];
        for (int k = 0; k < rows; k++) sum[k] += held[lowest(left[k].bytes + t->where[tree])];
    }
    for (int k = 0; k < rows; k++) out[k] = (double)sum[k];
}

ALWAYS void add_many(const Trees *t, const Segment *s, const Left *left, int rows, double *out)
{
    for (int32_t tree = s->from; tree < s->to; tree++) {
        for (int k = 0; k < rows; k++) {
            const int32_t leaf = t->first[tree] + lowest(left[k].bytes + t->where[tree]);
            double *to = out + k * t->targets + t->held_target[leaf];
            *to = t->single ? (double)((float)*to + t->held_single[leaf]) : *to + t->held[leaf];
        }
    }
}

ALWAYS void sum_group(const Trees *t, const Segment *s, const double *x, int rows, double *out)
{
    Calls calls;
    Left left[LANES];
    for (int k = 0; k < rows; k++) memset(left[k].bytes + s->stride, 0, 8);
    for (uint32_t from = 0; from < s->columns; from += PART) {
        const uint32_t to = s->columns - from < PART ? s->columns : from + PART;
        uint32_t c = from;
        for (int k = 0; k < rows; k++) calls.count[k] = 0;
        for (; c < to && c < s->singles; c++) rank_single(s, s->column + c, x, t->features, rows, &calls);
        for (; c < to; c++) rank(s, s->column + c, x, t->features, rows, &calls);
        t->strike(s, &calls, rows, left, from == 0);
    }
    if (t->targets > 1) add_many(t, s, left, rows, out);
    else if (t->single) add_one_single(t, s, left, rows, out);
    else add_one(t, s, left, rows, out);
}

static void sum_rows(const Trees *t, const Segment *s, const double *x, ptrdiff_t rows, double *out)
{
    ptrdiff_t row = 0;
    for (; row + LANES <= rows; row += LANES) {
#if defined(__GNUC__)
        /* Features are met column by column, which no machine foresees. */
        if (row + 2 * LANES <= rows) {
            const char *next = (const char *)(x + (row + LANES) * t->features);
            for (ptrdiff_t at = 0; at < LANES * t->features * 8; at += UNIT) __builtin_prefetch(next + at);
        }
#endif
        sum_group(t, s, x + row * t->features, LANES, out + row * t->targets);
    }
    if (rows - row == 1) sum_group(t, s, x + row * t->features, 1, out + row * t->targets);
    else if (row < rows) sum_group(t, s, x + row * t->features, (int)(rows - row), out + row * t->targets);
}

/* The widest form that this machine runs, of those up to `most`: 0 plain, 1 AVX2. AVX-512
 * gains nothing: lines of the table are what is waited for. */
static Strike widest(int most)
{
#if defined(__x86_64__) && defined(__GNUC__) && defined(__gnu_linux__)
    if (most > 0 && __builtin_cpu_supports("avx2")) return strike_avx2;
#else
    (void)most;
#endif
    return strike_plain;
}

#endif
