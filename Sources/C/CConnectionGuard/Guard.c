// Counts a server's connections by address, applies the limits on them, and records refusals.
#include "Guarded.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum {
    MOST_PEERS = 65536,
    /// File descriptors reserved for other uses than connections; fewer if the process has few.
    RESERVE = 64,
};

struct ballast_guard *ballast_guard_create(const struct ballast_guard_limits *limits) {
    struct ballast_guard *guard = calloc(1, sizeof *guard);
    if (!guard) return NULL;
    static const struct ballast_guard_limits none;
    guard->references = 1;
    guard->limits = *limits;
    guard->is_on = memcmp(limits, &none, sizeof none) != 0;
    struct rlimit files;
    rlim_t most = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < MOST_DESCRIPTORS ? files.rlim_cur
                                                                                           : MOST_DESCRIPTORS;
    guard->most_descriptor = (uint32_t)(most - (most / 4 < RESERVE ? most / 4 : RESERVE));
    pthread_mutex_init(&guard->lock, NULL);
    return guard;
}

void ballast_guard_release(struct ballast_guard *guard) {
    if (atomic_fetch_sub(&guard->references, 1) != 1) return;
    for (int i = 0; i < PEER_BUCKETS; i++)
        for (struct peer *peer = guard->peers[i], *next; peer; peer = next) {
            next = peer->next;
            free(peer);
        }
    pthread_mutex_destroy(&guard->lock);
    free(guard);
}

// MARK: Addresses

uint32_t hash_bytes(const uint8_t *bytes, size_t count) {
    uint32_t sum = 2166136261u;
    for (size_t i = 0; i < count; i++) sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

/// The key of an address: an IPv4 address, or the /64 network of an IPv6 address, because one owner has all 2^64
/// addresses in it.
static void address_key(const struct sockaddr_storage *address, uint8_t key[16]) {
    memset(key, 0, 16);
    if (address->ss_family == AF_INET) {
        key[10] = key[11] = 0xff;
        memcpy(key + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const struct in6_addr *full = &((const struct sockaddr_in6 *)address)->sin6_addr;
        memcpy(key, full, IN6_IS_ADDR_V4MAPPED(full) ? 16 : 8);
    }
}

void address_text(const struct sockaddr_storage *address, char text[48]) {
    const void *raw = address->ss_family == AF_INET ? (const void *)&((const struct sockaddr_in *)address)->sin_addr
                                                    : (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr;
    if (!inet_ntop(address->ss_family, raw, text, 48)) strcpy(text, "unknown");
    // Over a dual-stack socket, IPv4 addresses are mapped; print them as IPv4.
    if (strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.')) memmove(text, text + 7, strlen(text) - 6);
}

/// The record of an address; NULL if it has none and isn't to be made, or there are too many.
///
/// Call with the guard's lock held.
static struct peer *find_peer(struct ballast_guard *guard, const struct sockaddr_storage *address, bool makes) {
    uint8_t key[16];
    address_key(address, key);
    struct peer **bucket = &guard->peers[hash_bytes(key, sizeof key) % PEER_BUCKETS];
    for (struct peer *peer = *bucket; peer; peer = peer->next)
        if (memcmp(peer->key, key, sizeof key) == 0) return peer;
    if (!makes || guard->peer_count >= MOST_PEERS) return NULL;
    struct peer *peer = calloc(1, sizeof *peer);
    if (!peer) return NULL;
    memcpy(peer->key, key, sizeof key);
    bucket_fill(&peer->rate, guard->limits.connections_per_address, milliseconds());
    bucket_fill(&peer->streams, guard->limits.address_streams_burst, milliseconds());
    peer->next = *bucket;
    *bucket = peer;
    guard->peer_count++;
    return peer;
}

// MARK: Connections

/// Call with the guard's lock held.
static void note(struct ballast_guard *guard, int reason, const struct sockaddr_storage *address) {
    char text[48];
    guard->refused[reason]++;
    address_text(address, text);
    for (uint32_t i = 0; i < guard->event_count; i++) {
        struct ballast_guard_event *event = &guard->events[i];
        if ((int)event->reason != reason || strcmp(event->address, text) != 0) continue;
        event->count++;
        return;
    }
    if (guard->event_count == MOST_EVENTS) return;
    struct ballast_guard_event *event = &guard->events[guard->event_count++];
    event->reason = (enum ballast_guard_reason)reason;
    event->count = 1;
    strcpy(event->address, text);
}

void guard_note(struct ballast_guard *guard, int reason, const struct sockaddr_storage *address) {
    pthread_mutex_lock(&guard->lock);
    note(guard, reason, address);
    pthread_mutex_unlock(&guard->lock);
}

/// The limit that a new connection would exceed; -1 if none.
///
/// Call with the guard's lock held.
static int broken_limit(const struct ballast_guard *guard, struct peer *peer, int descriptor) {
    const struct ballast_guard_limits *limits = &guard->limits;
    if (descriptor >= MOST_DESCRIPTORS) return BALLAST_GUARD_DESCRIPTORS;
    if (!peer) return BALLAST_GUARD_CONNECTIONS;
    if (!guard->is_on) return -1;
    if ((uint32_t)descriptor >= guard->most_descriptor) return BALLAST_GUARD_DESCRIPTORS;
    if (limits->connections && guard->open >= limits->connections) return BALLAST_GUARD_CONNECTIONS;
    if (!limits->connections_per_address) return -1;
    if (peer->connections >= limits->connections_per_address) return BALLAST_GUARD_CONNECTIONS_PER_ADDRESS;
    return bucket_take(
               &peer->rate, limits->connections_per_second, limits->connections_per_address, 1, milliseconds())
        ? -1
        : BALLAST_GUARD_CONNECTION_RATE;
}

int guard_admit(struct ballast_guard *guard, const struct sockaddr_storage *address, int descriptor) {
    pthread_mutex_lock(&guard->lock);
    struct peer *peer = find_peer(guard, address, true);
    int reason = broken_limit(guard, peer, descriptor);
    if (reason < 0) {
        peer->connections++;
        guard->open++;
        guard->accepted++;
    } else {
        note(guard, reason, address);
    }
    pthread_mutex_unlock(&guard->lock);
    return reason;
}

void guard_leave(struct ballast_guard *guard, const struct sockaddr_storage *address) {
    pthread_mutex_lock(&guard->lock);
    struct peer *peer = find_peer(guard, address, false);
    if (peer && peer->connections > 0) peer->connections--;
    if (guard->open > 0) guard->open--;
    pthread_mutex_unlock(&guard->lock);
}

bool guard_take_streams(struct ballast_guard *guard, const struct sockaddr_storage *address, uint32_t count) {
    const struct ballast_guard_limits *limits = &guard->limits;
    pthread_mutex_lock(&guard->lock);
    struct peer *peer = find_peer(guard, address, false);
    bool fits = !peer
        || bucket_take(
                    &peer->streams, limits->address_streams_per_second, limits->address_streams_burst, count,
                    milliseconds());
    pthread_mutex_unlock(&guard->lock);
    return fits;
}

bool guard_note_partial(struct ballast_guard *guard, const struct sockaddr_storage *address, int64_t change) {
    const struct ballast_guard_limits *limits = &guard->limits;
    pthread_mutex_lock(&guard->lock);
    struct peer *peer = find_peer(guard, address, false);
    guard->partial_bytes += (uint64_t)change;
    if (peer) peer->partial_bytes += (uint64_t)change;
    bool fits = change <= 0
        || ((!limits->all_partial_bytes || guard->partial_bytes <= limits->all_partial_bytes)
            && (!limits->address_partial_bytes || !peer || peer->partial_bytes <= limits->address_partial_bytes));
    pthread_mutex_unlock(&guard->lock);
    return fits;
}

// MARK: Queries

uint64_t ballast_guard_accepted(struct ballast_guard *guard) {
    pthread_mutex_lock(&guard->lock);
    uint64_t count = guard->accepted;
    pthread_mutex_unlock(&guard->lock);
    return count;
}

uint32_t ballast_guard_open(struct ballast_guard *guard) {
    pthread_mutex_lock(&guard->lock);
    uint32_t count = guard->open;
    pthread_mutex_unlock(&guard->lock);
    return count;
}

uint64_t ballast_guard_refused(struct ballast_guard *guard, enum ballast_guard_reason reason) {
    pthread_mutex_lock(&guard->lock);
    uint64_t count = guard->refused[reason];
    pthread_mutex_unlock(&guard->lock);
    return count;
}

bool ballast_guard_take_event(struct ballast_guard *guard, struct ballast_guard_event *event) {
    pthread_mutex_lock(&guard->lock);
    bool is_there = guard->event_count > 0;
    if (is_there) *event = guard->events[--guard->event_count];
    pthread_mutex_unlock(&guard->lock);
    return is_there;
}

void ballast_guard_sweep(struct ballast_guard *guard) {
    uint64_t now = milliseconds();
    pthread_mutex_lock(&guard->lock);
    for (int i = 0; i < PEER_BUCKETS; i++)
        for (struct peer **place = &guard->peers[i]; *place;) {
            struct peer *peer = *place;
            if (peer->connections > 0
                || !bucket_is_full(
                    &peer->rate, guard->limits.connections_per_second, guard->limits.connections_per_address, now)
                || !bucket_is_full(
                    &peer->streams, guard->limits.address_streams_per_second, guard->limits.address_streams_burst,
                    now)) {
                place = &peer->next;
                continue;
            }
            *place = peer->next;
            free(peer);
            guard->peer_count--;
        }
    pthread_mutex_unlock(&guard->lock);
}
