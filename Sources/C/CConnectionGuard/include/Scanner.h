// For this room, and its tests: looks at HTTP/2 frame headers in the bytes of one connection, and counts what costs a server more than its client.
#ifndef BALLAST_SCANNER_H
#define BALLAST_SCANNER_H

#include "CConnectionGuard.h"

#include <stddef.h>

/// Lets through so many events a second, after a burst. Counts in thousandths of an event.
struct bucket {
    uint64_t tokens;
    uint64_t updated;
};

enum { MOST_PARTIALS = 32 };

/// A gRPC message of which a part has come: libgrpc keeps it until it is whole.
struct partial {
    uint32_t stream;
    /// Bytes of the prefix (a flag, and the length in 4 bytes) that have come.
    uint32_t prefix_count;
    uint32_t left;
    uint32_t received;
    /// Whether it is longer than libgrpc keeps.
    bool is_too_long;
};

/// What is known of one connection's bytes. One thread at a time.
struct scanner {
    /// Bytes of the client's preface (RFC 9113, 3.4) that have yet to come.
    uint8_t preface_left;
    uint8_t header_count;
    uint8_t header[9];
    /// Bytes of the frame's payload that have yet to come.
    uint32_t payload_left;
    uint32_t block_bytes;
    uint32_t block_continuations;
    uint32_t last_stream;
    /// Streams that were opened in the bytes of the last call of `scanner_read`.
    uint32_t new_streams;
    /// The newest stream of about 1 second ago, and of up to 2 seconds ago.
    uint32_t last_stream_recently, last_stream_before;
    uint64_t marked;
    /// The message that the DATA frame under way belongs to, and those of other streams.
    struct partial current;
    struct partial partials[MOST_PARTIALS];
    uint32_t partial_count;
    /// Received bytes of all of them.
    uint32_t partial_bytes;
    struct bucket streams, resets, pings, settings, priorities, frames, header_bytes;
};

/// A scanner of a new connection.
void scanner_start(struct scanner *scanner, const struct ballast_guard_limits *limits, uint64_t now);

/// Whether any byte has been read.
bool scanner_has_begun(const struct scanner *scanner);

/// Reads the next bytes of a connection, at that time.
///
/// Returns the limit that they break, or -1 if they break none.
int scanner_read(
    struct scanner *scanner, const struct ballast_guard_limits *limits, const uint8_t *bytes, size_t count, uint64_t now);

/// Fills a bucket.
void bucket_fill(struct bucket *bucket, uint64_t burst, uint64_t now);

/// Takes `count` events; false if there are not that many. A rate of 0 lets all through.
bool bucket_take(struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t count, uint64_t now);

/// Whether a burst is whole again.
bool bucket_is_full(const struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now);

/// Milliseconds of a clock that never goes back; exact to some 4 ms.
uint64_t milliseconds(void);

#endif
