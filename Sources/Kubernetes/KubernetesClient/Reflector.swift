import AsyncHTTPClient
import Foundation
import NIOCore
import Pacing

/// A Kubernetes object that a reflector can follow.
public protocol KubernetesObject: Decodable, Sendable {
    /// The object's metadata.
    var metadata: ObjectMetadata { get }
}

/// Limits on the size of a list.
public struct ReflectorLimits: Hashable, Sendable {
    /// The limit on the bytes of all pages together.
    public var bytes: Int
    /// The limit on the number of objects.
    public var objects: Int

    /// Creates limits.
    public init(bytes: Int, objects: Int) {
        self.bytes = bytes
        self.objects = objects
    }
}

/// Follows all objects of a resource: lists them, then watches from the list's version on.
///
/// Implements the Kubernetes API concept "efficient detection of changes". A watch that receives nothing proves
/// nothing: if a server's storage was restored from a backup, it answers a watch from a version that it has not reached
/// with 200 and then silence. So a silent watch starts over with a list. A watch after an outage does the same, since
/// the storage may have been replaced and may have passed the old version.
public struct Reflector<Object: KubernetesObject>: Sendable {
    /// What the reflector reports.
    public enum Event: Sendable {
        /// All objects.
        ///
        /// Objects reported before that are missing here are gone.
        case replaced([Object])
        /// An object was added or modified.
        case changed(Object)
        /// An object was deleted.
        case deleted(Object)
        /// The objects reported so far are current.
        case confirmed
        /// The reflector can't follow the resource at the moment, and why.
        case failed(String)
    }

    /// Upper limits on the pause before the next attempt.
    private enum Pause {
        /// If the server refuses the request.
        static var longest: Duration { .seconds(30) }
        /// If the server can't be reached or fails: changes are known at most this long after it is back.
        static var longestOfOutage: Duration { .seconds(8) }
    }

    /// Receives an event.
    ///
    /// If it throws, the watch ends, and everything is listed again after a pause.
    public typealias EventSink = @Sendable (Event) async throws(APIFailure) -> Void

    let api: APIClient
    let resource: Resource
    let limits: ReflectorLimits
    let firstPause: Duration
    /// The number of objects in one page of a list.
    private static var pageSize: Int { 500 }

    /// How many times in a row a server may end a watch at once before that is reported as a failure.
    private static var shortWatches: Int { 3 }

    private struct Position {
        /// The version to watch from; nil if everything must be listed.
        var version: String?
        var mayUseWatchList = true
        var backoff: Backoff
        var shortWatches = 0
        /// How many times in a row the version was too old, without an event in between.
        var expiries = 0
    }

    /// Runs until the task is cancelled.
    func run(_ sink: @escaping EventSink) async {
        var position = Position(backoff: Backoff(first: firstPause, longest: Pause.longest))
        while !Task.isCancelled {
            do throws(APIFailure) {
                let isFresh = position.version == nil
                if isFresh, !position.mayUseWatchList {
                    position.version = try await list(sink)
                    position.backoff.reset()
                }
                try await watch(&position, startsFresh: isFresh && position.mayUseWatchList, sink)
                guard position.shortWatches > 0 else { continue }
                if position.shortWatches >= Self.shortWatches {
                    try await sink(.failed("the API server ends watches of \(resource.description) at once"))
                }
                try? await Task.sleep(for: position.backoff.next())
            } catch {
                guard !Task.isCancelled else { return }
                await recover(from: error, &position, sink)
            }
        }
    }

    private func recover(
        from failure: APIFailure, _ position: inout Position, _ sink: EventSink
    ) async {
        var delay: Duration?
        var longest = Pause.longest
        switch failure {
        case .silent:
            position.version = nil
            return
        case .expired, .versionTooLarge:
            // The known objects stay until the new list is complete.
            position.version = nil
            position.expiries += 1
            // No pause the first time: this answer shows that the server is back after an outage.
            if position.expiries == 1 { return }
        case .status(_, _, let retryAfter): (delay, longest) = (retryAfter, Pause.longestOfOutage)
        case .unreachable: (position.version, longest) = (nil, Pause.longestOfOutage)
        case .broken: longest = Pause.longestOfOutage
        case .tooMuch: position.version = nil
        case .unauthorized, .forbidden, .garbage, .conflict, .notFound: break
        }
        try? await sink(.failed("\(resource.description): \(failure)"))
        try? await Task.sleep(for: position.backoff.next(longest: longest, least: delay ?? .zero))
    }

    // MARK: List

    /// - Returns: the version to watch from.
    private func list(_ sink: @escaping EventSink) async throws(APIFailure) -> String {
        var objects: [Object] = []
        var byteCount = 0
        var continuation: String?
        var limit: Int? = Self.pageSize
        while true {
            var parameters: [(String, String)] = []
            if let limit { parameters.append(("limit", "\(limit)")) }
            if let continuation { parameters.append(("continue", continuation)) }
            do throws(APIFailure) {
                let page = try await page(parameters, &byteCount, sink)
                objects += page.items ?? []
                try bound(objects.count, "objects", limits.objects, "sources.objects")
                continuation = page.metadata.continue.flatMap { $0.isEmpty ? nil : $0 }
                guard continuation == nil else { continue }
                try await sink(.replaced(objects))
                return page.metadata.resourceVersion ?? ""
            } catch {
                // The continuation expires with its version. List everything again, in one request.
                guard case .expired = error, continuation != nil else { throw error }
                (objects, byteCount, continuation, limit) = ([], 0, nil, nil)
            }
        }
    }

    private func bound(_ count: Int, _ what: String, _ most: Int, _ field: String) throws(APIFailure) {
        guard count > most else { return }
        throw .tooMuch("the API server sends more than \(most) \(what) (\(field))")
    }

    /// - Parameter byteCount: the bytes of the pages so far; this page's bytes are added.
    private func page(
        _ parameters: [(String, String)], _ byteCount: inout Int, _ sink: @escaping EventSink
    ) async throws(APIFailure) -> ObjectList<Object> {
        let before = byteCount
        let (page, bytes) = try await api.get(resource, parameters) {
            (answer: HTTPClientResponse.Body) throws(APIFailure) in
            let overdue = overdue("page of a list", sink)
            overdue.start()
            defer { overdue.stop() }
            var body = Data()
            do {
                for try await part in answer {
                    body.append(contentsOf: part.readableBytesView)
                    try bound(before + body.count, "bytes of a list", limits.bytes, "sources.bytes")
                }
            } catch let error as APIFailure {
                throw error
            } catch {
                throw .broken("a list broke off: the API server \(ConnectionFailure.sentence(error))")
            }
            do {
                return (try JSONDecoder().decode(ObjectList<Object>.self, from: body), body.count)
            } catch {
                throw .garbage("the API server sent a list that can't be read: \(error)")
            }
        }
        byteCount += bytes
        return page
    }

    private func overdue(_ what: String, _ sink: @escaping EventSink) -> Overdue {
        Overdue {
            try? await sink(
                .failed("\(resource.description): the API server has not sent a whole \(what) for \(Overdue.patience)"))
        }
    }

    // MARK: Watch

    private struct Watching {
        /// The initial events received so far; nil once they are complete, or if the watch has none.
        var initial: [Object]?
        /// The bytes of the initial events.
        var byteCount = 0
        var hasEvents = false
        /// Whether any bytes arrived, even a part of an event.
        var hasBytes = false
    }

    private func watch(
        _ position: inout Position, startsFresh: Bool, _ sink: @escaping EventSink
    ) async throws(APIFailure) {
        var parameters = [
            ("watch", "true"), ("allowWatchBookmarks", "true"), ("timeoutSeconds", "\(Int.random(in: 240...480))"),
        ]
        if startsFresh {
            parameters += [("sendInitialEvents", "true"), ("resourceVersionMatch", "NotOlderThan")]
        } else {
            parameters.append(("resourceVersion", position.version ?? ""))
        }
        var watching = Watching(initial: startsFresh ? [] : nil)
        let start = ContinuousClock.now
        do throws(APIFailure) {
            try await api.get(resource, parameters) { (answer: HTTPClientResponse.Body) throws(APIFailure) in
                try await read(answer, &watching, &position, sink)
            }
        } catch {
            guard watching.initial != nil, error.meansNoWatchList else { throw error }
            position.mayUseWatchList = false
            return
        }
        if watching.initial != nil {
            // The server never marked the end of the initial events, so it doesn't support watch-list.
            position.mayUseWatchList = false
        }
        let isShort = !watching.hasEvents && ContinuousClock.now - start < .seconds(1)
        position.shortWatches = isShort ? position.shortWatches + 1 : 0
        guard !isShort else { return }
        position.backoff.reset()
        if !watching.hasBytes { position.version = nil }
    }

    private func read(
        _ answer: HTTPClientResponse.Body, _ watching: inout Watching, _ position: inout Position,
        _ sink: @escaping EventSink
    ) async throws(APIFailure) {
        var lines = LineSplitter()
        let parts = PartBuffer()
        let copying = Task {
            do {
                for try await part in answer { await parts.put(Data(part.readableBytesView)) }
                parts.finish(.success(()))
            } catch {
                parts.finish(.failure(error))
            }
        }
        let overdue = overdue("event", sink)
        // If the reader failed, a writer may still be waiting.
        defer {
            overdue.stop()
            copying.cancel()
            parts.finish(.success(()))
        }
        while true {
            let part: Data?
            do {
                part = try await parts.next()
            } catch let error as HTTPClientError where error == .readTimeout {
                throw .silent
            } catch {
                throw .broken("the watch broke: the API server \(ConnectionFailure.sentence(error))")
            }
            // An incomplete line at the end is dropped: the next watch receives the event again.
            guard let part else { return }
            watching.hasBytes = true
            for line in lines.append(part) {
                overdue.stop()
                try await receive(line, &watching, &position, sink)
            }
            if lines.rest > 0 { overdue.start() } else { overdue.stop() }
            guard lines.rest <= LineSplitter.longest else {
                throw .tooMuch("the API server sent a line of more than \(LineSplitter.longest) bytes")
            }
        }
    }

    private func receive(
        _ line: Data, _ watching: inout Watching, _ position: inout Position, _ sink: EventSink
    ) async throws(APIFailure) {
        let event: WatchEvent<Object>
        do {
            event = try JSONDecoder().decode(WatchEvent<Object>.self, from: line)
        } catch {
            throw .garbage("the API server sent an event that can't be read: \(error)")
        }
        switch event {
        case .error(let status): throw APIFailure(event: status, resource: resource)
        case .unknown: return
        case .bookmark(let metadata):
            if let initial = watching.initial {
                // A watch can't be resumed before the initial events are complete.
                guard metadata.annotations?["k8s.io/initial-events-end"] == "true" else { return }
                position.version = metadata.resourceVersion
                watching.initial = nil
                try await sink(.replaced(initial))
            } else {
                position.version = metadata.resourceVersion ?? position.version
                try await sink(.confirmed)
            }
        case .changed(let object):
            if watching.initial != nil {
                watching.initial?.append(object)
                watching.byteCount += line.count
                try bound(watching.initial?.count ?? 0, "objects", limits.objects, "sources.objects")
                try bound(watching.byteCount, "bytes of a list", limits.bytes, "sources.bytes")
            } else {
                position.version = object.metadata.resourceVersion ?? position.version
                try await sink(.changed(object))
            }
        case .deleted(let object):
            if watching.initial != nil {
                watching.initial?.removeAll { $0.metadata.key == object.metadata.key }
            } else {
                position.version = object.metadata.resourceVersion ?? position.version
                try await sink(.deleted(object))
            }
        }
        watching.hasEvents = true
        position.backoff.reset()
        if watching.initial == nil { position.expiries = 0 }
    }
}

extension APIClient {
    /// Follows all objects of a resource until the task is cancelled.
    ///
    /// - Parameters:
    ///   - firstPause: the longest pause after the first failure.
    ///   - sink: receives the events. If it throws, the watch ends, and everything is listed again after a pause.
    public nonisolated func follow<Object: KubernetesObject>(
        _ resource: Resource, _ type: Object.Type, limits: ReflectorLimits, firstPause: Duration = .milliseconds(250),
        _ sink: @escaping Reflector<Object>.EventSink
    ) async {
        await Reflector<Object>(api: self, resource: resource, limits: limits, firstPause: firstPause).run(sink)
    }
}

extension APIFailure {
    /// Whether the failure may mean that the server doesn't support watch-list: it refuses the parameters, or ends the
    /// watch with an ERROR event.
    fileprivate var meansNoWatchList: Bool {
        switch self {
        case .status(let code, _, _): [400, 404, 405, 406, 415, 422, 500, 501].contains(code)
        case .garbage, .versionTooLarge, .expired: true
        case .notFound: true
        case .unauthorized, .forbidden, .unreachable, .broken, .silent, .tooMuch, .conflict: false
        }
    }
}
