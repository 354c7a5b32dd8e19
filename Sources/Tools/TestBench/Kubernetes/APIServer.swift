import Foundation
import Synchronization

/// A stand-in for a Kubernetes API server: lists and watches over HTTP/2 and TLS, and misbehaves when told to.
///
/// Its answers have the form of those that a real one gave.
public final class APIServer: Sendable {
    /// What a request asks for.
    public enum Verb: Sendable { case list, watch, write, any }

    /// How a request goes wrong.
    public enum Fault: Sendable {
        /// An answer of that status, with that body.
        case status(Int, String = "", headers: [(String, String)] = [])
        /// A watch that says this, and ends.
        case says(String)
        /// A watch that says this, and breaks off.
        case breaksAfter(String)
        /// Nothing at all, for as long as the client waits.
        case silence
    }

    /// A request that came.
    public struct Request: Sendable {
        /// Such as `GET`.
        public var method: String
        /// Such as `/apis/discovery.k8s.io/v1/endpointslices`.
        public var path: String
        /// Decoded.
        public var query: [String: String]
        /// By lower-case names.
        public var headers: [String: String]
        /// What a write brings.
        public var body: String

        /// Whether it is a watch.
        public var isWatch: Bool { query["watch"] == "true" }
    }

    /// What it does and demands.
    public struct Options: Sendable {
        /// A bearer token that every request has to bring; nil where anyone may ask.
        public var token: String?
        /// Where it listens: 127.0.0.1 or ::1.
        public var host = "127.0.0.1"
        /// Which certificate it shows.
        public var certificate = "api"
        /// Whether clients have to show a certificate.
        public var demandsCertificate = false
        /// Whether it takes `sendInitialEvents`.
        public var hasWatchList = true
        /// Whether `continue` tokens are expired when they are used.
        public var expiresPages = false

        /// A server that does all that is asked.
        public init() {}
    }

    struct Object: Sendable {
        var namespace: String
        var labels: [String: String]
        /// JSON, with `$VERSION` in the place of its version.
        var json: String
        var version: Int
        /// Who applied it last; nil for nobody.
        var manager: String?
        var text: String { json.replacing("$VERSION", with: "\(version)") }
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
        /// Watches from before this version are told 410.
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
    /// - Parameter certificates: what it shows, and which authority it asks clients to have.
    public init(_ certificates: Certificates, _ options: Options = Options()) async throws {
        directory = certificates.directory
        var initial = State()
        initial.options = options
        state = Mutex(initial)
        try await start()
    }

    /// Where it listens; 0 while it is stopped.
    public var port: Int { server.withLock { $0?.port ?? 0 } }

    /// Listens again, with all that it had.
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

    /// Stops listening and ends all connections.
    public func stop() async {
        let running = server.withLock { server in
            defer { server = nil }
            return server
        }
        await running?.stop()
    }

    /// Ends all connections, and goes on listening.
    public func disconnectAll() async { await server.withLock { $0 }?.disconnectAll() }

    /// A kubeconfig for it, whose user has that token.
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
    ///   - plural: its kind, such as `endpointslices`.
    ///   - json: the object, on one line, with `$VERSION` for its version.
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

    /// Deletes objects without an event that anyone could see: what is behind this, is told 410.
    public func forget(_ plural: String, _ namespace: String, _ name: String) {
        state.withLock { state in
            state.version += 1
            state.objects[plural]?["\(namespace)/\(name)"] = nil
        }
        compact()
    }

    /// Forgets all events so far: watches that are behind are told 410.
    public func compact() {
        state.withLock { state in
            state.version += 1
            state.compacted = state.version
            state.events = []
        }
    }

    /// Puts the storage back to what it was, or makes it empty: objects and versions are those of an earlier time.
    ///
    /// A watch from a version that is not reached yet is answered 200, and then with silence, as a real one does.
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

    /// Ends the watches of a kind as a server does whose time is over.
    ///
    /// - Parameter namespace: those of that namespace only; nil for all.
    public func endWatches(of plural: String, in namespace: String? = nil) {
        state.withLock { state in
            for watcher in state.watchers.values
            where watcher.plural == plural && (namespace == nil || watcher.namespace == namespace) {
                watcher.signal.finish()
            }
        }
    }

    /// Changes what it does and demands.
    public func set(_ body: (inout Options) -> Void) { state.withLock { body(&$0.options) } }

    /// Has the next request of a kind go wrong; several faults wait for one each.
    public func fail(_ verb: Verb = .any, _ fault: Fault) { state.withLock { $0.faults.append((verb, fault)) } }

    /// All requests so far.
    public var requests: [Request] { state.withLock { $0.requests } }

    /// How many watches run now.
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
        // A real one keeps five minutes of them.
        if events.count > 20_000 { events.removeFirst(10_000) }
    }
}
