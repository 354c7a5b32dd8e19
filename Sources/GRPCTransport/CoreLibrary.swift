import CAbseil
import CGRPC

/// The C-core library.
enum CoreLibrary {
    private static let prepared: Void = ballast_disable_deadlock_detection()

    /// Initializes C-core, or adds a reference to it.
    ///
    /// Release each reference with `grpc_shutdown`.
    static func initialize() {
        prepared
        grpc_init()
    }
}
