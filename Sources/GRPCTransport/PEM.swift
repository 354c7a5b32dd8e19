import CCertificates

/// What is in PEM texts, looked at before anything is served with them: libgrpc refuses bad ones without a reason, and at a
/// handshake only.
public enum PEM {
    /// What a private key is to a certificate.
    public enum KeyState: Hashable, Sendable {
        /// They belong together.
        case matches
        /// The text is no private key in PEM, or one that needs a password.
        case unreadable
        /// It is another certificate's.
        case ofAnother
    }

    /// How many certificates a text has.
    public static func certificateCount(in text: String) -> Int {
        text.withCString { Int(ballast_certificate_count($0, text.utf8.count)) }
    }

    /// The end of the first certificate's validity, in seconds since 1970; nil if the text has none.
    public static func expiry(ofCertificateIn text: String) -> Int? {
        let seconds = text.withCString { ballast_certificate_not_after($0, text.utf8.count) }
        return seconds < 0 ? nil : Int(seconds)
    }

    /// What a private key is to the first certificate of a chain.
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
