import NIOSSL

/// The server address of raw connections.
struct RawTarget: Sendable {
    /// The attackers' own address, so that limits by address don't affect the honest clients.
    static let source = "127.0.0.2"

    var port: Int
    /// Nil for plain TCP.
    var tls: NIOSSLContext?

    /// - Parameter port: nil for the xDS server.
    init(_ victim: Victim, port: Int? = nil, showsCertificate: Bool = true) throws {
        self.port = port ?? victim.xdsPort
        guard victim.isTLS, port == nil else { return }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.applicationProtocols = ["h2"]
        configuration.certificateVerification = .none
        if showsCertificate {
            let place = "\(victim.directory)/certs"
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile("\(place)/client.crt")
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: "\(place)/client.key", format: .pem))
        }
        tls = try NIOSSLContext(configuration: configuration)
    }
}
