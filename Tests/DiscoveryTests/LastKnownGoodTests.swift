@testable import Discovery
import EnvoyAPI
import Foundation
import Intent
import Logging
import MeshConfiguration
import Model
import TestBench
import Testing
import TestSupport
import XXHash

@Test func `state files are for their owner only, and replaced as a whole`() async throws {
    try await withTemporaryDirectory { directory in
        let state = StateDirectory(path: directory)
        let saved = SavedCluster(source: "s", confirmed: Date(), pods: [:], gateways: nil, resolved: [:])
        for _ in 0..<2 { try state.write(saved, of: "east") }
        let attributes = try FileManager.default.attributesOfItem(atPath: state.file(of: "east"))
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["east.state"])
        #expect(state.read(["east"]).saved["east"]?.source == "s")
    }
}

/// What is kept on disk.
@Suite struct LastKnownGoodTests {
    private let saved = SavedCluster(
        source: "file a", confirmed: Date(timeIntervalSince1970: 1_790_000_000),
        pods: [
            "s": [
                Pod(
                    name: "p", address: address("10.0.0.1:80"), weight: Weight(7) ?? .one, zone: "z", health: .draining),
                Pod(name: "q", address: address("[2001:db8::1]:443")),
            ], "none": [],
        ],
        gateways: [.name("gw.example", port: 443), .address(address("192.0.2.1:15443"))],
        resolved: ["gw.example": [IPAddress("192.0.2.7")].compactMap(\.self)])

    @Test func `what is written is read`() throws { #expect(try StateFile.decode(StateFile.encode(saved)) == saved) }

    @Test func `a file that was cut anywhere, or changed anywhere, is refused`() throws {
        let data = StateFile.encode(saved)
        for count in 0..<data.count {
            #expect(throws: StateFileError.self) { try StateFile.decode(data.prefix(count)) }
        }
        var generator = SeededGenerator(seed: 7)
        for index in data.indices {
            var changed = data
            changed[index] ^= UInt8.random(in: 1...255, using: &generator)
            #expect(throws: StateFileError.self, "byte \(index)") { try StateFile.decode(changed) }
        }
    }

    @Test func `a message that makes no sense is refused, though its checksum is right`() {
        // A gateway that is none.
        let message: [UInt8] = [5 << 3 | 2, 1, UInt8(ascii: ":")]
        let sum = String(xxHash64(message), radix: 16)
        let file = Data("ballast-state 2 \(message.count) \(sum)\n".utf8) + message
        #expect(throws: StateFileError.self) { try StateFile.decode(file) }
    }

    @Test(arguments: [
        ("torn", "it is torn or damaged"), ("foreign", "it is no state file"), ("future", "a newer Ballast: 3"),
        ("past", "an older Ballast: 1"), ("empty", "it is no state file"),
    ])
    func `a file that can't be used is set aside, and the others are read`(_ kind: String, _ reason: String)
        async throws
    {
        try await withTemporaryDirectory { path in
            let directory = StateDirectory(path: path)
            try directory.write(saved, of: "good")
            let data =
                switch kind {
                case "torn": StateFile.encode(saved).dropLast(3)
                case "foreign": Data("services: {}\n".utf8)
                case "future": Data("ballast-state 3 0 0\n".utf8)
                case "past": Data("ballast-state 1 0 cbf29ce484222325\n".utf8)
                default: Data()
                }
            try data.write(to: URL(fileURLWithPath: directory.file(of: "bad")))
            let (read, setAside) = directory.read(["good", "bad", "new"])
            #expect(read == ["good": saved])
            #expect(setAside.map(\.file) == [directory.file(of: "bad")])
            #expect(setAside.first?.reason.contains(reason) == true, "\(setAside)")
            #expect(FileManager.default.contents(atPath: directory.file(of: "bad") + ".unusable") == data)
            #expect(!FileManager.default.fileExists(atPath: directory.file(of: "bad")))
        }
    }

    @Test func `a file that can't be read is named, and stays`() async throws {
        try await withTemporaryDirectory { path in
            let directory = StateDirectory(path: path)
            let file = directory.file(of: "odd")
            try FileManager.default.createDirectory(atPath: file, withIntermediateDirectories: false)
            let (read, setAside) = directory.read(["odd"])
            #expect(read.isEmpty)
            #expect(setAside.map(\.file) == [file])
            #expect(setAside.first?.reason.hasPrefix("it can't be read: ") == true, "\(setAside)")
            #expect(FileManager.default.fileExists(atPath: file))
        }
    }

    @Test func `a cluster's name can't lead out of the directory`() async throws {
        try await withTemporaryDirectory { path in
            let directory = StateDirectory(path: "\(path)/state")
            try directory.write(saved, of: "../a/b")
            #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["state"])
            #expect(directory.read(["../a/b"]).saved == ["../a/b": saved])
        }
    }

    @Test func `a directory that can't be written is an error, and leaves the file as it was`() async throws {
        try await withTemporaryDirectory { path in
            try Data("not a directory".utf8).write(to: URL(fileURLWithPath: "\(path)/state"))
            #expect(throws: (any Error).self) { try StateDirectory(path: "\(path)/state").write(saved, of: "a") }
        }
    }

    @Test func `what was known is served where a source is out of reach, marked stale; a live source goes first`()
        async throws
    {
        let configuration = try Configuration(
            text: """
                cluster: a
                clusters: {a: {endpoints: {file: a}}, b: {endpoints: {file: b}, gateways: ["gw.example:443"]}}
                services: {s: {}}
                """, file: "/c/b.yaml")
        let registry = Registry(configuration.mesh) {}
        await registry.remember(["a": saved, "b": saved])
        await registry.receive(.pods(["s": saved.pods["s"] ?? []]), from: SourceID(configuration.mesh.clusters[0]))
        #expect(await registry.serveRemembered() == ["b"])
        let state = await registry.state
        #expect(state.isSynced)
        #expect(state.pods["a"]?["s"] == saved.pods["s"])
        #expect(state.pods["b"]?["s"] == saved.pods["s"])
        #expect(state.clusters[1].gateways == [address("192.0.2.7:443")], "the last answer of DNS")
        #expect(state.sources[1].staleReason?.contains("what was known at 2026") == true)
        #expect(!state.sources[1].isSynced)
        #expect(state.sources[1].confirmed == saved.confirmed)
        #expect(state.sources[2].staleReason != nil, "DNS")
        #expect(await registry.takeUnsaved().keys.sorted() == ["a"], "what was read is not written again")
    }

    /// A registry that knows of an earlier start that cluster `a` had ten pods, and gateways.
    private func remembering(guard settings: String = "on") async throws -> (Registry, SourceID) {
        let configuration = try Configuration(
            text: """
                cluster: a
                guard: \(settings)
                clusters: {a: {endpoints: {file: a}}}
                services: {s: {}}
                """, file: "/c/b.yaml")
        let registry = Registry(configuration.mesh) {}
        var saved = saved
        saved.pods = ["s": pods("p", 10, network: 1)]
        await registry.remember(["a": saved])
        #expect(await !registry.state.isSynced, "nothing is served of it")
        return (registry, SourceID(configuration.mesh.clusters[0]))
    }

    @Test(arguments: [1, 0]) func `what vanished while this program was down is held, however soon the source answers`(
        _ left: Int
    ) async throws {
        let (registry, source) = try await remembering()
        let told = left == 0 ? [:] : ["s": pods("p", left, network: 1)] as [ServiceName: [Pod]]
        await registry.receive(.pods(told), from: source)
        #expect(await registry.state.pods["a"]?["s"]?.count == 10)
        let hold = try #require(await registry.state.holds.first)
        #expect(hold.pods.count == 10 - left)
        #expect(await registry.takeChanges()?.pods["s"]?["a"]?.count == 10)
        #expect(await registry.serveRemembered() == [])
        #expect(await registry.release("s") == ["a"])
        #expect(await registry.state.pods["a"]?["s"]?.count ?? 0 == left)
    }

    @Test func `pods that the guard releases are gone at once, and all pods without a guard`() async throws {
        var (registry, source) = try await remembering()
        await registry.receive(.pods(["s": pods("p", 6, network: 1), "t": pods("t", 1, network: 2)]), from: source)
        #expect(await registry.state.pods["a"]?["s"]?.count == 6)
        #expect(await registry.state.pods["a"]?["t"]?.count == 1)
        #expect(await registry.takeChanges()?.pods["t"]?["a"]?.count == 1)
        (registry, source) = try await remembering(guard: "off")
        await registry.receive(.pods([:]), from: source)
        #expect(await registry.state.pods["a"] == [:])
    }

    @Test func `gateways that a source no longer names after a restart stay`() async throws {
        let configuration = try Configuration(
            text: """
                cluster: a
                clusters:
                  a:
                    endpoints: {file: a}
                    gateways: {kubernetes: {namespace: n, labelSelector: a=b, port: 443}}
                services: {s: {}}
                """, file: "/c/b.yaml")
        let registry = Registry(configuration.mesh) {}
        await registry.remember(["a": saved])
        let sources = SourceID.all(of: configuration.mesh.clusters[0])
        await registry.receive(.pods(["s": saved.pods["s"] ?? []]), from: sources[0])
        await registry.receive(.gateways([]), from: sources[1])
        #expect(await registry.state.clusters[0].gateways == [address("192.0.2.1:15443")])
        #expect(await registry.state.sources[1].staleReason?.contains("it names no gateway") == true)
    }

    @Test func `names that DNS doesn't answer for are resolved as before, though all sources have delivered`()
        async throws
    {
        let configuration = try Configuration(
            text: """
                cluster: a
                clusters: {a: {endpoints: {file: a}, gateways: ["gw.example:443"]}}
                services: {s: {}}
                """, file: "/c/b.yaml")
        let registry = Registry(configuration.mesh) {}
        await registry.remember(["a": saved])
        await registry.receive(.pods(["s": saved.pods["s"] ?? []]), from: SourceID(configuration.mesh.clusters[0]))
        #expect(await !registry.state.isSynced)
        #expect(await registry.serveRemembered() == ["a"])
        #expect(await registry.state.isSynced)
    }

    @Test func `what a peer vouches for is taken at its word, also after a restart; what it no longer exports is held`()
        async throws
    {
        let (registry, source) = try await remembering()
        let vouched = { (service: ServiceName, pods: [Pod]) in
            SourceReport.update(SourceUpdate(pods: .all([service: SourceUpdate.ServicePods(pods, .vouched)])))
        }
        await registry.receive(vouched("s", pods("p", 2, network: 1)), from: source)
        #expect(await registry.state.pods["a"]?["s"]?.count == 2)
        #expect(await registry.state.holds.isEmpty)
        let (other, its) = try await remembering()
        await other.receive(vouched("t", pods("t", 1, network: 2)), from: its)
        #expect(await other.state.holds.map(\.service) == ["s"])
    }
}

@Test func `a time that can't be written again is damage`() {
    // confirmed = 2^64 - 1
    let message: [UInt8] = [2 << 3] + Array(repeating: 0xff, count: 9) + [0x01]
    #expect(throws: DecodingFailure.self) { try SavedCluster(message) }
}
