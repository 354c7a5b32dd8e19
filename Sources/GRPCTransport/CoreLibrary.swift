import CAbseil
import CGRPC

/// C-core as a whole.
enum CoreLibrary {
    private static let prepared: Void = ballast_disable_deadlock_detection()

    /// Sets it up, or counts one more user of it; each gives it back with `grpc_shutdown`.
    static func initialize() {
        prepared
        grpc_init()
    }
}
