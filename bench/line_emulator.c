/* A line between two network namespaces: a TUN device in each, and this program between them.
 *
 *     line_emulator NAMESPACE_A NAMESPACE_B DEVICE DELAY_NANOSECONDS BITS_PER_SECOND LOSS_PER_BILLION QUEUE_BYTES SEED
 *
 * A namespace is a name below /run/netns, or a path.
 *
 * Each direction is a line of its own: a drop-tail queue of QUEUE_BYTES in front of a wire of BITS_PER_SECOND, which
 * loses segments at random and takes DELAY_NANOSECONDS. What counts are the bytes of IP packets as they would be on a
 * wire of 1500-byte packets. The kernel hands over frames of up to 64 KiB (segmentation offload); queue, rate and loss
 * are decided for each segment of such a frame, and what is left of it goes on as one frame or as several.
 *
 * Prints "ready" once both devices are there; then, for every line on standard input, a line of counters; ends when
 * standard input ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { VIRTIO = sizeof(struct virtio_net_hdr), FRAME_MAX = VIRTIO + 65535 + 256, BATCH = 64 };
enum { FLAG_FIN = 0x01, FLAG_PUSH = 0x08, FLAG_CWR = 0x80 };

struct kept {
    uint64_t due;
    uint32_t length;
    uint32_t size; /* of this entry with its padding; 0: the next one is at the ring's start */
};

struct direction {
    int from, to;
    uint64_t delay, rate, loss, queue;
    uint64_t random;
    uint64_t free_at;            /* when the wire has sent all that was queued, in nanoseconds */
    unsigned char *ring;         /* what is queued or on its way */
    size_t size, head, tail;     /* head: next to deliver; tail: where the next entry goes; equal: empty */
    uint64_t frames, segments, bytes, full, lost, overrun, delivered, failed;
};

static void fail(const char *what) {
    fprintf(stderr, "line_emulator: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t next_random(struct direction *line) {
    uint64_t x = line->random;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    line->random = x;
    return x * 2685821657736338717u;
}

static unsigned get16(const unsigned char *at) { return (unsigned)at[0] << 8 | at[1]; }
static void put16(unsigned char *at, unsigned value) { at[0] = (unsigned char)(value >> 8), at[1] = (unsigned char)value; }
static uint32_t get32(const unsigned char *at) { return (uint32_t)get16(at) << 16 | get16(at + 2); }
static void put32(unsigned char *at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value & 0xffff); }

static unsigned fold(uint32_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Room for an entry, or NULL where the ring is full. */
static struct kept *reserve(struct direction *line, uint32_t length) {
    size_t need = (sizeof(struct kept) + length + 15) & ~(size_t)15;
    size_t head = line->head, tail = line->tail;
    if (tail >= head && line->size - tail < need + sizeof(struct kept)) {
        if (head <= need + sizeof(struct kept)) return NULL;
        ((struct kept *)(line->ring + tail))->size = 0;
        tail = 0;
    } else if (tail < head && head - tail <= need + sizeof(struct kept)) {
        return NULL;
    }
    struct kept *entry = (struct kept *)(line->ring + tail);
    entry->length = length;
    entry->size = (uint32_t)need;
    line->tail = tail + need;
    return entry;
}

static void keep(struct direction *line, uint64_t due, const unsigned char *start, uint32_t start_length,
                 const unsigned char *rest, uint32_t rest_length) {
    struct kept *entry = reserve(line, start_length + rest_length);
    if (!entry) {
        line->overrun++;
        return;
    }
    entry->due = due;
    memcpy(entry + 1, start, start_length);
    memcpy((unsigned char *)(entry + 1) + start_length, rest, rest_length);
}

/* One segment reaches the queue: 1 if it will arrive. */
static int passes(struct direction *line, uint64_t when, uint64_t bytes) {
    line->segments++;
    if (line->free_at < when) line->free_at = when;
    uint64_t waiting = (uint64_t)((unsigned __int128)(line->free_at - when) * line->rate / 8000000000u);
    if (waiting + bytes > line->queue) {
        line->full++;
        return 0;
    }
    line->free_at += bytes * 8000000000u / line->rate;
    line->bytes += bytes;
    if (line->loss && next_random(line) % 1000000000u < line->loss) {
        line->lost++;
        return 0;
    }
    return 1;
}

/* Keep the segments FIRST to LAST (not included) of a frame as a frame of their own. */
static void keep_part(struct direction *line, const unsigned char *frame, uint32_t headers, uint32_t ip_length,
                      uint32_t payload, uint32_t step, uint32_t first, uint32_t last) {
    unsigned char head[VIRTIO + 256];
    uint32_t from = first * step, to = last * step < payload ? last * step : payload;
    memcpy(head, frame, VIRTIO + headers);
    struct virtio_net_hdr *about = (struct virtio_net_hdr *)head;
    unsigned char *ip = head + VIRTIO, *tcp = ip + ip_length;
    uint32_t tcp_length = headers - ip_length;
    about->hdr_len = (uint16_t)headers;
    if (to - from <= step) about->gso_type = VIRTIO_NET_HDR_GSO_NONE, about->gso_size = 0;
    if (ip[0] >> 4 == 4) {
        put16(ip + 2, headers + to - from);
        put16(ip + 4, get16(ip + 4) + first);
        put16(ip + 10, 0);
        uint32_t sum = 0;
        for (uint32_t at = 0; at < ip_length; at += 2) sum += get16(ip + at);
        put16(ip + 10, ~fold(sum) & 0xffff);
    } else {
        put16(ip + 4, tcp_length + to - from);
    }
    put32(tcp + 4, get32(tcp + 4) + from);
    if (to < payload) tcp[13] &= (unsigned char)~(FLAG_FIN | FLAG_PUSH);
    if (first) tcp[13] &= (unsigned char)~FLAG_CWR;
    /* What stands there is the sum over the pseudo header, with the length before the cut. */
    put16(tcp + 16, fold(get16(tcp + 16) + (0xffff ^ fold(tcp_length + payload)) + fold(tcp_length + to - from)));
    keep(line, line->free_at + line->delay, head, VIRTIO + headers, frame + VIRTIO + headers + from, to - from);
}

static void take(struct direction *line, const unsigned char *frame, uint32_t length, uint64_t when) {
    const struct virtio_net_hdr *about = (const struct virtio_net_hdr *)frame;
    const unsigned char *ip = frame + VIRTIO;
    uint32_t packet = length - VIRTIO, step = about->gso_size;
    line->frames++;
    if ((about->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) == VIRTIO_NET_HDR_GSO_NONE || !step) {
        if (passes(line, when, packet)) keep(line, line->free_at + line->delay, frame, length, frame, 0);
        return;
    }
    uint32_t ip_length = ip[0] >> 4 == 4 ? (uint32_t)(ip[0] & 15) * 4 : 40;
    uint32_t headers = ip_length + (uint32_t)(ip[ip_length + 12] >> 4) * 4;
    if (headers >= packet || headers > 256) return;
    uint32_t payload = packet - headers, count = (payload + step - 1) / step, first = 0;
    uint64_t free_at;
    for (uint32_t number = 0; number < count; number++) {
        uint32_t bytes = number + 1 < count ? step : payload - number * step;
        free_at = line->free_at;
        if (passes(line, when, headers + bytes)) continue;
        if (number > first) {
            uint64_t later = line->free_at;
            line->free_at = free_at; /* what came before the missing one is not held up by it */
            keep_part(line, frame, headers, ip_length, payload, step, first, number);
            line->free_at = later;
        }
        first = number + 1;
    }
    if (!first) keep(line, line->free_at + line->delay, frame, length, frame, 0);
    else if (first < count) keep_part(line, frame, headers, ip_length, payload, step, first, count);
}

static void read_frames(struct direction *line) {
    static unsigned char frame[FRAME_MAX];
    for (int number = 0; number < BATCH; number++) {
        ssize_t length = read(line->from, frame, sizeof frame);
        if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (length < 0) fail("read");
        if (length > VIRTIO + 20) take(line, frame, (uint32_t)length, now());
    }
}

/* Deliver what is due; the time at which the next one is, or 0. */
static uint64_t deliver(struct direction *line) {
    while (line->head != line->tail) {
        struct kept *entry = (struct kept *)(line->ring + line->head);
        if (!entry->size) {
            line->head = 0;
            continue;
        }
        if (entry->due > now()) return entry->due;
        if (write(line->to, entry + 1, entry->length) == (ssize_t)entry->length) line->delivered++;
        else if (line->failed++ < 10) fprintf(stderr, "line_emulator: write: %s\n", strerror(errno));
        line->head += entry->size;
    }
    return 0;
}

static int device(const char *space, const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", space[0] == '/' ? "" : "/run/netns/", space);
    int room = open(path, O_RDONLY | O_CLOEXEC);
    if (room < 0 || setns(room, CLONE_NEWNET)) fail(path);
    close(room);
    int file = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) fail("/dev/net/tun");
    struct ifreq wish;
    memset(&wish, 0, sizeof wish);
    snprintf(wish.ifr_name, sizeof wish.ifr_name, "%s", name);
    wish.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(file, TUNSETIFF, &wish)) fail("TUNSETIFF");
    if (ioctl(file, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)) fail("TUNSETOFFLOAD");
    return file;
}

static void print_counters(const struct direction *lines) {
    for (int side = 0; side < 2; side++) {
        const struct direction *line = lines + side;
        printf("%llu %llu %llu %llu %llu %llu %llu %llu ", (unsigned long long)line->frames,
               (unsigned long long)line->segments, (unsigned long long)line->bytes, (unsigned long long)line->full,
               (unsigned long long)line->lost, (unsigned long long)line->overrun, (unsigned long long)line->delivered,
               (unsigned long long)line->failed);
    }
    printf("\n");
    fflush(stdout);
}

int main(int count, char **words) {
    if (count != 9) {
        fprintf(stderr, "line_emulator: see its source for its eight arguments\n");
        return 2;
    }
    int first = device(words[1], words[3]), second = device(words[2], words[3]);
    struct direction lines[2] = {{.from = first, .to = second}, {.from = second, .to = first}};
    for (int side = 0; side < 2; side++) {
        struct direction *line = lines + side;
        line->delay = strtoull(words[4], NULL, 10);
        line->rate = strtoull(words[5], NULL, 10);
        line->loss = strtoull(words[6], NULL, 10);
        line->queue = strtoull(words[7], NULL, 10);
        line->random = (strtoull(words[8], NULL, 10) * 2 + (uint64_t)side + 1) * 0x9e3779b97f4a7c15u;
        if (!line->rate) return 2;
        /* Twice what fits on the wire and into the queue: small packets take more room here than there. */
        line->size = (2 * (line->queue + (size_t)(line->delay / 1e9 * (double)line->rate / 8)) + (16u << 20)) & ~(size_t)15;
        line->ring = malloc(line->size);
        if (!line->ring) fail("memory");
    }
    struct sched_param soon = {.sched_priority = 1};
    sched_setscheduler(0, SCHED_FIFO, &soon); /* a line does not wait for a processor; where it is refused, it does */
    prctl(PR_SET_TIMERSLACK, 20000);
    printf("ready\n");
    fflush(stdout);
    struct pollfd waits[3] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    for (;;) {
        uint64_t one = deliver(lines), other = deliver(lines + 1);
        uint64_t next = !one || (other && other < one) ? other : one;
        struct timespec left = {0, 0};
        if (next) {
            uint64_t time = now(), wait = next > time ? next - time : 0;
            left.tv_sec = (time_t)(wait / 1000000000u);
            left.tv_nsec = (long)(wait % 1000000000u);
        }
        if (ppoll(waits, 3, next ? &left : NULL, NULL) < 0 && errno != EINTR) fail("ppoll");
        for (int side = 0; side < 2; side++)
            if (waits[side].revents) read_frames(lines + side);
        if (waits[2].revents) {
            char word[64];
            if (read(0, word, sizeof word) <= 0) return 0;
            print_counters(lines);
        }
    }
}
