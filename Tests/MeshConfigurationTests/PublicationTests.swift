import Intent
import MeshConfiguration
import Model
import Testing
import YAMLFile

private func configure(
    cluster: String = "west", endpoints: String = "{kubernetes: {services: {httpbin: {namespace: httpbin}}}}",
    gateways: String = #"["10.0.0.9:15443"]"#, services: String = "{httpbin: {}}", istio: String
) throws -> Configuration {
    try Configuration(
        text: """
            cluster: \(cluster)
            clusters: {\(cluster): {endpoints: \(endpoints)\(gateways.isEmpty ? "" : ", gateways: \(gateways)")}}
            services: \(services)
            publish: {istio: {\(istio)}}
            """, file: "/etc/ballast.yaml")
}

@Suite struct PublicationTests {
    @Test func `a publication is read whole, with the API server of the cluster's own pods`() throws {
        let configuration = try configure(
            endpoints: "{kubernetes: {kubeconfig: west.kubeconfig, services: {httpbin: {namespace: httpbin}}}}",
            istio: """
                namespace: istio-system, gateways: ["gw.example:15443"], hosts: "{slot}.{service}.{cluster}.mesh.example", \
                keepFor: 90s, services: {httpbin: {port: 8000, slots: 20, serviceAccount: bin}}
                """)
        let publication = try #require(configuration.mesh.publication)
        #expect(publication.access.kubeconfig == "/etc/west.kubeconfig")
        #expect(publication.namespace == "istio-system" && publication.keepFor == .seconds(90))
        #expect(publication.gateways == [.name("gw.example", port: 15_443)])
        #expect(publication.services == ["httpbin": .init(port: 8000, slots: 20, serviceAccount: "bin")])
        #expect(publication.tunnel == nil)
        #expect(
            publication.hosts.host(slot: "s3", of: "httpbin", in: "west")?.description == "s3.httpbin.west.mesh.example"
        )
    }

    @Test func `with Services, gateways are asked with certificates`() throws {
        let configuration = try configure(
            istio: """
                namespace: httpbin, objects: Service, tls: {certificate: a.crt, key: a.key, ca: ca.crt}, \
                services: {httpbin: {port: 8000, slots: 2}}
                """)
        #expect(
            configuration.mesh.publication?.tunnel
                == IstioPublication.Tunnel(certificate: "/etc/a.crt", key: "/etc/a.key", ca: "/etc/ca.crt"))
    }

    private static let good = "services: {httpbin: {port: 8000, slots: 2}}"

    @Test(arguments: [
        (good, "`namespace` is missing"),
        ("namespace: a, services: {}", "is empty: list the services to publish"),
        ("namespace: a, services: {other: {port: 1}}", "`services` has no service of this name"),
        ("namespace: a, services: {httpbin: {}}", "`port` is missing"),
        ("namespace: a, services: {httpbin: {port: 0}}", "1 to 65535"),
        ("namespace: a, services: {httpbin: {port: 1, slots: 1001}}", "1 to 1000"),
        ("namespace: a, keepFor: 2h, \(good)", "1h"),
        ("namespace: a, hosts: \"{service}.x\", \(good)", "needs {slot}"),
        ("namespace: a, hosts: \"{slot}.x\", \(good)", "needs {service}"),
        ("namespace: a, hosts: \"{slot}_.{service}\", \(good)", "needs {slot}"),
        ("namespace: a, hosts: \"{slot}.{service}.{pod}\", \(good)", "other than {slot}"),
        ("namespace: a, tls: {certificate: a, key: b, ca: c}, \(good)", "is for `objects: Service`"),
        ("namespace: a, objects: Service, \(good)", "needs `tls`"),
        (
            "namespace: a, objects: Service, tls: {certificate: a, key: b, ca: c}, services: {httpbin: {port: 1}}",
            "needs `slots`"
        ),
        (
            "namespace: a, objects: Service, hosts: x, tls: {certificate: a, key: b, ca: c}, \(good)",
            "a Service's host is its name"
        ),
        ("namespace: A_b, \(good)", "a name as Kubernetes has them"),
        ("namespace: a, what: 1, \(good)", "what"),
    ])
    func `a mistake is named`(istio: String, expected: String) {
        do {
            _ = try configure(istio: istio)
            Issue.record("it was accepted")
        } catch {
            #expect("\(error)".contains(expected) && "\(error)".contains("/etc/ballast.yaml:"), "\(error)")
        }
    }

    @Test func `what can't be published is refused`() {
        #expect(throws: ConfigurationError.self) {
            try configure(gateways: "", istio: "namespace: a, \(Self.good)")
        }
        #expect(throws: ConfigurationError.self) {
            try configure(cluster: "West_1", istio: "namespace: a, \(Self.good)")
        }
        #expect(throws: ConfigurationError.self) {
            try configure(
                services: "{a.b: {}, a-b: {}}",
                istio: """
                    namespace: a, objects: Service, tls: {certificate: a, key: b, ca: c}, \
                    services: {a.b: {port: 1, slots: 1}, a-b: {port: 1, slots: 1}}
                    """)
        }
    }
}

@Suite struct TunnelTests {
    private func configure(_ hbone: String, services: String = "{httpbin: {port: 8000}}") throws -> Configuration {
        try Configuration(
            text: """
                cluster: east
                clusters:
                  east: {endpoints: {file: east.yaml}}
                  west: {endpoints: {file: west.yaml}, gateways: ["10.0.0.9:15008"], reach: hbone\(hbone)}
                services: \(services)
                """, file: "/etc/ballast.yaml")
    }

    @Test func `tunnels are read with TLS inside and outside`() throws {
        let configuration = try configure(
            ", hbone: {hosts: \"{pod}.{service}.example\", gateway: {ca: g.crt, identities: [\"spiffe://a/gw\"]}, pods: {ca: p.crt}}"
        )
        guard case .hbone(let settings) = configuration.mesh["west"]?.reach else {
            Issue.record("another reach")
            return
        }
        #expect(settings.authorities.description == "{pod}.{service}.example")
        #expect(settings.gateway == ClientSettings.TLS(ca: "g.crt", identities: ["spiffe://a/gw"]))
        #expect(settings.pods.ca == "p.crt")
    }

    @Test(arguments: [
        ("", "`hbone` is missing"), (", hbone: {gateway: {ca: a}}", "`pods` is missing"),
        (", hbone: {gateway: {ca: a}, pods: {ca: a}, hosts: \"{service}.x\"}", "needs {pod}"),
        (", hbone: {gateway: {ca: a}, pods: {ca: a}, hosts: \"{pod}.x\"}", "needs {namespace} or {service}"),
        (", hbone: {gateway: {ca: a}, pods: {ca: a}, hosts: \"{pod}.{service}.{port}\"}", "other than {pod}"),
        (", hbone: {gateway: {ca: a}, pods: {ca: a}}, sni: \"{pod}.{service}\"", "belongs to reach: pods"),
    ])
    func `a mistake is named`(hbone: String, expected: String) {
        do {
            _ = try configure(hbone)
            Issue.record("it was accepted")
        } catch {
            #expect("\(error)".contains(expected), "\(error)")
        }
    }

    @Test func `the names of tunnels' listeners are reserved where there are tunnels`() throws {
        let hbone = ", hbone: {gateway: {ca: a}, pods: {ca: a}}"
        #expect(throws: ConfigurationError.self) { try configure(hbone, services: "{west_pods: {}}") }
        _ = try configure(hbone, services: "{east_pods: {}}")
    }
}
