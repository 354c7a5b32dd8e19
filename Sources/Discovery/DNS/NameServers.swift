import CResolver
import Intent
import MeshConfiguration
import Model
import NIOPosix
import Synchronization

/// Looks up names with c-ares, by the same rules as the C library.
struct NameServers: Sendable {
    enum RecordType: Hashable, Sendable, CaseIterable {
        case a, aaaa
    }

    /// The result for one record type.
    enum Finding: Hashable, Sendable {
        /// The addresses and their TTL in seconds; empty if the name has no record of this type.
        case addresses([IPAddress], ttl: UInt32)
        case noSuchName
        case failure(String)
    }

    /// A look-up blocks its thread until name servers answer or its time is over, so that 32 names without an answer
    /// (A and AAAA) delay no other name.
    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 64)
        pool.start()
        return pool
    }()

    let settings: Configuration.DNS
    /// The timeout per server and attempt; a look-up takes at most as long as `cresolver_find` says.
    var patience = Duration.seconds(2)
    /// The `resolv.conf` to read.
    var resolverFile = "/etc/resolv.conf"

    /// Looks up a name in the hosts file, then as it is, then in the search domains.
    ///
    /// Returns at once when the task is cancelled; a look-up that has begun runs on.
    func find(_ name: String, _ type: RecordType) async -> Finding {
        let answer = FirstAnswer()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                answer.wait(continuation)
                Self.threads.submit { _ in if !answer.isResolved { answer.resolve(findBlocking(name, type)) } }
            }
        } onCancel: {
            answer.resolve(.failure("nobody waits for the answer"))
        }
    }

    /// If there are more addresses than the buffer holds, the rest is dropped.
    ///
    /// The buffer (128 KiB) holds more than one DNS message can carry.
    private func findBlocking(_ name: String, _ type: RecordType) -> Finding {
        let servers = settings.servers.map(\.description).joined(separator: ",")
        var addresses = [CChar](repeating: 0, count: 128 << 10)
        var reason = [CChar](repeating: 0, count: 256)
        var ttl: UInt32 = 0
        // Safe: the strings outlive the call, and each buffer's real size is passed.
        let result = unsafe cresolver_find(
            name, type == .aaaa ? 1 : 0, servers, resolverFile, Int32(patience / .milliseconds(1)), &addresses,
            Int32(addresses.count), &ttl, &reason, Int32(reason.count))
        switch result {
        case CResolverFound:
            let lines = Self.text(addresses).split(separator: "\n")
            return .addresses(lines.compactMap { IPAddress($0) }, ttl: ttl)
        case CResolverEmpty: return .addresses([], ttl: .max)
        case CResolverNoSuchName: return .noSuchName
        default: return .failure(Self.text(reason))
        }
    }

    private static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Delivers the first of two answers: the look-up's result or the cancellation.
private final class FirstAnswer: Sendable {
    private enum State {
        case none
        case awaited(CheckedContinuation<NameServers.Finding, Never>)
        case found(NameServers.Finding)
    }

    private let state = Mutex(State.none)

    func wait(_ continuation: CheckedContinuation<NameServers.Finding, Never>) {
        let found: NameServers.Finding? = state.withLock { state in
            if case .found(let finding) = state { return finding }
            state = .awaited(continuation)
            return nil
        }
        if let found { continuation.resume(returning: found) }
    }

    /// Whether there is an answer, or nobody waits for it.
    var isResolved: Bool { state.withLock { if case .found = $0 { true } else { false } } }

    func resolve(_ finding: NameServers.Finding) {
        let continuation: CheckedContinuation<NameServers.Finding, Never>? = state.withLock { state in
            defer { state = .found(finding) }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume(returning: finding)
    }
}
