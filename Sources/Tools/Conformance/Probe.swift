import Balancing
import EnvoyAPI
import GRPCTransport
import Model
import Synchronization
import TestBench
import XDS

/// A client in one form that does only what a case tells it to do: it never responds by itself.
///
/// In the separate form, it opens the stream of a type with the first request for that type.
final class Probe: Sendable {
    /// The kind of client that it claims to be.
    enum Kind: Sendable {
        case envoy
        case grpc
    }

    private struct State {
        /// The types that the client has asked for.
        var subscriptions: [TypeURL: ClientSubscription] = [:]
        /// SotW: by type, the version that the client brings from an earlier stream.
        var brought: [TypeURL: String] = [:]
        /// By type; under nil the aggregated one.
        var streams: [TypeURL?: ClientStream] = [:]
        var received: [Result<DecodedResponse, GRPCStatus>] = []
        var isClosed = false
    }

    let form: Form
    private let channel: Channel
    private let node: Node
    private let state = Mutex(State())

    init(_ address: String, _ form: Form, _ kind: Kind) throws {
        self.form = form
        channel = try Channel(address: address)
        let userAgent = kind == .grpc ? "gRPC conformance" : "envoy"
        node = Node(id: "conformance-\(UInt32.random(in: 0 ... .max))", cluster: "conformance", userAgent: userAgent)
    }

    // MARK: Requests

    /// Wants these names besides those that it wants already; none in a first request means all resources.
    func subscribe(_ type: TypeURL, _ names: [ResourceName] = [], holding versions: [ResourceName: String] = [:]) async
    {
        await send(on: type, holding: versions) { $0.change(adding: names) }
    }

    /// Wants these names no longer.
    func unsubscribe(_ type: TypeURL, _ names: [ResourceName]) async {
        await send(on: type) { $0.change(dropping: names) }
    }

    /// Sends the ACK of a response, and may change what it wants with the same request.
    func acknowledge(_ response: DecodedResponse, adding names: [ResourceName] = []) async {
        await send(on: TypeURL(rawValue: response.type)) { $0.accept(response.summary, adding: names) }
    }

    /// Sends the NACK of a response.
    func reject(_ response: DecodedResponse) async {
        await send(on: TypeURL(rawValue: response.type)) {
            $0.reject(response.summary, reason: "refused by the conformance suite")
        }
    }

    /// Asks for names with another nonce than the last one's.
    func subscribe(_ type: TypeURL, _ names: [ResourceName], staleNonce: String) async {
        await send(on: type) { $0.change(adding: names).replacing(nonce: staleNonce) }
    }

    /// Sets the version that a SotW client brings from an earlier stream.
    func bring(_ type: TypeURL, version: String) { state.withLock { $0.brought[type] = version } }

    /// Sends raw bytes.
    func send(_ bytes: [UInt8], on type: TypeURL) async { await stream(for: type).send(bytes) }

    /// Sends a request; the first one of a type is the subscription's first.
    private func send(
        on type: TypeURL, holding versions: [ResourceName: String] = [:],
        _ request: (inout ClientSubscription) -> DiscoveryRequest
    ) async {
        let stream = await stream(for: type)
        let (message, hasNode) = state.withLock { state -> (DiscoveryRequest, Bool) in
            let isFirst = state.subscriptions[type] == nil
            // A stream's first request has the node, and no other.
            let hasNode = form.isAggregated ? state.subscriptions.isEmpty : isFirst
            var subscription =
                state.subscriptions[type]
                ?? ClientSubscription(form.variant, version: state.brought[type] ?? "")
            var message = request(&subscription)
            if isFirst, case .delta(var first) = message {
                first.initialVersions = versions
                message = .delta(first)
            }
            state.subscriptions[type] = subscription
            return (message, hasNode)
        }
        await stream.send(message.encoded(type: type.rawValue, node: hasNode ? node : nil))
    }

    private func stream(for type: TypeURL) async -> ClientStream {
        let key = form.isAggregated ? nil : type
        if let stream = state.withLock({ $0.streams[key] }) { return stream }
        let method = Method.all.first { $0.variant == form.variant && $0.type == key }
        let stream = await channel.open(method?.path ?? "/none")
        let variant = form.variant
        Task {
            do {
                for try await message in stream.messages {
                    let response = try DecodedResponse(message, variant)
                    take(.success(response))
                }
                take(.failure(GRPCStatus(.ok, "the stream ended")))
            } catch {
                take(.failure(error as? GRPCStatus ?? GRPCStatus(.internal, "\(error)")))
            }
        }
        state.withLock { $0.streams[key] = stream }
        return stream
    }

    private func take(_ result: Result<DecodedResponse, GRPCStatus>) {
        state.withLock { state in
            state.received.append(result)
            // A later SotW request has the nonce of the last response received, whether or not it was answered.
            if case .success(let response) = result {
                state.subscriptions[TypeURL(rawValue: response.type)]?.note(read: response.summary)
            }
        }
    }

    // MARK: Responses

    /// The next response of any type; throws if the stream ends instead, or nothing arrives.
    func next(within limit: Duration = Patience.usual) async throws -> DecodedResponse {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if let result = state.withLock({ $0.received.isEmpty ? nil : $0.received.removeFirst() }) {
                return try result.get()
            }
            try await Task.sleep(for: .milliseconds(1))
        }
        throw Violation("no answer within \(limit)")
    }

    /// The next response, which must be of this type.
    func next(_ type: TypeURL, within limit: Duration = Patience.usual) async throws -> DecodedResponse {
        let response = try await next(within: limit)
        try expect(response.type == type.rawValue, "expected a response for \(type), and one for \(response.type) came")
        return response
    }

    /// ACKs the next response, which must be of this type; its names are in the order of the message.
    @discardableResult
    func take(_ type: TypeURL) async throws -> DecodedResponse {
        let response = try await next(type)
        await acknowledge(response)
        return response
    }

    /// Expects the next response to have this type and these resources.
    func expectNext(_ type: TypeURL, _ names: [ResourceName]) async throws {
        let response = try await next(type)
        try expect(response.names == names, "expected \(names), and \(response.names) came")
    }

    /// Fails if anything arrives within a short time.
    ///
    /// A short time is enough, because servers send what they have at once.
    func hearsNothing(_ rule: String) async throws {
        try await Task.sleep(for: .milliseconds(150))
        let received = state.withLock { $0.received }
        guard let first = received.first else { return }
        switch first {
        case .success(let response):
            throw Violation("\(rule): \(received.count) came, the first with \(response.names) for \(response.type)")
        case .failure(let status): throw Violation("\(rule): the stream ended with \(status)")
        }
    }

    /// The status that the stream ends with.
    func end() async throws -> GRPCStatus {
        do {
            while true { _ = try await next() }
        } catch let status as GRPCStatus {
            return status
        }
    }

    func close() async {
        let (streams, isClosed) = state.withLock { state in
            defer { state.isClosed = true }
            return (Array(state.streams.values), state.isClosed)
        }
        guard !isClosed else { return }
        for stream in streams { await stream.cancel() }
        await channel.shutdown()
    }

    /// The addresses of a service that a new client receives; empty if there are none.
    static func endpoints(of name: ResourceName, at address: String) async throws -> Set<String> {
        let probe = try Probe(address, Form(variant: .sotw, isAggregated: false), .envoy)
        await probe.subscribe(.clusterLoadAssignment, [name])
        let response = try? await probe.next(within: .seconds(1))
        await probe.close()
        guard let content = response?.resources.first?.content else { return [] }
        let endpoints = try DecodedAssignment(content).localities.flatMap(\.endpoints)
        return Set(endpoints.map(\.address.description))
    }
}

extension DecodedResponse {
    /// The names of its resources, in the order of the wire.
    var names: [ResourceName] { summary.resources.map(\.name) }
}

extension DiscoveryRequest {
    fileprivate func replacing(nonce: String) -> DiscoveryRequest {
        switch self {
        case .sotw(var request):
            request.nonce = nonce
            return .sotw(request)
        case .delta(var request):
            request.nonce = nonce
            return .delta(request)
        }
    }
}
