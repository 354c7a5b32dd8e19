// Inspects certificates and keys, and verifies client certificates, with OpenSSL, which libgrpc uses too.
#ifndef BALLAST_CERTIFICATES_H
#define BALLAST_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// The end of the first certificate's validity, in seconds since 1970; -1 if the text has no certificate in PEM.
int64_t ballast_certificate_not_after(const char *certificate, size_t length);

/// The number of certificates in a PEM text.
int ballast_certificate_count(const char *certificates, size_t length);

/// How a private key relates to a certificate.
enum ballast_key_state {
    BALLAST_KEY_MATCHES,
    /// The text is not a private key in PEM, or the key needs a password.
    BALLAST_KEY_UNREADABLE,
    /// The key belongs to another certificate.
    BALLAST_KEY_OF_ANOTHER,
};

/// How a private key relates to the first certificate of a chain.
///
/// Both are PEM.
enum ballast_key_state ballast_certificate_key_state(
    const char *chain, size_t chain_length, const char *key, size_t key_length);

/// Whether a client's certificate chain (leaf first) is signed by one of the authorities and valid now.
///
/// Both are PEM.
bool ballast_certificate_is_vouched_for(
    const char *chain, size_t chain_length, const char *authorities, size_t authorities_length);

/// Writes the SHA-256 hash of a text to 32 bytes.
void ballast_sha256(const uint8_t *text, size_t length, uint8_t *hash);

#ifdef __cplusplus
}
#endif

#endif
