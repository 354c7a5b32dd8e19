#define _GNU_SOURCE
#include "CCertificates.h"

#include <openssl/sha.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <time.h>

/// All certificates of a PEM text, in order, owned by the caller.
///
/// NULL if there is no memory.
static STACK_OF(X509) *read_all(const char *text, size_t length) {
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *source = BIO_new_mem_buf(text, (int)length);
    X509 *certificate;
    while (all && source && (certificate = PEM_read_bio_X509(source, NULL, NULL, NULL)))
        if (!sk_X509_push(all, certificate)) X509_free(certificate);
    // OpenSSL reports the end of the text as an error.
    ERR_clear_error();
    BIO_free(source);
    return all;
}

int64_t ballast_certificate_not_after(const char *text, size_t length) {
    STACK_OF(X509) *all = read_all(text, length);
    struct tm time;
    int64_t seconds = -1;
    if (all && sk_X509_num(all) > 0 && ASN1_TIME_to_tm(X509_get0_notAfter(sk_X509_value(all, 0)), &time))
        seconds = (int64_t)timegm(&time);
    sk_X509_pop_free(all, X509_free);
    return seconds;
}

int ballast_certificate_count(const char *text, size_t length) {
    STACK_OF(X509) *all = read_all(text, length);
    int count = all ? sk_X509_num(all) : 0;
    sk_X509_pop_free(all, X509_free);
    return count;
}

/// Refuses keys with a password.
///
/// Without this callback, OpenSSL would prompt at the terminal.
static int no_password(char *buffer, int size, int is_writing, void *context) {
    (void)buffer, (void)size, (void)is_writing, (void)context;
    return -1;
}

enum ballast_key_state ballast_certificate_key_state(
    const char *chain_text, size_t chain_length, const char *key_text, size_t key_length) {
    STACK_OF(X509) *chain = read_all(chain_text, chain_length);
    BIO *source = BIO_new_mem_buf(key_text, (int)key_length);
    EVP_PKEY *key = source ? PEM_read_bio_PrivateKey(source, NULL, no_password, NULL) : NULL;
    enum ballast_key_state state = BALLAST_KEY_UNREADABLE;
    if (key)
        state = chain && sk_X509_num(chain) > 0 && X509_check_private_key(sk_X509_value(chain, 0), key) == 1
            ? BALLAST_KEY_MATCHES
            : BALLAST_KEY_OF_ANOTHER;
    ERR_clear_error();
    EVP_PKEY_free(key);
    BIO_free(source);
    sk_X509_pop_free(chain, X509_free);
    return state;
}

bool ballast_certificate_is_vouched_for(
    const char *chain_text, size_t chain_length, const char *authorities_text, size_t authorities_length) {
    STACK_OF(X509) *chain = read_all(chain_text, chain_length);
    STACK_OF(X509) *authorities = read_all(authorities_text, authorities_length);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool is_valid = false;
    if (chain && authorities && store && context && sk_X509_num(chain) > 0) {
        // Same as libgrpc: an intermediate certificate in the list of authorities is trusted, too.
        X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
        for (int i = 0; i < sk_X509_num(authorities); i++) X509_STORE_add_cert(store, sk_X509_value(authorities, i));
        if (X509_STORE_CTX_init(context, store, sk_X509_value(chain, 0), chain)
            && X509_STORE_CTX_set_default(context, "ssl_client"))
            is_valid = X509_verify_cert(context) == 1;
    }
    ERR_clear_error();
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    sk_X509_pop_free(chain, X509_free);
    sk_X509_pop_free(authorities, X509_free);
    return is_valid;
}

void ballast_sha256(const uint8_t *text, size_t length, uint8_t *hash) { SHA256(text, length, hash); }
