import AdminAPI
public import ControlPlane
import Foundation
import GRPCTransport
import HTTPTypes
package import Hummingbird
import HummingbirdCore
public import Logging
import Model
import NIOCore
public import ServiceLifecycle
import Serving
import Snapshots

/// The admin API: JSON over HTTP, for operators and health checks.
public struct AdminServer: ServiceLifecycle.Service {
    let controlPlane: ControlPlane
    private let host: String
    private let port: Int
    private let tokenFile: String?
    private let metrics: PrometheusMetrics
    private let logger: Logger

    /// Creates a server; port 0 lets the system choose.
    ///
    /// - Parameters:
    ///   - tokenFile: path of the bearer token that requests must send; nil if no token is needed.
    ///   - metrics: the factory that the control plane was given.
    public init(
        _ controlPlane: ControlPlane, host: String, port: UInt16, tokenFile: String? = nil, metrics: PrometheusMetrics,
        logger: Logger
    ) {
        self.metrics = metrics
        self.tokenFile = tokenFile
        self.controlPlane = controlPlane
        self.host = host
        self.port = Int(port)
        self.logger = logger
    }

    /// Serves until graceful shutdown.
    public func run() async throws {
        let logger = logger
        // Hummingbird's log lines add nothing to ours.
        var quiet = logger
        quiet.logLevel = .critical
        let limit = ConnectionLimit()
        let application = Application(
            router: router(),
            server: .http1(
                configuration: HTTP1Channel.Configuration(
                    additionalChannelHandlers: [limit.makeHandler()], idleTimeout: .seconds(10),
                    httpDecoderConfiguration: .init(maxHeaderFieldSize: 16_384, maxHeaderListSize: 16_384))),
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: "ballast"),
            onServerRunning: { channel in
                logger.info(
                    "admin API listening",
                    metadata: ["address": "\(host)", "port": "\(channel.localAddress?.port ?? 0)"]
                )
            },
            logger: quiet
        )
        do {
            try await application.run()
        } catch {
            throw AdminError(
                description: "the admin API can't listen on \(host):\(port) (admin.listen): \(reason(error))")
        }
    }

    private func reason(_ error: any Error) -> String {
        (error as? IOError).flatMap { ListenFailure.sentence(errno: $0.errnoCode) } ?? "\(error)"
    }

    /// The router; tests call it without a socket.
    package func router() -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: AnswerHeaders())
        if let tokenFile {
            router.add(middleware: BearerToken(file: tokenFile, logger: logger))
        } else {
            router.add(middleware: HostCheck())
        }
        for route in AdminRoute.allCases { add(route, to: router) }
        return router
    }

    private func add(_ route: AdminRoute, to router: Router<BasicRequestContext>) {
        let path = RouterPath(route.rawValue)
        switch route {
        case .health: for method in Self.probes { router.on(path, method: method) { _, _ in try health() } }
        case .readiness: for method in Self.probes { router.on(path, method: method) { _, _ in try await readiness() } }
        case .services: router.get(path) { request, _ in try await services(request) }
        case .service: router.get(path) { request, context in try await service(request, context) }
        case .release: router.post(path) { request, context in try await release(request, context) }
        case .clients: router.get(path) { request, _ in try await clients(request) }
        case .plans: router.post(path) { request, _ in try await answer { try await plan(request) } }
        case .overrides:
            router.get(path) { _, _ in try overrides() }
            router.post(path) { request, _ in try await answer { try await create(request) } }
        case .override: router.get(path) { _, context in try await answer { try override(context) } }
        case .transitions:
            router.post(path) { request, context in try await answer { try await append(request, context) } }
        case .metrics:
            router.get(path) { _, _ in
                Response(
                    status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                    body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text)))
            }
        }
    }

    /// Some health checkers send HEAD requests.
    private static let probes = [HTTPRequest.Method.get, .head]
    /// The maximum number of resources listed for each type of a stream: with all clients, and with one node.
    private static let listed = (ofAll: 100, ofNode: 10_000)

    private func health() throws -> Response {
        guard let reason = controlPlane.xdsPortFailure else { return try json(HealthPage(status: "alive")) }
        return try json(HealthPage(status: "deaf", reason: reason), status: .serviceUnavailable)
    }

    private func readiness() async throws -> Response {
        let status = await controlPlane.status
        return try json(ReadinessPage(status), status: status.isReady ? .ok : .serviceUnavailable)
    }

    /// The first clients with their first resources, or all clients of one node with more.
    private func clients(_ request: Request) async throws -> Response {
        let node = request.uri.queryParameters["node"].map(String.init)
        let clients = await controlPlane.clients().filter { node == nil || $0.node == node }
        return try json(ClientsPage(clients, listing: node == nil ? Self.listed.ofAll : Self.listed.ofNode))
    }

    private func services(_ request: Request) async throws -> Response {
        let status = await controlPlane.status
        let view = try view(request, status)
        let services = await controlPlane.services(of: view)
        try check(services != nil, view, status)
        return try json(ServicesPage(status, view, services ?? []))
    }

    private func service(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        let name = try serviceName(context)
        let status = await controlPlane.status
        let view = try view(request, status)
        guard let service = await controlPlane.service(name, of: view) else {
            try check(await controlPlane.services(of: view) != nil, view, status)
            throw RequestError(error: "there is no service \(name)", status: .notFound)
        }
        let origins = await controlPlane.origins(of: name)
        return try json(ServiceDetailPage(status, view, service, origins))
    }

    /// The view that a request's `view` and `audience` parameters name.
    private func view(_ request: Request, _ status: Status) throws -> ClientView {
        let parameters = request.uri.queryParameters
        let cluster = parameters["view"].map { ClusterName(rawValue: String($0)) } ?? status.ownCluster
        guard let kind = ClientKind(rawValue: parameters["audience"].map(String.init) ?? "lanes") else {
            let all = ClientKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw RequestError(error: "`audience` should be one of: \(all)", status: .badRequest)
        }
        return ClientView(cluster: cluster, kind: kind)
    }

    private func check(_ isKnown: Bool, _ view: ClientView, _ status: Status) throws {
        guard !isKnown, status.isReady else { return }
        throw RequestError(error: "there is no cluster \(view.cluster)", status: .notFound)
    }

    private func release(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        // A page of another site can make a browser send this request, but only with an `Origin` header.
        guard request.headers[.origin] == nil else {
            throw RequestError(error: "not for pages of other sites", status: .forbidden)
        }
        let name = try serviceName(context)
        let cluster = request.uri.queryParameters["cluster"].map { ClusterName(rawValue: String($0)) }
        let released = await controlPlane.release(name, in: cluster)
        guard !released.isEmpty else {
            throw RequestError(
                error: "nothing of \(name) is held\(cluster.map { " in \($0)" } ?? "")", status: .notFound)
        }
        return try json(ReleasePage(service: name.rawValue, released: released.map(\.rawValue)))
    }

    private func serviceName(_ context: BasicRequestContext) throws -> ServiceName {
        let text = try context.parameters.require("name")
        return ServiceName(rawValue: text.removingPercentEncoding ?? text)
    }
}

func json(_ page: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    Response(
        status: status, headers: [.contentType: "application/json"],
        body: ResponseBody(byteBuffer: ByteBuffer(bytes: try AdminJSON.encode(page))))
}

/// The admin API can't listen.
struct AdminError: Error, CustomStringConvertible {
    var description: String
}
