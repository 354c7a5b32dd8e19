import Model
import Testing

@Suite struct AuthorityTemplateTests {
    private func pod(_ name: String, _ address: String = "10.0.0.1:8080", sni: String? = nil) throws -> Pod {
        var pod = Pod(name: name, address: try #require(SocketAddress(address)))
        pod.sni = sni.flatMap { DNSName($0) }
        return pod
    }

    @Test(arguments: [
        ("httpbin", UInt16?.none, "w1.httpbin.svc.cluster.local:8080"),
        ("httpbin.prod", 8000, "w1.prod.svc.cluster.local:8000"),
    ])
    func `a pod's authority is its own Service in the service's namespace`(
        service: String, port: UInt16?, expected: String
    ) throws {
        var service = Service(name: ServiceName(rawValue: service))
        service.port = port
        let found = try AuthorityTemplate.standard.authorities(of: [pod("w1")], of: service, in: "west")
        #expect(found.authorities == ["w1": expected] && found.problem == nil)
    }

    @Test func `a pod with an SNI has that host, whatever its name is`() throws {
        let found = try AuthorityTemplate.standard.authorities(
            of: [pod("w.1", sni: "ballast-httpbin-s3.httpbin.svc.cluster.local")], of: Service(name: "httpbin"),
            in: "west")
        #expect(found.authorities == ["w.1": "ballast-httpbin-s3.httpbin.svc.cluster.local:8080"])
    }

    @Test func `pods without a host name, or with another's, are left out, and the others stay`() throws {
        let service = Service(name: "httpbin")
        let dots = try AuthorityTemplate.standard.authorities(of: [pod("w.1"), pod("w2")], of: service, in: "west")
        #expect(Set(dots.authorities.keys) == ["w2"] && dots.problem?.contains("w.1") == true)
        let same = try AuthorityTemplate.standard.authorities(of: [pod("w1"), pod("W1")], of: service, in: "west")
        #expect(Set(same.authorities.keys) == ["w1"] && same.problem?.contains("W1") == true)
    }
}
