/* Operations on one number as `ops.py` and `calendar.py` have them, and which cells they take; part of `_rows.c`. */
#ifndef FAIRLEAD_ROWS_STEPS_H
#define FAIRLEAD_ROWS_STEPS_H

#define EXACT 9007199254740992LL /* whole numbers up to here are doubles */

enum { IMPUTE, ADD, SUBTRACT, MULTIPLY, DIVIDE, CLIP, MISSING, YEAR, MONTH, DAY, WEEKDAY, HOUR, MINUTE, DAY_OF_YEAR,
       EPOCH_DAY, ABSENT, CODES };

typedef struct {
    int code;
    double a, b;
} Step;

static double part_of(int code, double seconds)
{
    const double earliest = -62135596800.0, latest = 253402300799.0;
    int64_t whole, days, rest, era, of_era, year, of_year, shifted, month;
    if (seconds != seconds) return seconds;
    whole = (int64_t)floor(seconds < earliest ? earliest : seconds > latest ? latest : seconds);
    days = whole / 86400;
    rest = whole % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    if (code == HOUR) return (double)(rest / 3600);
    if (code == MINUTE) return (double)(rest / 60 % 60);
    if (code == WEEKDAY) return (double)(((days + 3) % 7 + 7) % 7);
    if (code == EPOCH_DAY) return (double)days;
    /* See calendar.py; from the year 1 on everything here is positive. */
    era = (days + 719468) / 146097;
    of_era = (days + 719468) % 146097;
    year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * year + year / 4 - year / 100);
    shifted = (5 * of_year + 2) / 153;
    month = shifted < 10 ? shifted + 3 : shifted - 9;
    year += era * 400 + (month <= 2);
    if (code == YEAR) return (double)year;
    if (code == MONTH) return (double)month;
    if (code == DAY) return (double)(of_year - (153 * shifted + 2) / 5 + 1);
    year--;
    return (double)(days - (365 * year + year / 4 - year / 100 + year / 400 - 719162) + 1);
}

/* All of `count` steps on x. */
static double walked(const Step *steps, Py_ssize_t count, double x)
{
    for (Py_ssize_t n = 0; n < count; n++) {
        const Step *step = steps + n;
        switch (step->code) {
        case IMPUTE: x = x != x ? step->a : x; break;
        case ADD: x = x + step->a; break;
        case SUBTRACT: x = x - step->a; break;
        case MULTIPLY: x = x * step->a; break;
        case DIVIDE: x = x / step->a; break;
        case CLIP: x = x < step->a ? step->a : x > step->b ? step->b : x; break;
        case ABSENT: x = x == step->a ? Py_NAN : x; break;
        case MISSING: x = x != x ? 1.0 : 0.0; break;
        default: x = part_of(step->code, x);
        }
    }
    return x;
}

/* Whether a cell is a number that a double is exactly, or no value, which is NaN. */
static int simple(PyObject *cell, double *x)
{
    int over;
    long long whole;
    if (PyFloat_CheckExact(cell)) {
        *x = PyFloat_AsDouble(cell);
        return 1;
    }
    if (cell == Py_None) {
        *x = Py_NAN;
        return 1;
    }
    if (!PyLong_CheckExact(cell) && !PyBool_Check(cell)) return 0;
    whole = PyLong_AsLongLongAndOverflow(cell, &over);
    *x = (double)whole;
    return !over && whole <= EXACT && whole >= -EXACT;
}

#endif
