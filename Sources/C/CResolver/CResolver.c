#include "CResolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const int attempts = 2;
/// More name servers than these don't make a look-up last longer.
static const int most_servers = 16;

/// The state of one query, on the stack of `cresolver_find`.
typedef struct {
    int is_done;
    int status;
    /// Owned: freed by `cresolver_find`.
    struct ares_addrinfo *found;
} Question;

static void answered(void *argument, int status, int timeouts, struct ares_addrinfo *found) {
    Question *question = argument;
    (void)timeouts;
    question->is_done = 1;
    question->status = status;
    question->found = found;
}

/// Enough time for each server to be asked once, and for the answer of the last one; at least two attempts with two.
static long longest(ares_channel channel, int patience) {
    struct ares_addr_port_node *servers = NULL;
    int count = 0;
    if (ares_get_servers_ports(channel, &servers) == ARES_SUCCESS) {
        for (struct ares_addr_port_node *server = servers; server; server = server->next) count++;
        ares_free_data(servers);
    }
    if (count > most_servers) count = most_servers;
    return (count > 2 ? count + 2L : 4L) * patience;
}

static void initialize(void) { ares_library_init(ARES_LIB_INIT_ALL); }

static long milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// Processes the channel's sockets until the query is answered, or cancelled at the deadline.
static void wait_for_answer(ares_channel channel, Question *question, long deadline) {
    while (!question->is_done) {
        ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
        int interest = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
        struct pollfd descriptors[ARES_GETSOCK_MAXNUM];
        nfds_t count = 0;
        for (int index = 0; index < ARES_GETSOCK_MAXNUM; index++) {
            short events = (ARES_GETSOCK_READABLE(interest, index) ? POLLIN : 0)
                | (ARES_GETSOCK_WRITABLE(interest, index) ? POLLOUT : 0);
            if (events) descriptors[count++] = (struct pollfd){.fd = sockets[index], .events = events};
        }
        long left = deadline - milliseconds();
        if (left <= 0) {
            ares_cancel(channel);
            continue;
        }
        struct timeval most = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000}, next;
        struct timeval *until = ares_timeout(channel, &most, &next);
        int ready = poll(descriptors, count, (int)(until->tv_sec * 1000 + until->tv_usec / 1000 + 1));
        if (ready <= 0) ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        for (nfds_t index = 0; index < count && ready > 0; index++) {
            short events = descriptors[index].revents;
            if (!events) continue;
            int is_readable = events & (POLLIN | POLLERR | POLLHUP), is_writable = events & POLLOUT;
            ares_process_fd(
                channel, is_readable ? descriptors[index].fd : ARES_SOCKET_BAD,
                is_writable ? descriptors[index].fd : ARES_SOCKET_BAD);
        }
    }
}

/// Writes the addresses of one family as text.
static int write_addresses(
    const struct ares_addrinfo *found, int family, char *addresses, int size, uint32_t *ttl) {
    int count = 0, used = 0;
    *ttl = UINT32_MAX;
    for (const struct ares_addrinfo_node *node = found->nodes; node; node = node->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const void *bytes = family == AF_INET ? (const void *)&((struct sockaddr_in *)node->ai_addr)->sin_addr
                                              : (const void *)&((struct sockaddr_in6 *)node->ai_addr)->sin6_addr;
        if (node->ai_family != family || !inet_ntop(family, bytes, text, sizeof text)) continue;
        int length = (int)strlen(text);
        if (used + length + 2 > size) break;
        memcpy(addresses + used, text, length);
        used += length;
        addresses[used++] = '\n';
        count++;
        // The shortest TTL of the aliases and addresses (RFC 2181, 8); 0 for entries of the hosts file.
        uint32_t seconds = node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 0;
        if (seconds < *ttl) *ttl = seconds;
    }
    for (const struct ares_addrinfo_cname *alias = found->cnames; alias; alias = alias->next) {
        uint32_t seconds = alias->ttl > 0 ? (uint32_t)alias->ttl : 0;
        if (seconds < *ttl) *ttl = seconds;
    }
    addresses[used] = 0;
    return count;
}

CResolverResult cresolver_find(
    const char *name, int wants_ipv6, const char *servers, const char *resolver_file, int patience, char *addresses,
    int addresses_size, uint32_t *ttl, char *reason, int reason_size) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize);
    *ttl = 0;
    addresses[0] = reason[0] = 0;

    struct ares_options options = {.timeout = patience, .tries = attempts, .resolvconf_path = (char *)resolver_file};
    // Owned: destroyed below.
    ares_channel channel;
    int status =
        ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_RESOLVCONF);
    if (status == ARES_SUCCESS && servers[0]) {
        status = ares_set_servers_ports_csv(channel, servers);
        if (status != ARES_SUCCESS) ares_destroy(channel);
    }
    if (status != ARES_SUCCESS) {
        snprintf(reason, reason_size, "%s", ares_strerror(status));
        return CResolverFailed;
    }

    Question question = {0};
    int family = wants_ipv6 ? AF_INET6 : AF_INET;
    struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    ares_getaddrinfo(channel, name, NULL, &hints, answered, &question);
    wait_for_answer(channel, &question, milliseconds() + longest(channel, patience));
    int count = question.found ? write_addresses(question.found, family, addresses, addresses_size, ttl) : 0;
    if (question.found) ares_freeaddrinfo(question.found);
    ares_destroy(channel);

    switch (question.status) {
    case ARES_SUCCESS: return count > 0 ? CResolverFound : CResolverEmpty;
    case ARES_ENODATA: return CResolverEmpty;
    case ARES_ENOTFOUND:
    // The name is invalid with a search domain such as `.`, which some systems have.
    case ARES_EBADNAME: return CResolverNoSuchName;
    case ARES_ECANCELLED:
    case ARES_ETIMEOUT:
        snprintf(reason, reason_size, "no name server answered in time");
        return CResolverFailed;
    default:
        snprintf(reason, reason_size, "the name servers can't tell: %s", ares_strerror(question.status));
        return CResolverFailed;
    }
}
