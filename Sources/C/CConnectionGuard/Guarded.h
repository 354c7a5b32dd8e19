// Declarations shared by the files of this folder.
//
// Ownership:
// - The table of sockets holds one reference to a socket per descriptor; `close` releases it. libgrpc never closes a
//   descriptor while it reads from it, so a socket found by a read stays valid until the read is over.
// - A TLS session holds a second reference, in its ex_data; OpenSSL releases it with the session.
// - Each socket holds a reference to its guard, and so does the guard's owner.
// - The state of a connection's bytes is protected by the connection's lock. libgrpc reads a connection on one thread
//   at a time, but the lock is cheap, and the code doesn't rely on that.
#ifndef BALLAST_GUARDED_H
#define BALLAST_GUARDED_H

#include "CConnectionGuard.h"
#include "Scanner.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

enum {
    MOST_DESCRIPTORS = 1 << 20,
    PEER_BUCKETS = 4096,
    MOST_EVENTS = 64,
    RANDOM_BYTES = 32,
};

/// One client address.
struct peer {
    struct peer *next;
    uint8_t key[16];
    uint32_t connections;
    /// The rates of new connections and of new streams.
    struct bucket rate, streams;
    uint64_t partial_bytes;
};

struct ballast_guard {
    _Atomic uint32_t references;
    struct ballast_guard_limits limits;
    /// Whether there are any limits.
    bool is_on;
    /// Whether clients must begin with a TLS handshake.
    bool is_tls;
    /// The port of a client whose connections are not reported.
    _Atomic uint16_t ignored_port;
    uint32_t most_descriptor;
    pthread_mutex_t lock;
    // Protected by the lock:
    struct peer *peers[PEER_BUCKETS];
    uint32_t peer_count;
    uint32_t open;
    uint64_t partial_bytes;
    uint64_t accepted;
    uint64_t refused[BALLAST_GUARD_REASONS];
    struct ballast_guard_event events[MOST_EVENTS];
    uint32_t event_count;
};

/// What a connection has sent so far; ENDED if the guard has ended it.
enum kind { NEW, CLEAR, TLS, ENDED };

/// A socket of a guarded server.
struct guarded {
    _Atomic uint32_t references;
    /// False for a connection.
    ///
    /// All fields below are for connections only.
    bool is_listener;
    struct ballast_guard *guard;
    struct sockaddr_storage address;
    pthread_mutex_t lock;
    // Protected by the lock:
    enum kind kind;
    struct scanner scanner;
    /// The part of the scanner's `partial_bytes` that the guard has counted.
    uint32_t partial_bytes;
    /// TLS only: the random number of the ClientHello, which identifies the connection, and how many bytes of the
    /// ClientHello have been read.
    uint8_t random[RANDOM_BYTES];
    uint32_t hello_count;
    // Protected by the lock of the table of random numbers:
    struct guarded *next_hello;
    bool is_in_hellos;
};

/// Admits a connection and counts it until `guard_leave`; returns -1, or the limit that it would exceed.
int guard_admit(struct ballast_guard *guard, const struct sockaddr_storage *address, int descriptor);

/// Removes an admitted connection that has ended.
void guard_leave(struct ballast_guard *guard, const struct sockaddr_storage *address);

/// Counts streams opened by a connection from this address; false if they exceed the limit.
bool guard_take_streams(struct ballast_guard *guard, const struct sockaddr_storage *address, uint32_t count);

/// Counts bytes of incomplete messages; false if they exceed a limit.
bool guard_note_partial(struct ballast_guard *guard, const struct sockaddr_storage *address, int64_t change);

/// Counts a connection that was refused or ended.
void guard_note(struct ballast_guard *guard, int reason, const struct sockaddr_storage *address);

/// Creates a socket of the guard, with one reference for the caller; NULL if there is no memory.
struct guarded *guarded_make(struct ballast_guard *guard, bool is_listener);

/// Releases a reference.
void guarded_release(struct guarded *socket);

/// Scans a connection's unencrypted bytes, and ends the connection if it exceeds a limit.
///
/// Call with the socket's lock held.
void guarded_read(struct guarded *socket, const uint8_t *bytes, size_t count);

/// Reads the ClientHello's random number from the first bytes of a TLS connection.
///
/// Call with the socket's lock held.
///
/// Returns -1 if the connection may continue, otherwise the reason why not.
int hello_read(struct guarded *socket, const uint8_t *bytes, size_t count);

/// Removes a connection's random number from the table.
void hello_forget(struct guarded *socket);

/// A numeric address without the port.
void address_text(const struct sockaddr_storage *address, char text[48]);

/// FNV-1a.
uint32_t hash_bytes(const uint8_t *bytes, size_t count);

#endif
