@testable import Discovery
import Foundation
import MeshConfiguration
import Model
import Synchronization
import TestBench
import Testing
import TestSupport
import YAMLFile

/// What a directory source has reported, applied one after the other.
private final class Received: Sendable {
    private struct State {
        var pods: [ServiceName: [String]]?
        var failure: String?
        var isPart = false
        var updates: [Set<ServiceName>] = []
    }

    let directory: String
    private let state = Mutex(State())

    init(_ directory: String) { self.directory = directory }

    func apply(_ report: SourceReport) {
        state.withLock { state in
            switch report {
            case .update(let update):
                let names = { (pods: [ServiceName: SourceUpdate.ServicePods]) in
                    pods.mapValues { $0.pods.map(\.name) }
                }
                switch update.pods {
                case .all(let all): state.pods = names(all)
                case .changed(let changed):
                    state.pods?.merge(names(changed)) { $1 }
                    state.updates.append(Set(changed.keys))
                case nil: break
                }
                // As in the registry: an update says nothing about a part that fails.
                if !state.isPart { state.failure = nil }
            case .failure(let reason, let ofPart): (state.failure, state.isPart) = (reason, ofPart)
            case .confirmed: (state.failure, state.isPart) = (nil, false)
            case .problems: break
            }
        }
    }

    /// Services with pods, as `NAME: POD POD`.
    var pods: [String]? {
        state.withLock { state in
            state.pods?.filter { !$0.value.isEmpty }.map { "\($0): \($1.joined(separator: " "))" }.sorted()
        }
    }
    var failure: String? { state.withLock { $0.failure } }
    var updates: [Set<ServiceName>] { state.withLock { $0.updates } }
}

private func file(_ services: [String: [String]]) -> String {
    var text = "services:\n"
    for (service, pods) in services.sorted(by: { $0.key < $1.key }) {
        text += "  \(service):\n"
        for pod in pods { text += "    - {name: \(pod), address: \"10.0.0.\(pod.utf8.first ?? 0):80\"}\n" }
    }
    return text
}

/// Runs a source on a directory of files while `body` changes them.
private func observing(
    _ files: [String: String], limits: Configuration.SourceLimits = Configuration.SourceLimits(),
    _ body: (Received, _ write: (String, String?) throws -> Void, FileSource) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let write = { (name: String, text: String?) in
            let path = "\(directory)/\(name)"
            guard let text else { return try FileManager.default.removeItem(atPath: path) }
            try text.write(toFile: path, atomically: true, encoding: .utf8)
        }
        for (name, text) in files { try write(name, text) }
        let received = Received(directory)
        let source = FileSource(directory: directory, limits: limits, recheckInterval: .milliseconds(100))
        let task = Task { await source.run { received.apply($0) } }
        defer { task.cancel() }
        try await body(received, write, source)
    }
}

/// `endpoints: {directory: …}`.
@Suite struct DirectorySourceTests {
    @Test func `a change of one file is a change of its services only`() async throws {
        try await observing(["a.yaml": file(["a": ["p"]]), "b.yml": file(["b": ["p"], "c": ["p"]])]) {
            received, write, source in
            try await eventually("all are read") { received.pods == ["a: p", "b: p", "c: p"] }
            try write("b.yml", file(["b": ["p", "q"], "c": ["p"]]))
            try await eventually("q is read") { received.pods == ["a: p", "b: p q", "c: p"] }
            #expect(received.updates == [["b"]])
            let origins = await source.origins(of: "b")
            #expect(origins["q"]?.line == 4)
            #expect(origins["q"]?.object.hasSuffix("/b.yml") == true)
        }
    }

    @Test func `files come and go; other files, and those with a dot, are left alone`() async throws {
        try await observing(["a.yaml": file(["a": ["p"]]), ".hidden.yaml": "x", "README": "x"]) { received, write, _ in
            try await eventually("a is read") { received.pods == ["a: p"] && received.failure == nil }
            try FileManager.default.createDirectory(
                atPath: "\(received.directory)/sub.yaml", withIntermediateDirectories: true)
            try write("b.yaml", file(["b": ["p"]]))
            try await eventually("b is read") { received.pods == ["a: p", "b: p"] }
            try write("a.yaml", nil)
            try await eventually("a is gone") { received.pods == ["b: p"] }
            try write("b.yaml", nil)
            try await eventually("an empty directory is a failure") {
                received.failure?.contains("it has no `.yaml` file") == true
            }
            #expect(received.pods == ["b: p"], "and nothing is taken away")
        }
    }

    @Test func `a mistake in one file leaves its pods as they were, and the others change`() async throws {
        try await observing(["a.yaml": file(["a": ["p"]]), "b.yaml": file(["b": ["p"]])]) { received, write, _ in
            try await eventually("all are read") { received.pods == ["a: p", "b: p"] }
            try write("b.yaml", "services: {b: [{name: p}]}")
            try await eventually("the mistake is reported") {
                received.failure?.contains("b.yaml:1: services.b[0]: the field `address` is missing") == true
            }
            try write("a.yaml", file(["a": ["q"]]))
            try await eventually("a changes") { received.pods == ["a: q", "b: p"] }
            #expect(received.failure != nil)
            try write("b.yaml", file(["b": ["r"]]))
            try await eventually("b is mended") { received.pods == ["a: q", "b: r"] && received.failure == nil }
        }
    }

    @Test func `with a mistake at the start nothing is known until it is mended`() async throws {
        try await observing(["a.yaml": file(["a": ["p"]]), "b.yaml": "services: ["]) { received, write, _ in
            try await eventually("the mistake is reported") { received.failure?.contains("b.yaml") == true }
            #expect(received.pods == nil)
            try write("b.yaml", file(["b": ["p"]]))
            try await eventually("all are read") { received.pods == ["a: p", "b: p"] && received.failure == nil }
        }
    }

    @Test func `a service in two files stays in the first until that one gives it up`() async throws {
        try await observing(["a.yaml": file(["a": ["p"], "s": ["p"]]), "b.yaml": file(["b": ["p"]])]) {
            received, write, _ in
            try await eventually("all are read") { received.pods == ["a: p", "b: p", "s: p"] }
            try write("b.yaml", file(["b": ["p"], "s": ["q"]]))
            try await eventually("the conflict is reported") {
                received.failure?.contains("b.yaml: service s is in") == true
            }
            #expect(received.pods == ["a: p", "b: p", "s: p"])
            try write("a.yaml", file(["a": ["p"]]))
            try await eventually("s has moved") {
                received.pods == ["a: p", "b: p", "s: q"] && received.failure == nil
            }
        }
    }

    @Test func `limits hold for all files together, and name their field`() async throws {
        var limits = Configuration.SourceLimits()
        limits.endpoints = 3
        try await observing(["a.yaml": file(["a": ["p", "q"]]), "b.yaml": file(["b": ["p"]])], limits: limits) {
            received, write, _ in
            try await eventually("all are read") { received.pods == ["a: p q", "b: p"] }
            try write("b.yaml", file(["b": ["p", "q"]]))
            try await eventually("the limit is reported") {
                received.failure?.contains("b.yaml: 4 pods are more than 3 (sources.endpoints)") == true
            }
            #expect(received.pods == ["a: p q", "b: p"])
            try write("a.yaml", file(["a": ["p"]]))
            try await eventually("there is room now") { received.pods == ["a: p", "b: p q"] }
        }
        limits = Configuration.SourceLimits()
        limits.services = 1
        try await observing(["a.yaml": file(["a": ["p"]]), "b.yaml": file(["b": ["p"]])], limits: limits) {
            received, _, _ in
            try await eventually("the limit is reported") {
                received.failure?.contains("it has 2 files, more than 1 (sources.services)") == true
            }
        }
    }

    /// Files that exchange services at random, seen in any combination: what is in force is one file's for each service,
    /// and in the end it is what the files say.
    @Test(arguments: 0..<20 as Range<UInt64>) func `services that move between files end up as the files say`(
        seed: UInt64
    )
        throws
    {
        var random = SeededGenerator(seed: seed)
        var files = EndpointsFiles(limits: Configuration.SourceLimits(), isDirectory: true)
        let paths = ["/d/a.yaml", "/d/b.yaml", "/d/c.yaml"]
        var owners = (0..<9).map { _ in 0 }
        var known: [ServiceName: [Pod]] = [:]
        func text(_ path: Int) -> Data {
            let own = owners.indices.filter { owners[$0] == path }
            return Data(file(Dictionary(uniqueKeysWithValues: own.map { ("s\($0)", ["p"]) })).utf8)
        }
        func apply(_ reports: [SourceReport]) {
            for case .update(let update) in reports {
                switch update.pods {
                case .all(let all): known = all.mapValues(\.pods)
                case .changed(let changed): known.merge(changed.mapValues(\.pods)) { $1 }
                case nil: break
                }
            }
        }
        owners = owners.indices.map { $0 % 3 }
        for round in 0..<40 {
            var changes = FileChanges.Changes()
            for path in paths.indices where round == 0 || Bool.random(using: &random) {
                changes.contents[paths[path]] = .some(text(path))
            }
            apply(files.apply(changes))
            if round > 0 { owners[Int.random(in: 0..<9, using: &random)] = Int.random(in: 0..<3, using: &random) }
            // A file always has a service of its own.
            for path in paths.indices { owners[path] = path }
            #expect(known.filter { !$0.value.isEmpty }.count <= 9)
        }
        var last = FileChanges.Changes()
        for path in paths.indices { last.contents[paths[path]] = .some(text(path)) }
        let reports = files.apply(last)
        apply(reports)
        if case .failure(let reason, _)? = reports.last { Issue.record("\(reason)") }
        #expect(Set(known.filter { !$0.value.isEmpty }.keys) == Set((0..<9).map { ServiceName(rawValue: "s\($0)") }))
    }
}
