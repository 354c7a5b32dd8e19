import Synchronization

/// The results of a load.
public struct LoadResult: Sendable {
    /// Requests without a response, or with a status other than 200.
    public var failed = 0
    /// The number of requests that each pod answered, by the name in its response.
    public var byPod: [String: Int] = [:]
    /// The pods that answered each key, if requests have keys.
    public var byKey: [String: Set<String>] = [:]
    /// The duration of each request, in milliseconds.
    public var milliseconds: [Double] = []

    /// The number of requests.
    public var requests: Int { byPod.values.reduce(failed, +) }

    /// The results since an earlier moment of the same load; keys are those of the whole load.
    public static func - (now: LoadResult, earlier: LoadResult) -> LoadResult {
        LoadResult(
            failed: now.failed - earlier.failed,
            byPod: now.byPod.merging(earlier.byPod, uniquingKeysWith: -).filter { $0.value > 0 },
            byKey: now.byKey, milliseconds: Array(now.milliseconds.dropFirst(earlier.milliseconds.count))
        )
    }
}

/// Sends requests to the bench's client over a few keep-alive connections.
public final class Load: Sendable {
    private let bench: Bench
    private let keys: Int
    private let results = Mutex(LoadResult())

    /// Creates a load.
    ///
    /// - Parameter keys: the number of values of the requests' `x-key` header; 0 for no such header.
    public init(_ bench: Bench, keys: Int = 0) {
        self.bench = bench
        self.keys = keys
    }

    /// The results so far.
    public var result: LoadResult { results.withLock { $0 } }

    /// Sends a number of requests without pauses, spread over the connections.
    @discardableResult
    public static func run(
        _ requests: Int, on bench: Bench, connections: Int = 4, keys: Int = 0
    ) async throws -> LoadResult {
        let load = Load(bench, keys: keys)
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
                        // `send` has counted the failure of a broken connection; the loop opens a new one.
                        if (try? await self.send(most, pause: pause)) != nil { return }
                    }
                }
            }
        }
    }

    /// Runs `body` under a continuous load.
    ///
    /// - Returns: all results.
    public func around(
        connections: Int = 4, pause: Duration, _ body: @Sendable (Load) async throws -> Void
    ) async throws -> LoadResult {
        try await withThrowingTaskGroup { group in
            group.addTask { await self.runContinuously(connections: connections, pause: pause) }
            try await body(self)
            group.cancelAll()
            try await group.waitForAll()
        }
        return result
    }

    private func send(_ count: Int, pause: Duration) async throws {
        let clock = ContinuousClock()
        try await HTTPConnection.open(host: bench.host, port: Bench.clientPort) { connection in
            for index in 0..<count {
                try Task.checkCancellation()
                let key = self.keys > 0 ? "key-\(index % self.keys)" : nil
                let start = clock.now
                do {
                    let answer = try await connection.get("/", headers: key.map { [("x-key", $0)] } ?? [])
                    let took = (clock.now - start) / .milliseconds(1)
                    self.results.withLock { $0.note(answer, key: key, milliseconds: took) }
                } catch {
                    if !Task.isCancelled { self.results.withLock { $0.failed += 1 } }
                    throw error
                }
                if pause > .zero { try await Task.sleep(for: pause) }
            }
        }
    }
}

extension LoadResult {
    fileprivate mutating func note(_ answer: HTTPAnswer, key: String?, milliseconds took: Double) {
        milliseconds.append(took)
        guard answer.status == 200 else {
            failed += 1
            return
        }
        byPod[answer.body, default: 0] += 1
        if let key { byKey[key, default: []].insert(answer.body) }
    }
}
