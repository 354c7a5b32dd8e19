import GRPCTransport

/// What every service's streams have in common.
protocol StreamService: StreamHandler {
    /// Takes a newer snapshot.
    func publish(_ item: PublicationQueue.Item)

    /// The newest publication of which its client has taken everything; the greatest number where it takes none.
    var taken: UInt64 { get }

    /// For whoever wants to look at it.
    ///
    /// - Parameter limit: how many resources of each type are listed; the rest is only counted.
    func status(listing limit: Int) -> ClientStatus
}

/// One stream of a client, whichever service it called.
final class ServedStream: StreamHandler {
    private let service: any StreamService

    init(_ service: any StreamService) { self.service = service }

    func receive(_ message: RawSpan) throws(GRPCStatus) { try service.receive(message) }

    func nextMessage() throws(GRPCStatus) -> [Slice]? { try service.nextMessage() }

    func closed(_ status: GRPCStatus) { service.closed(status) }

    func publish(_ item: PublicationQueue.Item) { service.publish(item) }

    var taken: UInt64 { service.taken }

    func status(listing limit: Int) -> ClientStatus { service.status(listing: limit) }
}
