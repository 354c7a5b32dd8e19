import AsyncHTTPClient
import Foundation
import Logging
import MeshConfiguration
import NIOCore
import NIOHTTP1
import NIOSSL

/// Asks one API server, over connections that all of a source's requests share.
///
/// Who it asks as is read anew for each new connection, and when the server refuses it.
actor APIClient {
    /// An answer whose head has come.
    struct Answer: Sendable {
        var body: HTTPClientResponse.Body
        /// Which connection it came over, for `discard`.
        var generation: Int
    }

    /// How long the server may take, and how long it may be silent.
    struct Patience: Sendable {
        var connect = TimeAmount.seconds(10)
        /// Until an answer begins.
        var head = TimeAmount.seconds(60)
        /// Within an answer: a watch brings a bookmark about once a minute.
        var silence = TimeAmount.seconds(100)
        /// Until an exec plugin has ended.
        var plugin = Duration.seconds(30)
    }

    private struct Connection {
        var client: HTTPClient
        var access: APIAccess
        var generation: Int
        /// Of the plugin, if there is one.
        var credential: ExecPlugin.Credential?
        /// The host to ask: another one than the server's where its certificate has another name.
        var base: String
    }

    private let settings: Configuration.KubernetesAccess
    private let patience: Patience
    private let logger: Logger
    private var connection: Connection?
    /// While one is made, others wait for it.
    private var making: Task<Connection, any Error>?
    private var generation = 0
    private var hasWarned = false

    init(_ settings: Configuration.KubernetesAccess, patience: Patience = Patience(), logger: Logger) {
        self.settings = settings
        self.patience = patience
        self.logger = logger
    }

    /// Asks for something, and waits until the answer begins.
    func get(_ resource: Resource, _ parameters: [(String, String)]) async throws(APIFailure) -> Answer {
        let connection = try await connected()
        var request = HTTPClientRequest(url: connection.base + resource.path(parameters))
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
            await discard(connection.generation)
            throw .unreachable("\(connection.access.server.absoluteString) can't be reached: \(error)")
        }
        guard response.status == .ok else {
            let body = try? await response.body.collect(upTo: 1 << 20)
            let failure = APIFailure(
                status: Int(response.status.code), body: body.map { Data($0.readableBytesView) } ?? Data(),
                retryAfter: response.headers.first(name: "Retry-After"), resource: resource)
            // Others' credentials are a new connection: client certificates belong to it.
            if case .unauthorized = failure { await discard(connection.generation) }
            throw failure
        }
        return Answer(body: response.body, generation: connection.generation)
    }

    /// Drops the connection: it broke, or is dead without having said so.
    func discard(_ generation: Int) async {
        guard let connection, connection.generation == generation else { return }
        self.connection = nil
        try? await connection.client.shutdown()
    }

    /// Ends all requests.
    func shutdown() async { if let connection { await discard(connection.generation) } }

    private func connected() async throws(APIFailure) -> Connection {
        if let connection, connection.credential?.isExpired != true { return connection }
        let task =
            making
            ?? Task {
                let access = try APIAccess(settings)
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
                if let last, last.generation != next.generation { try? await last.client.shutdown() }
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
            tlsConfiguration: try Self.tls(access, credential),
            redirectConfiguration: .disallow,
            timeout: .init(connect: patience.connect, read: patience.silence),
            decompression: .disabled)
        configuration.httpVersion = .automatic
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
        generation += 1
        return Connection(
            client: HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration), access: access,
            generation: generation, credential: credential, base: base)
    }

    private static func tls(
        _ access: APIAccess, _ credential: ExecPlugin.Credential?
    ) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let ca = access.ca {
            tls.trustRoots = .certificates(try certificates(ca, "the certificate authority"))
        }
        if access.isInsecure { tls.certificateVerification = .none }
        var chain = access.certificate
        var key = access.key
        if let certificate = credential?.certificate {
            (chain, key) = (.text(certificate), credential?.key.map { .text($0) })
        }
        if let chain, let key {
            tls.certificateChain = try certificates(chain, "the client certificate").map { .certificate($0) }
            do {
                tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(text(key).utf8), format: .pem))
            } catch let error as NIOSSLError {
                throw ConfigurationError(
                    file: access.description, message: "the client key can't be used, is it PEM? (\(error))")
            }
        }
        return tls
    }

    private static func certificates(_ pem: APIAccess.PEM, _ what: String) throws -> [NIOSSLCertificate] {
        do {
            let all = try NIOSSLCertificate.fromPEMBytes(Array(text(pem).utf8))
            guard !all.isEmpty else { throw NIOSSLError.failedToLoadCertificate }
            return all
        } catch let error as NIOSSLError {
            let file = if case .file(let path) = pem { path } else { "kubeconfig" }
            throw ConfigurationError(file: file, message: "\(what) can't be used, is it PEM? (\(error))")
        }
    }

    private static func text(_ pem: APIAccess.PEM) throws(ConfigurationError) -> String {
        switch pem {
        case .text(let text): text
        case .file(let path): try TextFile.read(path)
        }
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
