/* A model server that answers from memory: one thread, epoll, HTTP/1.1 with keep-alive.
 *
 *   mock [PORT [SEED [slow=P,429=P,500=P,cut=P,stall=P,malformed=P]]]      prints "ready PORT"
 *
 * The model named in the body decides: `small` and `large` answer one JSON of about 300 bytes, or with "stream":true one short stream;
 * `burst` a stream of 50 events in one write; `paced` a first event after 20 ms, then one each 5 ms, 20 in all; `idle` one event and then
 * nothing until the client goes; `faulty` as `small`, or one of the faults, by probability and seed. GET /v1/models lists them, GET /stats
 * counts what was done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FD 16384
#define EVENTS 50
#define PACED_EVENTS 20
#define PACED_FIRST_MS 20
#define PACED_NEXT_MS 5
#define SLOW_MS 700
#define STALL_MS 4000

enum fault { NONE, SLOW, TOO_MANY, BROKEN, CUT, STALL, MALFORMED, FAULTS };
static const char *fault_names[FAULTS] = {"none", "slow", "429", "500", "cut", "stall", "malformed"};
static double chances[FAULTS];
static long fault_counts[FAULTS], requests, streams;

enum next { NOTHING, NEXT_PACED, NEXT_SEND, NEXT_CLOSE };
struct connection {
    char *in;
    size_t in_size, in_used;
    char *out;
    size_t out_size, out_used, out_sent;
    int is_open, is_streaming, step;
    unsigned turn;
    enum next next;
} connections[MAX_FD];

struct timer { double due; int fd; unsigned turn; };
static struct timer timers[MAX_FD * 2];
static int timer_count, poller;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void push_timer(int fd, double after_ms, enum next next) {
    if (timer_count >= MAX_FD * 2) return;
    connections[fd].next = next;
    struct timer made = {now_ms() + after_ms, fd, connections[fd].turn};
    int at = timer_count++;
    while (at && timers[(at - 1) / 2].due > made.due) { timers[at] = timers[(at - 1) / 2]; at = (at - 1) / 2; }
    timers[at] = made;
}

static struct timer pop_timer(void) {
    struct timer first = timers[0], last = timers[--timer_count];
    int at = 0;
    for (;;) {
        int child = at * 2 + 1;
        if (child >= timer_count) break;
        if (child + 1 < timer_count && timers[child + 1].due < timers[child].due) child++;
        if (timers[child].due >= last.due) break;
        timers[at] = timers[child];
        at = child;
    }
    timers[at] = last;
    return first;
}

/* What is said. */

struct text { char *data; size_t size; };
static struct text unary, burst, short_stream, words[EVENTS + 1], tail, models, malformed_unary, malformed_stream, too_many, broken;
static const char stream_head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

static struct text text_of(const char *data) {
    struct text made = {strdup(data), strlen(data)};
    return made;
}

static void join(struct text *to, struct text more) {
    to->data = realloc(to->data, to->size + more.size + 1);
    memcpy(to->data + to->size, more.data, more.size + 1);
    to->size += more.size;
}

static struct text framed(const char *event) {
    char *made;
    int size = asprintf(&made, "%zx\r\n%s\r\n", strlen(event), event);
    struct text given = {made, (size_t)size};
    return given;
}

static struct text event(const char *delta, const char *finish) {
    char made[1024];
    snprintf(made, sizeof made,
        "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"bench\",\"system_fingerprint\":\"fp_1\","
        "\"choices\":[{\"index\":0,\"delta\":%s,\"logprobs\":null,\"finish_reason\":%s}]}\n\n", delta, finish);
    return framed(made);
}

static struct text whole(const char *status, const char *type, const char *extra, const char *body) {
    char *made;
    int size = asprintf(&made, "HTTP/1.1 %s\r\ncontent-type: %s\r\n%scontent-length: %zu\r\n\r\n%s", status, type, extra, strlen(body), body);
    struct text given = {made, (size_t)size};
    return given;
}

static void make_texts(void) {
    unary = whole("200 OK", "application/json", "",
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion\",\"created\":1760000000,\"model\":\"bench\",\"choices\":[{\"index\":0,\"message\":"
        "{\"role\":\"assistant\",\"content\":\"The answer is forty-two.\"},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
        "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":6,\"total_tokens\":16}}");
    malformed_unary = whole("200 OK", "application/json", "", "{\"id\":\"chatcmpl-bench\",\"choices\":[{\"index\":0,\"mess");
    too_many = whole("429 Too Many Requests", "application/json", "retry-after: 1\r\n", "{\"error\":{\"message\":\"too many\",\"type\":\"rate_limit_error\"}}");
    broken = whole("500 Internal Server Error", "application/json", "", "{\"error\":{\"message\":\"broken\",\"type\":\"server_error\"}}");
    models = whole("200 OK", "application/json", "",
        "{\"object\":\"list\",\"data\":[{\"id\":\"small\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"},"
        "{\"id\":\"large\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"},{\"id\":\"burst\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"},"
        "{\"id\":\"paced\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"},{\"id\":\"idle\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"},"
        "{\"id\":\"faulty\",\"object\":\"model\",\"created\":1,\"owned_by\":\"bench\"}]}");
    words[0] = event("{\"role\":\"assistant\",\"content\":\"\"}", "null");
    for (int i = 1; i <= EVENTS; i++) {
        char delta[64];
        snprintf(delta, sizeof delta, "{\"content\":\"word%d \"}", i);
        words[i] = event(delta, "null");
    }
    tail = event("{}", "\"stop\"");
    join(&tail, framed("data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"bench\",\"choices\":[],"
        "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":50,\"total_tokens\":60}}\n\n"));
    join(&tail, framed("data: [DONE]\n\n"));
    join(&tail, text_of("0\r\n\r\n"));
    burst = text_of(stream_head);
    short_stream = text_of(stream_head);
    malformed_stream = text_of(stream_head);
    for (int i = 0; i <= EVENTS; i++) join(&burst, words[i]);
    for (int i = 0; i <= 3; i++) join(&short_stream, words[i]);
    join(&malformed_stream, words[0]);
    join(&malformed_stream, framed("data: {\"choices\":[{\"index\":0,\"delta\":{\"con\n\n"));
    join(&burst, tail);
    join(&short_stream, tail);
    join(&malformed_stream, tail);
}

/* The connections. */

static void shut(int fd) {
    struct connection *c = &connections[fd];
    c->turn++;
    c->is_open = 0;
    c->in_used = c->out_used = c->out_sent = 0;
    c->next = NOTHING;
    close(fd);
}

static void watch(int fd, int is_writing) {
    struct epoll_event what = {.events = EPOLLIN | (is_writing ? EPOLLOUT : 0), .data.fd = fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, fd, &what);
}

static void say(int fd, const char *data, size_t size) {
    struct connection *c = &connections[fd];
    if (c->out_used == c->out_sent) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) { shut(fd); return; }
        if (sent < 0) sent = 0;
        if ((size_t)sent == size) return;
        data += sent;
        size -= (size_t)sent;
        c->out_used = c->out_sent = 0;
        watch(fd, 1);
    }
    if (c->out_used + size > c->out_size) {
        c->out_size = (c->out_used + size) * 2;
        c->out = realloc(c->out, c->out_size);
    }
    memcpy(c->out + c->out_used, data, size);
    c->out_used += size;
}

static void say_text(int fd, struct text text) { say(fd, text.data, text.size); }

static void flush(int fd) {
    struct connection *c = &connections[fd];
    while (c->out_sent < c->out_used) {
        ssize_t sent = send(fd, c->out + c->out_sent, c->out_used - c->out_sent, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN) shut(fd);
            return;
        }
        c->out_sent += (size_t)sent;
    }
    c->out_sent = c->out_used = 0;
    watch(fd, 0);
}

static enum fault draw(void) {
    double left = drand48();
    for (int i = SLOW; i < FAULTS; i++) {
        if (left < chances[i]) return (enum fault)i;
        left -= chances[i];
    }
    return NONE;
}

static void answer_faulty(int fd, int is_stream) {
    struct connection *c = &connections[fd];
    enum fault fault = draw();
    fault_counts[fault]++;
    c->is_streaming = is_stream;
    switch (fault) {
    case SLOW: push_timer(fd, SLOW_MS, NEXT_SEND); return;
    case TOO_MANY: say_text(fd, too_many); return;
    case BROKEN: say_text(fd, broken); return;
    case CUT:
        if (is_stream) say(fd, short_stream.data, short_stream.size / 2);
        else say(fd, unary.data, unary.size / 2);
        if (c->is_open) shut(fd);
        return;
    case STALL:
        if (is_stream) say(fd, short_stream.data, short_stream.size / 2);
        if (c->is_open) push_timer(fd, STALL_MS, NEXT_CLOSE);
        return;
    case MALFORMED: say_text(fd, is_stream ? malformed_stream : malformed_unary); return;
    default: say_text(fd, is_stream ? short_stream : unary);
    }
}

static void answer_stats(int fd) {
    char body[512];
    int at = snprintf(body, sizeof body, "{\"requests\":%ld,\"streams\":%ld", requests, streams);
    for (int i = 0; i < FAULTS; i++) at += snprintf(body + at, sizeof body - at, ",\"%s\":%ld", fault_names[i], fault_counts[i]);
    snprintf(body + at, sizeof body - at, "}");
    struct text text = whole("200 OK", "application/json", "", body);
    say_text(fd, text);
    free(text.data);
}

static int names(const char *body, size_t size, const char *model) {
    char close[32], spaced[32];
    int length = snprintf(close, sizeof close, "\"model\":\"%s\"", model);
    int more = snprintf(spaced, sizeof spaced, "\"model\": \"%s\"", model);
    return memmem(body, size, close, (size_t)length) || memmem(body, size, spaced, (size_t)more);
}

static void answer(int fd, const char *head, const char *body, size_t size) {
    if (!strncmp(head, "GET /stats", 10)) { answer_stats(fd); return; }
    if (!strncmp(head, "GET", 3)) { say_text(fd, models); return; }
    requests++;
    /* Long bodies carry their model at the start or the end, behind or before the messages. */
    const char *from = body;
    size_t seen = size;
    char both[2048];
    if (size > sizeof both) {
        memcpy(both, body, 1024);
        memcpy(both + 1024, body + size - 1024, 1024);
        from = both;
        seen = sizeof both;
    }
    int is_stream = memmem(from, seen, "\"stream\":true", 13) || memmem(from, seen, "\"stream\": true", 14);
    streams += is_stream;
    connections[fd].step = 0;
    if (names(from, seen, "burst")) say_text(fd, burst);
    else if (names(from, seen, "paced")) push_timer(fd, PACED_FIRST_MS, NEXT_PACED);
    else if (names(from, seen, "idle")) {
        say(fd, stream_head, sizeof stream_head - 1);
        if (connections[fd].is_open) say_text(fd, words[1]);
    } else if (names(from, seen, "faulty")) answer_faulty(fd, is_stream);
    else say_text(fd, is_stream ? short_stream : unary);
}

static void on_time(struct timer timer) {
    int fd = timer.fd;
    struct connection *c = &connections[fd];
    if (!c->is_open || c->turn != timer.turn) return;
    if (c->next == NEXT_SEND) say_text(fd, c->is_streaming ? short_stream : unary);
    else if (c->next == NEXT_CLOSE) shut(fd);
    else if (c->step < PACED_EVENTS) {
        if (c->step == 0) say(fd, stream_head, sizeof stream_head - 1);
        if (!c->is_open) return;
        say_text(fd, words[++c->step]);
        if (c->is_open) push_timer(fd, PACED_NEXT_MS, NEXT_PACED);
    } else say_text(fd, tail);
}

/* Takes one whole request off the front of what came; gives whether there was one. */
static int take(int fd) {
    struct connection *c = &connections[fd];
    char *end = memmem(c->in, c->in_used, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end - c->in) + 4, length = 0;
    *end = 0;
    char *field = strcasestr(c->in, "\r\ncontent-length:");
    int is_chunked = !field && strcasestr(c->in, "\r\ntransfer-encoding:") != NULL;
    if (field) length = strtoul(field + 17, NULL, 10);
    *end = '\r';
    if (is_chunked) {
        char *last = memmem(c->in + head - 2, c->in_used - head + 2, "\r\n0\r\n\r\n", 7);
        if (!last) return 0;
        length = (size_t)(last + 7 - c->in) - head;
    }
    if (c->in_used < head + length) return 0;
    c->turn++;
    answer(fd, c->in, c->in + head, length);
    if (!c->is_open) return 0;
    memmove(c->in, c->in + head + length, c->in_used - head - length);
    c->in_used -= head + length;
    return 1;
}

static void on_data(int fd) {
    struct connection *c = &connections[fd];
    for (;;) {
        if (c->in_size - c->in_used < 16384) {
            c->in_size = c->in_size ? c->in_size * 2 : 32768;
            c->in = realloc(c->in, c->in_size + 1);
        }
        size_t room = c->in_size - c->in_used;
        ssize_t got = recv(fd, c->in + c->in_used, room, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN)) { shut(fd); return; }
        if (got < 0) return;
        c->in_used += (size_t)got;
        c->in[c->in_used] = 0;
        while (c->in_used && take(fd)) {}
        if (!c->is_open || (size_t)got < room) return;
    }
}

static void set_chances(char *list) {
    for (char *item = strtok(list, ","); item; item = strtok(NULL, ",")) {
        char *value = strchr(item, '=');
        if (!value) continue;
        *value++ = 0;
        for (int i = SLOW; i < FAULTS; i++)
            if (!strcmp(item, fault_names[i])) chances[i] = atof(value);
    }
}

int main(int count, char **arguments) {
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    make_texts();
    srand48(count > 2 ? atol(arguments[2]) : 1);
    if (count > 3) set_chances(arguments[3]);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(arguments[1]) : 0), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(server, (struct sockaddr *)&address, size) || listen(server, 4096)) { perror("listen"); return 1; }
    getsockname(server, (struct sockaddr *)&address, &size);
    poller = epoll_create1(0);
    struct epoll_event what = {.events = EPOLLIN, .data.fd = server}, ready[512];
    epoll_ctl(poller, EPOLL_CTL_ADD, server, &what);
    printf("ready %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int wait = -1;
        if (timer_count) {
            double left = timers[0].due - now_ms();
            wait = left <= 0 ? 0 : (int)left + 1;
        }
        int got = epoll_wait(poller, ready, 512, wait);
        for (int i = 0; i < got; i++) {
            int fd = ready[i].data.fd;
            if (fd != server) {
                if (ready[i].events & EPOLLOUT) flush(fd);
                if (connections[fd].is_open && ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_data(fd);
                continue;
            }
            int made;
            while ((made = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (made >= MAX_FD) { close(made); continue; }
                setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                connections[made].is_open = 1;
                connections[made].turn++;
                what.events = EPOLLIN;
                what.data.fd = made;
                epoll_ctl(poller, EPOLL_CTL_ADD, made, &what);
            }
        }
        double now = now_ms();
        while (timer_count && timers[0].due <= now) on_time(pop_timer());
    }
}
