// Intercepts the libc functions that libgrpc calls for its sockets.
#define _GNU_SOURCE
#include "Guarded.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TLS_HANDSHAKE = 0x16, SMALL_PARTIAL = 64 << 10 };

static _Atomic(struct guarded *) table[MOST_DESCRIPTORS];
/// The highest descriptor that was ever in the table.
static _Atomic int highest = -1;
/// Held to remove a socket from the table, and to look up sockets of other threads.
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

/// The guard of the sockets that this thread is making.
static _Thread_local struct ballast_guard *listening;

/// A spare descriptor.
///
/// When the process has none left, it is closed so that one connection can be accepted and closed.
static int spare = -1;
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER;

// The original functions of libc.
static int (*next_listen)(int, int);
static int (*next_accept4)(int, struct sockaddr *, socklen_t *, int);
static ssize_t (*next_recvmsg)(int, struct msghdr *, int);
static int (*next_close)(int);
static pthread_once_t resolved = PTHREAD_ONCE_INIT;

static void resolve(void) {
    next_listen = (int (*)(int, int))dlsym(RTLD_NEXT, "listen");
    next_accept4 = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    next_recvmsg = (ssize_t(*)(int, struct msghdr *, int))dlsym(RTLD_NEXT, "recvmsg");
    next_close = (int (*)(int))dlsym(RTLD_NEXT, "close");
}

static struct guarded *find(int descriptor) {
    if (descriptor < 0 || descriptor >= MOST_DESCRIPTORS) return NULL;
    return atomic_load_explicit(&table[descriptor], memory_order_acquire);
}

static void put(int descriptor, struct guarded *socket) {
    int last_highest = atomic_load(&highest);
    while (descriptor > last_highest && !atomic_compare_exchange_weak(&highest, &last_highest, descriptor)) {}
    struct guarded *last = atomic_exchange(&table[descriptor], socket);
    if (last) guarded_release(last);
}

struct guarded *guarded_make(struct ballast_guard *guard, bool is_listener) {
    struct guarded *socket = calloc(1, sizeof *socket);
    if (!socket) return NULL;
    socket->references = 1;
    socket->is_listener = is_listener;
    socket->guard = guard;
    pthread_mutex_init(&socket->lock, NULL);
    atomic_fetch_add(&guard->references, 1);
    return socket;
}

void guarded_release(struct guarded *socket) {
    if (atomic_fetch_sub(&socket->references, 1) != 1) return;
    // Waits until the last reader has released the lock.
    pthread_mutex_lock(&socket->lock);
    pthread_mutex_unlock(&socket->lock);
    pthread_mutex_destroy(&socket->lock);
    ballast_guard_release(socket->guard);
    free(socket);
}

/// Ends a connection at its next read, and counts that.
///
/// Call with the socket's lock held.
static void end(struct guarded *socket, int reason) {
    socket->kind = ENDED;
    guard_note(socket->guard, reason, &socket->address);
}

// MARK: Listening

void ballast_guard_begin_listening(struct ballast_guard *guard, bool is_tls) {
    guard->is_tls = is_tls;
    listening = guard;
}

void ballast_guard_end_listening(void) { listening = NULL; }

int listen(int descriptor, int backlog) {
    pthread_once(&resolved, resolve);
    if (listening && descriptor >= 0 && descriptor < MOST_DESCRIPTORS) {
        pthread_mutex_lock(&spare_lock);
        if (spare < 0) spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
        pthread_mutex_unlock(&spare_lock);
        struct guarded *socket = guarded_make(listening, true);
        if (!socket) {
            errno = ENOMEM;
            return -1;
        }
        put(descriptor, socket);
    }
    return next_listen(descriptor, backlog);
}

/// Uses the spare descriptor to accept one connection from a listener's queue and close it; false if none could be
/// accepted.
static bool shed(int listener, struct ballast_guard *guard) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    memset(&address, 0, sizeof address);
    pthread_mutex_lock(&spare_lock);
    if (spare >= 0) next_close(spare);
    int connection = next_accept4(listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
    if (connection >= 0) next_close(connection);
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pthread_mutex_unlock(&spare_lock);
    if (connection >= 0) guard_note(guard, BALLAST_GUARD_DESCRIPTORS, &address);
    return connection >= 0;
}

/// Whether `accept4` should be called again after an error.
///
/// libgrpc 1.51 stops listening forever after any error except EAGAIN and EINTR.
static bool recovers(int listener, struct ballast_guard *guard) {
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        if (shed(listener, guard)) return true;
        // The next connection makes libgrpc try again.
        errno = EAGAIN;
        return false;
    case EAGAIN:
    case EINTR:
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP: return false;
    // All other errors concern one connection, which is gone (accept(2), "error handling").
    default: return true;
    }
}

int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags) {
    pthread_once(&resolved, resolve);
    struct guarded *listener = find(descriptor);
    if (!listener || !listener->is_listener) return next_accept4(descriptor, address, length, flags);
    struct ballast_guard *guard = listener->guard;
    for (;;) {
        struct sockaddr_storage peer;
        socklen_t peer_length = sizeof peer;
        memset(&peer, 0, sizeof peer);
        int connection = next_accept4(descriptor, (struct sockaddr *)&peer, &peer_length, flags);
        if (connection < 0) {
            if (guard->is_on && recovers(descriptor, guard)) continue;
            return -1;
        }
        if (guard_admit(guard, &peer, connection) >= 0) {
            next_close(connection);
            continue;
        }
        struct guarded *socket = guarded_make(guard, false);
        if (!socket) {
            guard_leave(guard, &peer);
            next_close(connection);
            continue;
        }
        socket->address = peer;
        scanner_start(&socket->scanner, &guard->limits, milliseconds());
        put(connection, socket);
        if (address && length) {
            memcpy(address, &peer, *length < peer_length ? *length : peer_length);
            *length = peer_length;
        }
        return connection;
    }
}

static uint16_t port_of(const struct sockaddr_storage *address) {
    return ntohs(
        address->ss_family == AF_INET ? ((const struct sockaddr_in *)address)->sin_port
                                      : ((const struct sockaddr_in6 *)address)->sin6_port);
}

void ballast_guard_ignore(struct ballast_guard *guard, uint16_t port) { atomic_store(&guard->ignored_port, port); }

/// Why a connection failed for its client; -1 if it didn't, or received nothing.
///
/// Call with the socket's lock held.
static int failure(const struct guarded *socket) {
    if (!socket->guard->is_on || port_of(&socket->address) == atomic_load(&socket->guard->ignored_port)) return -1;
    if (!socket->guard->is_tls) return socket->kind == TLS ? BALLAST_GUARD_TLS : -1;
    if (socket->kind == CLEAR) return BALLAST_GUARD_PLAINTEXT;
    return socket->kind == TLS && !scanner_has_begun(&socket->scanner) ? BALLAST_GUARD_HANDSHAKE : -1;
}

int close(int descriptor) {
    pthread_once(&resolved, resolve);
    struct guarded *socket = NULL;
    if (find(descriptor)) {
        pthread_mutex_lock(&table_lock);
        socket = atomic_exchange(&table[descriptor], NULL);
        pthread_mutex_unlock(&table_lock);
    }
    if (socket) {
        hello_forget(socket);
        if (!socket->is_listener) {
            pthread_mutex_lock(&socket->lock);
            int reason = failure(socket);
            int64_t partial = socket->partial_bytes;
            socket->partial_bytes = 0;
            pthread_mutex_unlock(&socket->lock);
            if (reason >= 0) guard_note(socket->guard, reason, &socket->address);
            if (partial) guard_note_partial(socket->guard, &socket->address, -partial);
            guard_leave(socket->guard, &socket->address);
        }
        guarded_release(socket);
    }
    return next_close(descriptor);
}

void ballast_guard_end(
    struct ballast_guard *guard, bool (*chooses)(const char *address, uint16_t port, void *context), void *context) {
    pthread_mutex_lock(&table_lock);
    for (int descriptor = 0; descriptor <= atomic_load(&highest); descriptor++) {
        struct guarded *socket = find(descriptor);
        char text[48];
        if (!socket || socket->is_listener || socket->guard != guard) continue;
        address_text(&socket->address, text);
        // libgrpc reads the end of the connection and closes it.
        if (chooses(text, port_of(&socket->address), context)) shutdown(descriptor, SHUT_RDWR);
    }
    pthread_mutex_unlock(&table_lock);
}

// MARK: Reading

void guarded_read(struct guarded *socket, const uint8_t *bytes, size_t count) {
    if (!socket->guard->is_on) return;
    int reason = scanner_read(&socket->scanner, &socket->guard->limits, bytes, count, milliseconds());
    if (reason < 0 && socket->scanner.new_streams > 0
        && !guard_take_streams(socket->guard, &socket->address, socket->scanner.new_streams))
        reason = BALLAST_GUARD_NEW_STREAMS_OF_ADDRESS;
    // Most incomplete messages are small, and too small to matter.
    uint32_t partial = socket->scanner.partial_bytes > SMALL_PARTIAL ? socket->scanner.partial_bytes : 0;
    if (partial != socket->partial_bytes) {
        int64_t change = (int64_t)partial - (int64_t)socket->partial_bytes;
        socket->partial_bytes = partial;
        if (!guard_note_partial(socket->guard, &socket->address, change) && reason < 0)
            reason = BALLAST_GUARD_PARTIAL_MESSAGES;
    }
    if (reason >= 0) end(socket, reason);
}

static void read_bytes(struct guarded *socket, const uint8_t *bytes, size_t count) {
    if (socket->kind == NEW && count > 0) socket->kind = bytes[0] == TLS_HANDSHAKE ? TLS : CLEAR;
    // Bytes that came over TLS are scanned after decryption.
    if (socket->kind == CLEAR) return guarded_read(socket, bytes, count);
    int reason = hello_read(socket, bytes, count);
    if (reason >= 0) end(socket, reason);
}

ssize_t recvmsg(int descriptor, struct msghdr *message, int flags) {
    pthread_once(&resolved, resolve);
    ssize_t count = next_recvmsg(descriptor, message, flags);
    struct guarded *socket = count > 0 ? find(descriptor) : NULL;
    if (!socket || socket->is_listener) return count;
    size_t left = (size_t)count;
    pthread_mutex_lock(&socket->lock);
    for (size_t i = 0; i < message->msg_iovlen && left > 0 && socket->kind != ENDED; i++) {
        size_t part = message->msg_iov[i].iov_len < left ? message->msg_iov[i].iov_len : left;
        read_bytes(socket, message->msg_iov[i].iov_base, part);
        left -= part;
    }
    bool is_ended = socket->kind == ENDED;
    pthread_mutex_unlock(&socket->lock);
    if (!is_ended) return count;
    shutdown(descriptor, SHUT_RDWR);
    errno = ECONNRESET;
    return -1;
}

const char *ballast_guard_missing_function(void) {
    extern int SSL_read(void *, void *, int);
    static const struct {
        const char *name;
        void *ours;
    } functions[] = {
        {"listen", (void *)listen}, {"accept4", (void *)accept4},   {"recvmsg", (void *)recvmsg},
        {"close", (void *)close},   {"SSL_read", (void *)SSL_read},
    };
    // The dynamic linker resolves libgrpc's symbols in the same order.
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (dlsym(RTLD_DEFAULT, functions[i].name) != functions[i].ours) return functions[i].name;
    return NULL;
}
