import Foundation
import Intent
import MeshConfiguration
import Model
import Overrides
import Testing
import TestSupport
import YAMLFile

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
    #expect(configuration.mesh.cluster == "east")
    #expect(configuration.server.xds.listen == address("127.0.0.1:18000"))
    #expect(configuration.server.admin.listen == address("127.0.0.1:18080"))
    #expect(configuration.mesh.clusters.map(\.name) == ["east", "west"])
    #expect(
        configuration.mesh.clusters.map(\.endpoints) == [.file("/etc/ballast/east.yaml"), .file("/data/west.yaml")])
    #expect(
        configuration.mesh.clusters[0].cluster(gateways: []).locality == Locality(region: "east"),
        "the cluster's name is its region")
    #expect(configuration.mesh.clusters[1].cluster(gateways: []).locality == Locality(region: "w", zone: "z"))
    #expect(configuration.mesh.clusters[1].gateways.addresses == [address("127.0.0.1:15443")])
    #expect(configuration.mesh.services.map(\.resources) == [["a", "b"], ["plain"]])
    #expect(configuration.mesh.services[0].service.balance == .localFirst)
    #expect(configuration.mesh.services[0].service.weights == ["west": try #require(Ratio("0.5"))])
}

@Test func `every way to reach a cluster is read, with its settings`() throws {
    let reach = { (lines: String) in
        let text = try good.replacingOnce("reach: gateway", with: lines) + "\nenvoy: {tls: {ca: ca.crt}}\n"
        return try Configuration(text: text, file: "b.yaml").mesh.clusters[1].reach
    }
    #expect(try reach("network: n") == .gateway(refresh: false), "the default works everywhere")
    #expect(try reach("refresh: true") == .gateway(refresh: true))
    #expect(try reach("reach: lanes") == .lanes(LaneSettings()))
    #expect(
        try reach("reach: lanes\n    lanes: {perPod: 2, most: 8, gatewayPolicy: ROUND_ROBIN}")
            == .lanes(LaneSettings(perPod: 2, most: 8, gatewayPolicy: .roundRobin)))
    #expect(try reach("reach: pods") == .pods(sni: .standard))
    #expect(
        try reach("reach: pods\n    sni: \"{pod}.x-{port}.{service}\"")
            == .pods(sni: SNITemplate("{pod}.x-{port}.{service}")))
    #expect(try reach("reach: connect") == .connect)
    let named = try good.replacingOnce("127.0.0.1:15443", with: "gw.example:443")
    #expect(
        try Configuration(text: named, file: "b.yaml").mesh.clusters[1].gateways
            == .listed([.name("gw.example", port: 443)])
    )
}

@Test func `a service's SNI that could also be a pod's is refused`() throws {
    let text = try good.replacingOnce(
        "reach: gateway", with: "reach: pods\n    sni: \"{pod}.p{port}.{service}.{cluster}\"")
    for (sni, isGood) in [
        ("w1.p80.httpbin.west", false), ("W1.P80.plain.west", false), ("w1.x80.plain.west", true),
        ("w1.p80.other.west", true), ("p80.plain.west", true),
    ] {
        let text = try text.replacingOnce("plain: {}", with: "plain: {sni: \(sni)}")
        let read = { try Configuration(text: text, file: "b.yaml") }
        if isGood {
            #expect(try read().mesh.services.count == 2, "\(sni)")
        } else {
            #expect(throws: ConfigurationError.self, "\(sni)") { try read() }
        }
    }
}

@Test func `a service's settings for clients begin with those of all services`() throws {
    let text =
        try good.replacingOnce(
            "  plain: {}",
            with: "  plain: {sni: S.Example, envoy: {policy: MAGLEV, tls: {identities: [\"spiffe://x\"]}}}")
            + """

            envoy:
              http: http2
              tls: {certificate: c.crt, key: c.key, ca: ca.crt}
              outlierDetection: {consecutive5xx: 3, interval: 500ms, ejectionTime: 2m, maxEjectionPercent: 50}
              healthCheck: {path: /health, interval: 1s}
            """
    let services = try Configuration(text: text, file: "/x/b.yaml").mesh.services.map(\.service)
    var expected = ClientSettings()
    expected.http = .http2
    expected.tls = ClientSettings.TLS(certificate: .init(certificate: "c.crt", key: "c.key"), ca: "ca.crt")
    expected.outlierDetection = ClientSettings.OutlierDetection()
    expected.outlierDetection?.consecutive5xx = 3
    expected.outlierDetection?.interval = .milliseconds(500)
    expected.outlierDetection?.ejectionTime = .seconds(120)
    expected.outlierDetection?.maxEjectionPercent = 50
    expected.healthCheck = ClientSettings.HealthCheck(path: "/health")
    expected.healthCheck?.interval = .seconds(1)
    #expect(services[0].client == expected)
    expected.policy = .maglev
    expected.tls?.identities = ["spiffe://x"]
    #expect(services[1].client == expected)
    #expect(services[1].sni?.description == "s.example")
}

@Test func `the example files are good`() throws {
    let configuration = try Configuration(path: "\(repository)/envoy-configs/ballast.yaml")
    for source in configuration.mesh.clusters {
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
        "{file: east.yaml}", "{kubernetes: {}}", "b.yaml:5: clusters.east.endpoints.kubernetes: takes no service"),
    Mistake(
        "{file: east.yaml}", "{file: east.yaml, ballast: {}}",
        "b.yaml:5: clusters.east.endpoints: should have exactly one of: file, directory, kubernetes, ballast"),
    Mistake(
        "{file: east.yaml}", "{kubernetes: {context: x, export: true}}",
        "b.yaml:5: clusters.east.endpoints.kubernetes.context: \"x\": belongs to a `kubeconfig`"),
    Mistake(
        "{file: east.yaml}", "{kubernetes: {services: {a: {namespace: N}}}}",
        "b.yaml:5: clusters.east.endpoints.kubernetes.services.a.namespace: \"N\": should be a name as Kubernetes"),
    Mistake(
        "{file: east.yaml}", "{kubernetes: {namespaces: [m], services: {a: {namespace: n}}}}",
        "b.yaml:5: clusters.east.endpoints.kubernetes.services.a.namespace: \"n\": `namespaces` doesn't have it"),
    Mistake(
        "{file: east.yaml}", "{kubernetes: {services: {a: {namespace: n, port: 70000}}}}",
        "b.yaml:5: clusters.east.endpoints.kubernetes.services.a.port: \"70000\": should be a port's name"),
    Mistake(
        "{file: east.yaml}", "{ballast: {address: \"west.example\", services: []}}",
        "b.yaml:5: clusters.east.endpoints.ballast.address: \"west.example\": should be a host name or an IP address"),
    Mistake(
        "{file: east.yaml}", "{ballast: {address: \"west.example:18000\", services: [a]}}",
        "b.yaml:5: clusters.east.endpoints.ballast: the field `tls` is missing"),
    Mistake(
        "{file: east.yaml}", "{file: east.yaml}\n    guard: {share: 2}",
        "b.yaml:6: clusters.east.guard.share: \"2\": should be a number from 0 to 1"),
    Mistake(
        "127.0.0.1:15443", "127.0.0.256:15443", "b.yaml:9: clusters.west.gateways[0]: \"127.0.0.256:15443\": should"),
    Mistake(
        "127.0.0.1:15443", "gw..example:15443", "b.yaml:9: clusters.west.gateways[0]: \"gw..example:15443\": should"),
    Mistake("\"127.0.0.1:15443\"", "", "b.yaml:9: clusters.west.gateways: is empty"),
    Mistake("reach: gateway", "reach: magic", "b.yaml:10: clusters.west.reach: \"magic\": should be one of: gateway"),
    Mistake(
        "reach: gateway", "reach: pods\n    sni: \"{pod}-{service}.x\"",
        "b.yaml:11: clusters.west.sni: \"{pod}-{service}.x\": needs {service} between points"),
    Mistake(
        "reach: gateway", "reach: pods\n    sni: \"{pod}.{service}.{zone}\"",
        "b.yaml:11: clusters.west.sni: \"{pod}.{service}.{zone}\": has a placeholder other than"),
    Mistake(
        "reach: gateway", "reach: pods\n    sni: \"{pod}.{service}.a b\"",
        "b.yaml:11: clusters.west.sni: \"{pod}.{service}.a b\": doesn't make host names"),
    Mistake(
        "reach: gateway", "reach: pods\n    refresh: true",
        "b.yaml:11: clusters.west.refresh: \"true\": belongs to reach: gateway, and reach is pods"),
    Mistake("reach: gateway", "refresh: maybe", "b.yaml:10: clusters.west.refresh: \"maybe\": should be true or false"),
    Mistake(
        "reach: gateway", "reach: lanes\n    lanes: {perPod: 0}", "b.yaml:11: clusters.west.lanes.perPod: \"0\": should"
    ),
    Mistake("plain: {}", "plain: {sni: \"a b\"}", "b.yaml:16: services.plain.sni: \"a b\": should be a host name"),
    Mistake("plain: {}", "HTTPBIN: {}", "b.yaml:16: services.HTTPBIN: another service's name differs only in case"),
    Mistake("\"b\"", "west_gateway", "b.yaml:13: services.httpbin: the resource west_gateway would have the name"),
    Mistake("plain: {}", "plain: {envoy: {http: http3}}", "b.yaml:16: services.plain.envoy.http: \"http3\": should be"),
    Mistake("plain: {}", "plain: {envoy: {tls: {}}}", "b.yaml:16: services.plain.envoy.tls: the field `ca` is missing"),
    Mistake(
        "plain: {}", "plain: {envoy: {tls: {ca: a, key: b}}}",
        "b.yaml:16: services.plain.envoy.tls.key: \"b\": `certificate` and `key` belong together"),
    Mistake(
        "plain: {}", "plain: {envoy: {healthCheck: {path: x}}}",
        "b.yaml:16: services.plain.envoy.healthCheck.path: \"x\""),
    Mistake(
        "plain: {}", "plain: {envoy: {outlierDetection: {interval: 10}}}",
        "b.yaml:16: services.plain.envoy.outlierDetection.interval: \"10\": should be a length of time"),
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
private func `a mistake is named with file, line, field and value`(mistake: Mistake) throws {
    let text = try good.replacingOnce(mistake.old, with: mistake.new)
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
        "w.yaml:1: services.s[0].address: \"1.2.3.4\": should be one machine's IP"
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

@Test func `ten thousand services with SNIs are read in a moment`() throws {
    let services = (0..<10_000).map { "  s\($0): {sni: s\($0).mesh.example}" }.joined(separator: "\n")
    let text = """
        cluster: east
        clusters:
          east: {endpoints: {file: east.yaml}}
          west: {endpoints: {file: west.yaml}, gateways: ["192.0.2.1:443"], reach: pods}
        services:
        \(services)
        """
    // Where each is compared with all others this takes many minutes.
    let start = ContinuousClock.now
    #expect(try Configuration(text: text, file: "/c/b.yaml").mesh.services.count == 10_000)
    #expect(ContinuousClock.now - start < .seconds(120))
}

@Test func `what "*" would call as a listed service is called is refused, where it is known to come`() throws {
    let read = { (name: String, resources: String) in
        try Configuration(
            text: """
                cluster: east
                clusters:
                  east: {endpoints: {kubernetes: {services: {\(name): {namespace: n}}}}}
                  west: {endpoints: {file: west.yaml}, gateways: ["192.0.2.1:443"]}
                services: {"*": {}, b: {resources: [\(resources)]}}
                """, file: "/c/b.yaml")
    }
    let error = #expect(throws: ConfigurationError.self) { try read("a", "a") }
    #expect(error?.description.contains("services.*: would serve a as a, which is a resource of b") == true)
    #expect(throws: ConfigurationError.self) { try read("west_gateway", "b") }
    #expect(throws: Never.self) { try read("a", "other") }
    #expect(throws: Never.self) { try read("b", "b") }
}

@Test func `a client's ALPN, and a service's port, are read and checked`() throws {
    let read = { (settings: String) in
        try Configuration(
            text: """
                cluster: east
                clusters: {east: {endpoints: {file: east.yaml}}}
                envoy: {tls: {ca: /ca, alpn: [istio, h2]}}
                services: {s: {\(settings)}}
                """, file: "/c/b.yaml"
        ).mesh.services[0].service
    }
    #expect(try read("").client.tls?.alpn == ["istio", "h2"])
    #expect(try read("envoy: {tls: {identities: [a]}}").client.tls?.alpn == ["istio", "h2"])
    #expect(try read("envoy: {tls: {alpn: [istio-http/1.1]}}").client.tls?.alpn == ["istio-http/1.1"])
    #expect(try read("port: 8000").port == 8000)
    for wrong in [
        "envoy: {tls: {alpn: []}}", "envoy: {tls: {alpn: h2}}", "envoy: {tls: {alpn: [\"a b\"]}}",
        "envoy: {tls: {alpn: [\"\"]}}", "port: 0",
        "port: 70000",
    ] {
        #expect(throws: ConfigurationError.self, "\(wrong)") { try read(wrong) }
    }
}

@Test func `mistakes of several clusters, services and of the servers are all reported`() {
    let error = #expect(throws: ConfigurationError.self) {
        try Configuration(
            text: """
                cluster: a
                xds: {listen: "nowhere"}
                clusters:
                  a: {endpoints: {file: a.yaml}, reech: pods}
                  b: {endpoints: {file: b.yaml}, gateways: [1]}
                services:
                  s: {weights: {c: 1}}
                  t: {}
                """, file: "/c/b.yaml")
    }
    #expect(error?.all.map(\.line) == [4, 5, 7, 2])
    #expect(error?.all.allSatisfy(\.others.isEmpty) == true)
    #expect(error?.description.contains("; and /c/b.yaml:5: ") == true)
}

/// Why two clusters, where west has a gateway, are refused with that reach and what follows.
private func refusal(reach: String, _ rest: String) -> ConfigurationError? {
    #expect(throws: ConfigurationError.self) {
        try Configuration(
            text: """
                cluster: east
                clusters:
                  east: {endpoints: {file: e.yaml}}
                  west: {endpoints: {file: w.yaml}, gateways: ["127.0.0.1:1"], reach: \(reach)}
                \(rest)
                """, file: "/c/b.yaml")
    }
}

@Test(arguments: [
    ("{sni: orders.west.ballast}", "{}", "could be another service's or a pod's"),
    ("{sni: up.example}", "{resources: [UP.example]}", "gateways can't tell it from"),
    ("{resources: [API.example.com]}", "{resources: [api.example.com]}", "both have api.example.com"),
    ("{sni: orders}", "{}", "gateways can't tell it from"),
])
func `services that have the same SNI are refused`(_ payments: String, _ orders: String, _ message: String) {
    let error = refusal(reach: "pods", "services: {payments: \(payments), orders: \(orders)}")
    #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
}

@Test(arguments: ["", "envoy: {policy: RANDOM}", "envoy: {http: http2}"])
func `connect without TLS to the pods is refused, with the line`(_ envoy: String) {
    let error = refusal(reach: "connect", "services: {orders: {}}\n\(envoy)")
    #expect(error?.line == 4)
}

@Test func `mistakes of several services of an endpoints file are all reported`() {
    let error = #expect(throws: ConfigurationError.self) {
        try EndpointsFile(
            text: """
                services:
                  a: [{name: p, address: nowhere}]
                  b: [{name: p, address: "10.0.0.1:80"}]
                  c: [{name: p, address: "10.0.0.2:80", weight: 0}]
                """, file: "/c/e.yaml")
    }
    #expect(error?.all.map(\.line) == [2, 4])
}

private let shares = """
    cluster: east
    clusters: {east: {endpoints: {file: e}}, west: {endpoints: {file: w}}}
    services:
      httpbin:
        shares: {west: 20.25%}
    """

@Test func `shares are percentages`() throws {
    let service = try Configuration(text: shares, file: "b.yaml").mesh.services[0].service
    #expect(service.shares == ["west": 202_500])
}

@Test(arguments: [
    ("20.25%", "20", "should be a percentage"), ("20.25%", "0.2", "should be a percentage"),
    ("20.25%", "-1%", "should be a percentage"), ("20.25%", "101%", "should be a percentage"),
    ("20.25%", "20.255%", "should be a percentage"), ("west: 20.25%", "north: 20%", "`clusters` has no cluster"),
    ("{west: 20.25%}", "{west: 60%, east: 60%}", "add up to 120.0%"),
    ("{west: 20.25%}", "{west: 0%, east: 0%}", "every cluster has 0%"),
    ("shares:", "weights: {west: 2}\n    shares:", "`weights` has the cluster as well"),
    ("shares:", "balance: local-first\n    shares:", "need `balance: global`"),
]) func `shares that can't be meant are refused`(_ old: String, _ new: String, _ message: String) throws {
    let text = try shares.replacingOnce(old, with: new)
    let error = #expect(throws: ConfigurationError.self) { try Configuration(text: text, file: "b.yaml") }
    #expect("\(try #require(error))".contains(message), "\(text) \(String(describing: error))")
}

@Test func `overrides are kept in the state directory, and otherwise nowhere, unless it says so`() throws {
    let kind = { (lines: String) in
        try Configuration(text: shares + "\n" + lines, file: "b.yaml").server.overrides.store
    }
    #expect(try kind("") == .off)
    #expect(try kind("state: s") == .file)
    #expect(try kind("state: s\noverrides: {store: off}") == .off)
    #expect(try kind("overrides: {store: memory}") == .memory)
    #expect(throws: ConfigurationError.self) { try kind("overrides: {store: file}") }
    #expect(throws: ConfigurationError.self) { try kind("overrides: {store: disk}") }
}

@Test func `safety rules of overrides are read, each with one demand`() throws {
    let text =
        shares + """

            overrides:
              store: memory
              longest: 24h
              ceiling: 2.5
              rules:
                two-clusters: {clusters: {atLeast: 2}}
                one-drain: {drained: {atMost: 1}}
                small-steps: {services: [checkout], step: 25}
                proven: {load: 120%}
                weekend: {closed: "Fri 16:00-Mon 07:00", zone: Europe/Berlin}
            """
    let settings = try Configuration(text: text, file: "b.yaml").server.overrides
    #expect(settings.longest == .seconds(86_400) && settings.ceiling == 2.5)
    #expect(settings.rules.map(\.name) == ["one-drain", "proven", "small-steps", "two-clusters", "weekend"])
    #expect(settings.rules[2] == SafetyRule(name: "small-steps", demand: .step(25), services: ["checkout"]))
    for (old, new) in [
        ("{load: 120%}", "{load: 120}"), ("{load: 120%}", "{}"), ("{load: 120%}", "{load: 120%, step: 5}"),
        ("Fri 16:00", "Fry 16:00"), ("Europe/Berlin", "Europe/Nowhere"), ("ceiling: 2.5", "ceiling: 0.5"),
        ("longest: 24h", "longest: 400d"),
    ] {
        #expect(throws: ConfigurationError.self) {
            try Configuration(text: text.replacingOnce(old, with: new), file: "b.yaml")
        }
    }
    let window = try #require(WeeklyWindow("Fri 16:00-Mon 07:00", zone: "UTC"))
    // 2026-11-27 is a Friday.
    let friday = try Date("2026-11-27T15:59:00Z", strategy: .iso8601)
    #expect(!window.contains(friday) && window.contains(friday + 60) && window.contains(friday + 2 * 86_400))
    #expect(!window.contains(friday + 3 * 86_400))
}
