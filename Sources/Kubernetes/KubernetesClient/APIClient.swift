import AsyncHTTPClient
import Foundation
public import Logging
public import NIOCore
import NIOHTTP1
import NIOSSL
public import YAMLFile

/// A client of one API server; its requests share one connection.
///
/// The credentials are read for each new connection, and again if the server refuses them. A connection that breaks or
/// falls silent for one request is not used for new requests; the requests that still run on it run to their end.
public actor APIClient {
    /// The limit on concurrent requests.
    ///
    /// An API server accepts 100 streams per connection; more would wait.
    public static let maxRequests = 64

    /// The client's timeouts.
    public struct Patience: Sendable {
        /// Until a connection is established.
        public var connect: TimeAmount
        /// Until a response begins.
        public var head: TimeAmount
        /// Between two parts of a response; a watch receives a bookmark about once a minute.
        public var silence: TimeAmount
        /// Between HTTP/2 pings, and for the response to a ping.
        public var ping: TimeAmount
        /// Until an exec plugin has ended.
        public var plugin: Duration

        /// Creates timeouts; arguments that are left out have their defaults.
        public init(
            connect: TimeAmount = .seconds(5), head: TimeAmount = .seconds(60), silence: TimeAmount = .seconds(100),
            ping: TimeAmount = .seconds(15), plugin: Duration = .seconds(30)
        ) {
            self.connect = connect
            self.head = head
            self.silence = silence
            self.ping = ping
            self.plugin = plugin
        }
    }

    struct Request: Sendable {
        var resource: Resource
        var path: String
        /// The RBAC verbs that the request needs.
        var verbs: [String]
        var method = HTTPMethod.GET
        var body: (type: String, content: Data)?
    }

    private struct Connection {
        var client: HTTPClient
        var access: APIAccess
        var generation: Int
        /// The exec plugin's credential, if there is a plugin.
        var credential: ExecPlugin.Credential?
        /// The base URL of requests.
        ///
        /// Its host is `tls-server-name` if that is set.
        var base: String
        /// Nil if `tls-server-name` is not set, or the server's certificate isn't verified.
        var identity: ServerIdentity?
    }

    private let access: @Sendable () throws(ConfigurationError) -> APIAccess
    private let patience: Patience
    private let logger: Logger
    /// The connection for new requests.
    private var connection: Connection?
    /// Connections that are no longer used for new requests, by generation.
    private var retired: [Int: HTTPClient] = [:]
    /// The number of requests on each connection, by generation.
    private var running: [Int: Int] = [:]
    /// The connection being established; concurrent requests wait for the same one.
    private var making: Task<Connection, any Error>?
    private var generation = 0
    private var hasWarned = false

    /// Creates a client that connects on its first request.
    ///
    /// - Parameter access: reads the server's address and the credentials for each new connection.
    public init(
        patience: Patience = Patience(), logger: Logger,
        access: @escaping @Sendable () throws(ConfigurationError) -> APIAccess
    ) {
        self.access = access
        self.patience = patience
        self.logger = logger
    }

    /// Sends a list or watch request, and calls `use` when the response begins.
    nonisolated func get<Result: Sendable>(
        _ resource: Resource, _ parameters: [(String, String)],
        _ use: (HTTPClientResponse.Body) async throws(APIFailure) -> Result
    ) async throws(APIFailure) -> Result {
        let request = Request(resource: resource, path: resource.path(parameters), verbs: ["list", "watch"])
        return try await perform(request, use)
    }

    /// Sends a request, and calls `use` when the response begins.
    nonisolated func perform<Result: Sendable>(
        _ request: Request, _ use: (HTTPClientResponse.Body) async throws(APIFailure) -> Result
    ) async throws(APIFailure) -> Result {
        let connection = try await begin()
        do throws(APIFailure) {
            let result = try await use(answer(request, over: connection))
            await end(connection, isBroken: false)
            return result
        } catch {
            await end(connection, isBroken: error.endsConnection)
            throw error
        }
    }

    private nonisolated func answer(
        _ wanted: Request, over connection: Connection
    ) async throws(APIFailure) -> HTTPClientResponse.Body {
        var request = HTTPClientRequest(url: connection.base + wanted.path)
        request.method = wanted.method
        if let body = wanted.body {
            request.headers.add(name: "Content-Type", value: body.type)
            request.body = .bytes(ByteBuffer(bytes: body.content))
        }
        request.headers.add(name: "Accept", value: wanted.resource.accept)
        request.headers.add(name: "User-Agent", value: "ballast")
        if let value = try Self.authorization(connection) { request.headers.add(name: "Authorization", value: value) }
        for (name, values) in connection.access.impersonation {
            for value in values { request.headers.add(name: name, value: value) }
        }
        let response: HTTPClientResponse
        do {
            response = try await connection.client.execute(request, timeout: patience.head)
        } catch {
            throw .unreachable(await Self.reason(error, connection))
        }
        guard (200..<300).contains(response.status.code) else {
            let body = try? await response.body.collect(upTo: 1 << 20)
            throw APIFailure(
                status: Int(response.status.code), body: body.map { Data($0.readableBytesView) } ?? Data(),
                retryAfter: response.headers.first(name: "Retry-After"), resource: wanted.resource,
                verbs: wanted.verbs, server: connection.access.server.absoluteString)
        }
        return response.body
    }

    /// Why there is no response, as a sentence.
    private static func reason(_ error: any Error, _ connection: Connection) async -> String {
        let access = connection.access
        let server = access.server.absoluteString
        if let mismatch = connection.identity?.mismatch { return "\(server) can't be trusted: \(mismatch)" }
        if ConnectionFailure.isRefusedCertificate(error), access.proxy == nil {
            let inspection = CertificateInspection(server: access.server, name: access.serverName)
            if let reason = await inspection.reason(authority: access.description) { return "\(server) \(reason)" }
        }
        return "\(server) \(ConnectionFailure.sentence(error))"
    }

    /// Closes all connections and ends their requests.
    public func shutdown() async {
        let clients = [connection?.client].compactMap(\.self) + retired.values
        (connection, retired) = (nil, [:])
        for client in clients { try? await client.shutdown() }
    }

    private func begin() async throws(APIFailure) -> Connection {
        let connection = try await connected()
        running[connection.generation, default: 0] += 1
        return connection
    }

    private func end(_ connection: Connection, isBroken: Bool) async {
        let left = running[connection.generation, default: 1] - 1
        running[connection.generation] = left == 0 ? nil : left
        if isBroken, let current = self.connection, current.generation == connection.generation {
            self.connection = nil
            await retire(current)
        } else if left == 0, let client = retired.removeValue(forKey: connection.generation) {
            try? await client.shutdown()
        }
    }

    /// Closes a connection once no request runs on it.
    private func retire(_ connection: Connection) async {
        if running[connection.generation] == nil {
            try? await connection.client.shutdown()
        } else {
            retired[connection.generation] = connection.client
        }
    }

    private func connected() async throws(APIFailure) -> Connection {
        if let connection, connection.credential?.isExpired != true { return connection }
        let task =
            making
            ?? Task {
                let access = try access()
                warn(about: access)
                return try await connect(access)
            }
        making = task
        let result = await task.result
        // The first waiting request stores the result; the others find it stored.
        if making == task {
            making = nil
            // If there is no new connection, watches keep running on the last one.
            if case .success(let next) = result {
                let last = connection
                connection = next
                if let last, last.generation != next.generation { await retire(last) }
            }
        }
        do {
            return try result.get()
        } catch let error as APIFailure {
            throw error
        } catch {
            throw .unreachable("\(error)")
        }
    }

    private func warn(about access: APIAccess) {
        guard access.isInsecure, !hasWarned else { return }
        hasWarned = true
        logger.warning(
            """
            insecure-skip-tls-verify is set: whoever can answer for the API server can send all traffic where they like; \
            set certificate-authority-data instead
            """, metadata: ["server": "\(access.server.absoluteString)", "access": "\(access.description)"])
    }

    /// Keeps the last connection, and the watches on it, if only a plugin's token has expired.
    private func connect(_ access: APIAccess) async throws -> Connection {
        var credential: ExecPlugin.Credential?
        if case .exec(let plugin) = access.credentials {
            do throws(ExecPlugin.Failure) {
                credential = try await plugin.run(for: access, patience: patience.plugin)
            } catch {
                throw APIFailure.unauthorized("no credentials: \(error)")
            }
        }
        // Read here and not before: the connection may have broken while the plugin ran.
        if var connection, connection.access == access, connection.credential?.certificate == credential?.certificate {
            connection.credential = credential
            return connection
        }
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: try access.tls(credential),
            redirectConfiguration: .disallow,
            timeout: .init(connect: patience.connect, read: patience.silence),
            decompression: .disabled)
        configuration.httpVersion = .automatic
        // A server that can't be reached is reported at once; the caller retries.
        configuration.connectionPool.retryConnectionEstablishment = false
        // With HTTP/1.1, each watch needs its own connection.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        if let proxy = access.proxy, let host = proxy.host() {
            configuration.proxy =
                proxy.scheme == "socks5"
                ? .socksServer(host: host, port: proxy.port ?? 1080) : .server(host: host, port: proxy.port ?? 80)
        }
        var base = access.server.absoluteString
        if let name = access.serverName, let host = access.server.host() {
            // The request's URL has the certificate's name, which is resolved to the server's host.
            configuration.dnsOverride = [name: host]
            let port = access.server.port.map { ":\($0)" } ?? ""
            base = "\(access.server.scheme ?? "https")://\(name)\(port)\(access.server.path())"
        }
        while base.hasSuffix("/") { base.removeLast() }
        let identity = access.isInsecure ? nil : access.serverName.map(ServerIdentity.init(name:))
        if let identity { configuration.http1_1ConnectionDebugInitializer = { identity.check($0) } }
        configuration.http2ConnectionDebugInitializer = { [interval = patience.ping] channel in
            let isChecked = identity?.check(channel) ?? channel.eventLoop.makeSucceededVoidFuture()
            return isChecked.flatMap { KeepalivePings.begin(on: channel, every: interval) }
        }
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        identity?.guardConnections(of: client)
        generation += 1
        return Connection(
            client: client, access: access, generation: generation, credential: credential, base: base,
            identity: identity)
    }

    private static func authorization(_ connection: Connection) throws(APIFailure) -> String? {
        if let token = connection.credential?.token { return "Bearer \(token)" }
        switch connection.access.credentials {
        case .anonymous, .exec: return nil
        case .token(let token): return "Bearer \(token)"
        case .tokenFile(let path, let fallback):
            do throws(ConfigurationError) {
                return "Bearer \(try TextFile.token(path))"
            } catch {
                guard let fallback else { throw .unauthorized("no credentials: \(error)") }
                return "Bearer \(fallback)"
            }
        case .password(let user, let password):
            return "Basic \(Data("\(user):\(password)".utf8).base64EncodedString())"
        }
    }
}
