import Dispatch
import Foundation
import Glibc

/// Tells when something in a directory changes, by inotify.
///
/// The directory is watched and not the file, since a rename over the file, or a removal, ends a watch on the file
/// itself; and a mounted ConfigMap changes by a rename of a link beside it.
final class DirectoryWatch {
    /// One element for each burst of changes.
    let changes: AsyncStream<Void>

    private let path: String
    private let descriptor: Int32
    private let reader: any DispatchSourceRead

    /// What may have changed a file: written and closed, renamed to or away, made, or removed.
    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
    )

    /// Nil where the system has no inotify instance left (`fs.inotify.max_user_instances`).
    init?(_ path: String) {
        self.path = path
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        // Closes the descriptor when the reader is done with it.
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        reader = DispatchSource.makeReadSource(fileDescriptor: descriptor)
        reader.setEventHandler {
            // What changed doesn't matter: the file is read again, and compared.
            _ = try? file.read(upToCount: 64 * 1024)
            continuation.yield()
        }
        reader.setCancelHandler { continuation.finish() }
        reader.resume()
    }

    deinit { reader.cancel() }

    /// Watches the directory that is now at the path; one that is watched already stays so.
    ///
    /// False where there is none.
    func renew() -> Bool {
        // Safe: the string outlives the call, and the kernel keeps no pointer.
        unsafe inotify_add_watch(descriptor, path, Self.mask) >= 0
    }
}
