import Foundation
public import Model
import Synchronization

/// What istiod does for an east-west gateway, some time later: from ServiceEntries it makes an AUTO_PASSTHROUGH gateway's
/// filter chains, clusters and endpoints; from global Services and their EndpointSlices, what an ambient gateway leads to.
///
/// A new ServiceEntry changes listeners and clusters; one whose endpoints changed only changes endpoints
/// (`serviceEntryHandler`).
public final class Istiod: Sendable {
    /// The gateway that gets what istiod makes.
    public enum Target: Sendable {
        /// An AUTO_PASSTHROUGH gateway.
        case passthrough(IstioGateway)
        /// An ambient gateway.
        case ambient(AmbientGateway)
    }

    private struct Entry: Decodable {
        struct Port: Decodable {
            var number: Int
            var name: String
        }

        struct Endpoint: Decodable {
            var address: String
            var ports: [String: UInt16]?
        }

        struct Spec: Decodable {
            var hosts: [String]
            var ports: [Port]
            var endpoints: [Endpoint]?
        }

        var spec: Spec
    }

    private let server: APIServer
    private let target: Target
    /// The shortest and the longest time between a change and its push, in milliseconds.
    private let delay: Mutex<ClosedRange<Int>>
    private let counts = Mutex((full: 0, endpoints: 0))
    private let failure = Mutex<String?>(nil)

    /// Creates a stand-in that pushes to one gateway.
    public init(_ server: APIServer, pushingTo target: Target, delay: ClosedRange<Int> = 100...2_000) {
        self.server = server
        self.target = target
        self.delay = Mutex(delay)
    }

    /// How often it has pushed everything, and endpoints only.
    public var pushes: (full: Int, endpoints: Int) { counts.withLock { $0 } }

    /// What went wrong; nil if nothing did.
    public var problem: String? { failure.withLock { $0 } }

    /// Changes the time between a change and its push.
    public func set(delay range: ClosedRange<Int>) { delay.withLock { $0 = range } }

    /// Pushes until the task is cancelled.
    ///
    /// - Parameter fixed: routes that are not from ServiceEntries.
    public func run(fixed: [String: [SocketAddress]] = [:]) async {
        var last = fixed
        let changes = server.changes()
        do {
            for await _ in changes {
                let milliseconds = delay.withLock { Int.random(in: $0) }
                try await ContinuousClock().sleep(for: .milliseconds(milliseconds))
                let next = try routes().merging(fixed) { $1 }
                switch target {
                case .ambient(let gateway): if next != last { try gateway.configure(next) }
                case .passthrough(let gateway) where next.keys != last.keys:
                    try gateway.configure(next)
                    counts.withLock { $0.full += 1 }
                case .passthrough(let gateway):
                    for (sni, endpoints) in next where last[sni] != endpoints {
                        try gateway.route(sni, to: endpoints)
                        counts.withLock { $0.endpoints += 1 }
                    }
                }
                last = next
            }
        } catch is CancellationError {
        } catch {
            failure.withLock { $0 = "\(error)" }
        }
    }

    private func routes() throws -> [String: [SocketAddress]] {
        if case .ambient = target { try globalServices() } else { try serviceEntries() }
    }

    /// A route for the host and port of each global Service.
    private func globalServices() throws -> [String: [SocketAddress]] {
        struct Metadata: Decodable {
            var name: String
            var namespace: String
            var labels: [String: String]?
        }
        struct Service: Decodable {
            struct Spec: Decodable { var ports: [Port] }
            struct Port: Decodable { var port: Int }
            var metadata: Metadata
            var spec: Spec
        }
        struct Slice: Decodable {
            struct Endpoint: Decodable { var addresses: [String] }
            struct Port: Decodable { var port: UInt16 }
            var metadata: Metadata
            var endpoints: [Endpoint]
            var ports: [Port]
        }
        let slices = try server.objects("endpointslices").values.map {
            try JSONDecoder().decode(Slice.self, from: Data($0.utf8))
        }
        var routes: [String: [SocketAddress]] = [:]
        for json in server.objects("services").values {
            let service = try JSONDecoder().decode(Service.self, from: Data(json.utf8))
            guard service.metadata.labels?["istio.io/global"] == "true", let port = service.spec.ports.first?.port
            else {
                continue
            }
            let own = slices.filter { $0.metadata.labels?["kubernetes.io/service-name"] == service.metadata.name }
            routes["\(service.metadata.name).\(service.metadata.namespace).svc.cluster.local:\(port)"] = own.flatMap {
                slice in
                slice.endpoints.flatMap(\.addresses).compactMap { address in
                    IPAddress(address).flatMap { host in
                        slice.ports.first.map { SocketAddress(host: host, port: $0.port) }
                    }
                }
            }
        }
        return routes
    }

    /// `buildOutboundSniDnatClusters`: a route for each port of each host that fits the Gateway's `*.local`.
    private func serviceEntries() throws -> [String: [SocketAddress]] {
        var routes: [String: [SocketAddress]] = [:]
        for json in server.objects("serviceentries").values {
            let entry = try JSONDecoder().decode(Entry.self, from: Data(json.utf8))
            for host in entry.spec.hosts where host.hasSuffix(".local") {
                for port in entry.spec.ports {
                    routes[IstioGateway.sni(host, port: port.number)] = (entry.spec.endpoints ?? []).compactMap {
                        endpoint in
                        guard let address = IPAddress(endpoint.address), let number = endpoint.ports?[port.name] else {
                            return nil
                        }
                        return SocketAddress(host: address, port: number)
                    }
                }
            }
        }
        return routes
    }
}

extension APIServer {
    /// Creates a Gateway of Istio with an AUTO_PASSTHROUGH server.
    public func putAutoPassthrough(_ name: String, in namespace: String = "istio-system", hosts: [String] = ["*.local"])
    {
        let hosts = hosts.map { "\"\($0)\"" }.joined(separator: ",")
        put(
            "gateways", namespace, name, labels: [:],
            json: """
                {"metadata":{"name":"\(name)","namespace":"\(namespace)","resourceVersion":"$VERSION"},\
                "spec":{"selector":{"istio":"eastwestgateway"},"servers":[{"port":{"number":15443,"name":"tls",\
                "protocol":"TLS"},"tls":{"mode":"AUTO_PASSTHROUGH"},"hosts":[\(hosts)]}]}}
                """)
    }
}
