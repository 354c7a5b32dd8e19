import Synchronization

/// What a load of requests came back with.
public struct LoadResult: Sendable {
    /// Answers other than 200, and requests without an answer.
    public var failed = 0
    /// Requests that each pod answered, by the name in its answer.
    public var byPod: [String: Int] = [:]

    /// All requests.
    public var requests: Int { byPod.values.reduce(failed, +) }

    /// What came since an earlier moment of the same load.
    public static func - (now: LoadResult, earlier: LoadResult) -> LoadResult {
        LoadResult(
            failed: now.failed - earlier.failed, byPod: now.byPod.merging(earlier.byPod, uniquingKeysWith: -)
        )
    }
}

/// Requests to the bench's client, over a few keep-alive connections.
public final class Load: Sendable {
    private let bench: Bench
    private let results = Mutex(LoadResult())

    /// A load that hasn't begun.
    public init(_ bench: Bench) { self.bench = bench }

    /// What came back so far.
    public var result: LoadResult { results.withLock { $0 } }

    /// Sends this many requests as fast as they are answered.
    @discardableResult
    public static func run(_ requests: Int, on bench: Bench, connections: Int = 4) async throws -> LoadResult {
        let load = Load(bench)
        try await withThrowingTaskGroup { group in
            for index in 0..<connections {
                let count = requests / connections + (index < requests % connections ? 1 : 0)
                group.addTask { try await load.send(count, pause: .zero) }
            }
            try await group.waitForAll()
        }
        return load.result
    }

    /// Sends requests until the task is cancelled, or `most` have been sent on each connection.
    public func runContinuously(connections: Int = 4, pause: Duration, most: Int = 1_000_000) async {
        await withTaskGroup { group in
            for _ in 0..<connections {
                group.addTask {
                    while !Task.isCancelled {
                        // A broken connection is counted by `send`, and replaced.
                        if (try? await self.send(most, pause: pause)) != nil { return }
                    }
                }
            }
        }
    }

    private func send(_ count: Int, pause: Duration) async throws {
        try await HTTPConnection.open(host: bench.host, port: Bench.clientPort) { connection in
            for _ in 0..<count {
                try Task.checkCancellation()
                do {
                    let answer = try await connection.get("/")
                    self.results.withLock { result in
                        if answer.status == 200 {
                            result.byPod[answer.body, default: 0] += 1
                        } else {
                            result.failed += 1
                        }
                    }
                } catch {
                    if !Task.isCancelled { self.results.withLock { $0.failed += 1 } }
                    throw error
                }
                if pause > .zero { try await Task.sleep(for: pause) }
            }
        }
    }
}
