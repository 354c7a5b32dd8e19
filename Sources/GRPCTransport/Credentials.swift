import CGRPC
import Glibc
import Synchronization

/// A certificate chain and its private key, both as PEM text.
public struct KeyPair: Hashable, Sendable {
    /// The leaf first.
    public var certificateChain: String
    /// Belongs to the leaf.
    public var privateKey: String

    /// A pair; nothing is checked until a server or a channel is made from it.
    public init(certificateChain: String, privateKey: String) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }

    /// Calls `body` with C's form of the pair, which lives until it returns.
    ///
    /// C-core copies it.
    fileprivate func withCPair<Result>(_ body: (UnsafeMutablePointer<grpc_ssl_pem_key_cert_pair>) -> Result) -> Result {
        privateKey.withCString { key in
            certificateChain.withCString { chain in
                var pair = grpc_ssl_pem_key_cert_pair(private_key: key, cert_chain: chain)
                return body(&pair)
            }
        }
    }
}

/// Who may connect to a server, and how.
public enum ServerSecurity: Hashable, Sendable {
    /// In the clear.
    case plaintext
    /// TLS; with `clientCA` (PEM), only for clients whose certificate one of these authorities signed.
    case tls(KeyPair, clientCA: String?)

}

/// A server's certificates, which can be replaced while it runs.
///
/// C-core asks for newer ones at every handshake, and keeps the last that it could use.
final class ServerCertificates: Sendable {
    private struct State {
        var security: ServerSecurity
        /// Whether C-core has not been given these yet.
        var isNew = true

        var authorities: String? {
            if case .tls(_, let authorities) = security { authorities } else { nil }
        }
    }

    private let state: Mutex<State>

    init(_ security: ServerSecurity) { state = Mutex(State(security: security)) }

    /// Puts other certificates in force for the handshakes to come; whether there is TLS, and whether clients show
    /// certificates, stays as it was.
    ///
    /// - Returns: the authorities, if they are others than before.
    @discardableResult
    func replace(with security: ServerSecurity) -> String? {
        state.withLock { state in
            guard state.security != security else { return nil }
            let last = state.authorities
            state = State(security: security)
            guard let authorities = state.authorities, last != authorities else { return nil }
            return authorities
        }
    }

    /// Owned by the caller; it borrows this object, which has to outlive it.
    func makeCredentials() -> OpaquePointer? {
        guard case .tls(_, let clientCA) = state.withLock({ $0.security }) else {
            return grpc_insecure_server_credentials_create()
        }
        let request =
            clientCA == nil
            ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
        // The options are the credentials' from here on.
        return grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                request,
                { context, result in
                    guard let context, let result else { return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL }
                    return Unmanaged<ServerCertificates>.fromOpaque(context).takeUnretainedValue().fetch(result)
                },
                Unmanaged.passUnretained(self).toOpaque()
            ))
    }

    /// Gives C-core what it doesn't have yet.
    ///
    /// The configuration is C-core's from then on; it copies the texts.
    private func fetch(_ result: UnsafeMutablePointer<OpaquePointer?>) -> grpc_ssl_certificate_config_reload_status {
        state.withLock { state in
            guard state.isNew, case .tls(let pair, let clientCA) = state.security else {
                return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED
            }
            state.isNew = false
            // C-core demands roots even where it asks clients for nothing; any will do then.
            result.pointee = (clientCA ?? pair.certificateChain).withCString { roots in
                pair.withCPair { grpc_ssl_server_certificate_config_create(roots, $0, 1) }
            }
            return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW
        }
    }
}

/// How a channel connects.
public enum ChannelSecurity: Hashable, Sendable {
    /// In the clear.
    case plaintext
    /// TLS: `roots` (PEM) vouch for the server, whose certificate must be for `serverName`; the key pair is for
    /// mutual TLS.
    case tls(roots: String, serverName: String, KeyPair?)

    /// Owned by the caller.
    ///
    /// Nil where C-core refuses the certificates.
    func makeCredentials() -> OpaquePointer? {
        switch self {
        case .plaintext: return grpc_insecure_credentials_create()
        case .tls(let roots, _, let pair):
            guard let pair else { return grpc_ssl_credentials_create_ex(roots, nil, nil, nil) }
            return pair.withCPair { grpc_ssl_credentials_create_ex(roots, $0, nil, nil) }
        }
    }
}
