// Guards the connections that libgrpc's servers accept: how many there are, and what HTTP/2 frames come over each.
//
// libgrpc calls `listen`, `accept4`, `recvmsg`, `close` and `SSL_read` as dynamic symbols. An executable that defines
// them is asked first. The definitions in this room look at the sockets of guarded servers, and pass all else through.
// docs/decisions/001-connection-guard.md tells why.
#ifndef BALLAST_CONNECTION_GUARD_H
#define BALLAST_CONNECTION_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Why a connection was refused or ended.
enum ballast_guard_reason {
    BALLAST_GUARD_CONNECTIONS,
    BALLAST_GUARD_CONNECTIONS_PER_ADDRESS,
    BALLAST_GUARD_CONNECTION_RATE,
    BALLAST_GUARD_DESCRIPTORS,
    BALLAST_GUARD_NEW_STREAMS,
    BALLAST_GUARD_NEW_STREAMS_OF_ADDRESS,
    BALLAST_GUARD_RESETS,
    BALLAST_GUARD_PINGS,
    BALLAST_GUARD_SETTINGS,
    BALLAST_GUARD_PRIORITIES,
    BALLAST_GUARD_FRAMES,
    BALLAST_GUARD_HEADER_BLOCK,
    BALLAST_GUARD_HEADER_RATE,
    BALLAST_GUARD_CLIENT_HELLO,
    BALLAST_GUARD_STREAM_ID,
    BALLAST_GUARD_PARTIAL_MESSAGES,
    /// It ended before its TLS handshake did.
    BALLAST_GUARD_HANDSHAKE,
    /// It sent no TLS to a server that wants it.
    BALLAST_GUARD_PLAINTEXT,
    /// It sent TLS to a server without.
    BALLAST_GUARD_TLS,
    BALLAST_GUARD_REASONS
};

/// How much one server takes. 0 means without limit. Rates are events in a second, after a burst.
struct ballast_guard_limits {
    /// Open connections in all.
    uint32_t connections;
    /// Open connections from one address: an IPv4 address, or the first 64 bits of an IPv6 address. Also the burst of
    /// new ones.
    uint32_t connections_per_address;
    /// New connections from one address.
    uint32_t connections_per_second;
    /// Streams opened by all connections from one address, after a burst of `address_streams_burst`.
    uint32_t address_streams_per_second;
    uint32_t address_streams_burst;
    /// Of one connection, as are all below: streams opened, after a burst of `streams_burst`.
    uint32_t streams_per_second;
    uint32_t streams_burst;
    /// RST_STREAM frames for streams that are younger than 1 to 2 seconds. The burst is 4 seconds' worth, as in all below.
    uint32_t resets_per_second;
    uint32_t pings_per_second;
    uint32_t settings_per_second;
    uint32_t priorities_per_second;
    /// Frames of any type, except DATA frames of more than 1,024 bytes.
    uint32_t frames_per_second;
    /// The longest header block, in bytes, over all of its frames.
    uint32_t header_block_bytes;
    /// CONTINUATION frames of one header block.
    uint32_t continuations;
    /// Bytes of header blocks in a second.
    uint32_t header_bytes_per_second;
    /// The longest message that libgrpc keeps; a longer one ends its stream.
    uint32_t message_bytes;
    /// Bytes of gRPC messages that have come in part; of one connection, of all from one address, and in all.
    uint32_t partial_bytes, address_partial_bytes, all_partial_bytes;
};

/// Refusals with the same reason and address since the last call of `ballast_guard_take_event`.
struct ballast_guard_event {
    enum ballast_guard_reason reason;
    uint64_t count;
    /// The peer's address in numbers, without its port.
    char address[48];
};

struct ballast_guard;

/// The name of a function that libgrpc would not call in this room; NULL if it calls all of them.
const char *ballast_guard_missing_function(void);

/// A guard with one owner, who gives it back with `ballast_guard_release`. Connections keep it alive until they close.
struct ballast_guard *ballast_guard_create(const struct ballast_guard_limits *limits);

/// Gives back the owner's reference.
void ballast_guard_release(struct ballast_guard *guard);

/// From here to `ballast_guard_end_listening`, sockets that this thread starts to listen on are the guard's.
///
/// `is_tls` says whether clients have to begin with a TLS handshake.
void ballast_guard_begin_listening(struct ballast_guard *guard, bool is_tls);

/// The port of a client of this program's own, whose connections end early and are not told of.
void ballast_guard_ignore(struct ballast_guard *guard, uint16_t port);

/// See `ballast_guard_begin_listening`.
void ballast_guard_end_listening(void);

/// Connections that were let in so far.
uint64_t ballast_guard_accepted(struct ballast_guard *guard);

/// Connections that are open.
uint32_t ballast_guard_open(struct ballast_guard *guard);

/// Connections that were refused or ended for that reason so far.
uint64_t ballast_guard_refused(struct ballast_guard *guard, enum ballast_guard_reason reason);

/// Ends open connections: those for which `chooses` returns true, of the peer's address in numbers, its port, and `context`.
void ballast_guard_end(
    struct ballast_guard *guard, bool (*chooses)(const char *address, uint16_t port, void *context), void *context);

/// Takes one event that has not been taken yet; false if there is none. There are at most 64: further reasons and
/// addresses are only counted in `ballast_guard_refused`.
bool ballast_guard_take_event(struct ballast_guard *guard, struct ballast_guard_event *event);

/// Forgets addresses without connections whose burst is whole again. To be called about once a second.
void ballast_guard_sweep(struct ballast_guard *guard);

#ifdef __cplusplus
}
#endif

// The reader of frames alone, for tests.
#include "Scanner.h"

#endif
