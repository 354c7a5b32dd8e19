// Internal, and for tests: scans the HTTP/2 frames of one connection, and counts those that cost a server more than its
// client.
#ifndef BALLAST_SCANNER_H
#define BALLAST_SCANNER_H

#include "CConnectionGuard.h"

#include <stddef.h>

/// A token bucket: a rate per second, after a burst.
///
/// It counts in thousandths of an event.
struct bucket {
    uint64_t tokens;
    uint64_t updated;
};

enum { MOST_PARTIALS = 32 };

/// An incomplete gRPC message, which libgrpc buffers.
struct partial {
    uint32_t stream;
    /// The number of bytes of the prefix (a flag and a 4-byte length) received so far.
    uint32_t prefix_count;
    uint32_t left;
    uint32_t received;
    /// Whether the message exceeds libgrpc's limit.
    bool is_too_long;
};

/// The state of one connection's bytes; not thread-safe.
struct scanner {
    /// The bytes of the client's preface (RFC 9113, 3.4) that are still missing.
    uint8_t preface_left;
    uint8_t header_count;
    uint8_t header[9];
    /// The bytes of the frame's payload that are still missing.
    uint32_t payload_left;
    uint32_t block_bytes;
    uint32_t block_continuations;
    uint32_t last_stream;
    /// The number of streams opened in the last call of `scanner_read`.
    uint32_t new_streams;
    /// The newest stream at the last mark, up to 1 second ago, and at the mark before, 1 to 2 seconds ago.
    uint32_t last_stream_recently, last_stream_before;
    uint64_t marked;
    /// The message of the current DATA frame, and those of other streams.
    struct partial current;
    struct partial partials[MOST_PARTIALS];
    uint32_t partial_count;
    /// The bytes received of all of these messages.
    uint32_t partial_bytes;
    struct bucket streams, resets, pings, settings, priorities, frames, header_bytes;
};

/// Initializes the scanner for a new connection.
void scanner_start(struct scanner *scanner, const struct ballast_guard_limits *limits, uint64_t now);

/// Whether any byte has been read.
bool scanner_has_begun(const struct scanner *scanner);

/// Scans the next bytes of a connection, received at time `now`.
///
/// Returns the limit that they exceed, or -1.
int scanner_read(
    struct scanner *scanner, const struct ballast_guard_limits *limits, const uint8_t *bytes, size_t count, uint64_t now);

/// Fills a bucket.
void bucket_fill(struct bucket *bucket, uint64_t burst, uint64_t now);

/// Takes `count` events; false if the bucket has fewer.
///
/// A rate of 0 means no limit.
bool bucket_take(struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t count, uint64_t now);

/// Whether the bucket is full.
bool bucket_is_full(const struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now);

/// Monotonic time in milliseconds, with a resolution of about 4 ms.
uint64_t milliseconds(void);

#endif
