/* The compiled data path: ChannelData between UDP clients and UDP peers, without Python in between.
 *
 * A `path` holds the server's UDP sockets in one epoll, and a table that Python owns: which client of which listener may
 * send on which channel to which peer, by which relay, until when, and how much of it. `path_run` receives what waits,
 * in batches, and sends on what the table answers. All else goes up: a STUN message, a client or a channel that is not
 * in the table, one that has run out, a peer without a channel. Python decides about those as if this file did not
 * exist. There is no rule here that is not in slidewire.turn: only the look-up and the arithmetic of
 * `Allocation.to_peer`, `Allocation.from_peer` and `Meter.admit`.
 *
 * No threads and no locks: the table is changed between calls of `path_run`, never during one. No flow has datagrams
 * waiting between calls, so rows may be freed and moved then.
 *
 * What makes it fast is not C but fewer trips through the kernel: many datagrams per call, and for datagrams of one size
 * to one destination a single trip for all of them (UDP_SEGMENT). Where the kernel refuses that, because the datagrams
 * would have to be fragmented or the device cannot, they are sent one by one, and the flow remembers from which size on.
 *
 * Bounds. Every datagram is received into a slot of its own, at SLOT bytes from the next and after HEADROOM bytes; the
 * kernel writes at most DATAGRAM bytes there, and says how many. A batch has at most BATCH slots, and each leads to at
 * most one packet to send and at most one entry going up, so the arrays of BATCH elements below cannot overflow.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* Linux 4.18 */
#endif
#ifndef RELAY_SOURCE
#define RELAY_SOURCE ""
#endif
#define PUBLIC __attribute__((visibility("default")))

enum {
    BATCH = 64,
    EVENTS = 64,
    HEADROOM = 4,     /* a ChannelData header fits in front of what was received: forwarding copies nothing */
    DATAGRAM = 65536, /* more than any UDP datagram has */
    SLOT = HEADROOM + DATAGRAM + 252, /* not a multiple of a page: slots should not share their cache lines' places */
    SEGMENTS = 64,                    /* what every kernel with UDP_SEGMENT takes at once */
    SEGMENTED_BYTES = 65000,
    NONE = -1,
};

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Datagrams of one batch that leave by one socket for one destination. */
struct flow {
    struct endpoint *by;
    struct flow *next; /* among those that have something to send */
    union name to;
    socklen_t to_length;
    uint32_t whole_from; /* the kernel does not segment datagrams of this size or more on the way there */
    int16_t first, last; /* packets, by their number in the batch; NONE when nothing waits */
};

struct meter {
    uint64_t packets, bytes, dropped;
    uint64_t packets_up, bytes_up; /* of those, from clients */
    double packets_full_at, bytes_full_at;
    double packet_rate, packet_burst, byte_rate, byte_burst; /* no limit: no rate */
};

struct channel {
    struct flow flow; /* to the peer */
    double usable_until;
    const uint8_t *live; /* not NULL: the peer has to be one of our relays, whose ports are not zero in this table */
    uint16_t number;
};

struct allocation {
    struct flow flow; /* to the client */
    struct allocation *next;
    struct meter *meter;
    struct channel *channels;
    unsigned count;
};

/* A UDP socket: a listener, or the relay of an allocation. */
struct endpoint {
    int fd;
    int is_listener;
    uint64_t cookie;
    struct allocation *allocation;
};

/* What goes up. Python reads it as `=QIIHH28s8x`. */
struct up {
    uint64_t cookie;
    uint32_t at, size; /* in the slots */
    uint16_t name_length, unused;
    union name from;
    uint8_t pad[8];
};

/* A row of the table as Python writes it: `=dQQHH28s`. */
struct route {
    double usable_until;
    uint64_t live, relay;
    uint16_t number, peer_length;
    union name peer;
};

_Static_assert(sizeof(union name) == 28, "as Python packs it");
_Static_assert(sizeof(struct up) == 56 && sizeof(struct route) == 56, "as Python packs them");

struct path {
    int epoll;
    int segments;
    uint64_t seed;
    struct meter *total;

    struct allocation **heads; /* by client; a power of two of them */
    size_t mask, count;
    struct allocation *recent; /* the one found last */

    uint8_t *slots;
    int used;
    struct mmsghdr in[BATCH];
    struct iovec in_vector[BATCH];
    union name in_name[BATCH];

    int queued;
    struct iovec packet[BATCH];
    int16_t packet_next[BATCH];
    struct flow *waiting, **waiting_end;

    struct mmsghdr out[BATCH];
    struct flow *out_flow[BATCH];
    struct iovec out_vector[BATCH];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
    } out_control[BATCH];

    uint64_t unsent;
    int ups;
    struct up up[BATCH];
};

/* --- names, and who has which ------------------------------------------------------------------------------------- */

static int same_name(const union name *a, const union name *b) {
    if (a->any.sa_family != b->any.sa_family)
        return 0;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
           memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
}

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

static uint64_t hash(const struct path *p, const union name *name) {
    if (name->any.sa_family == AF_INET)
        return mix(p->seed ^ ((uint64_t)name->v4.sin_addr.s_addr << 16 | name->v4.sin_port));
    uint64_t halves[2];
    memcpy(halves, &name->v6.sin6_addr, sizeof halves);
    return mix(mix(mix(p->seed ^ halves[0]) ^ halves[1]) ^ name->v6.sin6_port);
}

static int is_client(const struct allocation *a, const struct endpoint *listener, const union name *client) {
    return a->flow.by == listener && same_name(&a->flow.to, client);
}

static struct allocation *find(struct path *p, const struct endpoint *listener, const union name *client) {
    if (p->recent && is_client(p->recent, listener, client))
        return p->recent;
    for (struct allocation *a = p->heads[hash(p, client) & p->mask]; a; a = a->next)
        if (is_client(a, listener, client))
            return p->recent = a;
    return NULL;
}

static void insert(struct path *p, struct allocation *a) {
    struct allocation **head = &p->heads[hash(p, &a->flow.to) & p->mask];
    a->next = *head;
    *head = a;
}

static void grow(struct path *p) {
    size_t old = p->mask + 1;
    struct allocation **before = p->heads, **heads = calloc(2 * old, sizeof *heads);
    if (!heads)
        return; /* longer chains, then */
    p->heads = heads;
    p->mask = 2 * old - 1;
    for (size_t i = 0; i < old; i++)
        for (struct allocation *a = before[i], *next; a; a = next) {
            next = a->next;
            insert(p, a);
        }
    free(before);
}

/* False for what is neither IPv4 nor IPv6: nothing else is ever compared or sent to. */
static int set_name(union name *to, socklen_t *length, const union name *from, unsigned from_length) {
    if (!(from->any.sa_family == AF_INET && from_length == sizeof from->v4) &&
        !(from->any.sa_family == AF_INET6 && from_length == sizeof from->v6))
        return 0;
    *to = *from;
    *length = from_length;
    return 1;
}

/* --- how much ----------------------------------------------------------------------------------------------------- */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* Python's time.monotonic() */
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* `Rate.take`. A bucket is the moment at which it would be full again. */
static int take(double *full_at, double at, double cost, double rate, double burst) {
    if (rate == 0)
        return 1;
    double after = (*full_at > at ? *full_at : at) + cost / rate;
    if (after > at + burst / rate + 1e-9)
        return 0;
    *full_at = after;
    return 1;
}

static int admit(struct meter *m, uint32_t size, double at, int is_up) {
    if (!take(&m->packets_full_at, at, 1, m->packet_rate, m->packet_burst) ||
        !take(&m->bytes_full_at, at, size, m->byte_rate, m->byte_burst)) {
        m->dropped++;
        return 0;
    }
    m->packets++;
    m->bytes += size;
    if (is_up) {
        m->packets_up++;
        m->bytes_up += size;
    }
    return 1;
}

static int may_be_peer(const struct channel *c) {
    if (!c->live)
        return 1;
    uint16_t port = c->flow.to.any.sa_family == AF_INET ? c->flow.to.v4.sin_port : c->flow.to.v6.sin6_port;
    return c->live[ntohs(port)]; /* the table has an entry for every port there is */
}

static int usable(const struct channel *c, double at) { return c->usable_until > at && may_be_peer(c); }

/* --- sending ------------------------------------------------------------------------------------------------------ */

static void clear_flow(struct flow *f) {
    f->next = NULL;
    f->first = f->last = NONE;
    f->whole_from = UINT32_MAX;
}

/* Each slot of a batch leads here at most once, so `queued` stays below BATCH. */
static void queue(struct path *p, struct flow *f, uint8_t *bytes, uint32_t size) {
    int i = p->queued++;
    p->packet[i] = (struct iovec){bytes, size};
    p->packet_next[i] = NONE;
    if (f->first == NONE) {
        f->first = (int16_t)i;
        f->next = NULL;
        *p->waiting_end = f;
        p->waiting_end = &f->next;
    } else {
        p->packet_next[f->last] = (int16_t)i;
    }
    f->last = (int16_t)i;
}

/* The kernel will not segment, or not this: send the message's datagrams one by one. */
static void send_whole(struct path *p, struct flow *f, const struct msghdr *m) {
    uint32_t size = (uint32_t)m->msg_iov[0].iov_len;
    if (size < f->whole_from)
        f->whole_from = size;
    for (size_t i = 0; i < m->msg_iovlen; i++)
        if (sendto(f->by->fd, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len, MSG_DONTWAIT, &f->to.any, f->to_length) < 0)
            p->unsent++;
}

static void send_messages(struct path *p, const struct endpoint *by, int count) {
    const struct msghdr *only = &p->out[0].msg_hdr;
    if (count == 1 && only->msg_iovlen == 1) { /* the kernel copies less of this */
        if (sendto(by->fd, only->msg_iov->iov_base, only->msg_iov->iov_len, MSG_DONTWAIT, only->msg_name,
                   only->msg_namelen) < 0)
            p->unsent++;
        return;
    }
    for (int done = 0; done < count;) {
        int n = sendmmsg(by->fd, p->out + done, (unsigned)(count - done), MSG_DONTWAIT);
        if (n > 0) {
            done += n;
            continue;
        }
        const struct msghdr *m = &p->out[done].msg_hdr;
        switch (errno) {
        case EINTR:
            continue;
        case EINVAL:     /* larger than the way allows without fragments */
        case EMSGSIZE:
        case EIO:        /* the device does no checksums */
        case ENOPROTOOPT:
        case EOPNOTSUPP:
            if (m->msg_controllen) {
                send_whole(p, p->out_flow[done++], m);
                continue;
            }
        }
        p->unsent += m->msg_iovlen; /* no room, nobody there, too large: dropped, as UDP may */
        done++;
    }
}

/* As many of a flow's packets from `*at` on as can travel as one message: of one size, but for a shorter last one. */
static void fill_message(struct path *p, struct flow *f, int *at, int message, int *vectors) {
    struct msghdr *m = &p->out[message].msg_hdr;
    struct iovec *vector = p->out_vector + *vectors;
    size_t size = p->packet[*at].iov_len, bytes = 0, previous = size;
    int count = 0;
    do {
        previous = p->packet[*at].iov_len;
        vector[count++] = p->packet[*at];
        bytes += previous;
        *at = p->packet_next[*at];
    } while (*at != NONE && count < p->segments && size < f->whole_from && previous == size && size > 0 &&
             p->packet[*at].iov_len <= size && p->packet[*at].iov_len > 0 &&
             bytes + p->packet[*at].iov_len <= SEGMENTED_BYTES);
    *vectors += count; /* every packet is in one message: no more than BATCH of either */
    *m = (struct msghdr){.msg_name = &f->to, .msg_namelen = f->to_length, .msg_iov = vector, .msg_iovlen = (size_t)count};
    if (count > 1) {
        m->msg_control = p->out_control[message].bytes;
        m->msg_controllen = sizeof p->out_control[message].bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(m);
        c->cmsg_level = IPPROTO_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        uint16_t segment = (uint16_t)size; /* two of them fit into SEGMENTED_BYTES */
        memcpy(CMSG_DATA(c), &segment, sizeof segment);
    }
    p->out_flow[message] = f;
}

static void flush(struct path *p) {
    const struct endpoint *by = NULL;
    int messages = 0, vectors = 0;
    for (struct flow *f = p->waiting, *next; f; f = next) {
        next = f->next;
        if (f->by != by) {
            if (messages)
                send_messages(p, by, messages);
            by = f->by;
            messages = 0;
        }
        for (int at = f->first; at != NONE;)
            fill_message(p, f, &at, messages++, &vectors);
        f->first = f->last = NONE;
        f->next = NULL;
    }
    if (messages)
        send_messages(p, by, messages);
    p->waiting = NULL;
    p->waiting_end = &p->waiting;
    p->queued = 0;
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

/* Each returns whether it dealt with the datagram; if not, it goes up. */

static int to_peer(struct path *p, struct endpoint *e, uint8_t *data, uint32_t size, const union name *from, double at) {
    if (size < 4 || (data[0] & 0xC0) != 0x40)
        return 0;
    unsigned number = (unsigned)data[0] << 8 | data[1];
    uint32_t length = (uint32_t)data[2] << 8 | data[3];
    if (length > size - 4)
        return 0;
    struct allocation *a = find(p, e, from);
    if (!a)
        return 0;
    for (unsigned i = 0; i < a->count; i++) {
        struct channel *c = &a->channels[i];
        if (c->number != number)
            continue;
        if (!usable(c, at))
            return 0;
        if (admit(a->meter, length, at, 1) && admit(p->total, length, at, 1))
            queue(p, &c->flow, data + 4, length);
        return 1;
    }
    return 0;
}

static int from_peer(struct path *p, struct endpoint *e, uint8_t *data, uint32_t size, const union name *from, double at) {
    struct allocation *a = e->allocation;
    if (!a)
        return 0;
    for (unsigned i = 0; i < a->count; i++) {
        struct channel *c = &a->channels[i];
        if (c->flow.by != e || !same_name(&c->flow.to, from))
            continue;
        if (!usable(c, at) || size > UINT16_MAX)
            return 0;
        if (admit(a->meter, size, at, 0) && admit(p->total, size, at, 0)) {
            uint8_t *header = data - HEADROOM;
            header[0] = (uint8_t)(c->number >> 8);
            header[1] = (uint8_t)c->number;
            header[2] = (uint8_t)(size >> 8);
            header[3] = (uint8_t)size;
            queue(p, &a->flow, header, size + HEADROOM);
        }
        return 1;
    }
    return 0;
}

/* A batch from one socket into the slots that are left, of which there is at least one. Returns how many came. */
static int receive(struct path *p, struct endpoint *e, double at) {
    int first = p->used;
    int n = recvmmsg(e->fd, p->in + first, (unsigned)(BATCH - first), MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0; /* nothing, or an ICMP error about something sent earlier: the socket is as good as before */
    p->used += n;
    for (int i = first; i < first + n; i++) {
        struct msghdr *m = &p->in[i].msg_hdr;
        const union name *from = &p->in_name[i];
        uint8_t *data = p->in_vector[i].iov_base;
        uint32_t size = p->in[i].msg_len;
        socklen_t length = m->msg_namelen;
        m->msg_namelen = sizeof *from;
        m->msg_flags = 0;
        if (e->is_listener ? to_peer(p, e, data, size, from, at) : from_peer(p, e, data, size, from, at))
            continue;
        p->up[p->ups++] = (struct up){.cookie = e->cookie, .at = (uint32_t)(data - p->slots), .size = size,
                                      .name_length = (uint16_t)length, .from = *from};
    }
    return n;
}

/* Receive and forward until nothing is left, about `budget` datagrams are through, or something has to go up. Returns
 * how many entries of `path_ups` that is; they and the slots they name stay as they are until the next call. */
PUBLIC int path_run(struct path *p, int budget) {
    p->ups = p->used = 0;
    while (budget > 0 && !p->ups) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(p->epoll, events, EVENTS, 0);
        if (n <= 0)
            break;
        double at = now();
        for (int i = 0; i < n; i++) {
            if (p->used == BATCH) {
                flush(p);
                if (p->ups)
                    return p->ups; /* the kernel names the other sockets again, the longest waiting first */
                p->used = 0;
                at = now();
            }
            budget -= receive(p, events[i].data.ptr, at);
        }
        flush(p);
        if (!p->ups)
            p->used = 0;
    }
    return p->ups;
}

/* --- what Python calls -------------------------------------------------------------------------------------------- */

PUBLIC const char *path_source(void) { return RELAY_SOURCE; }

PUBLIC void path_free(struct path *p) {
    if (!p)
        return;
    if (p->epoll >= 0)
        close(p->epoll);
    free(p->heads);
    free(p->slots);
    free(p);
}

/* NULL without memory or descriptors. `segments`: at most so many datagrams in one message; 1 turns UDP_SEGMENT off. */
PUBLIC struct path *path_new(uint64_t seed, int segments, struct meter *total) {
    struct path *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->seed = seed;
    p->segments = segments < 1 ? 1 : segments > SEGMENTS ? SEGMENTS : segments;
    p->total = total;
    p->mask = 255;
    p->heads = calloc(p->mask + 1, sizeof *p->heads);
    p->slots = malloc((size_t)BATCH * SLOT); /* pages that no datagram reaches are never touched */
    p->waiting_end = &p->waiting;
    if (p->epoll < 0 || !p->heads || !p->slots) {
        path_free(p);
        return NULL;
    }
    for (int i = 0; i < BATCH; i++) {
        p->in_vector[i] = (struct iovec){p->slots + (size_t)i * SLOT + HEADROOM, DATAGRAM};
        p->in[i].msg_hdr = (struct msghdr){
            .msg_name = &p->in_name[i], .msg_namelen = sizeof p->in_name[i], .msg_iov = &p->in_vector[i], .msg_iovlen = 1};
    }
    return p;
}

PUBLIC int path_fileno(const struct path *p) { return p->epoll; }
PUBLIC const struct up *path_ups(const struct path *p) { return p->up; }
PUBLIC const uint8_t *path_slots(const struct path *p) { return p->slots; }
PUBLIC uint64_t path_slots_size(void) { return (uint64_t)BATCH * SLOT; }
PUBLIC uint64_t path_unsent(const struct path *p) { return p->unsent; }
PUBLIC uint64_t path_count(const struct path *p) { return p->count; }

/* Watch a bound UDP socket, which does not block. NULL if that cannot be. What it receives goes up with the cookie. */
PUBLIC struct endpoint *path_watch(struct path *p, int fd, int is_listener, uint64_t cookie) {
    struct endpoint *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    *e = (struct endpoint){.fd = fd, .is_listener = is_listener, .cookie = cookie};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
    if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(e);
        return NULL;
    }
    return e;
}

static void leave_channels(struct allocation *a) {
    for (unsigned i = 0; i < a->count; i++)
        a->channels[i].flow.by->allocation = NULL;
    a->count = 0;
}

/* The client's row, as yet without a channel. NULL without memory, or for what is no name. */
PUBLIC struct allocation *path_open(struct path *p, struct endpoint *listener, const union name *client, unsigned length,
                                    struct meter *meter) {
    struct allocation *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    clear_flow(&a->flow);
    a->flow.by = listener;
    a->meter = meter;
    if (!set_name(&a->flow.to, &a->flow.to_length, client, length)) {
        free(a);
        return NULL;
    }
    if (p->count++ > p->mask)
        grow(p);
    insert(p, a);
    return a;
}

/* All the channels of a row, in place of those it had. -1 without memory; it has none then, and everything goes up. */
PUBLIC int path_route(struct allocation *a, const struct route *routes, unsigned count) {
    leave_channels(a);
    struct channel *channels = count ? calloc(count, sizeof *channels) : NULL;
    free(a->channels);
    a->channels = channels;
    if (count && !channels)
        return -1;
    for (unsigned i = 0; i < count; i++) {
        const struct route *r = &routes[i];
        struct channel *c = &channels[a->count];
        struct endpoint *relay = (struct endpoint *)(uintptr_t)r->relay;
        clear_flow(&c->flow);
        if (relay->allocation && relay->allocation != a)
            continue; /* a relay is one allocation's: `path_unwatch` looks for its channels nowhere else */
        if (!set_name(&c->flow.to, &c->flow.to_length, &r->peer, r->peer_length))
            continue;
        c->flow.by = relay;
        relay->allocation = a;
        c->usable_until = r->usable_until;
        c->live = (const uint8_t *)(uintptr_t)r->live;
        c->number = r->number;
        a->count++;
    }
    return 0;
}

PUBLIC void path_close(struct path *p, struct allocation *a) {
    for (struct allocation **at = &p->heads[hash(p, &a->flow.to) & p->mask]; *at; at = &(*at)->next)
        if (*at == a) {
            *at = a->next;
            p->count--;
            break;
        }
    if (p->recent == a)
        p->recent = NULL;
    leave_channels(a);
    free(a->channels);
    free(a);
}

/* Before the socket is closed. Channels by it are gone with it; a listener's clients have to be closed before. */
PUBLIC void path_unwatch(struct path *p, struct endpoint *e) {
    epoll_ctl(p->epoll, EPOLL_CTL_DEL, e->fd, NULL);
    struct allocation *a = e->allocation;
    if (a) {
        unsigned kept = 0;
        for (unsigned i = 0; i < a->count; i++)
            if (a->channels[i].flow.by != e)
                a->channels[kept++] = a->channels[i];
        a->count = kept;
    }
    free(e);
}

PUBLIC struct meter *meter_new(double packet_rate, double packet_burst, double byte_rate, double byte_burst) {
    struct meter *m = calloc(1, sizeof *m);
    if (m)
        *m = (struct meter){.packet_rate = packet_rate, .packet_burst = packet_burst, .byte_rate = byte_rate,
                            .byte_burst = byte_burst};
    return m;
}

PUBLIC void meter_free(struct meter *m) { free(m); }
PUBLIC int meter_admit(struct meter *m, uint32_t size, double at, int is_up) { return admit(m, size, at, is_up); }
PUBLIC uint64_t meter_packets(const struct meter *m) { return m->packets; }
PUBLIC uint64_t meter_bytes(const struct meter *m) { return m->bytes; }
PUBLIC uint64_t meter_packets_up(const struct meter *m) { return m->packets_up; }
PUBLIC uint64_t meter_bytes_up(const struct meter *m) { return m->bytes_up; }
PUBLIC uint64_t meter_dropped(const struct meter *m) { return m->dropped; }
