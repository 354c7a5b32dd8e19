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
    private let settings: AdminSettings
    private let metrics: PrometheusMetrics
    let logger: Logger
    let version: String
    let writes: WriteLimit
    let plans = ComputeLimit(most: 16)
    /// Pages for which assignments are computed.
    let reads = ComputeLimit(most: 256)

    /// Creates a server; port 0 lets the system choose.
    ///
    /// - Parameters:
    ///   - settings: who may ask, and by which names.
    ///   - version: the program's version.
    ///   - metrics: the factory that the control plane was given.
    public init(
        _ controlPlane: ControlPlane, host: String, port: UInt16, settings: AdminSettings = AdminSettings(),
        version: String = "",
        metrics: PrometheusMetrics, logger: Logger
    ) {
        self.metrics = metrics
        self.settings = settings
        self.version = version
        writes = WriteLimit(perMinute: settings.writesPerMinute)
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
    package func router() -> Router<AdminContext> {
        let router = Router(context: AdminContext.self)
        router.add(middleware: AnswerHeaders())
        router.add(
            middleware: BrowserRules(hosts: settings.hosts, allowsEveryHost: hasTokens && settings.hosts.isEmpty))
        if hasTokens {
            router.add(middleware: Tokens(file: settings.tokenFile, table: settings.tokens, logger: logger))
        }
        for route in AdminRoute.allCases { add(route, to: router) }
        return router
    }

    private func add(_ route: AdminRoute, to router: Router<AdminContext>) {
        let path = RouterPath(route.rawValue)
        // Some health checkers send HEAD requests.
        let allowed = route.methods + ([.health, .readiness].contains(route) ? ["HEAD"] : [])
        for method in [HTTPRequest.Method.get, .head, .post, .put, .patch, .delete, .options, .trace]
        where !allowed.contains(method.rawValue) {
            router.on(path, method: method) { _, _ -> Response in
                throw RequestError(
                    "invalid", "\(method.rawValue) is not for this path: \(allowed.joined(separator: ", "))",
                    .methodNotAllowed, headers: [.allow: allowed.joined(separator: ", ")])
            }
        }
        switch route {
        case .health: for method in Self.probes { router.on(path, method: method) { _, _ in try health() } }
        case .readiness: for method in Self.probes { router.on(path, method: method) { _, _ in try await readiness() } }
        case .overview: router.get(path) { _, _ in try await reads.run { try await overview() } }
        case .services: router.get(path) { request, _ in try await services(request) }
        case .service: router.get(path) { request, context in try await service(request, context) }
        case .explain:
            router.get(path) { request, context in try await reads.run { try await explain(request, context) } }
        case .series:
            router.get(path) { request, context in
                try await series(request, context, await history(request, context))
            }
        case .trim: router.get(path) { _, context in try await reads.run { try await trim(context) } }
        case .history: router.get(path) { request, _ in try await history(request) }
        case .publication: router.get(path) { _, _ in try await reads.run { try publication() } }
        case .checks: router.get(path) { _, _ in try await reads.run { try await checks() } }
        case .events:
            router.get(path) { request, context in
                let caller = hasTokens ? context.caller.name : nil
                return try EventStream(feed: controlPlane.events, caller: caller).response(request)
            }
        case .whoami: router.get(path) { _, context in try whoami(context) }
        case .openAPI:
            router.get(path) { _, _ in
                Response(
                    status: .ok, headers: [.contentType: "application/json"],
                    body: ResponseBody(byteBuffer: ByteBuffer(bytes: try OpenAPI(version: version).document())))
            }
        case .problem: router.get(path) { _, context in try problem(context) }
        case .release: router.post(path) { request, context in try await release(request, context) }
        case .clients: router.get(path) { request, _ in try await clients(request) }
        case .client: router.get(path) { _, context in try await client(context) }
        case .resource: router.get(path) { _, context in try await resource(context) }
        case .plans: router.post(path) { request, _ in try await plan(request) }
        case .configurationPlans: router.post(path) { request, _ in try await planConfiguration(request) }
        case .overrides:
            router.get(path) { request, _ in try await reads.run { try await overrides(request) } }
            router.post(path) { request, context in try await create(request, context) }
        case .override: router.get(path) { _, context in try await override(context) }
        case .transitions: router.post(path) { request, context in try await append(request, context) }
        case .metrics:
            router.get(path) { _, _ in
                Response(
                    status: .ok, headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                    body: ResponseBody(byteBuffer: ByteBuffer(string: metrics.text)))
            }
        }
    }

    /// Whether callers have names and roles of their own.
    private var hasTokens: Bool { settings.tokenFile != nil || settings.tokens != nil }
    /// Some health checkers send HEAD requests.
    private static let probes = [HTTPRequest.Method.get, .head]

    private func health() throws -> Response {
        guard let reason = controlPlane.xdsPortFailure else { return try json(HealthPage(status: "alive")) }
        return try json(HealthPage(status: "deaf", reason: reason), status: .serviceUnavailable)
    }

    private func readiness() async throws -> Response {
        let status = await controlPlane.status
        return try json(ReadinessPage(status), status: status.isReady ? .ok : .serviceUnavailable)
    }

    private func services(_ request: Request) async throws -> Response {
        let parameters = request.uri.queryParameters
        let status = await controlPlane.status
        let view = try view(request, status)
        let all = await controlPlane.services(of: view)
        try check(all != nil, view, status)
        let limit = try Self.limit(request, most: 1_000)
        let name = parameters["name"].map(String.init)
        let start = parameters["continue"].map(String.init)
        let services = (all ?? []).filter { service in
            let own = service.service.name.rawValue
            return (name.map(own.contains) ?? true) && (start.map { own > $0 } ?? true)
        }
        let next = services.count > limit ? services[limit - 1].service.name.rawValue : nil
        return try json(ServicesPage(status, view, Array(services.prefix(limit)), continue: next))
    }

    /// The number of entries on a page.
    static func limit(_ request: Request, most: Int) throws -> Int {
        guard let text = request.uri.queryParameters["limit"] else { return 100 }
        guard let limit = Int(text), (1...most).contains(limit) else {
            throw RequestError("invalid", "`limit` should be 1 to \(most)", .badRequest)
        }
        return limit
    }

    private func service(_ request: Request, _ context: AdminContext) async throws -> Response {
        let name = try serviceName(context)
        let status = await controlPlane.status
        let view = try view(request, status)
        guard let service = await controlPlane.service(name, of: view) else {
            try check(await controlPlane.services(of: view) != nil, view, status)
            throw RequestError("unknown", "there is no service \(name)", .notFound)
        }
        let origins = await controlPlane.origins(of: name)
        return try json(ServiceDetailPage(status, view, service, origins))
    }

    /// The view that a request's `view` and `audience` parameters name.
    func view(_ request: Request, _ status: Status) throws -> ClientView {
        let parameters = request.uri.queryParameters
        let cluster = parameters["view"].map { ClusterName(rawValue: String($0)) } ?? status.ownCluster
        guard let kind = ClientKind(rawValue: parameters["audience"].map(String.init) ?? "lanes") else {
            let all = ClientKind.allCases.map(\.rawValue).joined(separator: ", ")
            throw RequestError("invalid", "`audience` should be one of: \(all)", .badRequest)
        }
        return ClientView(cluster: cluster, kind: kind)
    }

    func check(_ isKnown: Bool, _ view: ClientView, _ status: Status) throws {
        guard !isKnown, status.isReady else { return }
        throw RequestError("unknown", "there is no cluster \(view.cluster)", .notFound)
    }

    private func release(_ request: Request, _ context: AdminContext) async throws -> Response {
        try require(.operate, context)
        let name = try serviceName(context)
        let cluster = request.uri.queryParameters["cluster"].map { ClusterName(rawValue: String($0)) }
        let released = await controlPlane.release(name, in: cluster)
        guard !released.isEmpty else {
            throw RequestError(
                "unknown", "nothing of \(name) is held\(cluster.map { " in \($0)" } ?? "")", .notFound)
        }
        return try json(ReleasePage(service: name.rawValue, released: released.map(\.rawValue)))
    }

    /// Refuses callers without a role.
    func require(_ role: Caller.Role, _ context: AdminContext) throws {
        guard context.caller.role >= role else {
            throw RequestError(
                "role",
                "\(context.caller.name) is \(context.caller.role.rawValue), and this takes the role \(role.rawValue)",
                .forbidden)
        }
    }

    func serviceName(_ context: AdminContext) throws -> ServiceName {
        ServiceName(rawValue: try parameter("name", context))
    }

    /// A part of the path, decoded.
    func parameter(_ name: String, _ context: AdminContext) throws -> String {
        let text = try context.parameters.require(name)
        return text.removingPercentEncoding ?? text
    }
}

/// Who may ask the admin API, and by which names.
public struct AdminSettings: Sendable {
    /// Path of a file with the token of an operator; nil for none.
    public var tokenFile: String?
    /// Path of a file with a line for each token: `NAME ROLE sha256:HEX`; nil for none.
    ///
    /// Without `tokenFile` and `tokens`, no token is needed.
    public var tokens: String?
    /// The host names by which browsers may ask, besides `localhost` and IP addresses; in lower case.
    public var hosts: [String]
    /// The most changes that one caller may make in a minute.
    public var writesPerMinute: Int

    /// Creates settings.
    public init(tokenFile: String? = nil, tokens: String? = nil, hosts: [String] = [], writesPerMinute: Int = 10) {
        self.tokenFile = tokenFile
        self.tokens = tokens
        self.hosts = hosts
        self.writesPerMinute = writesPerMinute
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
