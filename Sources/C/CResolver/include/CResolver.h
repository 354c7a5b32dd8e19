#ifndef CRESOLVER_H
#define CRESOLVER_H

#include <stdint.h>

/// What became of a question.
typedef enum {
    /// There are addresses.
    CResolverFound,
    /// The name exists, and has no address of that kind.
    CResolverEmpty,
    /// There is no such name.
    CResolverNoSuchName,
    /// There is no answer to go by.
    CResolverFailed,
} CResolverResult;

/// Looks a name up with c-ares: in the hosts file, then with the name servers, as it is and in the domains to search.
///
/// Blocks, for `patience` milliseconds for each server and attempt, and not longer than four times that in all.
///
/// - wants_ipv6: whether AAAA records are asked for; otherwise A records are.
/// - servers: such as `127.0.0.1:53,[::1]:53`; empty for those of the resolver file.
/// - resolver_file: in the form of /etc/resolv.conf.
/// - addresses: takes the addresses as text, each ended by a line feed, and a NUL; those that don't fit are left out.
/// - ttl: how long they may be used, in seconds.
/// - reason: takes why there is no answer, as text.
CResolverResult cresolver_find(
    const char *name, int wants_ipv6, const char *servers, const char *resolver_file, int patience, char *addresses,
    int addresses_size, uint32_t *ttl, char *reason, int reason_size);

#endif
