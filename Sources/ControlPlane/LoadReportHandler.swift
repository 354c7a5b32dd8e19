import EnvoyAPI
import GRPCTransport

/// One stream of load reports: asks once, and takes what comes.
final class LoadReportHandler: StreamService {
    private var session: ClientSession
    private let reports: LoadReportQueue
    private let interval: Duration
    private var hasAsked = false

    init(_ session: ClientSession, reports: LoadReportQueue, interval: Duration) {
        self.session = session
        self.reports = reports
        self.interval = interval
    }

    func receive(_ message: RawSpan) throws(GRPCStatus) {
        // Later ones are looked at elsewhere: what they cost is their sender's choice.
        guard let viewer = session.viewer, let view = session.view else { return try greet([UInt8](copying: message)) }
        try session.authorize()
        reports.add([UInt8](copying: message), of: viewer, in: view)
    }

    /// Only a stream's first report is sure to have the node.
    private func greet(_ message: [UInt8]) throws(GRPCStatus) {
        let report: LoadReport
        do throws(DecodingFailure) {
            report = try LoadReport(message)
        } catch {
            session.warn("load report refused", "\(error)")
            throw GRPCStatus(.invalidArgument, "\(error)")
        }
        session.greet(report.node)
        try session.authorize()
        guard let viewer = session.viewer, let view = session.view else { return }
        reports.add(message, of: viewer, in: view)
    }

    func nextMessage() throws(GRPCStatus) -> [Slice]? {
        try session.authorize()
        // What was reported before there is a view could not be told apart.
        guard !hasAsked, session.view != nil else { return nil }
        hasAsked = true
        return [Slice(LoadReport.request(every: interval))]
    }

    func publish(_ item: PublicationQueue.Item) { _ = session.take(item) }

    func closed(_ status: GRPCStatus) { session.end(status) }

    var taken: UInt64 { .max }

    func status(listing limit: Int) -> ClientStatus { ClientStatus(session, subscriptions: []) }
}
