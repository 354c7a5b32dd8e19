import NIOCore
import NIOHTTP1
import NIOPosix
import TestBench

/// A plaintext Kubernetes API server that behaves well until `turnHostile`.
final class HostileAPIServer: Sendable {
    /// What never ends after `turnHostile`.
    enum Kind: String, CaseIterable {
        /// One line of a watch.
        case line
        /// One page of a list.
        case list
        /// The pages of a list.
        case pages
        /// The events of a watch, each with another object.
        case events
    }

    private typealias Outbound = NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    private typealias Client = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    private let kind: Kind
    private let isHostile = Shared(false)
    private let sent = Shared(0)
    private let listening: NIOAsyncChannel<Client, Never>
    private let serving = Shared<Task<Void, Never>?>(nil)

    init(_ kind: Kind) async throws {
        self.kind = kind
        listening = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    return try Client(wrappingChannelSynchronously: channel)
                }
            }
        let task = Task {
            _ = try? await listening.executeThenClose { clients in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await client in clients { group.addTask { try? await self.serve(client) } }
                }
            }
        }
        serving.change { $0 = task }
    }

    /// The number of bytes sent since `turnHostile`.
    var sentBytes: Int { sent.value }

    func turnHostile() { isHostile.change { $0 = true } }

    func stop() async {
        serving.value?.cancel()
        await serving.value?.value
    }

    var kubeconfig: String {
        """
        apiVersion: v1
        kind: Config
        current-context: test
        contexts: [{name: test, context: {cluster: test, user: test}}]
        clusters: [{name: test, cluster: {server: "http://127.0.0.1:\(listening.channel.localAddress?.port ?? 0)"}}]
        users: [{name: test, user: {token: secret}}]

        """
    }

    // MARK: Responses

    private func serve(_ client: Client) async throws {
        try await client.executeThenClose { requests, answers in
            for try await part in requests {
                guard case .head(let head) = part else { continue }
                let type = HTTPHeaders([("content-type", "application/json")])
                try await answers.write(.head(HTTPResponseHead(version: .http1_1, status: .ok, headers: type)))
                if head.uri.contains("watch=true") {
                    try await watch(head.uri, answers)
                } else {
                    try await list(answers)
                }
                try await answers.write(.end(nil))
            }
        }
    }

    private func list(_ answers: Outbound) async throws {
        guard isHostile.value, kind == .list || kind == .pages else {
            return try await write(Self.page([Self.slice(0)], next: ""), answers)
        }
        let number = sent.value
        switch kind {
        case .pages: try await write(Self.page((0..<500).map { Self.slice(number + $0) }, next: "\(number)"), answers)
        case .list, .line, .events:
            try await write(#"{"kind":"List","metadata":{"resourceVersion":"101"},"items":["#, answers)
            for first in stride(from: number, to: .max, by: 200) {
                try await write((0..<200).map { Self.slice(first + $0) + "," }.joined(), answers)
            }
        }
    }

    private func watch(_ uri: String, _ answers: Outbound) async throws {
        if uri.contains("sendInitialEvents=true") {
            let text = "a watch stream was requested by the client but the required storage feature is disabled"
            return try await write(Self.failure(500, "InternalError", text), answers)
        }
        while !isHostile.value { try await Task.sleep(for: .milliseconds(20)) }
        switch kind {
        case .list, .pages: try await write(Self.failure(410, "Expired", "too old resource version"), answers)
        case .line:
            try await write(#"{"type":"ADDED","object":{"metadata":{"name":""#, answers)
            let part = String(repeating: "a", count: 64_000)
            while true { try await write(part, answers) }
        case .events:
            for first in stride(from: 1, to: .max, by: 200) {
                let events = (0..<200).map { #"{"type":"ADDED","object":\#(Self.slice(first + $0))}"# + "\n" }
                try await write(events.joined(), answers)
            }
        }
    }

    private func write(_ text: String, _ answers: Outbound) async throws {
        let bytes = ByteBuffer(string: text)
        if isHostile.value { sent.add(bytes.readableBytes) }
        try await answers.write(.body(.byteBuffer(bytes)))
    }

    private static func page(_ items: [String], next: String) -> String {
        #"{"kind":"List","metadata":{"resourceVersion":"100","continue":"\#(next)"},"items":[\#(items.joined(separator: ","))]}"#
    }

    private static func failure(_ code: Int, _ reason: String, _ message: String) -> String {
        #"{"type":"ERROR","object":\#(APIServer.status(code, reason, message))}"# + "\n"
    }

    /// An EndpointSlice of the service `shop` with one pod.
    private static func slice(_ number: Int) -> String {
        """
        {"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"shop-\(number)","namespace":"shop",\
        "resourceVersion":"100","labels":{"kubernetes.io/service-name":"shop"}},"addressType":"IPv4",\
        "endpoints":[{"addresses":["10.\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"],\
        "conditions":{"ready":true},"targetRef":{"kind":"Pod","namespace":"shop","name":"shop-\(number)"}}],\
        "ports":[{"name":"http","protocol":"TCP","port":80}]}
        """
    }
}
