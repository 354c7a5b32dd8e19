#define _GNU_SOURCE
#include "Scanner.h"

#include <string.h>
#include <time.h>

// Frame types (RFC 9113, 6).
enum {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_PRIORITY = 2,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_CONTINUATION = 9,
};

enum { PREFACE_BYTES = 24, HEADER_BYTES = 9, LARGE_DATA = 1024, BURST_SECONDS = 4, PREFIX_BYTES = 5 };

// Flags of DATA frames (RFC 9113, 6.1).
enum { FLAG_END_STREAM = 1, FLAG_PADDED = 8 };

uint64_t milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

void bucket_fill(struct bucket *bucket, uint64_t burst, uint64_t now) {
    bucket->tokens = burst * 1000;
    bucket->updated = now;
}

static uint64_t bucket_tokens(const struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now) {
    // A day refills every bucket; a longer time could overflow.
    uint64_t elapsed = now > bucket->updated ? now - bucket->updated : 0;
    if (elapsed > 86400000) elapsed = 86400000;
    uint64_t tokens = bucket->tokens + elapsed * rate;
    return tokens < burst * 1000 ? tokens : burst * 1000;
}

bool bucket_take(struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t count, uint64_t now) {
    if (rate == 0) return true;
    uint64_t tokens = bucket_tokens(bucket, rate, burst, now);
    if (tokens < count * 1000) return false;
    bucket->tokens = tokens - count * 1000;
    bucket->updated = now;
    return true;
}

bool bucket_is_full(const struct bucket *bucket, uint64_t rate, uint64_t burst, uint64_t now) {
    return rate == 0 || bucket_tokens(bucket, rate, burst, now) == burst * 1000;
}

void scanner_start(struct scanner *scanner, const struct ballast_guard_limits *limits, uint64_t now) {
    memset(scanner, 0, sizeof *scanner);
    scanner->preface_left = PREFACE_BYTES;
    scanner->marked = now;
    bucket_fill(&scanner->streams, limits->streams_burst, now);
    bucket_fill(&scanner->resets, (uint64_t)limits->resets_per_second * BURST_SECONDS, now);
    bucket_fill(&scanner->pings, (uint64_t)limits->pings_per_second * BURST_SECONDS, now);
    bucket_fill(&scanner->settings, (uint64_t)limits->settings_per_second * BURST_SECONDS, now);
    bucket_fill(&scanner->priorities, (uint64_t)limits->priorities_per_second * BURST_SECONDS, now);
    bucket_fill(&scanner->frames, (uint64_t)limits->frames_per_second * BURST_SECONDS, now);
    bucket_fill(&scanner->header_bytes, (uint64_t)limits->header_bytes_per_second * BURST_SECONDS, now);
}

static bool take(struct bucket *bucket, uint32_t rate, uint64_t count, uint64_t now) {
    return bucket_take(bucket, rate, (uint64_t)rate * BURST_SECONDS, count, now);
}

/// Counts a part of a header block.
static int scan_headers(
    struct scanner *scanner, const struct ballast_guard_limits *limits, uint32_t length, uint64_t now) {
    // Lengths have 24 bits, so more than 256 of them could overflow.
    scanner->block_bytes = scanner->block_bytes > UINT32_MAX - length ? UINT32_MAX : scanner->block_bytes + length;
    if (limits->header_block_bytes && scanner->block_bytes > limits->header_block_bytes)
        return BALLAST_GUARD_HEADER_BLOCK;
    if (!take(&scanner->header_bytes, limits->header_bytes_per_second, length, now)) return BALLAST_GUARD_HEADER_RATE;
    return -1;
}

/// Makes the stream's incomplete message the current one, or starts a new message.
static void take_partial(struct scanner *scanner, uint32_t stream) {
    memset(&scanner->current, 0, sizeof scanner->current);
    scanner->current.stream = stream;
    for (uint32_t i = 0; i < scanner->partial_count; i++) {
        if (scanner->partials[i].stream != stream) continue;
        scanner->current = scanner->partials[i];
        scanner->partials[i] = scanner->partials[--scanner->partial_count];
        return;
    }
}

/// Removes the incomplete message of a stream that has ended.
static void drop_partial(struct scanner *scanner, uint32_t stream) {
    take_partial(scanner, stream);
    scanner->partial_bytes -= scanner->current.received;
    scanner->current.received = 0;
}

/// Scans the payload of a DATA frame: messages, each with its prefix.
static void scan_messages(
    struct scanner *scanner, const struct ballast_guard_limits *limits, const uint8_t *bytes, size_t count) {
    struct partial *message = &scanner->current;
    while (count > 0) {
        if (message->prefix_count < PREFIX_BYTES) {
            // A flag byte, then the length in network byte order.
            if (message->prefix_count > 0) message->left = message->left << 8 | *bytes;
            message->prefix_count++;
            message->is_too_long = limits->message_bytes && message->left > limits->message_bytes;
            bytes++;
            count--;
        } else {
            size_t step = count < message->left ? count : message->left;
            message->left -= (uint32_t)step;
            if (!message->is_too_long) {
                message->received += (uint32_t)step;
                scanner->partial_bytes += (uint32_t)step;
            }
            bytes += step;
            count -= step;
        }
        if (message->prefix_count < PREFIX_BYTES || message->left > 0) continue;
        scanner->partial_bytes -= message->received;
        message->prefix_count = 0;
        message->received = 0;
    }
}

/// Called at the end of a DATA frame.
///
/// Returns the limit that is exceeded, or -1.
static int end_data(struct scanner *scanner, const struct ballast_guard_limits *limits) {
    struct partial *message = &scanner->current;
    if (scanner->header[4] & FLAG_END_STREAM) {
        scanner->partial_bytes -= message->received;
        return -1;
    }
    if (message->prefix_count == 0) return -1;
    if (scanner->partial_count == MOST_PARTIALS) return limits->partial_bytes ? BALLAST_GUARD_PARTIAL_MESSAGES : -1;
    scanner->partials[scanner->partial_count++] = *message;
    return -1;
}

static int scan_frame(struct scanner *scanner, const struct ballast_guard_limits *limits, uint64_t now) {
    const uint8_t *header = scanner->header;
    uint32_t length = (uint32_t)header[0] << 16 | (uint32_t)header[1] << 8 | header[2];
    uint32_t stream =
        ((uint32_t)header[5] << 24 | (uint32_t)header[6] << 16 | (uint32_t)header[7] << 8 | header[8]) & 0x7fffffff;
    scanner->payload_left = length;
    if (now - scanner->marked >= 1000) {
        // If 2 seconds have passed since the last mark, all streams are at least that old.
        scanner->last_stream_before =
            now - scanner->marked >= 2000 ? scanner->last_stream : scanner->last_stream_recently;
        scanner->last_stream_recently = scanner->last_stream;
        scanner->marked = now;
    }
    bool is_large = header[3] == FRAME_DATA && length > LARGE_DATA;
    if (!is_large && !take(&scanner->frames, limits->frames_per_second, 1, now)) return BALLAST_GUARD_FRAMES;
    switch (header[3]) {
    case FRAME_DATA:
        // No gRPC client uses padding, and messages can't be followed through it.
        if (header[4] & FLAG_PADDED && limits->partial_bytes) return BALLAST_GUARD_PARTIAL_MESSAGES;
        take_partial(scanner, stream);
        return length == 0 ? end_data(scanner, limits) : -1;
    case FRAME_HEADERS:
        // RFC 9113, 5.1.1: a client's stream numbers are odd. libgrpc ignores even ones, and goes on with the next odd
        // one.
        if (stream % 2 == 0) return BALLAST_GUARD_STREAM_ID;
        if (header[4] & FLAG_END_STREAM) drop_partial(scanner, stream);
        scanner->block_bytes = 0;
        scanner->block_continuations = 0;
        if (stream > scanner->last_stream) {
            scanner->last_stream = stream;
            scanner->new_streams++;
            if (!bucket_take(&scanner->streams, limits->streams_per_second, limits->streams_burst, 1, now))
                return BALLAST_GUARD_NEW_STREAMS;
        }
        return scan_headers(scanner, limits, length, now);
    case FRAME_CONTINUATION:
        scanner->block_continuations++;
        if (limits->continuations && scanner->block_continuations > limits->continuations)
            return BALLAST_GUARD_HEADER_BLOCK;
        return scan_headers(scanner, limits, length, now);
    case FRAME_RST_STREAM:
        drop_partial(scanner, stream);
        if (stream > scanner->last_stream_before && !take(&scanner->resets, limits->resets_per_second, 1, now))
            return BALLAST_GUARD_RESETS;
        return -1;
    case FRAME_PING: return take(&scanner->pings, limits->pings_per_second, 1, now) ? -1 : BALLAST_GUARD_PINGS;
    case FRAME_SETTINGS:
        return take(&scanner->settings, limits->settings_per_second, 1, now) ? -1 : BALLAST_GUARD_SETTINGS;
    case FRAME_PRIORITY:
        return take(&scanner->priorities, limits->priorities_per_second, 1, now) ? -1 : BALLAST_GUARD_PRIORITIES;
    default: return -1;
    }
}

bool scanner_has_begun(const struct scanner *scanner) { return scanner->preface_left < PREFACE_BYTES; }

int scanner_read(
    struct scanner *scanner, const struct ballast_guard_limits *limits, const uint8_t *bytes, size_t count, uint64_t now) {
    scanner->new_streams = 0;
    while (count > 0) {
        size_t step;
        if (scanner->preface_left > 0) {
            step = count < scanner->preface_left ? count : scanner->preface_left;
            scanner->preface_left -= (uint8_t)step;
        } else if (scanner->payload_left > 0) {
            step = count < scanner->payload_left ? count : scanner->payload_left;
            scanner->payload_left -= (uint32_t)step;
            if (scanner->header[3] == FRAME_DATA) {
                scan_messages(scanner, limits, bytes, step);
                if (limits->partial_bytes && scanner->partial_bytes > limits->partial_bytes)
                    return BALLAST_GUARD_PARTIAL_MESSAGES;
                int reason = scanner->payload_left == 0 ? end_data(scanner, limits) : -1;
                if (reason >= 0) return reason;
            }
        } else {
            step = HEADER_BYTES - (size_t)scanner->header_count;
            if (step > count) step = count;
            memcpy(scanner->header + scanner->header_count, bytes, step);
            scanner->header_count += (uint8_t)step;
            if (scanner->header_count == HEADER_BYTES) {
                scanner->header_count = 0;
                int reason = scan_frame(scanner, limits, now);
                if (reason >= 0) return reason;
            }
        }
        bytes += step;
        count -= step;
    }
    return -1;
}
