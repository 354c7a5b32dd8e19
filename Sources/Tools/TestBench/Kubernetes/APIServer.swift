import Foundation
import Synchronization

/// A simulated Kubernetes API server with lists and watches over HTTP/2 and TLS, and with injected faults.
///
/// Its responses have the format of a real server's.
public final class APIServer: Sendable {
    /// The kinds of requests.
    public enum Verb: Sendable { case list, watch, write, any }

    /// A fault injected into a response.
    public enum Fault: Sendable {
        /// A response with this status and body.
        case status(Int, String = "", headers: [(String, String)] = [])
        /// A response with this body that ends normally.
        case says(String)
        /// A response with this body whose stream is then reset.
        case breaksAfter(String)
        /// No response at all.
        case silence
    }

    /// A received request.
    public struct Request: Sendable {
        /// For example `GET`.
        public var method: String
        /// For example `/apis/discovery.k8s.io/v1/endpointslices`.
        public var path: String
        /// The decoded query parameters.
        public var query: [String: String]
        /// The header fields, by lowercase name.
        public var headers: [String: String]
        /// The body of a write.
        public var body: String

        /// Whether the request is a watch.
        public var isWatch: Bool { query["watch"] == "true" }
    }

    /// The server's features and requirements.
    public struct Options: Sendable {
        /// The bearer token required of every request; nil for none.
        public var token: String?
        /// The address to listen on: 127.0.0.1 or ::1.
        public var host = "127.0.0.1"
        /// The name of the server's certificate.
        public var certificate = "api"
        /// Whether clients must have a certificate.
        public var demandsCertificate = false
        /// Whether the server supports `sendInitialEvents`.
        public var hasWatchList = true
        /// Whether `continue` tokens have always expired when used.
        public var expiresPages = false

        /// Creates the default options: all features, no requirements.
        public init() {}
    }

    struct Object: Sendable {
        var namespace: String
        var labels: [String: String]
        /// JSON with `$VERSION` in place of the version.
        var json: String
        var version: Int
        /// Who set its fields, as in `managedFields`; empty if a test did.
        var managers: [Manager] = []
        var uid = ""
        var text: String { json.replacing("$VERSION", with: "\(version)") }
    }

    /// A field manager; on a real server too, the same name with another operation is another manager.
    struct Manager: Hashable, Sendable {
        var name: String
        /// `Apply` or `Update`.
        var operation: String
    }

    struct Event: Sendable {
        var plural: String
        var object: Object
        var line: String
    }

    struct State: Sendable {
        var version = 100
        var objects: [String: [String: Object]] = [:]
        var events: [Event] = []
        /// Watches from versions before this one get status 410.
        var compacted = 0
        var pages: [String: [Object]] = [:]
        var lastPage = 0
        var watchers: [Int: (plural: String, namespace: String?, signal: AsyncStream<Void>.Continuation)] = [:]
        var lastWatcher = 0
        var faults: [(verb: Verb, fault: Fault)] = []
        var requests: [Request] = []
        var options = Options()
        var bookmarks = 0
    }

    let state: Mutex<State>
    private let server = Mutex<HTTP2Server?>(nil)
    private let directory: String

    /// Listens on a port that the system chooses.
    ///
    /// - Parameter certificates: the server's certificates, and the authority for client certificates.
    public init(_ certificates: Certificates, _ options: Options = Options()) async throws {
        directory = certificates.directory
        var initial = State()
        initial.options = options
        state = Mutex(initial)
        try await start()
    }

    /// The port; 0 while the server is stopped.
    public var port: Int { server.withLock { $0?.port ?? 0 } }

    /// Starts listening again, with its objects kept.
    public func start(port: Int = 0) async throws {
        let options = state.withLock(\.options)
        let started = try await HTTP2Server(
            certificate: "\(directory)/\(options.certificate).crt", key: "\(directory)/\(options.certificate).key",
            clientCA: options.demandsCertificate ? "\(directory)/ca.crt" : nil, host: options.host, port: port
        ) { [self] request, answer in
            try await serve(
                Request(
                    method: request.method, path: request.path, query: request.query, headers: request.headers,
                    body: request.body), answer)
        }
        server.withLock { $0 = started }
    }

    /// Stops listening and closes all connections.
    public func stop() async {
        let running = server.withLock { server in
            defer { server = nil }
            return server
        }
        await running?.stop()
    }

    /// Closes all connections; the server continues to listen.
    public func disconnectAll() async { await server.withLock { $0 }?.disconnectAll() }

    /// A kubeconfig for the server.
    public func kubeconfig(user: String = "{token: secret}") -> String {
        let host = state.withLock(\.options.host)
        return """
            apiVersion: v1
            kind: Config
            current-context: test
            contexts: [{name: test, context: {cluster: test, user: test}}]
            clusters: [{name: test, cluster: {server: "https://\(host.contains(":") ? "[\(host)]" : host):\(port)", certificate-authority: ca.crt}}]
            users: [{name: test, user: \(user)}]

            """
    }

    // MARK: Objects

    /// Creates or replaces an object.
    ///
    /// - Parameters:
    ///   - plural: the resource, for example `endpointslices`.
    ///   - json: the object on one line, with `$VERSION` in place of its version.
    public func put(
        _ plural: String, _ namespace: String, _ name: String, labels: [String: String], json: String
    ) {
        change { state in
            let key = "\(namespace)/\(name)"
            let isNew = state.objects[plural]?[key] == nil
            let object = Object(namespace: namespace, labels: labels, json: json, version: state.version)
            state.objects[plural, default: [:]][key] = object
            state.note(isNew ? "ADDED" : "MODIFIED", plural, object)
        }
    }

    /// Deletes an object.
    public func delete(_ plural: String, _ namespace: String, _ name: String) {
        change { state in
            guard var object = state.objects[plural]?.removeValue(forKey: "\(namespace)/\(name)") else { return }
            object.version = state.version
            state.note("DELETED", plural, object)
        }
    }

    /// Deletes an object without an event; watches that are behind get status 410.
    public func forget(_ plural: String, _ namespace: String, _ name: String) {
        state.withLock { state in
            state.version += 1
            state.objects[plural]?["\(namespace)/\(name)"] = nil
        }
        compact()
    }

    /// Discards all events so far; watches that are behind get status 410.
    public func compact() {
        state.withLock { state in
            state.version += 1
            state.compacted = state.version
            state.events = []
        }
    }

    /// Restores the storage to an earlier state, with the objects and the version of that time.
    ///
    /// As on a real server, a watch from a version not reached yet gets status 200 and then silence.
    public func restore(_ plural: String, to names: Set<String>, version: Int) async {
        state.withLock { state in
            state.version = version
            state.compacted = 0
            state.events = []
            state.objects[plural] = (state.objects[plural] ?? [:]).filter { names.contains($0.key) }.mapValues {
                var object = $0
                object.version = version
                return object
            }
        }
        await disconnectAll()
    }

    /// Sends a bookmark to every watch.
    public func bookmark() { change { $0.bookmarks += 1 } }

    /// Ends the watches of a resource, as a server does after their timeout.
    ///
    /// - Parameter namespace: the namespace; nil for all.
    public func endWatches(of plural: String, in namespace: String? = nil) {
        state.withLock { state in
            for watcher in state.watchers.values
            where watcher.plural == plural && (namespace == nil || watcher.namespace == namespace) {
                watcher.signal.finish()
            }
        }
    }

    /// Changes the options.
    public func set(_ body: (inout Options) -> Void) { state.withLock { body(&$0.options) } }

    /// Injects a fault into the next request of a kind; each fault affects one request.
    public func fail(_ verb: Verb = .any, _ fault: Fault) { state.withLock { $0.faults.append((verb, fault)) } }

    /// All requests so far.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// The objects of a resource as JSON, by `NAMESPACE/NAME`.
    public func objects(_ plural: String) -> [String: String] {
        state.withLock { ($0.objects[plural] ?? [:]).mapValues(\.text) }
    }

    /// A signal after every change of any object.
    public func changes() -> AsyncStream<Void> {
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.lastWatcher += 1
            state.watchers[state.lastWatcher] = ("", nil, continuation)
            return state.lastWatcher
        }
        continuation.onTermination = { [weak self] _ in
            _ = self?.state.withLock { $0.watchers.removeValue(forKey: number) }
        }
        return signals
    }

    /// The number of running watches.
    public var watchCount: Int { state.withLock { $0.watchers.count } }

    @discardableResult
    func change<Result>(_ body: (inout State) -> Result) -> Result {
        let (watchers, result) = state.withLock { state in
            state.version += 1
            let result = body(&state)
            return (Array(state.watchers.values), result)
        }
        for watcher in watchers { watcher.signal.yield() }
        return result
    }
}

extension APIServer.State {
    mutating func note(_ type: String, _ plural: String, _ object: APIServer.Object) {
        events.append(
            APIServer.Event(
                plural: plural, object: object, line: "{\"type\":\"\(type)\",\"object\":\(object.text)}\n"))
        // A real server keeps five minutes of events.
        if events.count > 20_000 { events.removeFirst(10_000) }
    }
}
