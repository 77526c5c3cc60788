/* The load of turn_relay.py: senders, receivers and echoes that cost little, so that the relay is what is measured.
 *
 * Every function runs until `*stop`, in a thread of its own; what they count can be read meanwhile.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, EVENTS = 256, SIZE = 2048 };

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Bursts of `burst` (up to 64) datagrams from each socket in turn, as fast as it goes or `rate` datagrams a second. */
void blast(const int *sockets, const struct sockaddr_in *targets, int count, uint8_t *datagram, int size, int burst,
           double rate, volatile uint64_t *sent, volatile int *stop) {
    struct mmsghdr messages[BATCH];
    struct iovec vector = {datagram, (size_t)size};
    uint64_t start = nanoseconds(), done = 0;
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++)
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vector, .msg_iovlen = 1};
    for (int at = 0; !*stop; at = (at + 1) % count) {
        if (rate > 0)
            while (!*stop && (double)done >= (double)(nanoseconds() - start) * 1e-9 * rate) {
                struct timespec pause = {0, 50000};
                nanosleep(&pause, NULL);
            }
        for (int i = 0; i < burst; i++) {
            messages[i].msg_hdr.msg_name = targets ? (void *)&targets[at] : NULL;
            messages[i].msg_hdr.msg_namelen = targets ? sizeof targets[at] : 0;
        }
        int n = sendmmsg(sockets[at], messages, (unsigned)burst, 0);
        done += n > 0 ? (uint64_t)n : 0;
        *sent = done;
    }
}

/* Count what arrives; with `back`, send it back as well, at once. Without, look five thousand times a second: whoever
 * sleeps until a datagram comes lets its sender pay for being woken. */
void receive(const int *sockets, int count, int back, volatile uint64_t *received, volatile int *stop) {
    static __thread uint8_t bytes[BATCH][SIZE];
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in names[BATCH];
    struct epoll_event events[EVENTS];
    uint64_t done = 0;
    int epoll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event);
    }
    while (!*stop) {
        int n = epoll_wait(epoll, events, EVENTS, back ? 20 : 0);
        if (n == 0 && !back) {
            struct timespec pause = {0, 200000};
            nanosleep(&pause, NULL);
        }
        for (int e = 0; e < n; e++) {
            for (int i = 0; i < BATCH; i++) {
                vectors[i] = (struct iovec){bytes[i], back ? SIZE : 16};
                messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1,
                    .msg_name = back ? &names[i] : NULL, .msg_namelen = back ? sizeof names[i] : 0};
            }
            int got = recvmmsg(events[e].data.fd, messages, BATCH, MSG_DONTWAIT, NULL);
            if (got <= 0)
                continue;
            for (int i = 0; back && i < got; i++)
                vectors[i].iov_len = messages[i].msg_len;
            if (back)
                sendmmsg(events[e].data.fd, messages, (unsigned)got, MSG_DONTWAIT);
            done += (uint64_t)got;
            *received = done;
        }
    }
    close(epoll);
}

/* One datagram out, one back, `count` times, `gap` microseconds apart. Returns how many came back; how long each took. */
int ping(int socket, const uint8_t *datagram, int size, int count, int gap, double *microseconds) {
    uint8_t bytes[SIZE];
    int done = 0;
    struct pollfd waiting = {socket, POLLIN, 0};
    while (recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
    for (int i = 0; i < count; i++) {
        uint64_t start = nanoseconds();
        send(socket, datagram, (size_t)size, 0);
        if (poll(&waiting, 1, 500) > 0 && recv(socket, bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            microseconds[done++] = (double)(nanoseconds() - start) / 1e3;
        struct timespec pause = {0, gap * 1000};
        nanosleep(&pause, NULL);
    }
    return done;
}
