// Limits the connections that libgrpc's servers accept, and the HTTP/2 frames on each of them.
//
// libgrpc calls `listen`, `accept4`, `recvmsg`, `close` and `SSL_read` as dynamic symbols, so definitions in the
// executable take precedence. The definitions in this folder inspect the sockets of guarded servers, and pass
// everything else through. docs/decisions/001-connection-guard.md has the reasons.
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
    /// The connection ended before its TLS handshake was complete.
    BALLAST_GUARD_HANDSHAKE,
    /// It sent no TLS to a server that requires it.
    BALLAST_GUARD_PLAINTEXT,
    /// It sent TLS to a server without TLS.
    BALLAST_GUARD_TLS,
    BALLAST_GUARD_REASONS
};

/// The limits of one server; 0 means no limit.
///
/// Rates are events per second, after a burst.
struct ballast_guard_limits {
    /// Open connections in total.
    uint32_t connections;
    /// Open connections from one address: an IPv4 address, or the first 64 bits of an IPv6 address.
    ///
    /// Also the burst of new ones.
    uint32_t connections_per_address;
    /// New connections per second from one address.
    uint32_t connections_per_second;
    /// Streams opened per second by all connections from one address, after a burst of `address_streams_burst`.
    uint32_t address_streams_per_second;
    uint32_t address_streams_burst;
    /// Streams opened per second, after a burst of `streams_burst`.
    ///
    /// This and all limits below apply to one connection.
    uint32_t streams_per_second;
    uint32_t streams_burst;
    /// RST_STREAM frames for streams that are younger than 1 to 2 seconds.
    ///
    /// For this rate and all below, the burst is 4 seconds' worth.
    uint32_t resets_per_second;
    uint32_t pings_per_second;
    uint32_t settings_per_second;
    uint32_t priorities_per_second;
    /// Frames of any type, except DATA frames of more than 1,024 bytes.
    uint32_t frames_per_second;
    /// The length of a header block in bytes, over all of its frames.
    uint32_t header_block_bytes;
    /// CONTINUATION frames per header block.
    uint32_t continuations;
    /// Bytes of header blocks per second.
    uint32_t header_bytes_per_second;
    /// The length of a message that libgrpc accepts; a longer one ends its stream.
    uint32_t message_bytes;
    /// Bytes of incomplete gRPC messages: of one connection, of all connections from one address, and in total.
    uint32_t partial_bytes, address_partial_bytes, all_partial_bytes;
};

/// The number of refusals with the same reason and address since they were last taken.
struct ballast_guard_event {
    enum ballast_guard_reason reason;
    uint64_t count;
    /// The peer's numeric address, without the port.
    char address[48];
};

struct ballast_guard;

/// The name of a function in this folder that libgrpc would not call; NULL if it calls all of them.
const char *ballast_guard_missing_function(void);

/// Creates a guard with one reference, to be released with `ballast_guard_release`.
///
/// Connections keep it alive until they close.
struct ballast_guard *ballast_guard_create(const struct ballast_guard_limits *limits);

/// Releases the owner's reference.
void ballast_guard_release(struct ballast_guard *guard);

/// From now until `ballast_guard_end_listening`, sockets that this thread starts to listen on belong to the guard.
///
/// `is_tls` says whether clients must begin with a TLS handshake.
void ballast_guard_begin_listening(struct ballast_guard *guard, bool is_tls);

/// Sets the port of a client of this program itself, whose connections end early and are not reported.
void ballast_guard_ignore(struct ballast_guard *guard, uint16_t port);

/// See `ballast_guard_begin_listening`.
void ballast_guard_end_listening(void);

/// The number of connections accepted so far.
uint64_t ballast_guard_accepted(struct ballast_guard *guard);

/// The number of open connections.
uint32_t ballast_guard_open(struct ballast_guard *guard);

/// The number of connections refused or ended for this reason so far.
uint64_t ballast_guard_refused(struct ballast_guard *guard, enum ballast_guard_reason reason);

/// Ends the open connections for which `chooses` returns true, given the peer's numeric address, its port, and
/// `context`.
void ballast_guard_end(
    struct ballast_guard *guard, bool (*chooses)(const char *address, uint16_t port, void *context), void *context);

/// Takes one event; false if there is none.
///
/// At most 64 are kept: further combinations of reason and address are only counted in `ballast_guard_refused`.
bool ballast_guard_take_event(struct ballast_guard *guard, struct ballast_guard_event *event);

/// Removes the records of addresses that have no connections and a full burst.
///
/// Call it about once a second.
void ballast_guard_sweep(struct ballast_guard *guard);

#ifdef __cplusplus
}
#endif

// The scanner alone, for tests.
#include "Scanner.h"

#endif
