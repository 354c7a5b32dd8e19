public import AdminAPI
import Foundation
public import Model
import Synchronization

/// The paths of the programs and files that the bench uses.
public struct BenchTools: Sendable {
    /// The `ballast` program.
    public var ballast: String
    /// The Envoy program.
    public var envoy: String
    /// The directory `envoy-configs`.
    public var configs: String

    /// Creates the set of paths.
    public init(ballast: String, envoy: String, configs: String) {
        self.ballast = ballast
        self.envoy = envoy
        self.configs = configs
    }
}

/// Two clusters of real Envoys on loopback: a client in east, a gateway and pods in west, pods in east, and a real
/// Ballast.
///
/// All listen on addresses of one loopback network, `127.a.b.`, so that benches don't collide: the client, the gateway
/// and Ballast on .1, east's pods from .11, west's from .21.
public final class Bench: Sendable {
    /// The protocol between the client and the pods.
    public enum UpstreamProtocol: String, Sendable, CaseIterable {
        /// HTTP/1.1.
        case http1 = "HTTP/1.1"
        /// HTTP/2.
        case http2 = "HTTP/2"
    }

    /// The network of `make run`, which the files in `envoy-configs` use.
    public static let documentedNetwork = "127.0.0."

    /// The directory of the bench's files and logs.
    public let directory: String
    /// The first three bytes of all addresses, with a dot at the end.
    public let network: String
    private let tools: BenchTools
    let processes = Mutex<[String: ManagedProcess]>([:])
    private let published = Mutex<[String: [Pod]]>([:])

    /// Writes files and certificates; nothing is started yet.
    ///
    /// - Parameter network: nil for a random network.
    public init(_ tools: BenchTools, directory: String, network: String? = nil) throws {
        self.tools = tools
        self.directory = directory
        self.network = network ?? "127.\(Int.random(in: 16...254)).\(Int.random(in: 1...254))."
        try? FileManager.default.removeItem(atPath: directory)
        try FileManager.default.createDirectory(atPath: "\(directory)/certs", withIntermediateDirectories: true)
        _ = try Certificates(in: "\(directory)/certs")
        for file in ["ballast.yaml", "east.yaml", "west.yaml"] { try write(template(file), to: file) }
    }

    /// The address of everything that isn't a pod.
    public var host: String { "\(network)1" }
    /// The client's admin interface.
    public var client: EnvoyAdmin { EnvoyAdmin(host: host, port: 9901) }
    /// The client's HTTP listener.
    public static let clientPort = 10000
    /// Ballast's xDS port.
    public static let xdsPort = 18000
    /// Ballast's admin port.
    public static let adminPort = 18080

    // MARK: Files

    /// A file of `envoy-configs`, changed to this bench's network.
    ///
    /// The shrink guard is off, since pods here are added and removed deliberately.
    public func template(_ file: String) throws -> String {
        try String(contentsOfFile: "\(tools.configs)/\(file)", encoding: .utf8)
            .replacing(Self.documentedNetwork, with: network) + (file == "ballast.yaml" ? "\nguard: off\n" : "")
    }

    /// Writes a file of the bench's directory by a rename.
    public func write(_ text: String, to file: String) throws {
        try text.write(toFile: "\(directory)/\(file)", atomically: true, encoding: .utf8)
    }

    /// A pod of this bench by name: `e1`, `e2`… in east, `w1`, `w2`… in west.
    public func pod(_ name: String) throws -> Pod {
        let isEast = name.hasPrefix("e")
        guard isEast || name.hasPrefix("w"), let number = Int(name.dropFirst()), (1...9).contains(number),
            let address = SocketAddress("\(network)\((isEast ? 10 : 20) + number):8443")
        else { throw BenchError("there is no pod \(name)") }
        return Pod(name: name, address: address)
    }

    /// Publishes a cluster's pods as a user would: by changing its endpoints file.
    ///
    /// West's gateway receives them first.
    public func publish(_ pods: [Pod], in cluster: String) throws {
        if cluster == "west" { try routeGateway(to: pods) }
        published.withLock { $0[cluster] = pods }
        let lines = pods.map {
            "    - {name: \($0.name), address: \"\($0.address)\", weight: \($0.weight.value), health: \($0.health.rawValue)\(Self.more($0))}"
        }
        let list = lines.isEmpty ? " []" : "\n" + lines.joined(separator: "\n")
        try write("services:\n  httpbin:\(list)\n", to: "\(cluster).yaml")
    }

    /// The fields of an endpoints file that few pods have.
    private static func more(_ pod: Pod) -> String {
        let sni = pod.sni.map { ", sni: \($0)" } ?? ""
        let filters = pod.metadata.map { filter, values in
            "\(filter): {\(values.map { "\($0): \($1)" }.joined(separator: ", "))}"
        }
        return sni + (filters.isEmpty ? "" : ", metadata: {\(filters.joined(separator: ", "))}")
    }

    /// Gives west's gateway its pods through its own EDS file; in Istio, istiod does that.
    public func routeGateway(to pods: [Pod]) throws {
        let endpoints = pods.filter { $0.health == .healthy }.map {
            "{endpoint: {address: {socket_address: {address: \($0.address.host), port_value: \($0.address.port)}}}}"
        }
        try write(
            """
            version_info: "1"
            resources:
            - "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
              cluster_name: httpbin
              endpoints: [{lb_endpoints: [\(endpoints.joined(separator: ", "))]}]

            """,
            to: "gateway-endpoints.yaml"
        )
    }

    // MARK: Processes

    /// A process of the bench by name: `ballast`, `client`, `gateway` or a pod's name.
    public func process(_ name: String) throws -> ManagedProcess {
        guard let process = processes.withLock({ $0[name] }) else { throw BenchError("\(name) was never started") }
        return process
    }

    /// Starts Ballast, and by default waits until it is ready.
    ///
    /// - Parameter host: the address that its configuration listens on; nil for the bench's own.
    public func startBallast(
        name: String = "ballast", config: String = "ballast.yaml", at host: String? = nil, untilReady: Bool = true
    ) async throws {
        let process = try start(name, tools.ballast, ["serve", "--config", config])
        guard untilReady else { return }
        try await waitUntil("Ballast is ready", process) {
            try await HTTPConnection.get(host: host ?? self.host, port: Self.adminPort, "/readyz").status == 200
        }
    }

    /// Whether a node has subscriptions at the Ballast at an address.
    public func isServed(_ node: String, at host: String) async throws -> Bool {
        let answer = try await HTTPConnection.get(host: host, port: Self.adminPort, AdminRoute.clients.path())
        return try AdminJSON.decode(ClientsPage.self, from: Data(answer.body.utf8)).clients
            .contains { $0.node == node && $0.streams.contains { !$0.subscriptions.isEmpty } }
    }

    /// Starts the client, and waits until it has its endpoints.
    public func startClient(_ upstream: UpstreamProtocol) async throws {
        try await startEnvoy("client", try clientConfig(upstream), client, concurrency: 2)
    }

    /// The configuration of a client that gets only endpoints from Ballast.
    ///
    /// - Parameter requestsPerConnection: the limit of the usual workaround for pinned connections; nil for none.
    public func clientConfig(_ upstream: UpstreamProtocol, requestsPerConnection: Int? = nil) throws -> String {
        var config = try template("bench/client.yaml")
        if upstream == .http1 {
            config = config.replacing("{http2_protocol_options: {}}", with: "{http_protocol_options: {}}")
                .replacing("alpn_protocols: [istio, h2]", with: "alpn_protocols: [istio, http/1.1]")
        }
        guard let requestsPerConnection else { return config }
        let options = "        common_http_protocol_options: {max_requests_per_connection: \(requestsPerConnection)}\n"
        return config.replacing(
            "        explicit_http_config: {http", with: options + "        explicit_http_config: {http")
    }

    /// Logs failed requests with Envoy's reason.
    private static let failureLog = """
        stat_prefix: http
                  access_log:
                  - name: envoy.access_loggers.stdout
                    filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 500, runtime_key: none}}}}
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
                      log_format: {text_format_source: {inline_string: "%START_TIME% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %UPSTREAM_HOST%\\n"}}

        """

    /// The configuration of a client that gets everything but its own listener from Ballast.
    ///
    /// - Parameter hashHeader: whether requests are hashed by their `x-key` header.
    public func wholeClientConfig(hashHeader: Bool = false) throws -> String {
        let config = try template("client.yaml").replacing("stat_prefix: http\n", with: Self.failureLog)
        guard hashHeader else { return config }
        return config.replacing(
            "route: {cluster: httpbin}",
            with: "route: {cluster: httpbin, hash_policy: [{header: {header_name: x-key}}]}")
    }

    /// The kinds of gateway.
    public enum GatewayKind: Sendable {
        /// Gets the service's pods from elsewhere, like Istio's gateways; can't be changed.
        case passthrough
        /// Like `passthrough`, but selects pods in turn.
        case passthroughInTurn
        /// Gets all pods of its cluster from Ballast: envoy-configs/gateway.yaml.
        case allClusters
        /// Requests Envoy clusters from Ballast on demand: envoy-configs/gateway-on-demand.yaml, for Envoy 1.40 and
        /// newer.
        case onDemand
    }

    /// Starts a gateway; each has its own address.
    ///
    /// - Parameter cluster: the gateway's cluster.
    public func startGateway(
        _ kind: GatewayKind = .passthrough, name: String = "gateway", at number: Int = 1, of cluster: String = "west"
    ) async throws {
        let config = try gatewayTemplate(kind)
            .replacing(
                "{address: \(host), port_value: 15443}", with: "{address: \(network)\(number), port_value: 15443}"
            )
            .replacing("{address: \(host), port_value: 9902}", with: "{address: \(network)\(number), port_value: 9902}")
            .replacing("id: west-gateway", with: "id: \(name)").replacing(
                "cluster: west,", with: "cluster: \(cluster),")
        try await startEnvoy(name, config, gateway(at: number), concurrency: 2)
    }

    private func gatewayTemplate(_ kind: GatewayKind) throws -> String {
        switch kind {
        case .passthrough: try template("bench/gateway.yaml")
        case .passthroughInTurn:
            try template("bench/gateway.yaml").replacing("lb_policy: LEAST_REQUEST", with: "lb_policy: ROUND_ROBIN")
        case .allClusters: try template("gateway.yaml")
        case .onDemand: try template("gateway-on-demand.yaml")
        }
    }

    /// The admin interface of a gateway.
    public func gateway(at number: Int = 1) -> EnvoyAdmin { EnvoyAdmin(host: "\(network)\(number)", port: 9902) }

    /// Stops a process if it is running.
    public func stop(_ name: String) async {
        let process = processes.withLock { $0.removeValue(forKey: name) }
        await process?.stop()
    }

    /// Makes a pod respond to every request, or to a part, with 503; or stops that.
    public func setFailing(_ name: String, _ isFailing: Bool = true, percent: Int = 100) async throws {
        let percent = isFailing ? percent : 0
        try await EnvoyAdmin(host: pod(name).address.host.description, port: 9901)
            .setRuntime("fault.http.abort.abort_percent", to: "\(percent)")
    }

    /// Waits until Ballast has read the published pods, and the client has applied the endpoints that Ballast serves
    /// it.
    public func waitUntilApplied(audience: ClientKind) async throws {
        let published = published.withLock { $0 }
        try await eventually(every: .milliseconds(5), "the client has what was published") {
            let page = try await self.services(audience: audience)
            guard let service = page.services.first else { return false }
            for (cluster, pods) in published {
                let known = service.intended.first { $0.cluster == cluster }?.pods ?? []
                guard Set(known.map { "\($0.name) \($0.health)" }) == Set(pods.map { "\($0.name) \($0.health)" }) else {
                    return false
                }
            }
            let expected = Dictionary(
                service.endpoints.map {
                    ($0.address, AppliedEndpoint(weight: Int($0.weight), health: $0.health, subZone: $0.subZone))
                },
                uniquingKeysWith: { $1 })
            return try await self.client.endpoints(of: "httpbin") == expected
        }
    }

    /// The services page of Ballast's admin API.
    public func services(audience: ClientKind = .lanes) async throws -> ServicesPage {
        let answer = try await HTTPConnection.get(
            host: host, port: Self.adminPort, AdminRoute.services.path(query: [("audience", audience.rawValue)]))
        return try AdminJSON.decode(ServicesPage.self, from: Data(answer.body.utf8))
    }

    /// Starts everything: the pods of the example files (two in east, three in west), a gateway that can't be changed,
    /// Ballast, and a client that gets only endpoints.
    public func startAll(_ upstream: UpstreamProtocol = .http2) async throws {
        let west = ["w1", "w2", "w3"]
        try routeGateway(to: west.map(pod))
        try await startPods(["e1", "e2"] + west)
        try await startGateway()
        try await startBallast()
        try await startClient(upstream)
    }

    /// How many requests each pod has answered since it started, according to its own counter.
    public func requestCounts(_ names: [String]) async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for name in names {
            let admin = EnvoyAdmin(host: try pod(name).address.host.description, port: 9901)
            counts[name] = try await admin.stat("http.pod.downstream_rq_completed")
        }
        return counts
    }

    /// The number of TLS handshakes that pods have completed since they started, by their own counters.
    public func handshakeCount(_ names: [String]) async throws -> Int {
        var total = 0
        for name in names {
            let admin = EnvoyAdmin(host: try pod(name).address.host.description, port: 9901)
            let lines = try await admin.page("/stats?filter=ssl.handshake").split(separator: "\n")
            for line in lines where line.hasPrefix("listener.") {
                total += Int(line.split(separator: " ").last ?? "") ?? 0
            }
        }
        return total
    }

    /// Stops all processes.
    public func stop() async {
        let all = processes.withLock { processes in
            defer { processes = [:] }
            return processes.values
        }
        await withTaskGroup { group in
            for process in all { group.addTask { await process.stop() } }
        }
    }

    /// Starts an Envoy with a configuration, and waits until it is ready.
    ///
    /// - Parameter debugging: the names of the Envoy loggers set to the debug level.
    public func startEnvoy(
        _ name: String, _ config: String, _ admin: EnvoyAdmin, concurrency: Int, debugging: [String] = []
    ) async throws {
        try write(config, to: "\(name).envoy.yaml")
        let process = try start(
            name, tools.envoy,
            [
                "-c", "\(name).envoy.yaml", "--concurrency", "\(concurrency)", "--disable-hot-restart", "--log-level",
                "warning",
                "--drain-time-s", "1", "--parent-shutdown-time-s", "2",
            ]
                + (debugging.isEmpty
                    ? [] : ["--component-log-level", debugging.map { "\($0):debug" }.joined(separator: ",")])
        )
        try await waitUntil("Envoy \(name) is ready", process) { try await admin.isReady }
    }

    private func start(_ name: String, _ program: String, _ arguments: [String]) throws -> ManagedProcess {
        let process = try ManagedProcess(
            name, program, arguments, directory: directory, logPath: "\(directory)/\(name).log"
        )
        processes.withLock { $0[name] = process }
        return process
    }

    private func waitUntil(_ what: String, _ process: ManagedProcess, _ condition: () async throws -> Bool) async throws
    {
        do {
            try await eventually(what) {
                guard process.isRunning else { return true }
                return try await condition()
            }
        } catch let error as TimedOut {
            throw BenchError("\(error)\n\(process.log.suffix(4_000))")
        }
        guard process.isRunning else { throw BenchError("\(process.name) ended:\n\(process.log.suffix(4_000))") }
    }
}
