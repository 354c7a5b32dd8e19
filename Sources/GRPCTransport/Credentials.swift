import CGRPC
import Glibc

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

    /// Owned by the caller.
    ///
    /// Nil where C-core refuses the certificates.
    func makeCredentials() -> OpaquePointer? {
        switch self {
        case .plaintext: return grpc_insecure_server_credentials_create()
        case .tls(let pair, let clientCA):
            let request =
                clientCA == nil
                ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
            return pair.withCPair { pair in
                withOptionalCString(clientCA) { grpc_ssl_server_credentials_create_ex($0, pair, 1, request, nil) }
            }
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

private func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return text.withCString(body)
}
