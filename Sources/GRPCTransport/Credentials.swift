import CGRPC
import Glibc
import Synchronization

/// A certificate chain and its private key, as PEM texts.
public struct KeyPair: Hashable, Sendable {
    /// The leaf certificate comes first.
    public var certificateChain: String
    /// The leaf certificate's key.
    public var privateKey: String

    /// Creates a pair; it is validated when a server or a channel is created with it.
    public init(certificateChain: String, privateKey: String) {
        self.certificateChain = certificateChain
        self.privateKey = privateKey
    }

    /// Calls `body` with C-core's form of the pair, which is valid until `body` returns.
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

/// The transport security of a server.
public enum ServerSecurity: Hashable, Sendable {
    /// No TLS.
    case plaintext
    /// TLS.
    ///
    /// With `clientCA` (PEM), clients need a certificate signed by one of these authorities.
    case tls(KeyPair, clientCA: String?)

}

/// A server's certificates, which can be replaced while it runs.
///
/// C-core asks for new ones at every handshake, and keeps the last ones that it could use.
final class ServerCertificates: Sendable {
    private struct State {
        var security: ServerSecurity
        /// Whether C-core has not fetched these yet.
        var isNew = true

        var authorities: String? {
            if case .tls(_, let authorities) = security { authorities } else { nil }
        }
    }

    private let state: Mutex<State>

    init(_ security: ServerSecurity) { state = Mutex(State(security: security)) }

    /// Replaces the certificates for future handshakes.
    ///
    /// Whether the server uses TLS, and whether it requires client certificates, doesn't change.
    ///
    /// - Returns: the new authorities, if they changed.
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

    /// Owned by the caller.
    ///
    /// The credentials borrow this object, which must outlive them.
    func makeCredentials() -> OpaquePointer? {
        guard case .tls(_, let clientCA) = state.withLock({ $0.security }) else {
            return grpc_insecure_server_credentials_create()
        }
        let request =
            clientCA == nil
            ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
        // The credentials take ownership of the options.
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

    /// Passes the certificates to C-core if they are new.
    ///
    /// C-core takes ownership of the configuration and copies the texts.
    private func fetch(_ result: UnsafeMutablePointer<OpaquePointer?>) -> grpc_ssl_certificate_config_reload_status {
        state.withLock { state in
            guard state.isNew, case .tls(let pair, let clientCA) = state.security else {
                return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED
            }
            state.isNew = false
            // C-core requires roots even if it requests no client certificates; any certificate will do then.
            result.pointee = (clientCA ?? pair.certificateChain).withCString { roots in
                pair.withCPair { grpc_ssl_server_certificate_config_create(roots, $0, 1) }
            }
            return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW
        }
    }
}

/// The transport security of a channel.
public enum ChannelSecurity: Hashable, Sendable {
    /// No TLS.
    case plaintext
    /// TLS.
    ///
    /// `roots` (PEM) verify the server, whose certificate must be for `serverName`; the key pair is for mutual TLS.
    case tls(roots: String, serverName: String, KeyPair?)

    /// Creates the credentials, which the caller owns.
    ///
    /// Nil if C-core refuses the certificates.
    func makeCredentials() -> OpaquePointer? {
        switch self {
        case .plaintext: return grpc_insecure_credentials_create()
        case .tls(let roots, _, let pair):
            guard let pair else { return grpc_ssl_credentials_create_ex(roots, nil, nil, nil) }
            return pair.withCPair { grpc_ssl_credentials_create_ex(roots, $0, nil, nil) }
        }
    }
}
