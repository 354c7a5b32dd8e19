import Foundation
import NIOSSL
import YAMLFile

extension APIAccess {
    /// Loads all certificates and keys, and verifies that each key matches its certificate.
    public func check() throws { _ = try NIOSSLContext(configuration: tls(nil)) }

    /// The TLS configuration for the server.
    ///
    /// - Parameter credential: the credential from an exec plugin; nil if there is none.
    func tls(_ credential: ExecPlugin.Credential?) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let ca {
            tls.trustRoots = .certificates(try Self.certificates(ca, "the certificate authority"))
        }
        if isInsecure { tls.certificateVerification = .none }
        var chain = certificate
        var key = key
        if let certificate = credential?.certificate {
            (chain, key) = (.text(certificate), credential?.key.map { .text($0) })
        }
        if let chain, let key {
            tls.certificateChain = try Self.certificates(chain, "the client certificate").map { .certificate($0) }
            do {
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(Self.text(key).utf8), format: .pem))
            } catch let error as NIOSSLError {
                throw ConfigurationError(
                    file: description, message: "the client key can't be used, is it PEM? (\(error))")
            }
        }
        return tls
    }

    private static func certificates(_ pem: PEM, _ what: String) throws -> [NIOSSLCertificate] {
        do {
            let all = try NIOSSLCertificate.fromPEMBytes(Array(text(pem).utf8))
            guard !all.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            return all
        } catch let error as NIOSSLError {
            let file = if case .file(let path) = pem { path } else { "kubeconfig" }
            throw ConfigurationError(file: file, message: "\(what) can't be used, is it PEM? (\(error))")
        }
    }

    private static func text(_ pem: PEM) throws(ConfigurationError) -> String {
        switch pem {
        case .text(let text): text
        case .file(let path): try TextFile.read(path)
        }
    }
}
