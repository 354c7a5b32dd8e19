import GRPCTransport
import Logging
import Synchronization
import TestBench

/// Answers every message with itself; what it shall write is counted.
final class Echo: StreamHandler {
    private var waiting: [[UInt8]] = []
    private let log: EchoLog

    init(_ log: EchoLog) { self.log = log }

    func receive(_ message: RawSpan) throws(GRPCStatus) {
        let message = [UInt8](copying: message)
        guard message != Array("refuse".utf8) else { throw GRPCStatus(.invalidArgument, "refused") }
        waiting.append(message)
    }

    func nextMessage() -> [Slice]? {
        guard !waiting.isEmpty else { return nil }
        log.writes.withLock { $0 += 1 }
        let message = waiting.removeFirst()
        // In two slices, one of them shared.
        return [Slice(Array(message.prefix(1))), Slice(Array(message.dropFirst()))]
    }

    func closed(_ status: GRPCStatus) { log.closed.withLock { $0.append(status) } }

    func push(_ message: [UInt8]) { waiting = [message] }
}

final class EchoLog: Sendable {
    let writes = Mutex(0)
    let closed = Mutex<[GRPCStatus]>([])
}

/// An echo server and a channel to it, both shut down at the end.
func withEcho(
    _ configuration: ServerConfiguration = ServerConfiguration(), security: ServerSecurity = .plaintext,
    client: ChannelSecurity = .plaintext, _ body: (Server<Echo>, Channel, UInt16, EchoLog) async throws -> Void
) async throws {
    let log = EchoLog()
    let server = Server(configuration: configuration, logger: Logger(label: "test")) { head in
        head.method == "/test/Echo" ? Echo(log) : nil
    }
    let port = try await server.start(address: "127.0.0.1:0", security: security)
    let channel = try Channel(address: "127.0.0.1:\(port)", security: client)
    do {
        try await body(server, channel, port, log)
    } catch {
        await channel.shutdown()
        await server.shutdown(grace: .seconds(1))
        throw error
    }
    await channel.shutdown()
    await server.shutdown(grace: .seconds(1))
}

extension ClientStream {
    /// The status that ends the stream, after any messages.
    var end: GRPCStatus {
        get async {
            do {
                for try await _ in messages {}
                return GRPCStatus(.ok)
            } catch let status as GRPCStatus {
                return status
            } catch {
                return GRPCStatus(.unknown, "\(error)")
            }
        }
    }
}
