import Foundation
import Overrides
import Testing
import TestSupport

private func override(_ id: String, created: Date = Date(timeIntervalSince1970: 1_000)) -> Override {
    var spec = OverrideSpec(service: "s", reason: "a test")
    spec.shares = ["west": 20.25]
    spec.until = created + 60.5
    return Override(id: id, spec: spec, createdAt: created, createdBy: "anna")
}

private let revert = Override.Transition(
    id: "1", at: Date(timeIntervalSince1970: 1_010.123), by: "anna", type: .revert, reason: "ünsafe \"quotes\"\u{1}")

/// A directory that is removed at the end.
private func withDirectory(_ body: (String) async throws -> Void) async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "journal-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try await body(directory)
}

private func file(_ directory: String) -> URL { URL(fileURLWithPath: "\(directory)/overrides.jsonl") }

/// The journal of overrides, on a real disk.
@Suite struct OverrideJournalTests {
    @Test func `what was written is read again`() async throws {
        try await withDirectory { directory in
            do {
                let journal = OverrideJournal(directory: directory)
                #expect(try await journal.load().overrides.isEmpty)
                try await journal.create(override("aaaa"))
                try await journal.create(override("bbbb", created: Date(timeIntervalSince1970: 2_000)))
                try await journal.append(revert, to: "aaaa")
            }
            let (found, warnings) = try await OverrideJournal(directory: directory).load()
            var first = override("aaaa")
            first.transitions = [revert]
            #expect(
                found == [first, override("bbbb", created: Date(timeIntervalSince1970: 2_000))] && warnings.isEmpty)
            let permissions = try FileManager.default.attributesOfItem(atPath: file(directory).path)[.posixPermissions]
            #expect(permissions as? Int == 0o600)
        }
    }

    @Test func `a line that a crash cut is dropped, wherever it was cut`() async throws {
        try await withDirectory { directory in
            do {
                let journal = OverrideJournal(directory: directory)
                try await journal.create(override("aaaa"))
                try await journal.create(override("bbbb"))
            }
            let whole = try Data(contentsOf: file(directory))
            let first = try #require(
                whole.firstRange(
                    of: Data("\n{\"create\":{\"createdAt\":1000000,\"createdBy\":\"anna\",\"id\":\"bbbb\"".utf8)))
            for cut in (first.lowerBound + 2)..<whole.count {
                try whole.prefix(cut).write(to: file(directory))
                let (found, warnings) = try await OverrideJournal(directory: directory).load()
                #expect(found.map(\.id) == ["aaaa"] && warnings.count == 1, "cut at \(cut)")
            }
            let journal = OverrideJournal(directory: directory)
            try await journal.create(override("cccc"))
            #expect(try await journal.load().overrides.map(\.id) == ["aaaa", "cccc"])
        }
    }

    @Test func `a journal that was moved or cut while it is in use takes no more changes`() async throws {
        for change in ["remove", "truncate"] {
            try await withDirectory { directory in
                let journal = OverrideJournal(directory: directory)
                try await journal.create(override("aaaa"))
                if change == "remove" {
                    try FileManager.default.removeItem(at: file(directory))
                } else {
                    let handle = try FileHandle(forUpdating: file(directory))
                    try handle.truncate(atOffset: 0)
                    try handle.close()
                }
                let error = await #expect(throws: OverrideStoreError.self) {
                    try await journal.create(override("bbbb"))
                }
                #expect(error?.description.contains("was moved or changed") == true)
            }
        }
    }

    @Test(arguments: [
        "\"west\":20.25", "\"until\":1060500", "\"createdAt\":1000000",
    ]) func `an override with values that can't be is left out`(_ old: String) async throws {
        for value in ["-5", "1e300", "-1e300", "150e100"] {
            try await withDirectory { directory in
                do { try await OverrideJournal(directory: directory).create(override("aaaa")) }
                let text = try String(contentsOf: file(directory), encoding: .utf8)
                let key = old.prefix { $0 != ":" }
                try text.replacingOnce(old, with: "\(key):\(value)").write(
                    to: file(directory), atomically: true, encoding: .utf8)
                let (found, warnings) = try await OverrideJournal(directory: directory).load()
                #expect(found.isEmpty && warnings.count == 1)
            }
        }
    }

    @Test(arguments: ["hello\n", "{\"version\":2}\n", "{\"version\":1}\nhello\n", "\u{0}\u{0}\u{0}\n"])
    func `another file is left as it is, with an error that names it`(_ content: String) async throws {
        try await withDirectory { directory in
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try Data(content.utf8).write(to: file(directory))
            let journal = OverrideJournal(directory: directory)
            let error = await #expect(throws: OverrideStoreError.self) { try await journal.load() }
            #expect(error?.description.contains(file(directory).path) == true)
            await #expect(throws: OverrideStoreError.self) { try await journal.create(override("aaaa")) }
            #expect(try Data(contentsOf: file(directory)) == Data(content.utf8))
        }
    }

    @Test func `a name is given once, and what could not be read again is not written`() async throws {
        try await withDirectory { directory in
            let journal = OverrideJournal(directory: directory)
            try await journal.create(override("aaaa"))
            #expect(await journal.isTaken("aaaa"))
            await #expect(throws: OverrideStoreError.self) { try await journal.create(override("aaaa")) }
            var bad = override("bbbb")
            bad.spec.reason = "a line\nbreak"
            await #expect(throws: OverrideStoreError.self) { try await journal.create(bad) }
            #expect(try await journal.load().overrides.map(\.id) == ["aaaa"])
        }
    }

    @Test func `an override that an older version accepted is left out, and the others are in force`() async throws {
        try await withDirectory { directory in
            do {
                let journal = OverrideJournal(directory: directory)
                for id in ["aaaa", "bbbb"] { try await journal.create(override(id)) }
                try await journal.append(revert, to: "aaaa")
            }
            let text = try String(contentsOf: file(directory), encoding: .utf8)
            let line = try #require(text.split(separator: "\n").first { $0.contains("\"id\":\"aaaa\"") })
            let bad = line.replacing("a test", with: "x")
            try Data(text.replacing(line, with: bad).utf8).write(to: file(directory))
            let (found, warnings) = try await OverrideJournal(directory: directory).load()
            #expect(found.map(\.id) == ["bbbb"])
            #expect(warnings.count == 1 && warnings[0].contains(":2: override aaaa"), "\(warnings)")
        }
    }

    @Test func `two processes can't use one directory`() async throws {
        try await withDirectory { directory in
            let first = OverrideJournal(directory: directory)
            try await first.create(override("aaaa"))
            let second = OverrideJournal(directory: directory)
            let error = await #expect(throws: OverrideStoreError.self) { try await second.load() }
            #expect(error?.description.contains("another process uses it") == true)
            try await first.create(override("bbbb"))
            #expect(try await first.load().overrides.count == 2)
        }
    }

    @Test func `compaction keeps what is not long ended`() async throws {
        try await withDirectory { directory in
            let now = Date(timeIntervalSince1970: 100 * 86_400)
            let journal = OverrideJournal(directory: directory, compactionSize: 10_000) { now }
            for number in 0..<100 {
                let isOld = number % 2 == 0
                try await journal.create(
                    override("o\(number)", created: isOld ? Date(timeIntervalSince1970: 1_000) : now - 3_600))
            }
            let size = try #require(
                try FileManager.default.attributesOfItem(atPath: file(directory).path)[.size] as? Int)
            #expect(size < 25_000)
            let kept = try await journal.load().overrides
            #expect((50..<100).contains(kept.count) && kept.filter { $0.createdAt == now - 3_600 }.count == 50)
        }
    }
}
