import Dispatch
import Glibc
import Synchronization

/// Tells when something in a directory changes, by inotify.
///
/// The directory is watched and not the file, since a rename over the file, or a removal, ends a watch on the file
/// itself; and a mounted ConfigMap changes by a rename of a link beside it.
final class DirectoryWatch: Sendable {
    /// One element for each burst of changes.
    let changes: AsyncStream<Void>

    private let path: String
    private let inotify: Inotify
    private let identifier: Int

    /// Nil where the system has no inotify instance left (`fs.inotify.max_user_instances`).
    init?(_ path: String) {
        guard let inotify = Inotify.shared else { return nil }
        self.path = path
        self.inotify = inotify
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.changes = changes
        identifier = inotify.register { continuation.yield() }
    }

    deinit { inotify.remove(identifier) }

    /// Watches the directory that is now at the path; one that is watched already stays so.
    ///
    /// False where there is none.
    func renew() -> Bool { inotify.watch(path, for: identifier) }
}

/// The process's one inotify instance, of which the system gives a user few (128).
private final class Inotify: Sendable {
    private struct State {
        var nextIdentifier = 0
        var listeners: [Int: @Sendable () -> Void] = [:]
        /// Who listens to each watch, and which watch each listens to.
        var identifiers: [Int32: Set<Int>] = [:]
        var watches: [Int: Int32] = [:]
    }

    static let shared = Inotify()

    private let descriptor: Int32
    /// Kept for as long as the process lives.
    private let reader = Mutex<(any DispatchSourceRead)?>(nil)
    private let state = Mutex(State())

    /// What may have changed a file: written and closed, renamed to or away, made, or removed.
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
                // Safe: the system writes no more than it is given room for.
                let count = unsafe read(descriptor, &events, events.count)
                tell(Self.watches(in: events.prefix(max(count, 0))))
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
            leave(identifier, &state)
        }
    }

    func watch(_ path: String, for identifier: Int) -> Bool {
        state.withLock { state in
            // Safe: the string outlives the call, and the kernel keeps no pointer.
            let watch = unsafe inotify_add_watch(descriptor, path, Self.mask)
            guard state.watches[identifier] != watch else { return watch >= 0 }
            leave(identifier, &state)
            guard watch >= 0 else { return false }
            state.watches[identifier] = watch
            state.identifiers[watch, default: []].insert(identifier)
            return true
        }
    }

    private func leave(_ identifier: Int, _ state: inout State) {
        guard let watch = state.watches.removeValue(forKey: identifier) else { return }
        state.identifiers[watch]?.remove(identifier)
        guard state.identifiers[watch]?.isEmpty == true else { return }
        state.identifiers[watch] = nil
        // A directory that is gone has taken its watch with it.
        inotify_rm_watch(descriptor, watch)
    }

    /// What changed doesn't matter: the file is read again, and compared.
    private func tell(_ watches: Set<Int32>) {
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

    /// The watches that events are of; -1 among them where the system has lost some.
    private static func watches(in bytes: ArraySlice<UInt8>) -> Set<Int32> {
        // struct inotify_event: watch, mask, cookie, length of the name, each of 32 bits; then the name.
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
