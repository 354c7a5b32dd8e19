import CCertificates

/// Inspects PEM texts before they are used.
///
/// libgrpc refuses invalid ones only at a handshake, and without a reason.
public enum PEM {
    /// How a private key relates to a certificate.
    public enum KeyState: Hashable, Sendable {
        /// The key belongs to the certificate.
        case matches
        /// The text is not a private key in PEM, or the key needs a password.
        case unreadable
        /// The key belongs to another certificate.
        case ofAnother
    }

    /// The number of certificates in a text.
    public static func certificateCount(in text: String) -> Int {
        text.withCString { Int(ballast_certificate_count($0, text.utf8.count)) }
    }

    /// The end of the first certificate's validity, in seconds since 1970; nil if the text has none.
    public static func expiry(ofCertificateIn text: String) -> Int? {
        let seconds = text.withCString { ballast_certificate_not_after($0, text.utf8.count) }
        return seconds < 0 ? nil : Int(seconds)
    }

    /// How a private key relates to the first certificate of a chain.
    public static func state(ofKey key: String, for chain: String) -> KeyState {
        let state = chain.withCString { chainText in
            key.withCString { keyText in
                ballast_certificate_key_state(chainText, chain.utf8.count, keyText, key.utf8.count)
            }
        }
        return switch state {
        case BALLAST_KEY_MATCHES: .matches
        case BALLAST_KEY_OF_ANOTHER: .ofAnother
        default: .unreadable
        }
    }
}
