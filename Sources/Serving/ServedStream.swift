import GRPCTransport

/// What every service's streams have in common.
protocol StreamService: ServerStream {
    /// Takes a newer snapshot.
    func publish(_ item: PublicationQueue.Item)

    /// The newest publication of which its client has taken everything; the greatest number where it takes none.
    var taken: UInt64 { get }

    /// What it is doing.
    var status: ClientStatus { get }

    /// Looks again whether its client may be served.
    func reviewAccess()
}

/// One stream of a client, whichever service it called.
final class ServedStream: ServerStream {
    private let service: any StreamService

    init(_ service: any StreamService) { self.service = service }

    func receive(_ message: RawSpan) throws(GRPCStatus) { try service.receive(message) }

    func nextMessage() throws(GRPCStatus) -> [Slice]? { try service.nextMessage() }

    func closed(_ status: GRPCStatus) { service.closed(status) }

    func publish(_ item: PublicationQueue.Item) { service.publish(item) }

    var taken: UInt64 { service.taken }

    var status: ClientStatus { service.status }

    func reviewAccess() { service.reviewAccess() }
}
