import CResolver
import Intent
import MeshConfiguration
import Model
import NIOPosix
import Synchronization

/// Looks names up as the C library would, with c-ares.
struct NameServers: Sendable {
    /// A kind of address.
    enum RecordType: Hashable, Sendable, CaseIterable {
        case a, aaaa
    }

    /// What one kind of address was found.
    enum Finding: Hashable, Sendable {
        /// How long they may be used, in seconds; none if the name has no address of the kind.
        case addresses([IPAddress], ttl: UInt32)
        case noSuchName
        case failure(String)
    }

    /// A look-up blocks a thread: these are the resolver's own, so that files are read meanwhile.
    private static let threads: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 4)
        pool.start()
        return pool
    }()

    let settings: Configuration.DNS
    /// How long a server may take.
    var patience = Duration.seconds(2)
    /// As the C library reads it.
    var resolverFile = "/etc/resolv.conf"

    /// Looks a name up: in the hosts file, then as it is, then in the domains to search.
    ///
    /// Returns at once when the task is cancelled; the look-up itself can't be.
    func find(_ name: String, _ type: RecordType) async -> Finding {
        let answer = FirstAnswer()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                answer.wait(continuation)
                Self.threads.submit { _ in answer.take(findBlocking(name, type)) }
            }
        } onCancel: {
            answer.take(.failure("nobody waits for the answer"))
        }
    }

    /// More addresses than one DNS message holds don't fill the buffer.
    private func findBlocking(_ name: String, _ type: RecordType) -> Finding {
        let servers = settings.servers.map(\.description).joined(separator: ",")
        var addresses = [CChar](repeating: 0, count: 128 << 10)
        var reason = [CChar](repeating: 0, count: 256)
        var ttl: UInt32 = 0
        // Safe: the strings outlive the call, and both buffers are as long as it is told.
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

/// The first of two answers.
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

    func take(_ finding: NameServers.Finding) {
        let continuation: CheckedContinuation<NameServers.Finding, Never>? = state.withLock { state in
            defer { state = .found(finding) }
            if case .awaited(let continuation) = state { return continuation }
            return nil
        }
        continuation?.resume(returning: finding)
    }
}
