import Balancing
import Foundation
import MeshConfiguration
import TestSupport
import Testing

private let good = """
    cluster: east
    xds: {listen: "127.0.0.1:18000"}
    clusters:
      east:
        endpoints: {file: east.yaml}
      west:
        locality: {region: w, zone: z}
        endpoints: {file: /data/west.yaml}
        gateways: ["127.0.0.1:15443"]
        reach: gateway
    services:
      httpbin:
        resources: ["a", "b"]
        balance: local-first
        weights: {west: 0.5}
      plain: {}
    """

@Test func `a good configuration is read whole`() throws {
    let configuration = try Configuration(text: good, file: "/etc/ballast/ballast.yaml")
    #expect(configuration.cluster == "east")
    #expect(configuration.xds.listen == address("127.0.0.1:18000"))
    #expect(configuration.adminListen == address("127.0.0.1:18080"))
    #expect(configuration.clusters.map(\.cluster.name) == ["east", "west"])
    #expect(configuration.clusters.map(\.endpoints) == [.file("/etc/ballast/east.yaml"), .file("/data/west.yaml")])
    #expect(configuration.clusters[0].cluster.locality == Locality(region: "east"), "the cluster's name is its region")
    #expect(configuration.clusters[1].cluster.locality == Locality(region: "w", zone: "z"))
    #expect(configuration.clusters[1].cluster.gateways == [address("127.0.0.1:15443")])
    #expect(configuration.services.map(\.resources) == [["a", "b"], ["plain"]])
    #expect(configuration.services[0].service.balance == .localFirst)
    #expect(configuration.services[0].service.weights == ["west": try #require(Ratio("0.5"))])
}

@Test func `the example files are good`() throws {
    let configuration = try Configuration(path: "\(repository)/envoy-configs/ballast.yaml")
    for source in configuration.clusters {
        guard case .file(let path) = source.endpoints else { continue }
        #expect(try !EndpointsFile(path: path).pods.isEmpty)
    }
}

private struct Mistake: CustomTestStringConvertible {
    var old: String
    var new: String
    /// What the error begins with.
    var error: String

    init(_ old: String, _ new: String, _ error: String) {
        self.old = old
        self.new = new
        self.error = error
    }

    var testDescription: String { error }
}

@Test(arguments: [
    Mistake("cluster: east", "cluster: north", "b.yaml:1: cluster: \"north\": `clusters` has no cluster of this name"),
    Mistake("cluster: east", "klaster: east", "b.yaml:1: klaster: \"east\": there is no such field here"),
    Mistake("127.0.0.1:18000", "localhost", "b.yaml:2: xds.listen: \"localhost\": should be an IP address and a port"),
    Mistake("{file: east.yaml}", "east.yaml", "b.yaml:5: clusters.east.endpoints: \"east.yaml\": should be a mapping"),
    Mistake(
        "{file: east.yaml}", "{kubernetes: {}}", "b.yaml:5: clusters.east.endpoints.kubernetes: is not supported yet"),
    Mistake("127.0.0.1:15443", "gw.example:15443", "b.yaml:9: clusters.west.gateways[0]: \"gw.example:15443\""),
    Mistake("\"127.0.0.1:15443\"", "", "b.yaml:9: clusters.west.gateways: is empty"),
    Mistake("reach: gateway", "reach: pods", "b.yaml:10: clusters.west.reach: \"pods\": is not supported yet"),
    Mistake("reach: gateway", "reach: magic", "b.yaml:10: clusters.west.reach: \"magic\": should be one of: gateway"),
    Mistake("[\"a\", \"b\"]", "[]", "b.yaml:13: services.httpbin: `resources` is empty"),
    Mistake("[\"a\", \"b\"]", "[\"plain\"]", "b.yaml:16: services.plain: the resource plain is httpbin's already"),
    Mistake(
        "local-first", "nearest",
        "b.yaml:14: services.httpbin.balance: \"nearest\": should be one of: global, local-first"),
    Mistake("west: 0.5", "west: -1", "b.yaml:15: services.httpbin.weights.west: \"-1\": should be a number"),
    Mistake("west: 0.5", "north: 1", "b.yaml:15: services.httpbin.weights.north: \"1\": `clusters` has no cluster"),
    Mistake("  plain: {}", "  httpbin: {}", "b.yaml:"),
    Mistake("cluster: east", "cluster: [east", "b.yaml:"),
    Mistake("services:", "servces:", "b.yaml:"),
    Mistake(good, "", "b.yaml: the file is empty"),
    Mistake(good, "just words", "b.yaml:1: \"just words\": should be a mapping"),
])
private func `a mistake is named with file, line, field and value`(mistake: Mistake) {
    let text = good.replacing(mistake.old, with: mistake.new)
    #expect(text != good)
    do throws(ConfigurationError) {
        _ = try Configuration(text: text, file: "b.yaml")
        Issue.record("accepted: \(mistake.new)")
    } catch {
        #expect(error.description.hasPrefix(mistake.error), "\(error)")
    }
}

@Test func `an endpoints file is read whole`() throws {
    let file = try EndpointsFile(
        text: """
            services:
              httpbin:
                - {name: w1, address: "127.0.0.1:2101"}
                - {name: w2, address: "[::1]:2101", weight: 7, zone: b, health: draining}
              empty: []
            """,
        file: "west.yaml"
    )
    #expect(
        file.pods == [
            "httpbin": [
                Pod(name: "w1", address: address("127.0.0.1:2101")),
                Pod(
                    name: "w2", address: address("[::1]:2101"), weight: try #require(Weight(7)), zone: "b",
                    health: .draining),
            ],
            "empty": [],
        ]
    )
}

@Test(arguments: [
    ("services: {s: [{address: \"1.2.3.4:1\"}]}", "w.yaml:1: services.s[0]: the field `name` is missing"),
    (
        "services: {s: [{name: a, address: \"1.2.3.4\"}]}",
        "w.yaml:1: services.s[0].address: \"1.2.3.4\": should be an IP"
    ),
    ("services: {s: [{name: a, address: \"1.2.3.4:0\"}]}", "w.yaml:1: services.s[0].address"),
    (
        "services: {s: [{name: a, address: \"1.2.3.4:1\", weight: 0}]}",
        "w.yaml:1: services.s[0].weight: \"0\": should be a whole"
    ),
    ("services: {s: [{name: a, address: \"1.2.3.4:1\", health: ill}]}", "w.yaml:1: services.s[0].health: \"ill\""),
    (
        "services: {s: [{name: a, address: \"1.2.3.4:1\", port: 1}]}",
        "w.yaml:1: services.s[0].port: \"1\": there is no such"
    ),
    (
        "services: {s: [{name: a, address: \"1.2.3.4:1\"},\n {name: a, address: \"1.2.3.4:2\"}]}",
        "w.yaml:2: services.s[1].name"
    ),
    (
        "services: {s: [{name: a, address: \"1.2.3.4:1\"},\n {name: b, address: \"1.2.3.4:1\"}]}",
        "w.yaml:2: services.s[1].address"
    ),
    ("services: {s: {}}", "w.yaml:1: services.s: should be a list"),
    ("{}", "w.yaml:1: the field `services` is missing"),
    ("services:\n  s:\n    - {name: a, addr", "w.yaml:4: not valid YAML"),
    ("\u{0}\u{1}", "w.yaml"),
])
func `a mistake in an endpoints file is named`(text: String, expected: String) {
    do throws(ConfigurationError) {
        _ = try EndpointsFile(text: text, file: "w.yaml")
        Issue.record("accepted")
    } catch {
        #expect(error.description.hasPrefix(expected), "\(error)")
    }
}

@Test func `garbage of any kind is an error, never a crash`() {
    var random = SeededGenerator(seed: 3)
    let bytes = Array(good.utf8)
    for _ in 0..<3_000 {
        var mutated = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            mutated[Int.random(in: 0..<mutated.count, using: &random)] = UInt8.random(in: 9...126, using: &random)
        }
        _ = try? Configuration(text: String(decoding: mutated, as: UTF8.self), file: "b.yaml")
        _ = try? EndpointsFile(text: String(decoding: mutated, as: UTF8.self), file: "b.yaml")
    }
    let deep = String(repeating: "[", count: 100_000)
    #expect(throws: ConfigurationError.self) { try EndpointsFile(text: deep, file: "b.yaml") }
}
