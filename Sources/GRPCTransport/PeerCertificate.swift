import CCertificates
import CGRPC
import Synchronization

struct PeerCertificate: Sendable {
    /// The limit on the length of a stored chain, in bytes; of a longer chain only the leaf is stored.
    private static let longestChain = 32 << 10

    /// PEM, leaf first.
    let chain: String
    /// The end of the leaf's validity, in seconds since 1970; nil if it can't be read.
    let notAfter: Int?

    /// - Parameters:
    ///   - leaf: PEM.
    ///   - chain: PEM, with or without the leaf.
    init(leaf: String, chain: String) {
        let whole = chain.hasPrefix(leaf) ? chain : leaf + chain
        self.chain = whole.utf8.count <= Self.longestChain ? whole : leaf
        let seconds = leaf.withCString { ballast_certificate_not_after($0, leaf.utf8.count) }
        notAfter = seconds < 0 ? nil : Int(seconds)
    }

    /// Whether one of these authorities (PEM) signed the certificate, and it is valid now.
    func isSigned(by authorities: String) -> Bool {
        chain.withCString { chain in
            authorities.withCString { authorities in
                ballast_certificate_is_vouched_for(chain, strlen(chain), authorities, strlen(authorities))
            }
        }
    }

    /// Why a certificate is no longer accepted.
    enum End: Hashable {
        case expired
        case authorityGone

        var status: GRPCStatus {
            switch self {
            case .expired: GRPCStatus(.unauthenticated, "the client's certificate has expired")
            case .authorityGone:
                GRPCStatus(
                    .unauthenticated,
                    "the client's certificate is no longer signed by an authority (xds.tls.clientCA)")
            }
        }
    }
}

/// The certificates of the connections that have streams, one for each connection.
final class PeerCertificates: Sendable {
    private struct Entry {
        var certificate: PeerCertificate
        var streams: Int
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// PEM; nil until the authorities are replaced.
        ///
        /// Until then, every handshake has verified its certificate against the current ones.
        var authorities: String?
    }

    private let state = Mutex(State())

    /// Counts a stream of a connection until `leave`.
    ///
    /// - Parameter read: reads the connection's certificate; called for its first stream.
    /// - Returns: why the certificate is not accepted at `now` (seconds since 1970); nil if it is.
    func enter(_ peer: String, at now: Int, _ read: () -> PeerCertificate?) -> PeerCertificate.End? {
        let (known, authorities) = state.withLock { state in
            state.entries[peer]?.streams += 1
            return (state.entries[peer]?.certificate, state.authorities)
        }
        guard known == nil, let certificate = read() else { return known.flatMap { Self.expiry(of: $0, at: now) } }
        state.withLock { $0.entries[peer, default: Entry(certificate: certificate, streams: 0)].streams += 1 }
        if let authorities, !certificate.isSigned(by: authorities) { return .authorityGone }
        return Self.expiry(of: certificate, at: now)
    }

    /// Removes a stream of a connection.
    func leave(_ peer: String) {
        state.withLock { state in
            guard let streams = state.entries[peer]?.streams else { return }
            if streams > 1 { state.entries[peer]?.streams -= 1 } else { state.entries[peer] = nil }
        }
    }

    /// The connections whose certificates have expired.
    func expired(at now: Int) -> Set<String> {
        state.withLock { state in
            Set(state.entries.filter { Self.expiry(of: $0.value.certificate, at: now) != nil }.keys)
        }
    }

    /// Replaces the accepted authorities.
    ///
    /// - Returns: the connections whose certificates none of them signed.
    func replaceAuthorities(with authorities: String) -> Set<String> {
        let entries = state.withLock { state in
            state.authorities = authorities
            return state.entries
        }
        return Set(entries.filter { !$0.value.certificate.isSigned(by: authorities) }.keys)
    }

    private static func expiry(of certificate: PeerCertificate, at now: Int) -> PeerCertificate.End? {
        certificate.notAfter.map { $0 <= now } == true ? .expired : nil
    }
}
