import EnvoyAPI
import GRPCTransport
import Model
import Snapshots

/// One stream of load reports: sends one request, then receives reports.
final class LoadReportStream: StreamService {
    private var session: ClientSession
    private let reports: LoadReportQueue
    private let interval: Duration
    private var hasAsked = false

    init(_ session: ClientSession, reports: LoadReportQueue, interval: Duration) {
        self.session = session
        self.reports = reports
        self.interval = interval
    }

    /// Decodes only the node, which only the first report of a stream is sure to have.
    ///
    /// Decoding the whole report takes time that the sender decides; `LoadReportQueue` does that.
    func receive(_ message: RawSpan) throws(GRPCStatus) {
        if session.node == nil {
            do throws(DecodingFailure) {
                session.receive(node: try LoadReport.node(of: message))
            } catch {
                session.warn("load report refused", "\(error)")
                throw GRPCStatus(.invalidArgument, "\(error)")
            }
        }
        try session.authorize()
        guard let view = session.view?.client, let content = session.content else { return }
        reports.add(
            [UInt8](copying: message), from: session.head.peer, node: session.node?.id ?? "", of: view, in: content)
    }

    func nextMessage() throws(GRPCStatus) -> [Slice]? {
        try session.authorize()
        // Reports can't be attributed before there is a view.
        guard !hasAsked, session.content != nil else { return nil }
        hasAsked = true
        return [Slice(LoadReport.request(every: interval))]
    }

    func publish(_ item: PublicationQueue.Item) { _ = session.advance(to: item) }

    func closed(_ status: GRPCStatus) { session.end(status) }

    var taken: UInt64 { .max }

    func delivery(of service: ServiceName) -> Delivery? { nil }

    var status: ClientStatus { ClientStatus(session) }

    func reviewAccess() { session.reviewAccess() }
}
