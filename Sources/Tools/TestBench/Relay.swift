import NIOCore
import NIOPosix
import Synchronization

/// A TCP relay on loopback, which can slow down responses, and whose target can be set later.
public final class Relay: Sendable {
    private struct State {
        var target: Int?
        var connections = 0
        var sends = 0
        var isCut = false
        var reply: String?
    }

    private let state: Mutex<State>
    private let bytesPerSecond: Int?
    private let listening: NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>
    private let serving = Mutex<Task<Void, Never>?>(nil)

    /// Listens on a port that the system chooses.
    ///
    /// - Parameters:
    ///   - target: the server's port; while it is nil, connections are closed at once.
    ///   - bytesPerSecond: the rate of responses; nil for no limit.
    public init(to target: Int? = nil, bytesPerSecond: Int? = nil) async throws {
        state = Mutex(State(target: target))
        self.bytesPerSecond = bytesPerSecond
        listening = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel(wrappingChannelSynchronously: channel) }
            }
        let task = Task {
            _ = try? await listening.executeThenClose { clients in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await client in clients { group.addTask { try? await self.serve(client) } }
                }
            }
        }
        serving.withLock { $0 = task }
    }

    /// The port.
    public var port: Int { listening.channel.localAddress?.port ?? 0 }

    /// The number of connections that were relayed.
    public var connections: Int { state.withLock { $0.connections } }

    /// How often clients have sent data.
    public var sends: Int { state.withLock { $0.sends } }

    /// Sets the port that new connections are relayed to.
    public func connect(to target: Int) { state.withLock { $0.target = target } }

    /// Stops forwarding without closing connections, like a network partition; false resumes it.
    public func cut(_ isCut: Bool = true) { state.withLock { $0.isCut = isCut } }

    /// Sends a fixed text to new connections instead of relaying them.
    public func answer(with text: String) { state.withLock { $0.reply = text } }

    /// Waits while forwarding is stopped.
    private func pass() async throws {
        while state.withLock({ $0.isCut }) { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// Stops the relay and closes all connections.
    public func stop() async {
        let task = serving.withLock { $0 }
        task?.cancel()
        await task?.value
    }

    private func serve(_ client: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
        try await client.executeThenClose { requests, answers in
            if let reply = state.withLock({ $0.reply }) {
                for try await _ in requests { return try await answers.write(ByteBuffer(string: reply)) }
            }
            try await pass()
            guard let target = state.withLock({ $0.target }) else { return }
            let server = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: target) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            state.withLock { $0.connections += 1 }
            try await server.executeThenClose { back, forth in
                await withThrowingTaskGroup { group in
                    group.addTask {
                        for try await part in requests {
                            self.state.withLock { $0.sends += 1 }
                            try await self.pass()
                            try await forth.write(part)
                        }
                    }
                    group.addTask {
                        for try await part in back {
                            try await self.pass()
                            var rest = part
                            while rest.readableBytes > 0 {
                                guard let bytesPerSecond = self.bytesPerSecond else {
                                    try await answers.write(rest)
                                    break
                                }
                                // A twentieth of a second's worth at a time.
                                let count = min(rest.readableBytes, max(1, bytesPerSecond / 20))
                                guard let piece = rest.readSlice(length: count) else { break }
                                try await answers.write(piece)
                                try await Task.sleep(for: .milliseconds(50))
                            }
                        }
                    }
                    // If either end closes, both are closed.
                    _ = await group.nextResult()
                    group.cancelAll()
                }
            }
        }
    }
}
