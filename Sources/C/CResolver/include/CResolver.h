#ifndef CRESOLVER_H
#define CRESOLVER_H

#include <stdint.h>

/// The outcome of a look-up.
typedef enum {
    /// The name has addresses.
    CResolverFound,
    /// The name exists, but has no address of this type.
    CResolverEmpty,
    /// There is no such name.
    CResolverNoSuchName,
    /// The look-up failed.
    CResolverFailed,
} CResolverResult;

/// Looks up a name with c-ares: in the hosts file, then with the name servers, both as it is and in the search domains.
///
/// Blocks for at most `patience` milliseconds per server and attempt. In total it blocks for at most that times 4, or with
/// more than two servers, that times their number (at most 16) plus 2.
///
/// - wants_ipv6: whether to look up AAAA records instead of A records.
/// - servers: for example `127.0.0.1:53,[::1]:53`; empty for those of the resolver file.
/// - resolver_file: a file in the format of /etc/resolv.conf.
/// - addresses: the output: addresses as text, each followed by a line feed, then a NUL. Those that don't fit are left
///   out.
/// - ttl: the output: the TTL in seconds.
/// - reason: the output: why the look-up failed, as text.
CResolverResult cresolver_find(
    const char *name, int wants_ipv6, const char *servers, const char *resolver_file, int patience, char *addresses,
    int addresses_size, uint32_t *ttl, char *reason, int reason_size);

#endif
