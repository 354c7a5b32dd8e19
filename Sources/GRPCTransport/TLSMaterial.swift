public import Foundation
public import YAMLFile

/// The contents of the PEM files of one TLS endpoint, checked to fit together.
public struct TLSMaterial: Hashable, Sendable {
    /// The endpoint's certificate and key.
    public var pair: KeyPair
    /// The authorities of the peer's certificate; nil if the peer presents none.
    public var authorities: String?
    /// The end of the certificate's validity, in seconds since 1970.
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

    /// A warning if the certificate has expired or will within a day; nil otherwise.
    public func warning(about file: String, at now: Date = Date()) -> String? {
        let end = Date(timeIntervalSince1970: Double(expiry))
        guard end.timeIntervalSince(now) < 86_400 else { return nil }
        return "\(file): the certificate \(end < now ? "expired" : "expires") at \(end.formatted(.iso8601))"
    }

    /// What a file has instead of the expected contents.
    private static func hint(_ text: String) -> String {
        let marks = [
            ("-----BEGIN CERTIFICATE-----", "it has a certificate"), ("PRIVATE KEY-----", "it has a private key"),
            ("-----BEGIN CERTIFICATE REQUEST-----", "it has a certificate request"),
        ]
        if text.isEmpty { return ": it is empty" }
        return marks.first { text.contains($0.0) }.map { ": \($0.1)" } ?? ""
    }

    /// What a file has instead of a certificate.
    private static func certificateHint(_ text: String) -> String {
        text.contains("-----BEGIN CERTIFICATE-----") ? ": the one that it has is broken" : hint(text)
    }
}
