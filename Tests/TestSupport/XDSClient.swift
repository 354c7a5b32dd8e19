public import EnvoyAPI
public import GRPCTransport
public import XDS

extension Method {
    /// Those that serve endpoints.
    public static let endpointMethods = all.filter { $0.type == nil || $0.type == .clusterLoadAssignment }
}

/// A discovery client that a test drives by hand, over a real gRPC stream.
public final class XDSClient {
    private let stream: ClientStream
    private let method: Method
    private var responses: IncomingMessages.Iterator

    /// Opens a stream.
    public init(_ channel: Channel, _ method: Method) async {
        self.method = method
        stream = await channel.open(method.path)
        responses = stream.messages.makeAsyncIterator()
    }

    /// Sends a SotW request.
    public func ask(
        _ names: [ResourceName], node: Node? = nil, version: String = "", nonce: String = "", rejection: String? = nil,
        type: String = TypeURL.clusterLoadAssignment.rawValue
    ) async {
        let request = SotWRequest(names: names, version: version, nonce: nonce, rejection: rejection)
        await stream.send(DiscoveryRequest.sotw(request).encoded(type: type, node: node))
    }

    /// Sends a delta request.
    public func ask(_ request: DeltaRequest, node: Node? = nil, type: TypeURL = .clusterLoadAssignment) async {
        await stream.send(DiscoveryRequest.delta(request).encoded(type: type.rawValue, node: node))
    }

    /// Asks for names in the stream's variant, as a first request.
    public func subscribe(_ names: [ResourceName], node: Node) async {
        switch method.variant {
        case .sotw: await ask(names, node: node)
        case .delta: await ask(DeltaRequest(subscribe: names), node: node)
        }
    }

    /// Sends bytes as they are.
    public func send(_ bytes: [UInt8]) async { await stream.send(bytes) }

    /// Takes a response.
    public func acknowledge(_ response: DecodedResponse, names: [ResourceName]) async {
        switch method.variant {
        case .sotw: await ask(names, version: response.version, nonce: response.nonce)
        case .delta: await ask(DeltaRequest(nonce: response.nonce))
        }
    }

    /// Refuses a response.
    public func reject(_ response: DecodedResponse, names: [ResourceName], _ reason: String, lastGood: String = "")
        async
    {
        switch method.variant {
        case .sotw: await ask(names, version: lastGood, nonce: response.nonce, rejection: reason)
        case .delta: await ask(DeltaRequest(nonce: response.nonce, rejection: reason))
        }
    }

    /// Waits for the next response.
    ///
    /// - Throws: the status if the stream ends instead, and `NoResponse` if nothing comes in time; the stream is
    ///   cancelled then.
    public func response(within limit: Duration = .seconds(60)) async throws -> DecodedResponse {
        let timer = Task { [stream] in
            guard (try? await ContinuousClock().sleep(for: limit)) != nil else { return false }
            await stream.cancel()
            return true
        }
        let next: Result<[UInt8]?, any Error>
        do { next = .success(try await responses.next()) } catch { next = .failure(error) }
        timer.cancel()
        guard await !timer.value else { throw NoResponse(limit: limit) }
        guard let bytes = try next.get() else { throw GRPCStatus(.ok, "the stream ended") }
        return try DecodedResponse(bytes, method.variant)
    }

    /// Waits for the stream's end.
    public func end() async -> GRPCStatus {
        do {
            while try await responses.next() != nil {}
            return GRPCStatus(.ok)
        } catch let status as GRPCStatus {
            return status
        } catch {
            return GRPCStatus(.unknown, "\(error)")
        }
    }

    /// Ends the stream.
    public func cancel() async { await stream.cancel() }
}

/// No response came in time.
public struct NoResponse: Error, CustomStringConvertible {
    /// How long the client waited.
    public let limit: Duration

    /// Names the time.
    public var description: String { "no response within \(limit)" }
}
