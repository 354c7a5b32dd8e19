import AsyncHTTPClient
import Foundation
public import Logging
public import NIOCore
import NIOHTTP1
import NIOSSL
public import YAMLFile

/// Asks one API server, over a connection that its requests share.
///
/// Who it asks as is read anew for each new connection, and when the server refuses it. A connection that breaks or falls
/// silent for one request is used for no new ones; those that run over it end by themselves.
public actor APIClient {
    /// How many requests may run at a time: an API server takes 100 over one connection, and further ones would wait.
    public static let mostRequests = 64

    /// How long the server may take, and how long it may be silent.
    public struct Patience: Sendable {
        /// Until there is a connection.
        public var connect: TimeAmount
        /// Until an answer begins.
        public var head: TimeAmount
        /// Within an answer: a watch brings a bookmark about once a minute.
        public var silence: TimeAmount
        /// Between HTTP/2 pings, and for the answer to one.
        public var ping: TimeAmount
        /// Until an exec plugin has ended.
        public var plugin: Duration

        /// Patience; what isn't given is the default.
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

    /// What is asked of the server.
    struct Request: Sendable {
        var resource: Resource
        var path: String
        /// What rights it takes.
        var verbs: [String]
        var method = HTTPMethod.GET
        var body: (type: String, content: Data)?
    }

    private struct Connection {
        var client: HTTPClient
        var access: APIAccess
        var generation: Int
        /// Of the plugin, if there is one.
        var credential: ExecPlugin.Credential?
        /// The host to ask: another one than the server's where its certificate has another name.
        var base: String
        /// Nil where the server's own name counts.
        var identity: ServerIdentity?
    }

    private let access: @Sendable () throws(ConfigurationError) -> APIAccess
    private let patience: Patience
    private let logger: Logger
    /// The one that new requests use.
    private var connection: Connection?
    /// Those that are used for no new ones, by their generation.
    private var retired: [Int: HTTPClient] = [:]
    /// How many requests run over each, by its generation.
    private var running: [Int: Int] = [:]
    /// While one is made, others wait for it.
    private var making: Task<Connection, any Error>?
    private var generation = 0
    private var hasWarned = false

    /// A client that connects when it is asked for something.
    ///
    /// - Parameter access: reads how to reach the server, for each new connection.
    public init(
        patience: Patience = Patience(), logger: Logger,
        access: @escaping @Sendable () throws(ConfigurationError) -> APIAccess
    ) {
        self.access = access
        self.patience = patience
        self.logger = logger
    }

    /// Lists or watches, and calls `use` when the answer begins.
    nonisolated func get<Result: Sendable>(
        _ resource: Resource, _ parameters: [(String, String)],
        _ use: (HTTPClientResponse.Body) async throws(APIFailure) -> Result
    ) async throws(APIFailure) -> Result {
        let request = Request(resource: resource, path: resource.path(parameters), verbs: ["list", "watch"])
        return try await perform(request, use)
    }

    /// Sends a request, and calls `use` when the answer begins.
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
        request.headers.add(name: "Accept", value: "application/json")
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

    /// Why there is no answer, as a sentence.
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

    /// Ends all requests.
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

    /// Lets a connection go once nothing runs over it.
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
        // The first to wait takes it; the others find it.
        if making == task {
            making = nil
            // Without another, running watches keep the last one.
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

    /// The last connection is kept, and its watches with it, where only a plugin's token has expired.
    private func connect(_ access: APIAccess) async throws -> Connection {
        var credential: ExecPlugin.Credential?
        if case .exec(let plugin) = access.credentials {
            do throws(ExecPlugin.Failure) {
                credential = try await plugin.run(for: access, patience: patience.plugin)
            } catch {
                throw APIFailure.unauthorized("no credentials: \(error)")
            }
        }
        // As it is now: it may have broken while the plugin ran.
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
        // A server that can't be reached is told at once, and tried again by whoever asks.
        configuration.connectionPool.retryConnectionEstablishment = false
        // Where there is HTTP/1.1 only, each watch has a connection to itself.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        if let proxy = access.proxy, let host = proxy.host() {
            configuration.proxy =
                proxy.scheme == "socks5"
                ? .socksServer(host: host, port: proxy.port ?? 1080) : .server(host: host, port: proxy.port ?? 80)
        }
        var base = access.server.absoluteString
        if let name = access.serverName, let host = access.server.host() {
            // The request is made to the name, which is looked up as the server.
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
