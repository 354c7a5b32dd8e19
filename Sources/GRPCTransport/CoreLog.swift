import CGRPC
import Glibc
public import Logging
import Synchronization

/// Forwards C-core's log lines, which otherwise go to standard error in its own format.
public enum CoreLog {
    private struct State {
        var logger: Logger?
        /// Limited because clients can cause a log line for each connection.
        var pace = Pace(rate: 10)
        var suppressed = 0
        var handshakeFailure: String?
        var listenFailure: String?
    }

    /// Why C-core last failed to listen; nil if it has logged no reason since the last call.
    static func takeListenFailure() -> String? { state.withLock { $0.listenFailure.take() } }

    /// The reason in a log line about a failed listen; nil for other lines.
    private static func listenFailure(in line: String) -> String? {
        guard line.contains("No address added") else { return nil }
        return ListenFailure.sentence(in: line) ?? String(line.prefix(300))
    }

    /// Why the last TLS handshake failed; nil if C-core has logged no reason since the last call.
    ///
    /// It doesn't name the peer.
    public static func takeHandshakeFailure() -> String? { state.withLock { $0.handshakeFailure.take() } }

    /// The reason in a log line about a failed handshake; nil for other lines.
    private static func handshakeFailure(in line: String) -> String? {
        guard line.contains("Handshake failed") else { return nil }
        let meanings = [
            ("peer did not return a certificate", "a client showed no certificate"),
            ("certificate has expired", "a client's certificate has expired"),
            (
                "certificate verify failed",
                "a client's certificate is of no authority in xds.tls.clientCA, or not valid now"
            ),
            ("unknown ca", "a client knows no authority that signed our certificate"),
            ("bad certificate", "a client refuses our certificate"),
            ("certificate expired", "a client finds that our certificate has expired"),
            ("http request", "a client sent HTTP without TLS"),
            ("wrong version number", "a client sent no TLS"),
        ]
        let text = line.lowercased()
        return meanings.first { text.contains($0.0) }?.1 ?? String(line.suffix(100))
    }

    private static let state = Mutex(State())

    /// Sends C-core's warnings and errors to a logger.
    ///
    /// Failed TLS handshakes are kept for `takeHandshakeFailure`. At most 10 lines per second are logged; the next line
    /// has the number of suppressed ones.
    public static func forward(to logger: Logger) {
        state.withLock { $0.logger = logger }
        gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR)
        gpr_set_log_function { line in
            // Borrowed for this call.
            guard let line = line?.pointee, let message = line.message else { return }
            let file = line.file.map { String(cString: $0) }?.split(separator: "/").last ?? ""
            // C-core aborts the process right after this line.
            if strncmp(message, "assertion failed", 16) == 0 { perror(message) }
            let text = String(cString: message)
            // The connection guard reports these, with the peer.
            if let failure = CoreLog.handshakeFailure(in: text) {
                return CoreLog.state.withLock { $0.handshakeFailure = failure }
            }
            if let failure = CoreLog.listenFailure(in: text) {
                return CoreLog.state.withLock { $0.listenFailure = failure }
            }
            guard let (logger, suppressed) = CoreLog.take() else { return }
            var metadata: Logger.Metadata = ["core": "\(file):\(line.line)"]
            if suppressed > 0 { metadata["suppressed before"] = "\(suppressed)" }
            logger.warning("\(text)", metadata: metadata, source: "GRPCTransport")
        }
    }

    /// The logger, and the number of lines suppressed before this one; nil if this line is suppressed too.
    private static func take() -> (logger: Logger, suppressed: Int)? {
        state.withLock { state in
            guard let logger = state.logger else { return nil }
            guard state.pace.consumeIfAllowed(at: .now) else {
                state.suppressed += 1
                return nil
            }
            defer { state.suppressed = 0 }
            return (logger, state.suppressed)
        }
    }
}
