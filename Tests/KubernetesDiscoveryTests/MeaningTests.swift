import Discovery
import Foundation
import Intent
@testable import KubernetesClient
@testable import KubernetesDiscovery
import MeshConfiguration
import Model
import TestBench
import Testing
import TestSupport

/// What EndpointSlices mean.
@Suite struct MeaningTests {
    private func slice(_ json: String) throws -> EndpointSlice {
        try JSONDecoder().decode(EndpointSlice.self, from: Data(json.utf8))
    }

    private func slice(
        _ name: String = "s-1", _ endpoints: String, type: String = "IPv4",
        ports: String = #"[{"name":"http","port":80}]"#
    ) throws -> EndpointSlice {
        try slice(
            """
            {"metadata":{"name":"\(name)","namespace":"n","resourceVersion":"7","labels":{"kubernetes.io/service-name":"s"}},
             "addressType":"\(type)","endpoints":[\(endpoints)],"ports":\(ports)}
            """)
    }

    private func endpoint(_ name: String, _ address: String, _ conditions: String = "") -> String {
        #"{"addresses":["\#(address)"],"conditions":{\#(conditions)},"targetRef":{"kind":"Pod","name":"\#(name)"}}"#
    }

    private func table(
        _ slices: EndpointSlice..., port: String? = nil, family: IPFamily = .any
    ) -> SliceTable {
        let service = KubernetesService(
            namespace: "n", name: "s", port: port.flatMap(PortReference.init), family: family)
        var table = SliceTable(["s": service], keepsAll: false)
        for slice in slices { _ = table.put(slice) }
        return table
    }

    @Test(arguments: [
        ("", Pod.Health.healthy),
        (#""ready":null"#, .healthy),
        (#""ready":true,"serving":true,"terminating":false"#, .healthy),
        (#""ready":true"#, .healthy),
        (#""ready":false,"serving":false,"terminating":false"#, .unhealthy),
        (#""ready":false"#, .unhealthy),
        (#""ready":false,"serving":true,"terminating":true"#, .draining),
        (#""ready":true,"serving":true,"terminating":true"#, .draining),
        (#""ready":false,"serving":false,"terminating":true"#, nil),
        (#""ready":false,"terminating":true"#, nil),
    ])
    func `conditions are health; what isn't said is ready`(_ conditions: String, _ health: Pod.Health?) throws {
        let pods = table(try slice("x", endpoint("p", "10.0.0.1", conditions))).pods(of: "s").pods
        #expect(pods.map(\.health) == [health].compactMap(\.self))
    }

    @Test func `slices are merged, and an endpoint that is in two counts once, with the better word`() throws {
        let found = table(
            try slice("s-1", endpoint("a", "10.0.0.1", #""ready":false"#) + "," + endpoint("b", "10.0.0.2")),
            try slice("s-2", endpoint("a", "10.0.0.1") + "," + endpoint("c", "10.0.0.3"))
        ).pods(of: "s")
        #expect(found.pods.map { "\($0.name) \($0.health)" } == ["a healthy", "b healthy", "c healthy"])
        #expect(found.problems.isEmpty)
    }

    @Test func `zones, host names and pods' names carry over`() throws {
        let found = table(
            try slice(
                "s-1",
                #"{"addresses":["10.0.0.1"],"zone":"a","hostname":"pod-1"},{"addresses":["10.0.0.2"]},"#
                    + #"{"addresses":["10.0.0.3"],"hostname":"h","targetRef":{"kind":"Pod","name":"p"}}"#)
        ).pods(of: "s").pods
        #expect(found.map(\.name) == ["pod-1", "10.0.0.2", "p"])
        #expect(found.map(\.zone) == ["a", nil, nil])
    }

    @Test func `a host name that several endpoints share names none; of a pod at two addresses the better counts`()
        throws
    {
        let found = table(
            try slice(
                "s-1",
                #"{"addresses":["10.0.0.1"],"hostname":"h"},{"addresses":["10.0.0.2"],"hostname":"h"},"#
                    + endpoint("p", "10.0.0.3", #""ready":false"#)),
            try slice("s-2", endpoint("p", "10.0.0.4"))
        ).pods(of: "s")
        #expect(
            found.pods.map { "\($0.name) \($0.address)" } == [
                "10.0.0.1 10.0.0.1:80", "10.0.0.2 10.0.0.2:80", "p 10.0.0.4:80",
            ])
        #expect(found.problems == ["p is at 10.0.0.4:80 and at 10.0.0.3:80: the second is left out"])
    }

    @Test func `a port by its name or its number; without one, the only one`() throws {
        let ports =
            #"[{"name":"grpc","port":9000},{"name":"metrics","port":9090},{"name":"dns","protocol":"UDP","port":53}]"#
        let slice = try slice("s-1", endpoint("a", "10.0.0.1"), ports: ports)
        #expect(table(slice, port: "metrics").pods(of: "s").pods.map(\.address.port) == [9090])
        #expect(table(slice, port: "9000").pods(of: "s").pods.map(\.address.port) == [9000])
        #expect(
            table(slice).pods(of: "s").problems == [
                "EndpointSlice n/s-1 is left out: it has several ports, grpc (9000), metrics (9090): say which by `port`"
            ])
        #expect(
            table(slice, port: "53").pods(of: "s").problems == [
                "EndpointSlice n/s-1 is left out: it has no TCP port 53; it has: grpc (9000), metrics (9090)"
            ])
    }

    @Test func `a named port may be another number in each slice`() throws {
        let found = table(
            try slice("s-1", endpoint("a", "10.0.0.1")),
            try slice("s-2", endpoint("b", "10.0.0.2"), ports: #"[{"name":"http","port":8080}]"#), port: "http"
        ).pods(of: "s").pods
        #expect(found.map(\.address.description) == ["10.0.0.1:80", "10.0.0.2:8080"])
    }

    @Test func `one family of addresses for each service`() throws {
        let four = try slice("s-4", endpoint("a", "10.0.0.1"))
        let six = try slice("s-6", endpoint("a", "2001:db8::1"), type: "IPv6")
        #expect(table(four, six).pods(of: "s").pods.map(\.address.description) == ["10.0.0.1:80"])
        #expect(table(six).pods(of: "s").pods.map(\.address.description) == ["[2001:db8::1]:80"])
        #expect(table(four, six, family: .ipv6).pods(of: "s").pods.map(\.address.description) == ["[2001:db8::1]:80"])
        #expect(table(six, family: .ipv4).pods(of: "s").pods.isEmpty)
    }

    @Test func `a slice of host names is refused with a clear line`() throws {
        let found = table(
            try slice("s-1", endpoint("a", "10.0.0.1")),
            try slice("s-2", endpoint("b", "b.example"), type: "FQDN")
        ).pods(of: "s")
        #expect(found.pods.map(\.name) == ["a"])
        #expect(
            found.problems == [
                "EndpointSlice n/s-2 is left out: its addresses are of type FQDN, and EDS carries IP addresses only"
            ])
    }

    @Test func `a slice that changes its service leaves the first`() throws {
        var table = table(try slice("s-1", endpoint("a", "10.0.0.1")))
        let moved = try self.slice(
            #"{"metadata":{"name":"s-1","namespace":"n","labels":{"kubernetes.io/service-name":"t"}},"addressType":"IPv4","endpoints":[],"ports":[]}"#
        )
        #expect(table.put(moved) == ["s"])
        #expect(table.pods(of: "s").pods.isEmpty)
    }

    @Test func `what a real server recorded: a list, and then every event of a watch`() throws {
        let list = try JSONDecoder().decode(
            ObjectList<EndpointSlice>.self, from: Data(try recorded("list.json").utf8))
        var table = SliceTable(
            ["httpbin": KubernetesService(namespace: "httpbin", name: "httpbin")], keepsAll: false)
        table.replace(in: nil, with: list.items ?? [])
        var story = [table.pods(of: "httpbin").pods.map { "\($0.name.suffix(5)) \($0.health)" }]
        for line in try recorded("watch.jsonl").split(separator: "\n") {
            switch try JSONDecoder().decode(WatchEvent<EndpointSlice>.self, from: Data(line.utf8)) {
            case .changed(let slice): _ = table.put(slice)
            case .deleted(let slice): _ = table.remove(slice.metadata)
            case .bookmark(let metadata): #expect(metadata.resourceVersion == "234")
            case .error, .unknown: Issue.record("no such event was recorded")
            }
            story.append(table.pods(of: "httpbin").pods.map { "\($0.name.suffix(5)) \($0.health)" })
        }
        #expect(
            story == [
                ["tjdbr healthy", "nl9j4 healthy"],
                ["tjdbr healthy", "nl9j4 healthy", "zz8xk unhealthy"],
                ["tjdbr healthy", "nl9j4 healthy", "zz8xk healthy"],
                ["tjdbr draining", "nl9j4 healthy", "zz8xk healthy"],
                ["nl9j4 healthy", "zz8xk healthy"],
                ["nl9j4 healthy"], ["nl9j4 healthy"], ["nl9j4 healthy"],
            ])
        #expect(table.origins(of: "httpbin").values.first?.version == "231")
    }

    @Test func `what a real server recorded: pages with IPv6, two ports, a host name and empty conditions`() throws {
        var table = SliceTable(
            ["other": .init(namespace: "httpbin", name: "other", port: .name("grpc"))], keepsAll: false)
        for page in ["list-page1.json", "list-page2.json"] {
            let list = try JSONDecoder().decode(ObjectList<EndpointSlice>.self, from: Data(try recorded(page).utf8))
            for slice in list.items ?? [] { _ = table.put(slice) }
        }
        let found = table.pods(of: "other").pods
        #expect(found.first?.name == "pod-1")
        #expect(found.first?.address.description == "[2001:db8::1]:9000")
        #expect(found.allSatisfy { $0.health == .healthy })
    }

    @Test func `services that have the label are selected as whole sets, and dropped with the label`() async throws {
        try await watching(
            "{kubeconfig: config, export: true}",
            before: { server, _ in
                for name in ["shop", "cart"] {
                    server.putSlice(
                        "\(name)-1", of: name, in: "n", [.init("\(name)-p", "10.0.0.\(name.count)")],
                        ports: [("http", 80), ("metrics", 9090)])
                }
                server.putService(
                    "shop", in: "n", labels: ["ballast.dev/export": "true"], annotations: ["ballast.dev/port": "http"])
                server.putService("cart", in: "n", labels: [:])
            }
        ) { watched in
            let (server, reports) = (watched.server, watched.reports)
            try await eventually("the labelled one") { reports.now.pods?.keys.sorted() == ["shop.n"] }
            #expect(reports.names("shop.n") == ["shop-p"])
            server.putService("cart", in: "n", labels: ["ballast.dev/export": "true"])
            try await eventually("its port isn't clear") { reports.now.problems.first?.contains("say which") == true }
            server.putService(
                "cart", in: "n", labels: ["ballast.dev/export": "true"], annotations: ["ballast.dev/port": "9090"])
            try await eventually("the other, too") {
                reports.names("cart.n") == ["cart-p"] && reports.now.problems.isEmpty
            }
            server.delete("services", "n", "shop")
            try await eventually("none of it is left") { reports.now.pods?["shop.n"] == [] }
        }
    }

    @Test func `one namespace may be refused while the other is well`() async throws {
        try await watching(
            "{kubeconfig: config, namespaces: [n, m], services: {httpbin: {namespace: n}, shop: {namespace: m}}}",
            before: { server, _ in
                server.putSlice("one", of: "httpbin", in: "n", [.init("a", "10.0.0.1")])
                server.putSlice("two", of: "shop", in: "m", [.init("b", "10.0.0.2")])
            }
        ) { watched in
            try await eventually("both") {
                watched.reports.names("httpbin") == ["a"] && watched.reports.names("shop") == ["b"]
            }
            #expect(
                Set(watched.server.requests.map(\.path)) == [
                    "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices",
                    "/apis/discovery.k8s.io/v1/namespaces/m/endpointslices",
                ])
        }
    }
}

/// Gateways of Kubernetes.
@Suite struct GatewayTests {
    private let gateways = "{namespace: istio-system, labelSelector: istio=eastwestgateway, port: 15443}"

    /// One of the recorded gateway's states.
    private func put(_ server: APIServer, _ line: String) throws {
        let object = String(line.split(separator: "\"object\":", maxSplits: 1)[1].dropLast())
        server.put(
            "services", "istio-system", "istio-eastwestgateway", labels: ["istio": "eastwestgateway"], json: object)
    }

    @Test func `a real LoadBalancer's story: an address, two, a host name, none`() async throws {
        let lines = try recorded("gateway-watch.jsonl").split(separator: "\n").map(String.init)
            .filter { $0.contains("MODIFIED") }
        try await watching(gateways: gateways, before: { server, _ in try put(server, lines[0]) }) { watched in
            let (server, reports) = (watched.server, watched.reports)
            let addresses = { reports.now.gateways?.map(\.description) }
            try await eventually("one") { addresses() == ["192.0.2.10:15443"] }
            try put(server, lines[1])
            try await eventually("two") { addresses() == ["192.0.2.10:15443", "192.0.2.11:15443"] }
            try put(server, lines[2])
            try await eventually("a name") { addresses() == ["gw.west.example:15443"] }
            try put(server, lines[3])
            try await eventually("none, and why") {
                addresses() == []
                    && reports.now.problems == ["Service istio-system/istio-eastwestgateway has no address yet"]
            }
        }
    }

    @Test func `the port by its name; a port that isn't there is named`() async throws {
        let line = try recorded("gateway-watch.jsonl").split(separator: "\n").map(String.init)[0]
        try await watching(
            gateways: gateways.replacingOnce("15443", with: "tls"), before: { server, _ in try put(server, line) }
        ) { watched in
            try await eventually("found") { watched.reports.now.gateways?.map(\.description) == ["192.0.2.10:15443"] }
        }
        try await watching(
            gateways: gateways.replacingOnce("15443", with: "443"), before: { server, _ in try put(server, line) }
        ) { watched in
            try await eventually("told") {
                watched.reports.now.problems == [
                    "Service istio-system/istio-eastwestgateway has no TCP port 443; it has: status-port (15021), tls (15443)"
                ]
            }
        }
    }

    @Test func `on request, nodes' addresses and the node port`() async throws {
        let line = try recorded("gateway-watch.jsonl").split(separator: "\n").map(String.init)[0]
        let node = { (name: String, inner: String, outer: String?, ready: String) in
            let external = outer.map { #",{"type":"ExternalIP","address":"\#($0)"}"# } ?? ""
            return
                #"{"metadata":{"name":"\#(name)","resourceVersion":"$VERSION"},"status":{"addresses":[{"type":"InternalIP","address":"\#(inner)"}\#(external)],"conditions":[{"type":"Ready","status":"\#(ready)"}]}}"#
        }
        try await watching(
            gateways: gateways.replacingOnce("15443}", with: "15443, nodePorts: true}"),
            before: { server, _ in
                try put(server, line)
                server.put("nodes", "", "a", labels: [:], json: node("a", "10.1.0.1", "198.51.100.1", "True"))
                server.put("nodes", "", "b", labels: [:], json: node("b", "10.1.0.2", nil, "True"))
            }
        ) { watched in
            let addresses = { watched.reports.now.gateways?.map(\.description) }
            try await eventually("both") { addresses() == ["10.1.0.2:30857", "198.51.100.1:30857"] }
            watched.server.put("nodes", "", "a", labels: [:], json: node("a", "10.1.0.1", "198.51.100.1", "False"))
            try await eventually("only the one that is ready") { addresses() == ["10.1.0.2:30857"] }
        }
    }
}
