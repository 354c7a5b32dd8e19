import Foundation
import History
import Testing
import TestSupport

private func entry(_ number: Int, _ service: String? = "s", kind: LogEntry.Kind = .change, text: String = "x")
    -> LogEntry
{
    LogEntry(
        time: Date(timeIntervalSince1970: Double(1_000 + number)), kind: kind, service: service,
        says: "\(text)\(number)",
        causes: kind == .change ? ["sources"] : nil,
        clusters: kind == .change
            ? [LogEntry.Cluster(cluster: "east", share: Double(number) / 1_000, layers: [], pods: [:])] : nil)
}

/// What the log book keeps.
@Suite struct LogBookTests {
    @Test(arguments: [true, false]) func `entries come newest first, by service and time, in pages`(_ onDisk: Bool)
        async throws
    {
        try await withTemporaryDirectory { directory in
            let book = LogBook(directory: onDisk ? "\(directory)/log" : nil)
            await book.open()
            await book.append((1...10).map { entry($0, $0 % 2 == 0 ? "even" : "odd") })
            await book.append([entry(11, nil, kind: .problem), entry(12, "*", kind: .override)])
            #expect(await book.entries(limit: 3).map(\.number) == [12, 11, 10])
            #expect(await book.entries(before: 10, limit: 2).map(\.number) == [9, 8])
            #expect(await book.entries(of: "even", limit: 3).map(\.number) == [12, 10, 8])
            let since = Date(timeIntervalSince1970: 1_009)
            #expect(await book.entries(of: "odd", since: since, limit: 9).map(\.number) == [12, 9])
            #expect(await book.served(of: "odd", at: Date(timeIntervalSince1970: 1_008))?.clusters?[0].share == 0.007)
            #expect(await book.served(of: "odd", at: Date(timeIntervalSince1970: 1_000)) == nil)
        }
    }

    @Test func `a restart goes on where it was, and a line that a crash cut is skipped`() async throws {
        try await withTemporaryDirectory { directory in
            do {
                let book = LogBook(directory: "\(directory)/log")
                await book.open()
                await book.append([entry(1), entry(2)])
            }
            let file = try #require(
                try FileManager.default.contentsOfDirectory(atPath: "\(directory)/log").first { $0.hasSuffix(".jsonl") }
            )
            let handle = try FileHandle(forUpdating: URL(fileURLWithPath: "\(directory)/log/\(file)"))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("{\"kind\":\"chan".utf8))
            try handle.close()
            let book = LogBook(directory: "\(directory)/log")
            await book.open()
            await book.append([entry(3)])
            #expect(await book.entries(limit: 9).map(\.number) == [3, 2, 1])
            #expect(await book.failure == nil)
            // Another process can't write it.
            let other = LogBook(directory: "\(directory)/log")
            await other.open()
            #expect(await other.failure?.contains("another process") == true)
            await other.append([entry(4)])
            #expect(await other.entries(limit: 9).count == 1)
        }
    }

    @Test func `all files together stay below the limit, and what is left can be read`() async throws {
        try await withTemporaryDirectory { directory in
            let limit = 1 << 20
            let book = LogBook(directory: "\(directory)/log", maxBytes: limit)
            await book.open()
            let text = String(repeating: "x", count: 200)
            for start in stride(from: 0, to: 12_000, by: 100) {
                await book.append((start..<start + 100).map { entry($0, text: text) })
            }
            let files = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/log")
            let size = try files.reduce(0) { sum, name in
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(directory)/log/\(name)")
                return sum + (attributes[.size] as? Int ?? 0)
            }
            #expect(size <= limit && size > limit / 2, "\(size) bytes")
            let entries = await book.entries(limit: 100_000)
            #expect(entries.count > 2_000, "more than what is in memory")
            #expect(entries.map(\.number) == (0..<entries.count).map { UInt64(12_000 - $0) }, "without a gap")
        }
    }

    @Test func `a directory that can't be made is a failure that is told, and entries stay in memory`() async throws {
        try await withTemporaryDirectory { directory in
            try "a file".write(toFile: "\(directory)/log", atomically: true, encoding: .utf8)
            let book = LogBook(directory: "\(directory)/log")
            await book.open()
            await book.append([entry(1)])
            #expect(await book.failure?.contains("\(directory)/log") == true)
            #expect(await book.entries(limit: 9).count == 1)
        }
    }
}
