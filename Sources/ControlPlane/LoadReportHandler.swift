import EnvoyAPI
import GRPCTransport

/// One stream of load reports: asks once, and takes what comes.
final class LoadReportHandler: StreamService {
    private var session: ClientSession
    private let observer: LoadObserver
    private let interval: Duration
    private var hasAsked = false

    init(_ session: ClientSession, observer: LoadObserver, interval: Duration) {
        self.session = session
        self.observer = observer
        self.interval = interval
    }

    func receive(_ message: RawSpan) throws(GRPCStatus) {
        let report: LoadReport
        do throws(DecodingFailure) {
            report = try LoadReport([UInt8](copying: message))
        } catch {
            session.warn("load report refused", "\(error)")
            throw GRPCStatus(.invalidArgument, "\(error)")
        }
        session.greet(report.node)
        try session.authorize()
        guard let viewer = session.viewer, let view = session.view else { return }
        observer.record(report, of: viewer, in: view, at: .now)
    }

    func nextMessage() throws(GRPCStatus) -> [Slice]? {
        try session.authorize()
        // What was reported before there is a view could not be told apart.
        guard !hasAsked, session.view != nil else { return nil }
        hasAsked = true
        return [Slice(LoadReport.request(every: interval))]
    }

    func publish(_ publication: Publication, _: PublicationProgress) { _ = session.take(publication) }

    func closed(_ status: GRPCStatus) { session.end(status) }

    var taken: UInt64 { .max }

    var status: ClientStatus { ClientStatus(session, subscriptions: []) }
}
