@testable import Discovery
import Foundation
import Model
import Synchronization
import TestBench
import Testing
import TestSupport

/// A file source at work, and what it has told.
private final class Observed: Sendable {
    private let reports = Mutex<[SourceReport]>([])

    func append(_ report: SourceReport) { reports.withLock { $0.append(report) } }

    var podNames: [String]? {
        reports.withLock { reports -> [String]? in
            if case .failure = reports.last { return nil }
            var known: [Pod]?
            for report in reports {
                guard case .update(let update) = report else { continue }
                switch update.pods {
                case .all(let services): known = services["s"]?.pods
                case .changed(let services): known = services["s"]?.pods ?? known
                case nil: break
                }
            }
            return known?.map(\.name)
        }
    }

    var failure: String? {
        guard case .failure(let reason, _) = reports.withLock({ $0.last }) else { return nil }
        return reason
    }

    var count: Int { reports.withLock { $0.count } }
}

private func yaml(_ names: String...) -> String {
    let pods = names.enumerated().map { "    - {name: \($1), address: \"10.0.0.\($0 + 1):80\"}" }
    return "services:\n  s:\n" + pods.joined(separator: "\n") + "\n"
}

/// Runs a file source on `DIRECTORY/east.yaml` while `body` plays with the file.
private func observing(
    _ directory: String, recheck: Duration = .seconds(600), _ body: (Observed, String) async throws -> Void
) async throws {
    let path = "\(directory)/east.yaml"
    let observed = Observed()
    let task = Task { await FileSource(file: path, recheckInterval: recheck).run { observed.append($0) } }
    defer { task.cancel() }
    try await body(observed, path)
}

@Suite struct FileSourceTests {
    @Test func `a rename over the file is picked up`() async throws {
        try await withTemporaryDirectory { directory in
            try yaml("a").write(toFile: "\(directory)/east.yaml", atomically: false, encoding: .utf8)
            try await observing(directory) { observed, _ in
                try await eventually("a is read") { observed.podNames == ["a"] }
                try yaml("a", "b").write(toFile: "\(directory)/new", atomically: false, encoding: .utf8)
                try run("mv", ["new", "east.yaml"], directory: directory)
                try await eventually("b is read") { observed.podNames == ["a", "b"] }
            }
        }
    }

    @Test func `a write in place is picked up`() async throws {
        try await withTemporaryDirectory { directory in
            try yaml("a").write(toFile: "\(directory)/east.yaml", atomically: false, encoding: .utf8)
            try await observing(directory) { observed, path in
                try await eventually("a is read") { observed.podNames == ["a"] }
                try yaml("c").write(toFile: path, atomically: false, encoding: .utf8)
                try await eventually("c is read") { observed.podNames == ["c"] }
            }
        }
    }

    @Test func `a removed file is a failure until it is back, even with the same content`() async throws {
        try await withTemporaryDirectory { directory in
            try await observing(directory) { observed, path in
                try await eventually("its absence is told") { observed.failure?.contains("no such file") == true }
                try yaml("a").write(toFile: path, atomically: true, encoding: .utf8)
                try await eventually("a is read") { observed.podNames == ["a"] }
                try FileManager.default.removeItem(atPath: path)
                try await eventually("its removal is told") { observed.failure != nil }
                try yaml("a").write(toFile: path, atomically: false, encoding: .utf8)
                try await eventually("a is back") { observed.podNames == ["a"] }
            }
        }
    }

    @Test func `a bad file is a failure that says where, and a good one mends it`() async throws {
        try await withTemporaryDirectory { directory in
            try yaml("a").write(toFile: "\(directory)/east.yaml", atomically: false, encoding: .utf8)
            try await observing(directory) { observed, path in
                try await eventually("a is read") { observed.podNames == ["a"] }
                try yaml("a").replacingOnce("address", with: "adress").write(
                    toFile: path, atomically: true, encoding: .utf8)
                try await eventually("the mistake is told") {
                    observed.failure?.contains("east.yaml:3: services.s[0].adress") == true
                }
                try Data([0xff, 0xfe, 0xfd]).write(to: URL(fileURLWithPath: path))
                try await eventually("garbage is told") { observed.failure?.contains("UTF-8") == true }
                try yaml("a").write(toFile: path, atomically: true, encoding: .utf8)
                try await eventually("a is back") { observed.podNames == ["a"] }
            }
        }
    }

    @Test func `a link that is switched, as a mounted ConfigMap's is, is picked up`() async throws {
        try await withTemporaryDirectory { directory in
            let manager = FileManager.default
            for (version, names) in [("v1", yaml("a")), ("v2", yaml("b"))] {
                try manager.createDirectory(atPath: "\(directory)/\(version)", withIntermediateDirectories: true)
                try names.write(toFile: "\(directory)/\(version)/east.yaml", atomically: false, encoding: .utf8)
            }
            try manager.createSymbolicLink(atPath: "\(directory)/data", withDestinationPath: "v1")
            try manager.createSymbolicLink(atPath: "\(directory)/east.yaml", withDestinationPath: "data/east.yaml")
            try await observing(directory) { observed, _ in
                try await eventually("a is read") { observed.podNames == ["a"] }
                try run("bash", ["-c", "ln -s v2 data.new && mv -T data.new data"], directory: directory)
                try await eventually("b is read") { observed.podNames == ["b"] }
            }
        }
    }

    @Test func `a directory that is made anew is found again`() async throws {
        try await withTemporaryDirectory { directory in
            let inner = "\(directory)/conf"
            try await observing(inner, recheck: .milliseconds(50)) { observed, path in
                try await eventually("its absence is told") { observed.failure != nil }
                for name in ["a", "b"] {
                    try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: true)
                    try yaml(name).write(toFile: path, atomically: true, encoding: .utf8)
                    try await eventually("\(name) is read") { observed.podNames == [name] }
                    try FileManager.default.removeItem(atPath: inner)
                    try await eventually("its removal is told") { observed.failure != nil }
                }
            }
        }
    }
}

private final class Counts: Sendable {
    let counts = Mutex<[Int: Int]>([:])
}

@Test func `files in more directories than a user may have inotify instances are all watched`() async throws {
    try await withTemporaryDirectory { directory in
        let seen = Counts()
        try await withThrowingTaskGroup { group in
            for number in 0..<200 {
                let path = "\(directory)/\(number)"
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                // Without a hint, nobody would look again before the test is over.
                let changes = FileChanges(.files(["\(path)/f"]), recheckInterval: .seconds(3_600))
                group.addTask { await changes.forEach { _ in seen.counts.withLock { $0[number, default: 0] += 1 } } }
            }
            try await eventually("all have looked once") { seen.counts.withLock { $0.count } == 200 }
            for number in 0..<200 {
                try "x".write(toFile: "\(directory)/\(number)/f", atomically: true, encoding: .utf8)
            }
            try await eventually("all have seen it") { seen.counts.withLock { $0.values.allSatisfy { $0 == 2 } } }
            group.cancelAll()
        }
    }
}

@Test func `a file that hasn't changed isn't read, however often it is looked at`() async throws {
    try await withTemporaryDirectory { directory in
        let path = "\(directory)/a"
        try "one".write(toFile: path, atomically: true, encoding: .utf8)
        let reads = Mutex<[Date]>([])
        let contents = Mutex<[String]>([])
        let changes = FileChanges(.files([path]), recheckInterval: .milliseconds(5)) { path in
            reads.withLock { $0.append(Date()) }
            return FileManager.default.contents(atPath: path)
        }
        let following = Task {
            await changes.forEach { changes in
                contents.withLock {
                    $0.append(String(decoding: changes.contents[path].flatMap(\.self) ?? Data(), as: UTF8.self))
                }
            }
        }
        // What was written within two seconds may change again without a trace.
        try await eventually("it is read") { contents.withLock { $0 } == ["one"] }
        try await eventually("and then left alone") { reads.withLock { $0.last?.timeIntervalSinceNow ?? 0 } < -0.5 }
        try "two".write(toFile: path, atomically: false, encoding: .utf8)
        try await eventually("what is written in place is seen") { contents.withLock { $0 } == ["one", "two"] }
        following.cancel()
        await following.value
    }
}

@Test func `a file that could not be read is tried again, though it hasn't changed`() async throws {
    try await withTemporaryDirectory { directory in
        let path = "\(directory)/a"
        try "one".write(toFile: path, atomically: true, encoding: .utf8)
        let firstRead = Mutex<Date?>(nil)
        let contents = Mutex<[String?]>([])
        // For so long that a change would show in its times.
        let changes = FileChanges(.files([path]), recheckInterval: .milliseconds(5)) { path in
            let first = firstRead.withLock { first in
                first = first ?? Date()
                return first ?? Date()
            }
            return first.timeIntervalSinceNow < -4 ? FileManager.default.contents(atPath: path) : nil
        }
        let following = Task {
            await changes.forEach { changes in
                contents.withLock {
                    $0.append(changes.contents[path].flatMap(\.self).map { String(decoding: $0, as: UTF8.self) })
                }
            }
        }
        try await eventually("it is read in the end") { contents.withLock { $0 } == [nil, "one"] }
        following.cancel()
        await following.value
    }
}
