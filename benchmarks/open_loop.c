/* A load client that leaves the machine to the server: one thread, epoll, keep-alive connections to 127.0.0.1.
 *
 *     cc -O2 -o open_loop benchmarks/open_loop.c -lm
 *     ./open_loop PORT CONNECTIONS SECONDS BODYFILE PATH [RATE [SEED]]
 *
 * The command line of client.py, which stands in for it where there is no compiler. BODYFILE: a body of JSON a line,
 * asked in turn. Without RATE (or 0), every connection asks again as soon as it is answered. With RATE, requests a
 * second, requests are due at Poisson times (from SEED) and go out over whichever connection is free; latency counts
 * from the time a request was DUE, so that a server that stands still is not spared what would have come meanwhile.
 * Between two requests it sleeps in the kernel and never spins.
 *
 * Prints one JSON object: requests (answered with 200 or not), seconds, errors (not 200, cut off, or never answered),
 * rate, p50_ms, p90_ms, p99_ms, p999_ms, max_ms, late_p99_ms (how late requests left although a connection was free:
 * the client's own part in the latencies; 0 without RATE) and client_cpu_us (its own CPU a request).
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 16, MOST_CONNECTIONS = 4096, MOST_BODIES = 1 << 16, MOST_REQUESTS = 50000000 };
static const int64_t SECOND = 1000000000, GRACE = 5 * (int64_t)1000000000;

struct request {
    char *bytes;
    size_t length;
};

struct connection {
    int fd, asked;
    size_t number; /* of its last request */
    int64_t since; /* when that was due, or was sent where nothing is due */
    size_t have;
    char answer[ROOM];
};

static struct request *requests;
static size_t request_count;
static struct connection *connections;
static struct sockaddr_in server;
static int poller;
static int64_t *latencies, *late;
static size_t answered, timed, errors, latency_room, late_count;

static void die(const char *what)
{
    fprintf(stderr, "open_loop: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *room_for(void *old, size_t count, size_t size)
{
    void *room = reallocarray(old, count, size);
    if (room == NULL)
        die("memory");
    return room;
}

static int64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * SECOND + at.tv_nsec;
}

/* xorshift64*: Vigna, An experimental exploration of Marsaglia's xorshift generators, scrambled (2016). */
static double unit(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return ((double)((*state * 0x2545F4914F6CDD1DULL) >> 11) + 0.5) / 9007199254740992.0;
}

static void read_requests(const char *file, const char *path)
{
    FILE *in = fopen(file, "rb");
    char *line = NULL;
    size_t line_room = 0;
    ssize_t length;
    if (in == NULL)
        die(file);
    while ((length = getline(&line, &line_room, in)) > 0 && request_count < MOST_BODIES) {
        if (line[length - 1] == '\n')
            length--;
        if (length == 0)
            continue;
        requests = room_for(requests, request_count + 1, sizeof *requests);
        struct request *one = &requests[request_count++];
        char *head;
        int head_length = asprintf(&head,
                                   "POST %s HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
                                   "content-length: %zd\r\n\r\n",
                                   path, length);
        if (head_length < 0)
            die("memory");
        one->length = (size_t)head_length + (size_t)length;
        one->bytes = room_for(head, one->length, 1);
        memcpy(one->bytes + head_length, line, (size_t)length);
    }
    free(line);
    fclose(in);
    if (request_count == 0) {
        errno = EINVAL;
        die("no body in the file");
    }
}

static void open_connection(struct connection *one)
{
    int yes = 1;
    one->have = 0;
    one->asked = 0;
    one->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (one->fd < 0 || connect(one->fd, (struct sockaddr *)&server, sizeof server) != 0)
        die("connect");
    setsockopt(one->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (fcntl(one->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl");
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = one};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, one->fd, &wanted) != 0)
        die("epoll_ctl");
}

/* Cut off, or answered with what cannot be read: counts as an error; the connection is made anew. */
static void start_again(struct connection *one)
{
    if (one->asked) {
        errors++;
        answered++;
    }
    close(one->fd);
    open_connection(one);
}

static void ask(struct connection *one, int64_t since)
{
    const struct request *next = &requests[++one->number % request_count];
    size_t sent = 0;
    one->since = since;
    one->asked = 1;
    while (sent < next->length) {
        ssize_t done = send(one->fd, next->bytes + sent, next->length - sent, MSG_NOSIGNAL);
        if (done > 0) {
            sent += (size_t)done;
        } else if (errno == EAGAIN) {
            /* Larger than the socket's buffer, and nothing else can be asked of this connection meanwhile. */
            fd_set ready;
            FD_ZERO(&ready);
            FD_SET(one->fd, &ready);
            select(one->fd + 1, NULL, &ready, NULL, NULL);
        } else if (errno != EINTR) {
            return; /* The server closed: epoll says so next. */
        }
    }
}

/* The value of a header of a head that ends with a NUL, or NULL. */
static const char *header(const char *head, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':')
            return line + 3 + length + strspn(line + 3 + length, " \t");
    return NULL;
}

/* Whether the answer is whole: 1; 0: not yet; -1: it cannot be read. */
static int whole(struct connection *one)
{
    char *end = memmem(one->answer, one->have, "\r\n\r\n", 4);
    if (end == NULL)
        return one->have == ROOM ? -1 : 0;
    end[2] = '\0';
    const char *length = header(one->answer, "content-length");
    const char *coding = header(one->answer, "transfer-encoding");
    end[2] = '\r';
    size_t body = one->have - (size_t)(end + 4 - one->answer);
    if (length != NULL) {
        unsigned long wanted = strtoul(length, NULL, 10);
        return wanted > ROOM || body > wanted ? -1 : body == wanted;
    }
    if (coding == NULL)
        return -1;
    if (body >= 5 && memcmp(one->answer + one->have - 5, "0\r\n\r\n", 5) == 0)
        return 1;
    return one->have == ROOM ? -1 : 0;
}

/* Reads what has come. 1 when it is a whole answer, which is then counted; the connection is free. */
static int receive(struct connection *one)
{
    for (;;) {
        ssize_t got = recv(one->fd, one->answer + one->have, ROOM - one->have, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return 0;
        if (got > 0)
            one->have += (size_t)got;
        int is = got <= 0 || !one->asked ? -1 : whole(one);
        if (is < 0) {
            start_again(one);
            return 1;
        }
        if (is == 0)
            continue;
        break;
    }
    if (timed == latency_room) {
        latency_room *= 2;
        latencies = room_for(latencies, latency_room, sizeof *latencies);
    }
    if (memcmp(one->answer, "HTTP/1.1 200", 12) == 0)
        latencies[timed++] = now() - one->since;
    else
        errors++;
    answered++;
    one->have = 0;
    one->asked = 0;
    return 1;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double ms(const int64_t *sorted, size_t count, double share)
{
    size_t at = (size_t)((double)count * share);
    return count == 0 ? 0.0 : (double)sorted[at < count ? at : count - 1] / 1e6;
}

/* Each connection asks again when answered; the seconds that it took. */
static double closed_loop(int count, double seconds)
{
    struct epoll_event ready[256];
    int64_t began = now(), over = began + (int64_t)(seconds * 1e9);
    for (int at = 0; at < count; at++)
        ask(&connections[at], now());
    for (;;) {
        int found = epoll_wait(poller, ready, 256, 100);
        int64_t at = now();
        if (at >= over)
            return (double)(at - began) / 1e9;
        for (int i = 0; i < found; i++) {
            struct connection *one = ready[i].data.ptr;
            if (receive(one))
                ask(one, now());
        }
    }
}

static void wake_at(int timer, int64_t at)
{
    struct itimerspec when = {.it_value = {.tv_sec = at / SECOND, .tv_nsec = at % SECOND}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        die("timerfd_settime");
}

/* Requests at their times, then what is still to be answered; the seconds until the last answer. */
static double open_loop(int count, double seconds, double rate, uint64_t seed)
{
    size_t most = (size_t)(rate * seconds * 1.2) + 1000, planned = 0, next = 0;
    int free_count = 0, timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event ready[256], ticking = {.events = EPOLLIN, .data.ptr = NULL};
    struct connection **free_ones = room_for(NULL, (size_t)count, sizeof *free_ones);
    int64_t *due = room_for(NULL, most, sizeof *due);
    if (timer < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, timer, &ticking) != 0)
        die("timerfd");
    late = room_for(NULL, most, sizeof *late);
    for (int at = 0; at < count; at++)
        free_ones[free_count++] = &connections[at];
    double at = 0.0;
    while (planned < most && (at -= log(unit(&seed)) / rate) < seconds)
        due[planned++] = (int64_t)(at * 1e9);
    int64_t began = now() + SECOND / 100, last = began;
    for (size_t i = 0; i < planned; i++)
        due[i] += began;
    while (answered < planned) {
        int64_t moment = now();
        /* A connection that came free is why a request waited, and no fault of the client's. */
        while (next < planned && due[next] <= moment && free_count > 0) {
            struct connection *one = free_ones[--free_count];
            if (due[next] > last)
                late[late_count++] = moment - due[next];
            ask(one, due[next++]);
            moment = now();
        }
        if (next == planned && moment > due[planned - 1] + GRACE)
            break;
        if (next < planned && free_count > 0)
            wake_at(timer, due[next]);
        else
            wake_at(timer, moment + SECOND / 10);
        int found = epoll_wait(poller, ready, 256, -1);
        for (int i = 0; i < found; i++) {
            struct connection *one = ready[i].data.ptr;
            if (one != NULL && one->asked && receive(one)) {
                if (free_count == 0)
                    last = now();
                free_ones[free_count++] = one;
            } else if (one != NULL && !one->asked) {
                start_again(one);
            }
        }
    }
    errors += planned - answered;
    free(free_ones);
    free(due);
    return (double)(now() - began) / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 6 || argc > 8) {
        fprintf(stderr, "usage: open_loop PORT CONNECTIONS SECONDS BODYFILE PATH [RATE [SEED]]\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[2]);
    double seconds = atof(argv[3]), rate = argc > 6 ? atof(argv[6]) : 0.0;
    uint64_t seed = argc > 7 ? strtoull(argv[7], NULL, 10) : 1;
    if (port < 1 || port > 65535 || count < 1 || count > MOST_CONNECTIONS || !(seconds > 0.0) || !(rate >= 0.0) ||
        rate * seconds > MOST_REQUESTS || seed == 0) {
        errno = EINVAL;
        die("arguments");
    }
    read_requests(argv[4], argv[5]);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    poller = epoll_create1(EPOLL_CLOEXEC);
    /* Touched now, so that no page is made while something is timed. */
    latency_room = rate > 0.0 ? (size_t)(rate * seconds * 1.2) + 1000 : (size_t)(seconds * 200000.0) + 1000;
    latencies = room_for(NULL, latency_room, sizeof *latencies);
    memset(latencies, 0, latency_room * sizeof *latencies);
    connections = room_for(NULL, (size_t)count, sizeof *connections);
    memset(connections, 0, (size_t)count * sizeof *connections);
    for (int at = 0; at < count; at++) {
        open_connection(&connections[at]);
        /* So that connections do not all send the same row at once. */
        connections[at].number = (size_t)at * 7;
    }
    double taken = rate > 0.0 ? open_loop(count, seconds, rate, seed) : closed_loop(count, seconds);
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e6 +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    qsort(latencies, timed, sizeof *latencies, ascending);
    if (late_count > 0)
        qsort(late, late_count, sizeof *late, ascending);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"errors\": %zu, \"rate\": %.1f, \"p50_ms\": %.3f, \"p90_ms\": %.3f, "
           "\"p99_ms\": %.3f, \"p999_ms\": %.3f, \"max_ms\": %.3f, \"late_p99_ms\": %.3f, \"client_cpu_us\": %.2f}\n",
           answered, taken, errors, (double)answered / taken, ms(latencies, timed, 0.5), ms(latencies, timed, 0.9),
           ms(latencies, timed, 0.99), ms(latencies, timed, 0.999), ms(latencies, timed, 1.0),
           ms(late, late_count, 0.99), answered ? cpu / (double)answered : 0.0);
    return 0;
}
