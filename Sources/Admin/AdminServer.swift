import Balancing
public import ControlPlane
import Foundation
import HTTPTypes
import Hummingbird
public import Logging
public import ServiceLifecycle

/// The admin API: JSON over HTTP, read-only, for people and for health checks.
public struct AdminServer: ServiceLifecycle.Service {
    private let controlPlane: ControlPlane
    private let host: String
    private let port: Int
    private let logger: Logger

    /// A server that doesn't listen yet; port 0 lets the system choose.
    public init(_ controlPlane: ControlPlane, host: String, port: UInt16, logger: Logger) {
        self.controlPlane = controlPlane
        self.host = host
        self.port = Int(port)
        self.logger = logger
    }

    /// Serves until it is told to shut down.
    public func run() async throws {
        let logger = logger
        // Hummingbird's own start and stop lines say nothing that ours don't.
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let application = Application(
            router: router(),
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
            throw AdminError(description: "the admin API can't listen on \(host):\(port): \(error)")
        }
    }

    private func router() -> Router<BasicRequestContext> {
        let router = Router()
        router.get("healthz") { _, _ in try json(Health(status: "alive")) }
        router.get("readyz") { _, _ in
            let status = await controlPlane.status
            return try json(Readiness(status), status: status.isReady ? .ok : .serviceUnavailable)
        }
        router.get("v1/services") { request, _ in
            let status = await controlPlane.status
            let parameters = request.uri.queryParameters
            let cluster = parameters["view"].map { ClusterName(rawValue: String($0)) } ?? status.defaultCluster
            guard let audience = Audience(rawValue: parameters["audience"].map(String.init) ?? "lanes") else {
                let all = Audience.allCases.map(\.rawValue).joined(separator: ", ")
                return try json(Problem(error: "`audience` should be one of: \(all)"), status: .badRequest)
            }
            let viewer = Viewer(cluster: cluster, audience: audience)
            guard status.services.isEmpty || status.services[viewer] != nil else {
                return try json(Problem(error: "there is no cluster \(cluster)"), status: .notFound)
            }
            return try json(ServicesPage(status, viewer))
        }
        router.get("v1/clients") { _, _ in try json(ClientsPage(await controlPlane.clients)) }
        return router
    }

    private func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        var body = ByteBuffer(bytes: try encoder.encode(value))
        body.writeString("\n")
        return Response(
            status: status, headers: [.contentType: "application/json"], body: ResponseBody(byteBuffer: body)
        )
    }
}

/// The admin API could not be served.
struct AdminError: Error, CustomStringConvertible {
    var description: String
}

private struct Health: Encodable {
    var status: String
}

private struct Problem: Encodable {
    var error: String
}
