public import ControlPlane
import Foundation
import GRPCTransport
import HTTPTypes
import Hummingbird
import HummingbirdCore
public import Logging
import Model
import NIOCore
public import ServiceLifecycle

/// The admin API: JSON over HTTP, for people and for health checks.
public struct AdminServer: ServiceLifecycle.Service {
    private let controlPlane: ControlPlane
    private let host: String
    private let port: Int
    private let tokenFile: String?
    private let metrics: PrometheusMetrics
    private let logger: Logger

    /// A server that doesn't listen yet; port 0 lets the system choose.
    ///
    /// - Parameters:
    ///   - tokenFile: holds the token that requests have to bring; nil where everyone may ask.
    ///   - metrics: what the control plane was given to count with.
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

    /// Serves until it is told to shut down.
    public func run() async throws {
        let logger = logger
        // Hummingbird's own lines say nothing that ours don't.
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

    private func router() -> Router<BasicRequestContext> {
        let router = Router()
        router.add(middleware: AnswerHeaders())
        if let tokenFile {
            router.add(middleware: BearerToken(file: tokenFile, logger: logger))
        } else {
            router.add(middleware: HostCheck())
        }
        for method in [HTTPRequest.Method.get, .head] {
            router.on("healthz", method: method) { _, _ in try health() }
            router.on("readyz", method: method) { _, _ in
                let status = await controlPlane.status
                return try json(Readiness(status), status: status.isReady ? .ok : .serviceUnavailable)
            }
        }
        router.get("v1/services") { request, _ in
            let status = await controlPlane.status
            let (viewer, services) = try await services(request, status)
            return try json(ServicesPage(status, viewer, services))
        }
        router.get("v1/services/:name") { request, context in try await service(request, context) }
        router.post("v1/services/:name/release") { request, context in try await release(request, context) }
        router.get("metrics") { _, _ in
            Response(
                status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text)))
        }
        router.get("v1/clients") { request, _ in try await clients(request) }
        return router
    }

    private func health() throws -> Response {
        guard let reason = controlPlane.deafness else { return try json(Health(status: "alive")) }
        return try json(Health(status: "deaf", reason: reason), status: .serviceUnavailable)
    }

    /// The first clients, each with its first resources, or all of one node.
    private func clients(_ request: Request) async throws -> Response {
        let node = request.uri.queryParameters["node"].map(String.init)
        let clients = await controlPlane.clients(
            listing: node == nil ? ClientsPage.mostResources : ClientsPage.mostResourcesOfNode)
        return try json(ClientsPage(clients.filter { node == nil || $0.node == node }))
    }

    /// What a request's `view` and `audience` are served.
    private func services(_ request: Request, _ status: Status) async throws -> (Viewer, [ServiceStatus]) {
        let parameters = request.uri.queryParameters
        let cluster = parameters["view"].map { ClusterName(rawValue: String($0)) } ?? status.defaultCluster
        guard let audience = Audience(rawValue: parameters["audience"].map(String.init) ?? "lanes") else {
            let all = Audience.allCases.map(\.rawValue).joined(separator: ", ")
            throw Problem(error: "`audience` should be one of: \(all)", status: .badRequest)
        }
        let viewer = Viewer(cluster: cluster, audience: audience)
        let services = await controlPlane.services(of: viewer)
        guard services != nil || !status.isReady else {
            throw Problem(error: "there is no cluster \(cluster)", status: .notFound)
        }
        return (viewer, services ?? [])
    }

    private func service(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        let name = try serviceName(context)
        let status = await controlPlane.status
        let (viewer, services) = try await services(request, status)
        guard let service = services.first(where: { $0.service.name == name }) else {
            throw Problem(error: "there is no service \(name)", status: .notFound)
        }
        let origins = await controlPlane.origins(of: name)
        return try json(ProvenancePage(status, viewer, service, origins))
    }

    private func release(_ request: Request, _ context: BasicRequestContext) async throws -> Response {
        // A page of another site may make a browser send this, but not without saying where it comes from.
        guard request.headers[.origin] == nil else {
            throw Problem(error: "not for pages of other sites", status: .forbidden)
        }
        let name = try serviceName(context)
        let cluster = request.uri.queryParameters["cluster"].map { ClusterName(rawValue: String($0)) }
        let released = await controlPlane.release(name, in: cluster)
        guard !released.isEmpty else {
            throw Problem(error: "nothing of \(name) is held\(cluster.map { " in \($0)" } ?? "")", status: .notFound)
        }
        return try json(Release(service: name.rawValue, released: released.map(\.rawValue)))
    }

    private func serviceName(_ context: BasicRequestContext) throws -> ServiceName {
        let text = try context.parameters.require("name")
        return ServiceName(rawValue: text.removingPercentEncoding ?? text)
    }
}

func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .iso8601
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    var body = ByteBuffer(bytes: try encoder.encode(value))
    body.writeString("\n")
    return Response(status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: body))
}

/// The admin API could not be served.
struct AdminError: Error, CustomStringConvertible {
    var description: String
}

private struct Health: Encodable {
    var status: String
    /// Nil while it is alive.
    var reason: String?
}

private struct Release: Encodable {
    var service: String
    /// The clusters.
    var released: [String]
}
