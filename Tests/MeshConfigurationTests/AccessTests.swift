import Intent
import MeshConfiguration
import Testing
import YAMLFile

@Test(arguments: [
    ("spiffe://a.example/ns/x/sa/y", "spiffe://a.example/ns/x/sa/y", true),
    ("spiffe://a.example/ns/*/sa/y", "spiffe://a.example/ns/x/sa/y", true),
    ("spiffe://a.example/ns/*/sa/y", "spiffe://a.example/ns/x/z/sa/y", false),
    ("spiffe://a.example/**", "spiffe://a.example/ns/x", true), ("spiffe://a.example/**", "spiffe://a.example", false),
    ("spiffe://a.example/**", "spiffe://a.example.evil/ns", false), ("*://a.example/x", "spiffe://a.example/x", false),
    ("a.example", "spiffe://a.example/x", false),
])
func `a pattern of a URI means whole parts`(pattern: String, uri: String, expected: Bool) throws {
    #expect(try #require(IdentityPattern(pattern)).matches(uri: uri) == expected)
}

@Test(arguments: [
    ("*.a.example", "x.a.example", true), ("*.a.example", "X.a.EXAMPLE", true), ("*.a.example", "a.example", false),
    ("*.a.example", "y.x.a.example", false), ("spiffe://a.example/x", "a.example", false),
    ("a.example", "aXexample", false),
])
func `a pattern of a host name means whole labels`(pattern: String, name: String, expected: Bool) throws {
    #expect(try #require(IdentityPattern(pattern)).matches(dns: name) == expected)
}

private func configure(_ xds: String, admin: String = "{}") throws -> Configuration {
    try Configuration(
        text: """
            cluster: east
            xds: \(xds)
            admin: \(admin)
            clusters: {east: {endpoints: {file: east.yaml}}}
            services: {}
            """, file: "/etc/ballast.yaml")
}

@Test(arguments: [
    ("{listen: \"10.0.0.1:1\"}", "{}", "xds.insecure: true"),
    ("{tls: {certificate: a, key: b, allow: [x]}}", "{}", "needs `clientCA`"),
    ("{insecure: true, tls: {certificate: a, key: b}}", "{}", "leave one of them out"),
    (
        "{tls: {certificate: a, key: b, clientCA: c, allow: [{identity: x, views: [north]}]}}", "{}",
        "no cluster of this name"
    ),
    ("{tls: {certificate: a, key: b, clientCA: c, allow: [\"spiffe://**/x\"]}}", "{}", "stands at the end"),
    ("{tls: {certificate: a, key: b, clientCA: c, allow: [{identity: x, roles: [pod]}]}}", "{}", "client, gateway"),
    ("{loadReportInterval: 10ms}", "{}", "at least 1s"), ("{}", "{listen: \"10.0.0.1:1\"}", "admin.tokenFile"),
])
func `what would open the server by mistake is refused`(xds: String, admin: String, expected: String) {
    let error = #expect(throws: ConfigurationError.self) { try configure(xds, admin: admin) }
    #expect(error?.description.contains(expected) == true, "\(String(describing: error))")
}

@Test func `what is opened on purpose is not`() throws {
    #expect(try configure("{listen: \"10.0.0.1:1\", insecure: true}").server.xds.isInsecure)
    let admin = try configure("{}", admin: "{listen: \"10.0.0.1:1\", tokenFile: token}").server.admin
    #expect(admin.tokenFile == "/etc/token")
}
