// Debian's libgrpc for Swift: its C headers, and functions for macros that Swift doesn't import.
#ifndef BALLAST_CGRPC_SHIM_H
#define BALLAST_CGRPC_SHIM_H

// Included first, so that libc's headers match Swift's own module of them. libgrpc's headers define _GNU_SOURCE, which
// changes structs such as fd_set, and two versions of one struct don't compile.
#include <features.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>
#include <grpc/slice.h>
#include <grpc/status.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <string.h>

/// GRPC_SLICE_START_PTR: the first byte, borrowed from the slice.
///
/// For an inlined slice, it points into `*slice`.
static inline const uint8_t *ballast_slice_bytes(const grpc_slice *slice) { return GRPC_SLICE_START_PTR(*slice); }

/// GRPC_SLICE_LENGTH: the number of bytes.
static inline size_t ballast_slice_length(const grpc_slice *slice) { return GRPC_SLICE_LENGTH(*slice); }

#endif
