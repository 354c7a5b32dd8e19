import Foundation
@testable import IstioPublishing
import Model
import Testing

private func gateway(
    _ name: String, namespace: String = "istio-system", selector: String = #"{"istio":"eastwestgateway"}"#,
    port: Int = 15_443, mode: String = "AUTO_PASSTHROUGH", hosts: String...
) throws -> IstioGatewayObject {
    let hosts = hosts.map { "\"\($0)\"" }.joined(separator: ",")
    let text = """
        {"metadata":{"name":"\(name)","namespace":"\(namespace)"},"spec":{"selector":\(selector),"servers":[\
        {"port":{"number":\(port),"name":"tls","protocol":"TLS"},"tls":{"mode":"\(mode)"},"hosts":[\(hosts)]}]}}
        """
    return try JSONDecoder().decode(IstioGatewayObject.self, from: Data(text.utf8))
}

@Suite struct AutoPassthroughTests {
    private func problem(_ gateways: IstioGatewayObject...) throws -> String? {
        let host = try #require(DNSName("s3.httpbin.west.ballast.local"))
        return AutoPassthrough(gateways).problem(with: host, in: "istio-system")
    }

    @Test func `one server whose hosts include the host is right`() throws {
        #expect(try problem(gateway("a", hosts: "*.local")) == nil)
        #expect(try problem(gateway("a", hosts: "*")) == nil)
        #expect(try problem(gateway("a", hosts: "istio-system/*.ballast.local")) == nil)
        #expect(try problem(gateway("a", hosts: "./*.local")) == nil)
        #expect(
            try problem(gateway("a", hosts: "s3.httpbin.west.ballast.local", "*.local")) == nil, "one server, one chain"
        )
    }

    @Test func `no server is a problem: there would be no chain`() throws {
        #expect(try problem() != nil)
        #expect(try problem(gateway("a", hosts: "*.global")) != nil)
        #expect(try problem(gateway("a", hosts: "other/*.local")) != nil)
        #expect(try problem(gateway("a", namespace: "other", hosts: "./*.local")) != nil)
        #expect(try problem(gateway("a", mode: "PASSTHROUGH", hosts: "*.local")) != nil)
        #expect(try problem(gateway("a", hosts: "local")) != nil)
    }

    @Test func `two servers that one gateway could have are a problem: it would refuse its listener`() throws {
        let text = try problem(
            gateway("a", hosts: "*.local"), gateway("b", namespace: "apps", hosts: "*.ballast.local"))
        #expect(text?.contains("istio-system/a") == true && text?.contains("apps/b") == true)
        #expect(try problem(gateway("a", hosts: "*.local"), gateway("b", selector: "{}", hosts: "*")) != nil)
        #expect(try problem(gateway("a", hosts: "*.local"), gateway("b", selector: #"{"app":"x"}"#, hosts: "*")) != nil)
    }

    @Test func `two servers of other gateways, or on other ports, are none`() throws {
        #expect(try problem(gateway("a", hosts: "*.local"), gateway("b", port: 15_444, hosts: "*.local")) == nil)
        #expect(
            try problem(gateway("a", hosts: "*.local"), gateway("b", selector: #"{"istio":"other"}"#, hosts: "*.local"))
                == nil)
    }
}
