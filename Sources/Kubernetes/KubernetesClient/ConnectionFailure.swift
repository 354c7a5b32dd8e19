import AsyncHTTPClient
import Foundation
import Model
import NIOCore
import NIOPosix
import NIOSSL

/// Explains why a connection failed, and what to do about it.
public enum ConnectionFailure {
    /// Describes an HTTP client's error, as the rest of a sentence that begins with the server.
    public static func sentence(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: sentence(error)
        case let error as NIOConnectionError: sentence(error)
        case let error as IOError: sentence(errno: error.errnoCode)
        case NIOSSLError.handshakeFailed(let reason): handshake("\(reason)")
        case NIOSSLError.uncleanShutdown: "closed the connection without notice"
        case let error as NIOSSLExtraError: hostName("\(error)")
        default: "can't be reached: \(error)"
        }
    }

    /// Whether the server's certificate was refused, for an unknown reason.
    static func isRefusedCertificate(_ error: any Error) -> Bool {
        if case NIOSSLError.handshakeFailed(let reason) = error {
            return "\(reason)".contains("CERTIFICATE_VERIFY_FAILED")
        }
        return false
    }

    private static func sentence(_ error: HTTPClientError) -> String {
        switch error {
        case .connectTimeout:
            "does not answer when a connection is opened: is the address right, and is there a firewall or a network policy?"
        case .tlsHandshakeTimeout: "takes the connection, and then does not begin TLS: is it the right port?"
        case .deadlineExceeded, .readTimeout, .getConnectionFromPoolTimeout:
            "takes the connection, and then does not answer in time: is it overloaded?"
        case .remoteConnectionClosed: "closed the connection"
        case .proxyAuthenticationRequired: "can't be asked: the proxy wants a password (407)"
        case .invalidProxyResponse, .httpProxyHandshakeTimeout, .socksHandshakeTimeout:
            "can't be asked: the proxy does not open a way to it"
        case .alreadyShutdown, .cancelled: "is asked no longer over this connection"
        case .invalidURL, .emptyScheme, .emptyHost:
            "has an address that is no URL: write it with a scheme, such as http://127.0.0.1:18080"
        default: "can't be reached: \(error.shortDescription)"
        }
    }

    private static func sentence(_ error: NIOConnectionError) -> String {
        if let failure = error.connectionErrors.first?.error { return sentence(failure) }
        return "can't be found: the name \(error.host) has no address in DNS"
    }

    private static func sentence(errno code: CInt) -> String {
        switch code {
        case ECONNREFUSED: "refuses the connection: does a server listen on that port?"
        case EHOSTUNREACH, ENETUNREACH: "can't be reached: there is no route to it"
        case ETIMEDOUT: "does not answer when a connection is opened"
        case ECONNRESET, EPIPE: "closed the connection"
        case EMFILE, ENFILE: "can't be asked: too many files are open (ulimit -n)"
        default: "can't be reached: \(IOError(errnoCode: code, reason: "connect"))"
        }
    }

    private static func handshake(_ reason: String) -> String {
        if reason.contains("CERTIFICATE_VERIFY_FAILED") {
            return "shows a certificate that is not signed by the given authority, or is not valid now"
        }
        if reason.contains("WRONG_VERSION_NUMBER") || reason.contains("HTTP_REQUEST") {
            return "does not speak TLS on this port: is it http:// instead of https://?"
        }
        if reason.contains("ALERT") {
            let isOurs = ["CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED"].contains { reason.contains($0) }
            return isOurs ? "refuses the client certificate" : "ends the TLS handshake: \(code(in: reason))"
        }
        if reason.contains("EOF during handshake") { return "closed the connection during the TLS handshake" }
        return "can't agree on TLS: \(code(in: reason))"
    }

    /// The library's name for an error, without the path of its source file.
    private static func code(in reason: String) -> String {
        let names = reason.split { !($0.isUppercase || $0.isNumber || $0 == "_") }.filter { $0.contains("_") }
        return names.last.map { String($0) } ?? reason
    }

    private static func hostName(_ text: String) -> String {
        "shows a certificate for another name (\(text)): ask by a name that it has, or set tls-server-name"
    }
}

/// Inspects a server's certificate, because the TLS library reports only that it is not valid.
struct CertificateInspection {
    var server: URL
    /// The server name to indicate (SNI); nil for the server's host.
    var name: String?

    /// What is wrong with the certificate, as the rest of a sentence that begins with the server; nil if it can't be
    /// fetched.
    ///
    /// - Parameter authority: where the certificate authority was read from.
    func reason(authority: String) async -> String? {
        guard let certificate = await shown() else { return nil }
        let time = { (seconds: Int) in Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601) }
        let now = Int(Date().timeIntervalSince1970)
        let (start, end) = (Int(certificate.notValidBefore), Int(certificate.notValidAfter))
        if end < now { return "shows a certificate that expired at \(time(end)): renew it on the server" }
        if start > now {
            return "shows a certificate that is not valid before \(time(start)): is this machine's clock right?"
        }
        return """
            shows a certificate that is not signed by the authority of \(authority): put this cluster's authority there \
            (certificate-authority-data)
            """
    }

    private func shown() async -> NIOSSLCertificate? {
        guard let host = server.host() else { return nil }
        let group = MultiThreadedEventLoopGroup.singleton
        let found: EventLoopPromise<NIOSSLCertificate?> = group.next().makePromise()
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.certificateVerification = .fullVerification
        guard let context = try? NIOSSLContext(configuration: tls) else { return nil }
        let sni = name ?? host
        let isAddress = IPAddress(sni) != nil
        let bootstrap = ClientBootstrap(group: group).connectTimeout(.seconds(5))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let look: NIOSSLCustomVerificationCallback = { certificates, verdict in
                        found.succeed(certificates.first)
                        verdict.succeed(NIOSSLVerificationResult.failed)
                    }
                    let handler = try NIOSSLClientHandler(
                        context: context, serverHostname: isAddress ? nil : sni, customVerificationCallback: look)
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        guard let channel = try? await bootstrap.connect(host: host, port: server.port ?? 443).get() else {
            found.succeed(nil)
            return nil
        }
        let late = channel.eventLoop.scheduleTask(in: .seconds(5)) { channel.close(promise: nil) }
        channel.closeFuture.whenComplete { _ in found.succeed(nil) }
        let certificate = try? await found.futureResult.get()
        late.cancel()
        channel.close(promise: nil)
        return certificate ?? nil
    }
}
