import Foundation
import Synchronization

extension APIServer {
    func serve(_ request: Request, _ answer: HTTP2Server.Answer) async throws {
        let verb: Verb = request.isWatch ? .watch : request.method == "GET" ? .list : .write
        let (options, fault) = state.withLock { state in
            state.requests.append(request)
            let index = state.faults.firstIndex { $0.verb == .any || $0.verb == verb }
            return (state.options, index.map { state.faults.remove(at: $0).fault })
        }
        if let fault { return try await play(fault, to: answer) }
        if let token = options.token, request.headers["authorization"] != "Bearer \(token)" {
            return try await play(.status(401, Self.status(401, "Unauthorized", "Unauthorized")), to: answer)
        }
        if let target = Target(request) { return try await play(answerToOne(target, request), to: answer) }
        guard let plural = request.path.split(separator: "/").last.map(String.init) else {
            return try await play(.status(404), to: answer)
        }
        if request.isWatch {
            try await watch(plural, request, options, answer)
        } else {
            try await list(plural, request, options, answer)
        }
    }

    private func play(_ fault: Fault, to answer: HTTP2Server.Answer) async throws {
        switch fault {
        case .status(let code, let body, let headers):
            try await answer.head(code, [("content-type", "application/json")] + headers)
            try await answer.write(body)
            try await answer.end()
        case .says(let text):
            try await answer.head(200, [("content-type", "application/json")])
            try await answer.write(text)
            try await answer.end()
        case .breaksAfter(let text):
            try await answer.head(200, [("content-type", "application/json")])
            try await answer.write(text)
            await answer.abort()
        case .silence:
            try await ContinuousClock().sleep(for: .seconds(3600))
        }
    }

    /// A `Status` object in the format of an API server.
    public static func status(_ code: Int, _ reason: String, _ message: String) -> String {
        #"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"\#(message)","reason":"\#(reason)","code":\#(code)}"#
    }

    // MARK: List

    private func list(
        _ plural: String, _ request: Request, _ options: Options, _ answer: HTTP2Server.Answer
    ) async throws {
        if request.query["continue"] != nil, options.expiresPages {
            let text = "The provided continue parameter is too old to display a consistent list result."
            return try await play(.status(410, Self.status(410, "Expired", text)), to: answer)
        }
        let body = state.withLock { state in
            var objects: [Object]
            if let token = request.query["continue"] {
                objects = state.pages.removeValue(forKey: token) ?? []
            } else {
                objects = (state.objects[plural] ?? [:]).sorted { $0.key < $1.key }.map(\.value)
                    .filter { $0.matches(request) }
            }
            var token = ""
            if let limit = request.query["limit"].flatMap(Int.init), objects.count > limit {
                state.lastPage += 1
                token = "page-\(state.lastPage)"
                state.pages[token] = Array(objects[limit...])
                objects = Array(objects[..<limit])
            }
            let items = objects.map(\.text).joined(separator: ",")
            return
                #"{"kind":"List","metadata":{"resourceVersion":"\#(state.version)","continue":"\#(token)"},"items":[\#(items)]}"#
        }
        try await play(.says(body), to: answer)
    }

    // MARK: Watch

    private func watch(
        _ plural: String, _ request: Request, _ options: Options, _ answer: HTTP2Server.Answer
    ) async throws {
        let wantsInitial = request.query["sendInitialEvents"] == "true"
        if wantsInitial, !options.hasWatchList {
            let text = "a watch stream was requested by the client but the required storage feature is disabled"
            let status = Self.status(500, "InternalError", text)
            return try await play(.says(#"{"type":"ERROR","object":\#(status)}"# + "\n"), to: answer)
        }
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let (number, start, initial, firstBookmarks) = state.withLock { state in
            state.lastWatcher += 1
            state.watchers[state.lastWatcher] = (plural, request.namespace, continuation)
            let initial = wantsInitial ? (state.objects[plural] ?? [:]).values.filter { $0.matches(request) } : []
            return (state.lastWatcher, state.version, initial, state.bookmarks)
        }
        defer { _ = state.withLock { $0.watchers.removeValue(forKey: number) } }
        try await answer.head(200, [("content-type", "application/json")])
        var position = request.query["resourceVersion"].flatMap(Int.init) ?? start
        if wantsInitial {
            let added = initial.map { "{\"type\":\"ADDED\",\"object\":\($0.text)}\n" }.joined()
            try await answer.write(added + Self.bookmark(start, isEndOfInitial: true))
        }
        var bookmarks = firstBookmarks
        continuation.yield()
        for await _ in signals {
            let (lines, isTooOld) = state.withLock { state in
                guard position <= state.version else { return ("", false) }
                guard position >= state.compacted else { return ("", true) }
                var lines = ""
                for event in state.events.reversed().prefix(while: { $0.object.version > position }).reversed()
                where event.plural == plural && event.object.matches(request) { lines += event.line }
                position = max(position, state.version)
                if state.bookmarks != bookmarks {
                    bookmarks = state.bookmarks
                    lines += Self.bookmark(state.version, isEndOfInitial: false)
                }
                return (lines, false)
            }
            if isTooOld {
                let status = Self.status(410, "Expired", "too old resource version: \(position)")
                try await answer.write(#"{"type":"ERROR","object":\#(status)}"# + "\n")
                return try await answer.end()
            }
            if !lines.isEmpty { try await answer.write(lines) }
        }
        try await answer.end()
    }

    private static func bookmark(_ version: Int, isEndOfInitial: Bool) -> String {
        let annotations = isEndOfInitial ? #","annotations":{"k8s.io/initial-events-end":"true"}"# : ""
        return #"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"\#(version)"\#(annotations)}}}"# + "\n"
    }
}

extension APIServer.Request {
    /// The namespace in the request's path; nil for all namespaces.
    var namespace: String? {
        let parts = path.split(separator: "/").map(String.init)
        guard let index = parts.firstIndex(of: "namespaces"), index + 1 < parts.count else { return nil }
        return parts[index + 1]
    }
}

extension APIServer.Object {
    /// Whether the object matches a request's namespace and label selector (labels with or without values).
    func matches(_ request: APIServer.Request) -> Bool {
        if let wanted = request.namespace, wanted != namespace { return false }
        return (request.query["labelSelector"] ?? "").split(separator: ",").allSatisfy { term in
            let pair = term.split(separator: "=", maxSplits: 1).map(String.init)
            return pair.count == 2 ? labels[pair[0]] == pair[1] : labels[pair[0]] != nil
        }
    }
}
