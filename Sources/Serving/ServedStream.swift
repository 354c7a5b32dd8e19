import GRPCTransport
import Model

/// The interface of the streams of every service.
protocol StreamService: StreamHandler {
    /// Applies a newer snapshot.
    func publish(_ item: PublicationQueue.Item)

    /// The newest publication that the client has answered completely; the maximum if the client doesn't delay
    /// anything.
    var taken: UInt64 { get }

    /// Whether the client has a service as it is served now; nil if it doesn't subscribe to it.
    func delivery(of service: ServiceName) -> Delivery?

    /// The stream's current state.
    var status: ClientStatus { get }

    /// Checks again whether the client may be served.
    func reviewAccess()
}

/// A client's stream of any service.
final class ServedStream: StreamHandler {
    private let service: any StreamService

    init(_ service: any StreamService) { self.service = service }

    func receive(_ message: RawSpan) throws(GRPCStatus) { try service.receive(message) }

    func nextMessage() throws(GRPCStatus) -> [Slice]? { try service.nextMessage() }

    func closed(_ status: GRPCStatus) { service.closed(status) }

    func publish(_ item: PublicationQueue.Item) { service.publish(item) }

    var taken: UInt64 { service.taken }

    func delivery(of name: ServiceName) -> Delivery? { service.delivery(of: name) }

    var status: ClientStatus { service.status }

    func reviewAccess() { service.reviewAccess() }
}
