import Synchronization
import Foundation
import Model

extension Bench {
    /// Starts pods in parallel, and waits until they respond.
    ///
    /// - Parameter kind: what they accept.
    public func startPods(_ names: [String], _ kind: PodKind = .tls) async throws {
        var text = try template("bench/pod.yaml")
        switch kind {
        case .tls: break
        case .sidecar, .otherTrustDomain:
            text = text.replacing("    filter_chains:\n    - filters:\n", with: Self.sidecarChain)
        case .plaintext, .ambient:
            guard let start = text.range(of: "      transport_socket:\n"), let end = text.range(of: "layered_runtime")
            else { throw BenchError("bench/pod.yaml has another layout") }
            text.removeSubrange(start.lowerBound..<end.lowerBound)
        }
        if kind == .otherTrustDomain { text = text.replacing("certs/pod.", with: "certs/other-pod.") }
        if kind == .ambient {
            let app = try pod("e1").address
            text = text.replacing(
                "layered_runtime",
                with: """
                    \(HBONE.listener("ztunnel", at: "\(network)11", certificate: "pod", routes: [("*", "app")]))
                      clusters:
                    \(HBONE.cluster("app", [app]))
                    layered_runtime
                    """)
        }
        try await withThrowingTaskGroup { group in
            for name in names where processes.withLock({ $0[name]?.isRunning != true }) {
                let host = try pod(name).address.host.description
                let config = text.replacing("\(network)11", with: host).replacing("e1", with: name)
                group.addTask {
                    try await self.startEnvoy(name, config, EnvoyAdmin(host: host, port: 9901), concurrency: 1)
                }
            }
            try await group.waitForAll()
        }
    }

    /// What a pod accepts.
    public enum PodKind: Sendable {
        /// Mutual TLS.
        case tls
        /// Mutual TLS with one of Istio's protocols.
        case sidecar
        /// As `sidecar`, with an identity of another trust domain.
        case otherTrustDomain
        /// No TLS, as a pod without a sidecar.
        case plaintext
        /// No TLS, with a ztunnel beside it that ends tunnels.
        case ambient
    }

    private static let sidecarChain = """
            listener_filters:
            - name: envoy.filters.listener.tls_inspector
              typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}
            filter_chains:
            - filter_chain_match:
                transport_protocol: tls
                application_protocols: [istio, istio-peer-exchange, istio-http/1.0, istio-http/1.1, istio-h2]
              filters:

        """
}
