// Intercepts SSL_read, with which libgrpc reads TLS connections, and finds the connection of a TLS session.
//
// A session doesn't know its socket, because libgrpc moves the bytes between them. But the random number of the
// ClientHello is visible in both, and is different for each connection.
#define _GNU_SOURCE
#include "Guarded.h"

#include <dlfcn.h>
#include <openssl/ssl.h>
#include <string.h>

enum {
    HELLO_BUCKETS = 4096,
    /// The position of the random number in a connection's first record (RFC 8446, 4.1.2 and 5.1).
    RANDOM_START = 11,
};

static pthread_mutex_t hello_lock = PTHREAD_MUTEX_INITIALIZER;
static struct guarded *hellos[HELLO_BUCKETS];

static struct guarded **bucket_of(const uint8_t *random) {
    return &hellos[hash_bytes(random, RANDOM_BYTES) % HELLO_BUCKETS];
}

/// Adds a connection to the table of random numbers; false if another connection has the same number.
static bool remember(struct guarded *socket) {
    bool is_new = true;
    pthread_mutex_lock(&hello_lock);
    struct guarded **bucket = bucket_of(socket->random);
    for (struct guarded *other = *bucket; other; other = other->next_hello)
        if (memcmp(other->random, socket->random, RANDOM_BYTES) == 0) is_new = false;
    if (is_new) {
        socket->next_hello = *bucket;
        socket->is_in_hellos = true;
        *bucket = socket;
    }
    pthread_mutex_unlock(&hello_lock);
    return is_new;
}

static bool hello_is_wanted(const struct guarded *socket) { return socket->hello_count < RANDOM_START + RANDOM_BYTES; }

int hello_read(struct guarded *socket, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count && hello_is_wanted(socket); i++) {
        uint32_t place = socket->hello_count++;
        if (place >= RANDOM_START) socket->random[place - RANDOM_START] = bytes[i];
        if (!hello_is_wanted(socket) && !remember(socket)) return BALLAST_GUARD_CLIENT_HELLO;
    }
    return -1;
}

void hello_forget(struct guarded *socket) {
    pthread_mutex_lock(&hello_lock);
    if (socket->is_in_hellos) {
        struct guarded **place = bucket_of(socket->random);
        while (*place != socket) place = &(*place)->next_hello;
        *place = socket->next_hello;
        socket->is_in_hellos = false;
    }
    pthread_mutex_unlock(&hello_lock);
}

/// The connection with this random number, with a reference for the caller; NULL if there is none.
static struct guarded *find(const uint8_t *random) {
    pthread_mutex_lock(&hello_lock);
    struct guarded *socket = *bucket_of(random);
    while (socket && memcmp(socket->random, random, RANDOM_BYTES) != 0) socket = socket->next_hello;
    if (socket) atomic_fetch_add(&socket->references, 1);
    pthread_mutex_unlock(&hello_lock);
    return socket;
}

// MARK: Sessions

static int (*next_read)(SSL *, void *, int);
static int session_index = -1;
static pthread_once_t resolved = PTHREAD_ONCE_INIT;

static void free_session(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number, void *argument) {
    (void)parent, (void)data, (void)index, (void)number, (void)argument;
    if (pointer) guarded_release(pointer);
}

static void resolve(void) {
    next_read = (int (*)(SSL *, void *, int))dlsym(RTLD_NEXT, "SSL_read");
    session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_session);
}

/// The connection of a server-side session; NULL if it can't be determined.
static struct guarded *connection_of(SSL *session) {
    struct guarded *socket = SSL_get_ex_data(session, session_index);
    if (socket) return socket;
    uint8_t random[RANDOM_BYTES];
    if (SSL_get_client_random(session, random, sizeof random) != sizeof random) return NULL;
    socket = find(random);
    if (!socket) return NULL;
    hello_forget(socket);
    if (SSL_set_ex_data(session, session_index, socket)) return socket;
    guarded_release(socket);
    return NULL;
}

int SSL_read(SSL *session, void *buffer, int size) {
    pthread_once(&resolved, resolve);
    int count = next_read(session, buffer, size);
    if (count <= 0 || !SSL_is_server(session)) return count;
    struct guarded *socket = connection_of(session);
    // libgrpc takes -1 without an error in OpenSSL's queue for a broken connection, and closes it. A connection is also
    // not found if the client splits its ClientHello over several TLS records before the end of the random number; no
    // known client does.
    if (!socket) return -1;
    pthread_mutex_lock(&socket->lock);
    if (socket->kind != ENDED) guarded_read(socket, buffer, (size_t)count);
    bool is_ended = socket->kind == ENDED;
    pthread_mutex_unlock(&socket->lock);
    return is_ended ? -1 : count;
}
