import Dispatch
import Glibc
import Synchronization

/// Reports changes in a directory, using inotify.
///
/// It watches the directory rather than the file, because a watch on a file ends when the file is removed or replaced
/// by a rename. A mounted ConfigMap changes by the rename of a symbolic link beside the file.
final class DirectoryWatch: Sendable {
    /// Yields once for each burst of changes.
    let changes: AsyncStream<Void>

    private let path: String
    private let inotify: Inotify
    private let identifier: Int

    /// Nil if the system has no inotify instance left (`fs.inotify.max_user_instances`).
    init?(_ path: String) {
        guard let inotify = Inotify.shared else { return nil }
        self.path = path
        self.inotify = inotify
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        identifier = inotify.register { continuation.yield() }
    }

    deinit { inotify.remove(identifier) }

    /// Watches the directory that is now at the path; does nothing if it is already watched.
    ///
    /// Returns false if there is no such directory.
    func renew() -> Bool { inotify.watch(path, for: identifier) }
}

/// The process's only inotify instance, since the system allows each user only a few (128).
private final class Inotify: Sendable {
    private struct State {
        var nextIdentifier = 0
        var listeners: [Int: @Sendable () -> Void] = [:]
        /// The listeners of each watch, and the watch of each listener.
        var identifiers: [Int32: Set<Int>] = [:]
        var watches: [Int: Int32] = [:]
    }

    static let shared = Inotify()

    private let descriptor: Int32
    /// Kept for the life of the process.
    private let reader = Mutex<(any DispatchSourceRead)?>(nil)
    private let state = Mutex(State())

    /// The events that can change a file: written and closed, moved in or out, created, deleted.
    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
    )

    private init?() {
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return nil }
        reader.withLock { stored in
            let reader = DispatchSource.makeReadSource(fileDescriptor: descriptor)
            reader.setEventHandler { [self] in
                var events = [UInt8](repeating: 0, count: 64 * 1024)
                // Safe: the kernel writes at most `events.count` bytes.
                let count = unsafe read(descriptor, &events, events.count)
                notifyListeners(of: Self.watches(in: events.prefix(max(count, 0))))
            }
            reader.resume()
            stored = reader
        }
    }

    func register(_ listener: @escaping @Sendable () -> Void) -> Int {
        state.withLock { state in
            state.nextIdentifier += 1
            state.listeners[state.nextIdentifier] = listener
            return state.nextIdentifier
        }
    }

    func remove(_ identifier: Int) {
        state.withLock { state in
            state.listeners[identifier] = nil
            removeWatch(identifier, &state)
        }
    }

    func watch(_ path: String, for identifier: Int) -> Bool {
        state.withLock { state in
            // Safe: the string outlives the call, and the kernel keeps no pointer.
            let watch = unsafe inotify_add_watch(descriptor, path, Self.mask)
            guard state.watches[identifier] != watch else { return watch >= 0 }
            removeWatch(identifier, &state)
            guard watch >= 0 else { return false }
            state.watches[identifier] = watch
            state.identifiers[watch, default: []].insert(identifier)
            return true
        }
    }

    private func removeWatch(_ identifier: Int, _ state: inout State) {
        guard let watch = state.watches.removeValue(forKey: identifier) else { return }
        state.identifiers[watch]?.remove(identifier)
        guard state.identifiers[watch]?.isEmpty == true else { return }
        state.identifiers[watch] = nil
        // Fails harmlessly if the directory is gone: its watch went with it.
        inotify_rm_watch(descriptor, watch)
    }

    /// Calls the listeners of the watches.
    ///
    /// It doesn't pass on what changed: the listener reads the file again and compares.
    private func notifyListeners(of watches: Set<Int32>) {
        let listeners = state.withLock { state in
            let identifiers =
                watches.contains(-1)
                ? Set(state.listeners.keys)
                : watches.reduce(into: []) {
                    $0.formUnion(state.identifiers[$1] ?? [])
                }
            return identifiers.compactMap { state.listeners[$0] }
        }
        for listener in listeners { listener() }
    }

    /// The watches that the events belong to.
    ///
    /// Contains -1 if the kernel's event queue overflowed.
    private static func watches(in bytes: ArraySlice<UInt8>) -> Set<Int32> {
        // struct inotify_event: watch, mask, cookie, name length (32 bits each), then the name.
        var watches: Set<Int32> = []
        let word = { (offset: Int) in
            (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[offset + $1]) << (8 * UInt32($1)) }
        }
        var offset = 0
        while offset + 16 <= bytes.count {
            watches.insert(Int32(bitPattern: word(offset)))
            offset += 16 + Int(word(offset + 12))
        }
        return watches
    }
}
