import NIOCore
import NIOPosix
import Synchronization

/// A relay on loopback before a server, over which answers come as slowly as over a bad line, and whose server may come
/// later.
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
    ///   - target: the server's port; connections are closed at once while there is none.
    ///   - bytesPerSecond: of answers; nil for as many as there are.
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

    /// Where it listens.
    public var port: Int { listening.channel.localAddress?.port ?? 0 }

    /// How many connections it has passed on.
    public var connections: Int { state.withLock { $0.connections } }

    /// How often clients have sent something.
    public var sends: Int { state.withLock { $0.sends } }

    /// Passes connections on to that port from now on.
    public func connect(to target: Int) { state.withLock { $0.target = target } }

    /// Passes nothing on, as a partition that no end hears of; or goes on.
    public func cut(_ isCut: Bool = true) { state.withLock { $0.isCut = isCut } }

    /// Answers connections with a text instead of passing them on.
    public func answer(with text: String) { state.withLock { $0.reply = text } }

    /// Waits while nothing is passed on.
    private func pass() async throws {
        while state.withLock({ $0.isCut }) { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// Ends everything.
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
                    // Either end's end is both's.
                    _ = await group.nextResult()
                    group.cancelAll()
                }
            }
        }
    }
}
