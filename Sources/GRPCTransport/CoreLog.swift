import CGRPC
import Glibc
public import Logging
import Synchronization

/// C-core's own log lines, which otherwise go to standard error in its own form.
public enum CoreLog {
    private static let logger = Mutex<Logger?>(nil)

    /// Sends what C-core has to say, warnings and worse, to a logger.
    ///
    /// Failed TLS handshakes are among it.
    public static func forward(to logger: Logger) {
        self.logger.withLock { $0 = logger }
        gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR)
        gpr_set_log_function { line in
            // Borrowed for this call.
            guard let line = line?.pointee, let message = line.message else { return }
            let file = line.file.map { String(cString: $0) }?.split(separator: "/").last ?? ""
            CoreLog.logger.withLock { $0 }?.warning(
                "\(String(cString: message))", metadata: ["core": "\(file):\(line.line)"], source: "GRPCTransport"
            )
        }
    }
}
