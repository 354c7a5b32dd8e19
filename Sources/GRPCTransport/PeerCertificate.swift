import CCertificates
import CGRPC
import Synchronization

/// The certificate that a client has shown.
struct PeerCertificate: Sendable {
    /// The longest chain that is kept, in bytes; of a longer one, the leaf alone.
    private static let longestChain = 32 << 10

    /// PEM, leaf first.
    let chain: String
    /// The end of its validity, in seconds since 1970; nil if it can't be read.
    let notAfter: Int?

    /// - Parameters:
    ///   - leaf: PEM.
    ///   - chain: PEM; may have the leaf, too.
    init(leaf: String, chain: String) {
        let whole = chain.hasPrefix(leaf) ? chain : leaf + chain
        self.chain = whole.utf8.count <= Self.longestChain ? whole : leaf
        let seconds = leaf.withCString { ballast_certificate_not_after($0, leaf.utf8.count) }
        notAfter = seconds < 0 ? nil : Int(seconds)
    }

    /// Whether one of these authorities (PEM) has signed it, and it is valid now.
    func isVouchedFor(by authorities: String) -> Bool {
        chain.withCString { chain in
            authorities.withCString { authorities in
                ballast_certificate_is_vouched_for(chain, strlen(chain), authorities, strlen(authorities))
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
                    .unauthenticated,
                    "no authority vouches for the client's certificate any more (xds.tls.clientCA)")
            }
        }
    }
}

/// The certificates of connections that have streams; one for each connection, however many streams it has.
final class PeerCertificates: Sendable {
    private struct Entry {
        var certificate: PeerCertificate
        var streams: Int
    }

    private struct State {
        var entries: [String: Entry] = [:]
        /// PEM; nil while no others than at the start have counted: connections were made under those that count now.
        var authorities: String?
    }

    private let state = Mutex(State())

    /// Counts a stream of a connection until `leave`.
    ///
    /// - Parameter read: reads its certificate; called for a connection's first stream.
    /// - Returns: why the certificate counts no longer, at that time in seconds since 1970; nil while it does.
    func enter(_ peer: String, at now: Int, _ read: () -> PeerCertificate?) -> PeerCertificate.End? {
        let (known, authorities) = state.withLock { state in
            state.entries[peer]?.streams += 1
            return (state.entries[peer]?.certificate, state.authorities)
        }
        guard known == nil, let certificate = read() else { return known.flatMap { Self.expiry(of: $0, at: now) } }
        state.withLock { $0.entries[peer, default: Entry(certificate: certificate, streams: 0)].streams += 1 }
        if let authorities, !certificate.isVouchedFor(by: authorities) { return .authorityGone }
        return Self.expiry(of: certificate, at: now)
    }

    /// A stream of a connection is gone.
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

    /// Has only these authorities count from now on.
    ///
    /// - Returns: the connections whose certificates they don't vouch for.
    func replaceAuthorities(with authorities: String) -> Set<String> {
        let entries = state.withLock { state in
            state.authorities = authorities
            return state.entries
        }
        return Set(entries.filter { !$0.value.certificate.isVouchedFor(by: authorities) }.keys)
    }

    private static func expiry(of certificate: PeerCertificate, at now: Int) -> PeerCertificate.End? {
        certificate.notAfter.map { $0 <= now } == true ? .expired : nil
    }
}
