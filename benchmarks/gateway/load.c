/* Asks a server again and again over kept connections, checks every answer, and prints one line of JSON.
 *
 *   load PORT CONNECTIONS SECONDS [count=N] [seed=N] [leave=P] [hold=1] [deadline=S] FILE...
 *
 * A FILE is a whole HTTP/1.1 request; of several, each connection takes one by chance. With `count` it ends after that many answers, if
 * that is sooner. With `leave` a client goes away in the middle of an answer with that probability. With `hold` each connection asks
 * once, waits for the first event and holds the stream open until the time is over. An answer counts if its status is 200, its framing is
 * whole, and it ends with `data: [DONE]` (a stream) or `}` and holds "choices" (anything else). Times are from the last byte of the
 * request sent; the first event is the first line that begins with `data:`. Answers a second are of those within the time; where they are
 * so few that the last round weighs, of all until the last one was there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 8192
#define MAX_SAMPLES 8000000
#define HEAD_SIZE 16384
#define LINE_SIZE 512

struct request { char *data; size_t size; };
static struct request asked[64];
static int request_count;

enum framing { UNKNOWN, LENGTH, CHUNKED, UNTIL_CLOSE };
enum part { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER, DONE };
struct client {
    int fd, id, is_connected, is_waiting, is_finished;
    struct request *request;
    size_t sent;
    char head[HEAD_SIZE + 1], line[LINE_SIZE + 1], size_line[32];
    size_t head_used, line_used, size_used, left, body;
    enum framing framing;
    enum part part;
    int status, has_done, has_choices, is_stream, will_close, bad_json, leaves, has_first;
    unsigned char last;
    double asked_at;
} clients[MAX_CONNECTIONS];

static float *wholes, *firsts;
static size_t whole_count, first_count;
static long in_time, good, other, left_early, statuses[600], malformed, cut, timed_out, refused, reconnected, error_events;
static size_t body_bytes;
static double leave, until, started, deadline = 60;
static long limit;
static int poller, port, is_holding, active;
static char sample[400];

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void watch(struct client *c, int is_writing) {
    struct epoll_event what = {.events = EPOLLIN | (is_writing ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &what);
}

static int connect_it(struct client *c) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address)) {
        if (c->fd >= 0) close(c->fd);
        c->fd = -1;
        refused++;
        return 0;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event what = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &what);
    return 1;
}

static void finish(struct client *c) {
    if (c->fd >= 0) close(c->fd);
    c->fd = -1;
    if (!c->is_finished) active--;
    c->is_finished = 1;
}

static void push(struct client *c) {
    while (c->sent < c->request->size) {
        ssize_t sent = send(c->fd, c->request->data + c->sent, c->request->size - c->sent, MSG_NOSIGNAL);
        if (sent < 0) { if (errno == EAGAIN) watch(c, 1); return; } /* an error shows itself when reading */
        c->sent += (size_t)sent;
    }
    watch(c, 0);
}

static void ask(struct client *c) {
    if (now_s() >= until || (limit && good + other + malformed + cut + timed_out + left_early >= limit)) { finish(c); return; }
    if (c->fd < 0 && !connect_it(c)) {
        if (refused > 1000) { finish(c); return; }
        usleep(1000);
        if (!connect_it(c)) { finish(c); return; }
    }
    c->request = &asked[request_count > 1 ? lrand48() % request_count : 0];
    c->sent = c->head_used = c->line_used = c->size_used = c->left = c->body = 0;
    c->framing = UNKNOWN;
    c->part = HEAD;
    c->status = c->has_done = c->has_choices = c->will_close = c->bad_json = c->has_first = 0;
    c->leaves = leave > 0 && drand48() < leave;
    c->last = 0;
    c->is_waiting = 1;
    c->asked_at = now_s();
    push(c);
}

static void on_line(struct client *c) {
    c->line[c->line_used] = 0;
    if (!c->is_stream) {
        if (strstr(c->line, "\"choices\"")) c->has_choices = 1;
    } else if (!strncmp(c->line, "data:", 5)) {
        if (!c->has_first) {
            c->has_first = 1;
            if (first_count < MAX_SAMPLES) firsts[first_count++] = (float)(now_s() - c->asked_at);
        }
        char *value = c->line + 5 + (c->line[5] == ' ');
        if (!strncmp(value, "[DONE]", 6)) c->has_done = 1;
        else if (*value != '{') c->bad_json = 1;
        else if (strstr(c->line, "\"error\"")) { error_events++; c->bad_json = 1; }
    }
    c->line_used = 0;
}

static void on_body(struct client *c, const char *data, size_t size) {
    c->body += size;
    body_bytes += size;
    if (!size) return;
    for (size_t i = size; i--;) if (data[i] > ' ') { c->last = (unsigned char)data[i]; break; }
    while (size) {
        const char *end = memchr(data, '\n', size);
        size_t length = end ? (size_t)(end - data) : size, kept = length;
        if (kept > LINE_SIZE - c->line_used) kept = LINE_SIZE - c->line_used;
        memcpy(c->line + c->line_used, data, kept);
        c->line_used += kept;
        if (end) on_line(c);
        data += length + (end != NULL);
        size -= length + (end != NULL);
    }
}

static void on_head(struct client *c) {
    c->head[c->head_used] = 0;
    c->status = strncmp(c->head, "HTTP/1.", 7) ? 0 : atoi(c->head + 9);
    char *field = strcasestr(c->head, "\r\ncontent-length:");
    if (field) c->framing = LENGTH, c->left = strtoul(field + 17, NULL, 10);
    else if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) c->framing = CHUNKED;
    else c->framing = UNTIL_CLOSE;
    c->is_stream = strcasestr(c->head, "\r\ncontent-type: text/event-stream") != NULL;
    c->will_close = strcasestr(c->head, "\r\nconnection: close") != NULL || c->framing == UNTIL_CLOSE;
    c->part = c->framing == CHUNKED ? CHUNK_SIZE : c->framing == LENGTH && !c->left ? DONE : BODY;
}

/* Takes what came; gives whether the answer is whole. */
static int take(struct client *c, const char *data, size_t size) {
    while (size && c->part != DONE) {
        size_t used = 1;
        switch (c->part) {
        case HEAD:
            if (c->head_used >= HEAD_SIZE) { c->status = 0; return 1; }
            c->head[c->head_used++] = *data;
            if (*data == '\n' && c->head_used >= 4 && !memcmp(c->head + c->head_used - 4, "\r\n\r\n", 4)) on_head(c);
            break;
        case BODY:
            used = c->framing == LENGTH && size > c->left ? c->left : size;
            on_body(c, data, used);
            if (c->framing == LENGTH && !(c->left -= used)) c->part = DONE;
            break;
        case CHUNK_SIZE:
            if (*data == '\n') {
                c->size_line[c->size_used] = 0;
                c->left = strtoul(c->size_line, NULL, 16);
                c->size_used = 0;
                c->part = c->left ? CHUNK : TRAILER;
            } else if (c->size_used < sizeof c->size_line - 1) c->size_line[c->size_used++] = *data;
            break;
        case CHUNK:
            used = size > c->left ? c->left : size;
            on_body(c, data, used);
            if (!(c->left -= used)) c->part = CHUNK_END;
            break;
        case CHUNK_END:
            if (*data == '\n') c->part = CHUNK_SIZE;
            break;
        case TRAILER:
            if (*data == '\n') c->part = DONE;
            break;
        case DONE: break;
        }
        data += used;
        size -= used;
    }
    return c->part == DONE;
}

static void keep_sample(struct client *c) {
    if (!*sample && c->head_used) snprintf(sample, sizeof sample, "%.120s | %.200s", c->head, c->line);
}

/* Judges an answer that is over. */
static void judge(struct client *c) {
    double now = now_s();
    if (!c->is_stream && c->line_used) on_line(c);
    if (c->status != 200) {
        statuses[c->status >= 0 && c->status < 600 ? c->status : 0]++;
        other++;
        keep_sample(c);
    } else if (c->is_stream ? !c->has_done || c->bad_json : !c->has_choices || c->last != '}') {
        malformed++;
        keep_sample(c);
    } else {
        good++;
        in_time += now <= until;
        if (whole_count < MAX_SAMPLES) wholes[whole_count++] = (float)(now - c->asked_at);
    }
    c->is_waiting = 0;
}

static void hang_up(struct client *c) {
    close(c->fd);
    c->fd = -1;
    c->is_waiting = 0;
}

static void on_data(struct client *c) {
    static char buffer[262144];
    for (;;) {
        ssize_t got = recv(c->fd, buffer, sizeof buffer, 0);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            if (c->is_waiting && c->part == BODY && c->framing == UNTIL_CLOSE && got == 0) judge(c);
            else if (c->is_waiting && c->sent && !c->head_used && !is_holding && c->request) reconnected++; /* closed between two answers */
            else if (c->is_waiting) { cut++; keep_sample(c); }
            hang_up(c);
            if (is_holding) finish(c);
            else if (reconnected > 100000) finish(c);
            else ask(c);
            return;
        }
        int is_whole = take(c, buffer, (size_t)got);
        if (c->leaves && c->body && !is_whole) {
            left_early++;
            hang_up(c);
            ask(c);
            return;
        }
        if (is_whole) {
            judge(c);
            if (c->will_close) hang_up(c);
            if (is_holding) { finish(c); return; }
            ask(c);
            if (c->fd < 0 || c->is_finished) return;
        }
        if ((size_t)got < sizeof buffer) return;
    }
}

static int compare(const void *a, const void *b) {
    float one = *(const float *)a, other = *(const float *)b;
    return (one > other) - (one < other);
}

static double at(float *times, size_t count, double part) { return count ? times[(size_t)((double)(count - 1) * part)] * 1e3 : 0; }

static void read_request(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || request_count == 64) { perror(path); exit(1); }
    struct request *made = &asked[request_count++];
    made->data = malloc(1 << 24);
    made->size = fread(made->data, 1, 1 << 24, file);
    fclose(file);
}

int main(int count, char **arguments) {
    if (count < 5) { fputs("usage: load PORT CONNECTIONS SECONDS [name=value...] FILE...\n", stderr); return 2; }
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    port = atoi(arguments[1]);
    int connections = atoi(arguments[2]);
    double seconds = atof(arguments[3]);
    long seed = 1;
    for (int i = 4; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        if (!value) { read_request(arguments[i]); continue; }
        *value++ = 0;
        if (!strcmp(arguments[i], "count")) limit = atol(value);
        else if (!strcmp(arguments[i], "seed")) seed = atol(value);
        else if (!strcmp(arguments[i], "leave")) leave = atof(value);
        else if (!strcmp(arguments[i], "hold")) is_holding = atoi(value);
        else if (!strcmp(arguments[i], "deadline")) deadline = atof(value);
        else { fprintf(stderr, "no such option: %s\n", arguments[i]); return 2; }
    }
    if (!request_count || connections < 1 || connections > MAX_CONNECTIONS) { fputs("a request, and 1 to 8192 connections\n", stderr); return 2; }
    srand48(seed);
    wholes = malloc(MAX_SAMPLES * sizeof *wholes);
    firsts = malloc(MAX_SAMPLES * sizeof *firsts);
    poller = epoll_create1(0);
    struct epoll_event ready[512];
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    started = now_s();
    until = started + seconds;
    active = connections;
    for (int i = 0; i < connections; i++) {
        clients[i].id = i;
        clients[i].fd = -1;
        ask(&clients[i]);
    }
    double checked = started;
    int held = 0;
    while (active) {
        int got = epoll_wait(poller, ready, 512, 100);
        double now = now_s();
        for (int i = 0; i < got; i++) {
            struct client *c = ready[i].data.ptr;
            if (c->fd >= 0 && ready[i].events & EPOLLOUT) push(c);
            if (c->fd >= 0 && ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_data(c);
        }
        if (is_holding && now >= until) {
            for (int i = 0; i < connections; i++) held += clients[i].fd >= 0 && clients[i].has_first;
            break;
        }
        if (now - checked < 0.25) continue;
        checked = now;
        for (int i = 0; !is_holding && i < connections; i++) {
            struct client *c = &clients[i];
            if (c->fd < 0 || !c->is_waiting || now - c->asked_at < deadline) continue;
            timed_out++;
            hang_up(c);
            ask(c);
        }
    }
    double took = now_s() - started;
    getrusage(RUSAGE_SELF, &after);
    double cpu = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) + (after.ru_stime.tv_sec - before.ru_stime.tv_sec)
        + (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
    qsort(wholes, whole_count, sizeof *wholes, compare);
    qsort(firsts, first_count, sizeof *firsts, compare);
    double span = took < seconds ? took : seconds;
    printf("{\"good\":%ld,\"in_time\":%ld,\"per_s\":%.2f,\"took_s\":%.3f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"first_p50_ms\":%.3f,\"first_p99_ms\":%.3f,",
        good, in_time, in_time > 3 * connections ? (double)in_time / span : (double)good / took, took, at(wholes, whole_count, 0.5), at(wholes, whole_count, 0.99), at(firsts, first_count, 0.5), at(firsts, first_count, 0.99));
    printf("\"cpu_s\":%.2f,\"body_bytes\":%zu,\"held\":%d,\"left\":%ld,\"malformed\":%ld,\"cut\":%ld,\"timeout\":%ld,\"refused\":%ld,\"reconnected\":%ld,\"error_events\":%ld,\"statuses\":{",
        cpu, body_bytes, held, left_early, malformed, cut, timed_out, refused, reconnected, error_events);
    const char *comma = "";
    for (int i = 0; i < 600; i++) if (statuses[i]) { printf("%s\"%d\":%ld", comma, i, statuses[i]); comma = ","; }
    printf("},\"sample\":\"");
    for (char *each = sample; *each; each++) putchar(*each < ' ' || *each == '"' || *each == '\\' ? ' ' : *each);
    printf("\"}\n");
    return 0;
}
