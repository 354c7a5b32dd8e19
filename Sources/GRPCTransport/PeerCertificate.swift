import CCertificates
import CGRPC

/// The certificate that a client has shown.
struct PeerCertificate: Sendable {
    /// PEM, leaf first.
    let chain: String
    /// The end of its validity, in seconds since 1970; nil if it can't be read.
    let notAfter: Int?

    /// - Parameters:
    ///   - leaf: PEM.
    ///   - chain: PEM; may have the leaf, too.
    init(leaf: String, chain: String) {
        self.chain = chain.hasPrefix(leaf) ? chain : leaf + chain
        let seconds = leaf.withCString { ballast_certificate_not_after($0, leaf.utf8.count) }
        notAfter = seconds < 0 ? nil : Int(seconds)
    }

    /// Whether one of these authorities (PEM) has signed it, and it is valid now.
    func isVouchedFor(by authorities: String) -> Bool {
        chain.withCString { chain in
            authorities.withCString { authorities in
                ballast_certificate_is_vouched_for(chain, self.chain.utf8.count, authorities, strlen(authorities))
            }
        }
    }

    /// Why it no longer counts.
    enum End: Hashable {
        case expired
        case authorityGone

        var status: GRPCStatus {
            switch self {
            case .expired: GRPCStatus(.unauthenticated, "the client's certificate has expired")
            case .authorityGone:
                GRPCStatus(
                    .unauthenticated, "no authority vouches for the client's certificate any more (xds.tls.clientCA)")
            }
        }
    }
}
