import AdminAPI
import Discovery
import Events
import Foundation
import HTTPTypes
import Hummingbird
import Model
import NIOCore
import Overrides

/// Events as they happen, as server-sent events.
///
/// Each has the ID `BOOT-NUMBER`. A client that comes back with `Last-Event-ID` gets what it missed, if that is still
/// kept; otherwise `hello` says to load everything again.
struct EventStream {
    /// Which start of this program numbered the events.
    private static let boot = String(UInt32.random(in: .min ... .max), radix: 36)
    /// How often something is sent while nothing happens.
    private static let pause = Duration.seconds(15)

    let feed: EventFeed
    /// Who follows; nil if callers can't be told apart.
    let caller: String?

    func response(_ request: Request) throws -> Response {
        let last = HTTPField.Name("Last-Event-ID").flatMap { request.headers[$0] } ?? ""
        let parts = last.split(separator: "-")
        let number = parts.count == 2 && parts[0] == Self.boot ? UInt64(parts[1]) : nil
        let isKept = number.map { feed.keeps(after: $0) } ?? false
        guard let events = feed.follow(after: isKept ? number ?? 0 : feed.lastNumber, for: caller) else {
            throw RequestError(
                "busy",
                """
                too many event streams: at most \(EventFeed.maxFollowers.ofCaller) of one token's holder, and \
                \(EventFeed.maxFollowers.inTotal) with the program's own log
                """, .tooManyRequests, headers: [.retryAfter: "10"])
        }
        let hello =
            isKept
            ? nil : "event: hello\nid: \(Self.boot)-\(feed.lastNumber)\ndata: {\"says\": \"load everything again\"}\n\n"
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream"],
            body: ResponseBody { writer in
                try await writer.write(ByteBuffer(string: "retry: 2000\n\(hello ?? "")\n"))
                let lines = Self.lines(events)
                for await line in lines { try await writer.write(ByteBuffer(string: line)) }
                try await writer.finish(nil)
            })
    }

    /// The events as text, with a comment now and then while nothing happens: so a client that is gone is noticed.
    private static func lines(_ events: AsyncStream<Event>) -> AsyncStream<String> {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self, bufferingPolicy: .bufferingOldest(1_000))
        let task = Task {
            await withTaskGroup { group in
                group.addTask {
                    for await event in events {
                        guard let text = text(of: event) else { continue }
                        // A reader that is too slow comes back with `Last-Event-ID`, and learns what it missed.
                        if case .dropped = continuation.yield(text) { break }
                    }
                    continuation.finish()
                }
                group.addTask {
                    while (try? await Task.sleep(for: pause)) != nil { continuation.yield(": still here\n\n") }
                }
                await group.next()
                group.cancelAll()
            }
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    private static func text(of event: Event) -> String? {
        let (name, says): (String, [String]) =
            switch event.kind {
            case .serving(let services): ("snapshot", ["serving \(services) services"])
            case .changed(let lines): ("shares", lines)
            case .hold(let change): ("hold", [change.sentence])
            case .override(let change): ("override", [change.sentence].compactMap(\.self))
            case .problemBegan(let problem): ("attention", ["began: \(problem.sentence)"])
            case .problemEnded(let problem): ("attention", ["ended: \(problem.sentence)"])
            }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        var page = EventPage(time: event.time, says: says)
        switch event.kind {
        case .override(let change): (page.service, page.override) = (change.override?.spec.service, change.override?.id)
        case .hold(let change): page.service = change.service.rawValue
        case .serving, .changed, .problemBegan, .problemEnded: break
        }
        guard let data = try? encoder.encode(page) else { return nil }
        return "event: \(name)\nid: \(boot)-\(event.number)\ndata: \(String(decoding: data, as: UTF8.self))\n\n"
    }
}
