import Pacing
import Synchronization
import TestBench
import Testing

@Suite struct BackoffTests {
    @Test func `waits double up to the longest, and begin anew after a success`() {
        var backoff = Backoff(first: .seconds(1), longest: .seconds(8))
        let bounds: [Duration] = [1, 2, 4, 8, 8, 8].map { .seconds($0) }
        for bound in bounds {
            let wait = backoff.next()
            #expect(wait >= bound / 2 && wait <= bound)
        }
        for _ in 0..<1_000 { #expect(backoff.next() <= .seconds(8)) }
        #expect(backoff.next(longest: .seconds(2)) <= .seconds(2))
        #expect(backoff.next(least: .seconds(60)) == .seconds(60))
        backoff.reset()
        #expect(backoff.next() <= .seconds(1))
    }
}

@Suite struct KeyedTaskTests {
    @Test func `a task runs for each key, and ends with it`() async throws {
        let running = Mutex<Set<Int>>([])
        let tasks = KeyedTasks<Int>()
        let runner = Task {
            await tasks.run { key in
                _ = running.withLock { $0.insert(key) }
                let (forever, continuation) = AsyncStream.makeStream(of: Void.self)
                for await _ in forever {}
                continuation.finish()
                _ = running.withLock { $0.remove(key) }
            }
        }
        for keys in [[1, 2], [2, 3], [], [1]] as [Set<Int>] {
            tasks.replaceKeys(with: keys)
            try await eventually("the tasks of \(keys) run") { running.withLock { $0 } == keys }
        }
        runner.cancel()
        await runner.value
        #expect(running.withLock { $0 }.isEmpty)
    }
}
