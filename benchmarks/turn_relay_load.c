/* The load of turn_relay.py: senders, receivers and echoes that cost little, so that the relay is what is measured.
 *
 * Every function runs until `*stop`, in a thread of its own; what they count can be read meanwhile.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { BATCH = 64, EVENTS = 256, SIZE = 2048 };

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* `burst` datagrams (one send: the kernel makes `burst` of it) from each connected socket in turn, as fast as it goes or
 * `rate` datagrams a second. `bytes` is the datagram, `burst` times. */
void blast(const int *sockets, int count, const uint8_t *bytes, int size, int burst, double rate,
           volatile uint64_t *sent, volatile int *stop) {
    uint64_t start = nanoseconds(), done = 0;
    int segment = burst > 1 ? size : 0;
    for (int i = 0; i < count; i++)
        setsockopt(sockets[i], IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    for (int at = 0; !*stop; at = (at + 1) % count) {
        if (rate > 0)
            while (!*stop && (double)done >= (double)(nanoseconds() - start) * 1e-9 * rate) {
                struct timespec pause = {0, 50000};
                nanosleep(&pause, NULL);
            }
        if (send(sockets[at], bytes, (size_t)size * (size_t)burst, 0) > 0)
            *sent = done += (uint64_t)burst;
    }
    segment = 0;
    for (int i = 0; i < count; i++)
        setsockopt(sockets[i], IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
}

/* Count what arrives. It looks at every socket a few thousand times a second: whoever waits for a datagram lets its
 * sender pay for being told. */
void receive(const int *sockets, int count, volatile uint64_t *received, volatile int *stop) {
    static __thread uint8_t bytes[BATCH][16];
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    uint64_t done = 0;
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){bytes[i], sizeof bytes[i]};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    while (!*stop) {
        struct timespec pause = {0, 300000};
        for (int i = 0; i < count; i++) {
            int got;
            while ((got = recvmmsg(sockets[i], messages, BATCH, MSG_DONTWAIT, NULL)) > 0) {
                *received = done += (uint64_t)got;
                if (got < BATCH)
                    break;
            }
        }
        nanosleep(&pause, NULL);
    }
}

/* Send back what arrives, at once. */
void echo(const int *sockets, int count, volatile uint64_t *done, volatile int *stop) {
    static __thread uint8_t bytes[BATCH][SIZE];
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sockaddr_in names[BATCH];
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(0);
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, sockets[i], &event);
    }
    while (!*stop) {
        int n = epoll_wait(epoll, events, EVENTS, 20);
        for (int e = 0; e < n; e++) {
            for (int i = 0; i < BATCH; i++) {
                vectors[i] = (struct iovec){bytes[i], SIZE};
                messages[i].msg_hdr = (struct msghdr){
                    .msg_iov = &vectors[i], .msg_iovlen = 1, .msg_name = &names[i], .msg_namelen = sizeof names[i]};
            }
            int got = recvmmsg(events[e].data.fd, messages, BATCH, MSG_DONTWAIT, NULL);
            if (got <= 0)
                continue;
            for (int i = 0; i < got; i++)
                vectors[i].iov_len = messages[i].msg_len;
            sendmmsg(events[e].data.fd, messages, (unsigned)got, MSG_DONTWAIT);
            *done = *done + (uint64_t)got;
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
