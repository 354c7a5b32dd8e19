// What a client's certificate says, and whether it is still vouched for: by OpenSSL, which libgrpc uses too.
#ifndef BALLAST_CERTIFICATES_H
#define BALLAST_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The end of a certificate's validity, in seconds since 1970; -1 if the text is no certificate. PEM; the first one counts.
int64_t ballast_certificate_not_after(const char *certificate, size_t length);

/// Whether a client's certificate chain, leaf first, is signed by one of the authorities, and valid now. Both are PEM.
bool ballast_certificate_is_vouched_for(
    const char *chain, size_t chain_length, const char *authorities, size_t authorities_length);

#ifdef __cplusplus
}
#endif

#endif
