public import Foundation
public import YAMLFile

/// What the PEM files of one end of a TLS connection hold, read and found to fit together.
public struct TLSMaterial: Hashable, Sendable {
    /// The own certificate and its key.
    public var pair: KeyPair
    /// Nil if the other end shows no certificate.
    public var authorities: String?
    /// The end of validity of the certificate, in seconds since 1970.
    public var expiry: Int

    /// Reads the files.
    ///
    /// - Throws: an error that names the file.
    public init(certificate: String, key: String, authorities file: String?) throws(ConfigurationError) {
        let chain = try TextFile.read(certificate)
        let keyText = try TextFile.read(key)
        guard let expiry = PEM.expiry(ofCertificateIn: chain) else {
            throw ConfigurationError(
                file: certificate, message: "has no certificate in PEM\(Self.certificateHint(chain))")
        }
        switch PEM.state(ofKey: keyText, for: chain) {
        case .matches: break
        case .unreadable:
            throw ConfigurationError(
                file: key, message: "has no private key in PEM without a password\(Self.hint(keyText))")
        case .ofAnother:
            throw ConfigurationError(
                file: key, message: "is not the key of the certificate in \(certificate): replace both together")
        }
        if let file {
            let text = try TextFile.read(file)
            guard PEM.certificateCount(in: text) > 0 else {
                throw ConfigurationError(
                    file: file, message: "has no authority's certificate in PEM\(Self.certificateHint(text))")
            }
            authorities = text
        }
        pair = KeyPair(certificateChain: chain, privateKey: keyText)
        self.expiry = expiry
    }

    /// Why the certificate is no use now, or soon won't be; nil if it has more than a day left.
    public func warning(about file: String, at now: Date = Date()) -> String? {
        let end = Date(timeIntervalSince1970: Double(expiry))
        guard end.timeIntervalSince(now) < 86_400 else { return nil }
        return "\(file): the certificate \(end < now ? "expired" : "expires") at \(end.formatted(.iso8601))"
    }

    /// What is in a file instead.
    private static func hint(_ text: String) -> String {
        let marks = [
            ("-----BEGIN CERTIFICATE-----", "it has a certificate"), ("PRIVATE KEY-----", "it has a private key"),
            ("-----BEGIN CERTIFICATE REQUEST-----", "it has a certificate request"),
        ]
        if text.isEmpty { return ": it is empty" }
        return marks.first { text.contains($0.0) }.map { ": \($0.1)" } ?? ""
    }

    /// What is in a file that should have a certificate.
    private static func certificateHint(_ text: String) -> String {
        text.contains("-----BEGIN CERTIFICATE-----") ? ": the one that it has is broken" : hint(text)
    }
}
