import Foundation
public import Model

/// West behind a gateway that only istiod configures: an API server, a stand-in for istiod, the gateway, and what a
/// Ballast needs to publish west's pods.
public struct PublishedWest: Sendable {
    /// The bench.
    public let bench: Bench
    /// West's API server.
    public let server: APIServer
    /// West's gateway.
    public let gateway: IstioGateway
    /// What configures the gateway.
    public let istiod: Istiod

    /// The last byte of the gateway's address.
    private static let gatewayNumber = 6

    /// Runs `body` beside a gateway, an API server and a stand-in for istiod; pods and Ballasts are started by `body`.
    ///
    /// - Parameters:
    ///   - fixed: SNIs that aren't from ServiceEntries.
    ///   - delay: how long istiod takes to push, in milliseconds.
    public static func running(
        on bench: Bench, fixed: [String: [SocketAddress]] = [:], delay: ClosedRange<Int> = 100...2_000,
        _ body: (PublishedWest) async throws -> Void
    ) async throws {
        let server = try await APIServer(try Certificates(in: "\(bench.directory)/certs"))
        let gateway = IstioGateway(bench, at: gatewayNumber)
        let west = PublishedWest(
            bench: bench, server: server, gateway: gateway,
            istiod: Istiod(server, pushingTo: .passthrough(gateway), delay: delay))
        server.putAutoPassthrough("eastwest")
        try bench.write(
            server.kubeconfig().replacing("authority: ca.crt", with: "authority: certs/ca.crt"), to: "west.kubeconfig")
        try await gateway.start(fixed)
        do {
            try await withThrowingTaskGroup { group in
                group.addTask { await west.istiod.run(fixed: fixed) }
                try await body(west)
                group.cancelAll()
            }
        } catch {
            await server.stop()
            throw error
        }
        await server.stop()
        if let problem = west.istiod.problem { throw BenchError(problem) }
    }

    /// The ServiceEntries, by name.
    public var entries: [String: String] { server.objects("serviceentries") }

    /// The configuration of a Ballast in west, which listens at this address of the bench.
    ///
    /// - Parameter slots: nil for a ServiceEntry for each pod.
    public static func configuration(_ bench: Bench, at number: Int, slots: Int?, keepFor: String) -> String {
        """
        cluster: west
        guard: off
        xds:
          listen: "\(bench.network)\(number):\(Bench.xdsPort)"
          tls: {certificate: certs/ballast.crt, key: certs/ballast.key, clientCA: certs/ca.crt}
        admin: {listen: "\(bench.network)\(number):\(Bench.adminPort)"}
        clusters:
          west: {endpoints: {file: west.yaml}, gateways: ["\(bench.network)\(gatewayNumber):15443"], reach: pods}
        services: {httpbin: {}}
        export:
          east: {identity: "spiffe://mesh.example/peer", services: [httpbin]}
        publish:
          istio:
            kubeconfig: west.kubeconfig
            namespace: istio-system
            keepFor: \(keepFor)
            services: {httpbin: {port: 8000, \(slots.map { "slots: \($0), " } ?? "")serviceAccount: httpbin}}

        """
    }

    /// West's endpoints as east's Ballast gets them: from a Ballast at this address.
    public static func peer(_ bench: Bench, at number: Int) -> String {
        """
            endpoints:
              ballast:
                address: "\(bench.network)\(number):\(Bench.xdsPort)"
                services: [httpbin]
                addresses: [loopback]
                tls: {certificate: certs/peer.crt, key: certs/peer.key, ca: certs/ca.crt, serverName: ballast.example}

        """
    }

    /// The configuration of east's Ballast, which learns west's pods from the one at this address.
    public static func eastern(_ bench: Bench, _ upstream: Bench.UpstreamProtocol = .http2, from number: Int) -> String
    {
        var plan = Plan(.pods)
        plan.gateways = [gatewayNumber]
        return plan.configuration(bench, upstream)
            .replacing("    endpoints: {file: west.yaml}\n", with: peer(bench, at: number))
    }
}
