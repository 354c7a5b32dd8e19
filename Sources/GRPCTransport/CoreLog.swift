import CGRPC
import Glibc
public import Logging
import Synchronization

/// C-core's own log lines, which otherwise go to standard error in its own form.
public enum CoreLog {
    private struct State {
        var logger: Logger?
        /// Strangers can have it say something for each connection.
        var pace = Pace(rate: 10)
        var suppressed = 0
    }

    private static let state = Mutex(State())

    /// Sends what C-core has to say, warnings and worse, to a logger.
    ///
    /// Failed TLS handshakes are among it. At most 10 lines in a second; the next one says how many were left out.
    public static func forward(to logger: Logger) {
        state.withLock { $0.logger = logger }
        gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR)
        gpr_set_log_function { line in
            // Borrowed for this call.
            guard let line = line?.pointee, let message = line.message else { return }
            let file = line.file.map { String(cString: $0) }?.split(separator: "/").last ?? ""
            // C-core ends the process right after this one.
            if strncmp(message, "assertion failed", 16) == 0 { perror(message) }
            guard let (logger, suppressed) = CoreLog.take() else { return }
            var metadata: Logger.Metadata = ["core": "\(file):\(line.line)"]
            if suppressed > 0 { metadata["suppressed before"] = "\(suppressed)" }
            logger.warning("\(String(cString: message))", metadata: metadata, source: "GRPCTransport")
        }
    }

    /// The logger, and how many lines were left out before this one; nil where this is to be left out, too.
    private static func take() -> (logger: Logger, suppressed: Int)? {
        state.withLock { state in
            guard let logger = state.logger else { return nil }
            guard state.pace.takeIfDue(at: .now) else {
                state.suppressed += 1
                return nil
            }
            defer { state.suppressed = 0 }
            return (logger, state.suppressed)
        }
    }
}
