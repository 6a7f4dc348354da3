/* Texts, numbers and marks of JSON, for scanners that turn down whatever they do not surely understand.
 *
 * Nothing at or behind `end` is ever read. Texts are looked up as they are written, so that known ones cost no new
 * object: a table holds spellings, with whatever escapes a client may use, and the text that each means.
 */
#ifndef FAIRLEAD_JSON_H
#define FAIRLEAD_JSON_H

#include <float.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 18      /* of an integer: within 64 bits, whatever they are */
#define NUMERAL 64     /* bytes of a number that is left to Python */

/* What JSON may write for a name or a value, without its quotes. */
typedef struct {
    const char *bytes;
    Py_ssize_t length;
    PyObject *object; /* borrowed; whoever has the table owns it */
    int column;
} Entry;

/* Open addressing, at most half full; no entries at all where mask is 0. */
typedef struct {
    Entry *entries;
    size_t mask;
} Table;

/* --- texts --- */

static inline uint64_t eight(const char *at)
{
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static inline uint64_t four(const char *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    return word;
}

static inline uint64_t hashed(const char *at, Py_ssize_t length)
{
    const uint64_t odd = 0x9E3779B97F4A7C15u;
    uint64_t h = (uint64_t)length * odd, tail = 0;
    const char *end = at + length;
    for (; end - at >= 8; at += 8) {
        h = (h ^ eight(at)) * odd;
        h ^= h >> 32;
    }
    if (length >= 8) tail = eight(end - 8);
    else if (length >= 4) tail = four(at) << 32 | four(end - 4);
    else if (length > 0)
        tail = (uint64_t)(unsigned char)at[0] << 16 | (uint64_t)(unsigned char)at[length / 2] << 8 |
               (unsigned char)end[-1];
    h = (h ^ tail) * odd;
    return h ^ h >> 32;
}

static inline const Entry *look_up(const Table *table, const char *at, Py_ssize_t length)
{
    if (table->mask == 0) return NULL;
    for (size_t slot = (size_t)hashed(at, length) & table->mask;; slot = (slot + 1) & table->mask) {
        const Entry *entry = table->entries + slot;
        if (entry->bytes == NULL) return NULL;
        if (entry->length == length && memcmp(entry->bytes, at, (size_t)length) == 0) return entry;
    }
}

/* Where the text ends that begins at `at`, behind its opening quote: its closing quote; NULL for none.
 * escaped: whether there is a backslash in it. Control characters are none of JSON's. */
static inline const char *closing(const char *at, const char *end, int *escaped)
{
    *escaped = 0;
    for (;;) {
#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
        while (end - at >= 8) {
            /* The lowest bit found is right; those above it may not be. */
            const uint64_t word = eight(at), quote = word ^ ones * '"', slash = word ^ ones * '\\';
            const uint64_t found =
                (((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word)) & tops;
            if (found != 0) {
                at += __builtin_ctzll(found) >> 3;
                break;
            }
            at += 8;
        }
#endif
        for (; at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20; at++) {
        }
        if (at >= end || (unsigned char)*at < 0x20) return NULL;
        if (*at == '"') return at;
        *escaped = 1;
        if (end - at < 2 || (unsigned char)at[1] < 0x20) return NULL;
        at += 2;
    }
}

/* The text behind an opening quote, NULL where it is not surely right. */
static inline PyObject *text(const Table *known, const char **cursor, const char *end)
{
    int escaped;
    const char *from = *cursor, *to = closing(from, end, &escaped);
    const Entry *entry;
    if (to == NULL) return NULL;
    *cursor = to + 1;
    entry = known == NULL ? NULL : look_up(known, from, to - from);
    if (entry != NULL) {
        Py_IncRef(entry->object);
        return entry->object;
    }
    return escaped ? NULL : PyUnicode_DecodeUTF8(from, to - from, "strict");
}

/* --- numbers --- */

static int by_python(const char *from, const char *to, double *out)
{
    char numeral[NUMERAL];
    char *stop = NULL;
    if (to - from >= NUMERAL) return 0;
    memcpy(numeral, from, (size_t)(to - from));
    numeral[to - from] = 0;
    *out = PyOS_string_to_double(numeral, &stop, NULL);
    return stop == numeral + (to - from) && *out - *out == 0.0;
}

/* mantissa * 10**exponent, correctly rounded; 0 where that cannot be seen at once. */
static inline int rounded(uint64_t mantissa, int exponent, double *out)
{
#if defined(__x86_64__) && defined(__GNUC__) && defined(__gnu_linux__) && LDBL_MANT_DIG == 64
    /* 10**27 fits in the 64 bits of a long double. Rounding once more, to 53 bits, errs only in the middle. */
    static const long double TENS[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                       1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                       1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
    long double wide = (long double)mantissa;
    uint64_t bits;
    if (exponent < -27 || exponent > 27) return 0;
    wide = exponent < 0 ? wide / TENS[-exponent] : wide * TENS[exponent];
    memcpy(&bits, &wide, 8);
    if ((bits & 0x7FF) == 0x400) return 0;
    *out = (double)wide;
    return 1;
#elif FLT_EVAL_METHOD == 0
    /* Both are exact, so that the one operation rounds once. Source: Clinger (1990). */
    static const double TENS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (mantissa > (uint64_t)1 << 53 || exponent < -22 || exponent > 22) return 0;
    *out = exponent < 0 ? (double)mantissa / TENS[-exponent] : (double)mantissa * TENS[exponent];
    return 1;
#else
    return 0;
#endif
}

static inline int digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* A number of JSON as the nearest double; 0 for none, for one that is not finite, and for minus zero, which means one
 * thing or the other by how it is written. */
static inline int number(const char **cursor, const char *end, double *out)
{
    const char *from = *cursor, *at = from;
    const int minus = at < end && *at == '-';
    uint64_t mantissa = 0;
    int digits = 0, exponent = 0;
    at += minus;
    if (!digit(at, end) || (*at == '0' && digit(at + 1, end))) return 0;
    /* 19 digits fit in 64 bits. Zeros in front are none of them. */
    for (; digit(at, end); at++) {
        if ((digits > 0 || *at != '0') && ++digits > 19) return 0;
        mantissa = mantissa * 10 + (uint64_t)(*at - '0');
    }
    if (at < end && *at == '.') {
        if (!digit(++at, end)) return 0;
        for (; digit(at, end); at++) {
            if (((digits > 0 || *at != '0') && ++digits > 19) || --exponent < -1000) return 0;
            mantissa = mantissa * 10 + (uint64_t)(*at - '0');
        }
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        int power = 0, below;
        at++;
        below = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        if (!digit(at, end)) return 0;
        for (; digit(at, end); at++)
            if ((power = power * 10 + (*at - '0')) > 1000) return 0;
        exponent += below ? -power : power;
    }
    if (mantissa == 0) {
        if (minus) return 0;
        *out = 0.0;
    } else if (rounded(mantissa, exponent, out)) {
        if (minus) *out = -*out;
    } else if (!by_python(from, at, out)) {
        return 0;
    }
    *cursor = at;
    return 1;
}

/* Where an integer of at most 18 digits ends, NULL for anything else. */
static inline const char *integer(const char *from, const char *end)
{
    const char *at = from + (from < end && *from == '-'), *first = at;
    while (digit(at, end) && at - first <= DIGITS) at++;
    if (at == first || at - first > DIGITS || (*first == '0' && (at - first > 1 || first != from))) return NULL;
    if (at < end && (*at == '.' || *at == 'e' || *at == 'E')) return NULL;
    return at;
}

static inline int word(const char **cursor, const char *end, const char *said, Py_ssize_t length)
{
    if (end - *cursor < length || memcmp(*cursor, said, (size_t)length) != 0) return 0;
    *cursor += length;
    return 1;
}

/* --- marks --- */

static inline const char *blank(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    return at;
}

/* `mark` between blanks. */
static inline int mark(const char **cursor, const char *end, char mark)
{
    const char *at = blank(*cursor, end);
    if (at >= end || *at != mark) return 0;
    *cursor = blank(at + 1, end);
    return 1;
}

/* A text without escapes where one begins: its bytes and their count, else -1. */
static inline Py_ssize_t plain(const char **cursor, const char *end, const char **from)
{
    int escaped;
    const char *to;
    if (*cursor >= end || **cursor != '"') return -1;
    *from = *cursor + 1;
    to = closing(*from, end, &escaped);
    if (to == NULL || escaped) return -1;
    *cursor = to + 1;
    return to - *from;
}

static inline int is(const char *from, Py_ssize_t length, const char *said)
{
    return length == (Py_ssize_t)strlen(said) && memcmp(from, said, (size_t)length) == 0;
}

/* --- tables --- */

static int refused(const char *why)
{
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, why);
    return 0;
}

static int roomy(Table *table, Py_ssize_t entries)
{
    size_t size = 8;
    if (entries == 0) return 1;
    if (entries > 1 << 20) return refused("there are too many names or categories");
    while (size < (size_t)entries * 2) size *= 2;
    table->entries = calloc(size, sizeof(Entry));
    if (table->entries == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    table->mask = size - 1;
    return 1;
}

/* bytes: kept alive by whoever has the table. There is room: the table was made for as many as are entered. */
static int enter(Table *table, PyObject *bytes, PyObject *object, int column)
{
    char *from;
    Py_ssize_t length;
    size_t slot;
    if (!PyBytes_Check(bytes) || PyBytes_AsStringAndSize(bytes, &from, &length) < 0)
        return refused("a spelling must be bytes");
    if (look_up(table, from, length) != NULL) return refused("a spelling is given twice");
    slot = (size_t)hashed(from, length) & table->mask;
    while (table->entries[slot].bytes != NULL) slot = (slot + 1) & table->mask;
    table->entries[slot].bytes = from;
    table->entries[slot].length = length;
    table->entries[slot].object = object;
    table->entries[slot].column = column;
    return 1;
}

#endif
