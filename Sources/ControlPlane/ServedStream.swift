import GRPCTransport

/// What every service's streams have in common.
protocol StreamService: StreamHandler {
    /// Takes a newer snapshot.
    ///
    /// - Parameter progress: told what becomes of it here.
    func publish(_ publication: Publication, _ progress: PublicationProgress)

    /// The newest publication of which its client has taken everything; the greatest number where it takes none.
    var taken: UInt64 { get }

    /// For whoever wants to look at it.
    var status: ClientStatus { get }
}

/// One stream of a client, whichever service it called.
final class ServedStream: StreamHandler {
    private let service: any StreamService

    init(_ service: any StreamService) { self.service = service }

    func receive(_ message: RawSpan) throws(GRPCStatus) { try service.receive(message) }

    func nextMessage() throws(GRPCStatus) -> [Slice]? { try service.nextMessage() }

    func closed(_ status: GRPCStatus) { service.closed(status) }

    func publish(_ publication: Publication, _ progress: PublicationProgress) {
        service.publish(publication, progress)
    }

    var taken: UInt64 { service.taken }

    var status: ClientStatus { service.status }
}
