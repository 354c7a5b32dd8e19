import Intent
import MeshConfiguration
import Model
import Testing

/// Nested aliases, each of two of the one before: 2 to the power of `depth` parts.
private func bomb(_ depth: Int) -> String {
    "services:\n  a0: &a0 [x, x]\n"
        + (1...depth).map { "  a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n" }.joined()
        + "  ? *a\(depth)\n  : x\n"
}

@Test(arguments: [11, 20, 40, 500]) func `aliases that stand for too much are refused at once`(_ depth: Int) {
    #expect {
        try EndpointsFile(text: bomb(depth), file: "e.yaml")
    } throws: { "\($0)".contains("has more than 8 aliases") }
}

@Test(arguments: [2, 3]) func `a few aliases are read, and refused for what they are`(_ depth: Int) {
    #expect {
        try EndpointsFile(text: bomb(depth), file: "e.yaml")
    } throws: { !"\($0)".contains("more than 8 aliases") }
}

@Test func `anchors, patterns and comments with stars are no aliases`() throws {
    let stars = (0..<50).map { "# * \($0) ** a*b /*/ \n" }.joined()
    let file = try EndpointsFile(
        text: stars + "services:\n  a: &a [{name: p, address: \"10.0.0.1:80\"}]\n  b: *a\n  \"*\": []\n", file: "e.yaml"
    )
    #expect(file.pods["b"]?.count == 1)
}

@Test(arguments: [
    "0.0.0.0:80", "0.1.2.3:80", "224.0.0.1:80", "255.255.255.255:80", "240.0.0.1:80", "[::]:80", "[ff02::1]:80",
    "[::ffff:224.0.0.1]:80", "[::ffff:0.0.0.0]:80",
]) func `an address that no connection can be made to is refused`(_ address: String) {
    #expect {
        try EndpointsFile(text: "services: {s: [{name: a, address: \"\(address)\"}]}", file: "e.yaml")
    } throws: { "\($0)".contains("should be one machine's IP address") }
}

@Test(arguments: [
    ("spiffe://m/ns/*/sa/x", "spiffe://m/ns/a/sa/x", true), ("spiffe://m/ns/*/sa/x", "spiffe://m/ns//sa/x", false),
    ("spiffe://m/ns/*/sa/x", "spiffe://m/ns/../sa/x", false), ("spiffe://m/ns/*/sa/x", "spiffe://m/ns/./sa/x", false),
    ("spiffe://m/ns/*/sa/x", "spiffe://m/ns/%2e%2e/sa/x", false), ("spiffe://m/**", "spiffe://m/a/b", true),
    ("spiffe://m/**", "spiffe://m/a//b", false), ("spiffe://m/**", "spiffe://m/a/../b", false),
    ("spiffe://m/**", "spiffe://m/", false), ("spiffe://m/**", "spiffe://m/a%2fb", false),
    ("spiffe://m/a%2fb", "spiffe://m/a%2fb", true),
]) func `a star stands for a part that everybody reads alike`(_ pattern: String, _ name: String, _ matches: Bool) throws
{
    #expect(try #require(IdentityPattern(pattern)).matches(uri: name) == matches)
}

@Test(arguments: [
    ("{messageBytes: 20000000}", "messageBytes", "partialBytes is 16777216, less than messageBytes, 20000000"),
    ("{partialBytes: 1000}", "partialBytes", "partialBytes is 1000, less than messageBytes, 4194304"),
    ("{allPartialBytes: 1000000}", "allPartialBytes", "less than addressPartialBytes, 67108864"),
]) func `limits that would end allowed connections are refused`(_ limits: String, _ field: String, _ message: String) {
    #expect {
        try configuration("{listen: \"127.0.0.1:18000\", limits: \(limits)}")
    } throws: { "\($0)".contains("xds.limits.\(field)") && "\($0)".contains(message) }
}

private func configuration(_ xds: String, _ more: String = "", peer: String = "") throws -> Configuration {
    try Configuration(
        text: """
            cluster: east
            xds: \(xds)
            \(more)
            clusters:
              east: {endpoints: {file: east.yaml}}
              west: {maxShare: 0.6, endpoints: {\(peer.isEmpty ? "file: west.yaml" : peer)}}
            services: {a: {}}
            """, file: "/c/b.yaml")
}

@Test func `limits are read, and a comparison without the connection guard`() throws {
    let limits = try configuration(
        "{limits: {bytesPerStream: 1, handshake: 3s, resetsPerSecond: 7}, connectionGuard: off, maxConnectionAge: 1h}",
        "sources: {gateways: 9, bytes: 10}")
    #expect(limits.server.xds.limits.bytesPerStream == 1 && limits.server.xds.limits.resetsPerSecond == 7)
    #expect(
        limits.server.xds.limits.handshake == .seconds(3) && limits.server.xds.limits.connectionsPerAddress == 2_000)
    #expect(!limits.server.xds.guardsConnections && limits.server.xds.longestConnection == .seconds(3_600))
    #expect(
        limits.server.sources.gateways == 9 && limits.server.sources.bytes == 10
            && limits.server.sources.endpoints == 200_000)
    #expect(limits.mesh.clusters[1].cluster(gateways: []).maxShare == Ratio("0.6"))
}

@Test(arguments: [
    ("{limits: {resets: 1}}", "", "", "there is no such field here"),
    ("{limits: {handshake: 0}}", "", "", "should be a length of time"),
    ("{connectionGuard: maybe}", "", "", "should be true or false"),
    ("{}", "sources: {gateways: 0}", "", "should be a whole number from 1 to 1024"),
    ("{}", "", "ballast: {address: \"w:1\", tls: {certificate: a, key: b, ca: c}}", "the field `services` is missing"),
    (
        "{}", "", "ballast: {address: \"w:1\", services: [a], addresses: [all], tls: {certificate: a, key: b, ca: c}}",
        "should be one of: loopback, linkLocal"
    ),
]) func `a mistake in a limit is named`(_ xds: String, _ more: String, _ peer: String, _ message: String) {
    #expect {
        try configuration(xds, more, peer: peer)
    } throws: { "\($0)".contains(message) }
}
