// What the files of this room share.
//
// Who owns what:
// - The table of sockets has one reference to a socket for each descriptor; `close` gives it back. libgrpc never closes a
//   descriptor while it reads from it, so a socket that a read has found stays until the read is over.
// - A TLS session has a second reference, in its ex_data; OpenSSL gives it back with the session.
// - Sockets have a reference to their guard; so has the guard's owner.
// - What is known of a connection's bytes is in its lock. libgrpc reads a connection on one thread at a time; the lock costs
//   little, and doesn't rely on that.
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

/// One address.
struct peer {
    struct peer *next;
    uint8_t key[16];
    uint32_t connections;
    /// Of connections, and of streams.
    struct bucket rate, streams;
    uint64_t partial_bytes;
};

struct ballast_guard {
    _Atomic uint32_t references;
    struct ballast_guard_limits limits;
    /// Whether anything is limited.
    bool is_on;
    /// Whether clients have to begin with a TLS handshake.
    bool is_tls;
    /// Of a client whose connections are not told of.
    _Atomic uint16_t ignored_port;
    uint32_t most_descriptor;
    pthread_mutex_t lock;
    // In the lock:
    struct peer *peers[PEER_BUCKETS];
    uint32_t peer_count;
    uint32_t open;
    uint64_t partial_bytes;
    uint64_t accepted;
    uint64_t refused[BALLAST_GUARD_REASONS];
    struct ballast_guard_event events[MOST_EVENTS];
    uint32_t event_count;
};

/// What has come over a connection.
enum kind { NEW, CLEAR, TLS, ENDED };

/// A descriptor of a guarded server.
struct guarded {
    _Atomic uint32_t references;
    /// Else it is a connection; all below is of connections only.
    bool is_listener;
    struct ballast_guard *guard;
    struct sockaddr_storage address;
    pthread_mutex_t lock;
    // In the lock:
    enum kind kind;
    struct scanner scanner;
    /// What the guard has been told of the scanner's `partial_bytes`.
    uint32_t partial_bytes;
    /// Of TLS only: the ClientHello's random number, which tells a connection from others, and how many bytes of the
    /// ClientHello have been looked at.
    uint8_t random[RANDOM_BYTES];
    uint32_t hello_count;
    // In the lock of the table of random numbers:
    struct guarded *next_hello;
    bool is_in_hellos;
};

/// The limit that one more connection would break; -1 if it is let in, and counted until `guard_leave`.
int guard_admit(struct ballast_guard *guard, const struct sockaddr_storage *address, int descriptor);

/// A connection that was let in is over.
void guard_leave(struct ballast_guard *guard, const struct sockaddr_storage *address);

/// Counts streams that were opened by a connection from that address; false if they are too many.
bool guard_take_streams(struct ballast_guard *guard, const struct sockaddr_storage *address, uint32_t count);

/// Counts bytes of messages that have come in part; false if they are too many.
bool guard_note_partial(struct ballast_guard *guard, const struct sockaddr_storage *address, int64_t change);

/// Counts that a connection was refused or ended.
void guard_note(struct ballast_guard *guard, int reason, const struct sockaddr_storage *address);

/// A socket of that guard, with one reference for the caller; NULL if there is no memory.
struct guarded *guarded_make(struct ballast_guard *guard, bool is_listener);

/// Gives back a reference.
void guarded_release(struct guarded *socket);

/// Reads what a connection sends, in the clear; ends the connection if it breaks a limit. In the socket's lock.
void guarded_read(struct guarded *socket, const uint8_t *bytes, size_t count);

/// Looks for the ClientHello's random number in the first bytes of a TLS connection. In the socket's lock.
///
/// Returns -1 if the connection may go on, else why not.
int hello_read(struct guarded *socket, const uint8_t *bytes, size_t count);

/// Forgets a connection's random number.
void hello_forget(struct guarded *socket);

/// An address in numbers, without its port.
void address_text(const struct sockaddr_storage *address, char text[48]);

/// FNV-1a.
uint32_t hash_bytes(const uint8_t *bytes, size_t count);

#endif
