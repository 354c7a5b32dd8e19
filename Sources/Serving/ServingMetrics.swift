public import CoreMetrics

/// The name of a metric, with its help text.
public enum MetricName: String, CaseIterable, Sendable {
    case sourceToSnapshot = "ballast_source_to_snapshot_seconds"
    case snapshotToLastWrite = "ballast_snapshot_to_last_write_seconds"
    case snapshotToLastACK = "ballast_snapshot_to_last_ack_seconds"
    case publications = "ballast_publications_total"
    case pushes = "ballast_pushes_total"
    case pushedBytes = "ballast_pushed_bytes_total"
    case pushedResources = "ballast_pushed_resources_total"
    case conflatedPushes = "ballast_conflated_pushes_total"
    case requests = "ballast_requests_total"
    case nacks = "ballast_nacks_total"
    case streams = "ballast_connected_streams"
    case queueDepth = "ballast_queue_depth"
    case connections = "ballast_connections"
    case refusedConnections = "ballast_refused_connections_total"
    case refusedStreams = "ballast_refused_streams_total"
    case clientBytes = "ballast_client_bytes"
    case droppedLoadReports = "ballast_dropped_load_reports_total"
    case ready = "ballast_ready"
    case problems = "ballast_problems"
    case staleSources = "ballast_stale_sources"
    case heldEndpoints = "ballast_held_endpoints"
    case certificateExpiry = "ballast_certificate_expiry_timestamp_seconds"
    case configurationInfo = "ballast_configuration_info"
    case configurationRefused = "ballast_configuration_refused"
    case configurationLoaded = "ballast_configuration_loaded_timestamp_seconds"

    /// The help text: one sentence.
    public var help: String {
        switch self {
        case .sourceToSnapshot:
            "Seconds from the oldest change that a source reported to the snapshot that contains it."
        case .snapshotToLastWrite: "Seconds from a snapshot until the last stream was sent its changes."
        case .snapshotToLastACK: "Seconds from a snapshot until the last client answered its changes."
        case .publications: "Snapshots published."
        case .pushes: "Responses sent."
        case .pushedBytes: "Bytes of responses, before HTTP/2 and TLS."
        case .pushedResources: "Resources in responses."
        case .conflatedPushes: "Changes sent to a slow client together with later ones."
        case .requests: "Requests received, including ACKs and NACKs."
        case .nacks: "Responses that clients rejected."
        case .streams: "Open discovery streams."
        case .queueDepth: "Streams with changes that are not sent yet."
        case .connections: "Open connections to the xDS port."
        case .refusedConnections: "Connections to the xDS port that were refused or ended, by reason."
        case .refusedStreams: "Streams refused because there were too many."
        case .clientBytes: "Approximate memory of the names that clients subscribe to, in bytes."
        case .droppedLoadReports: "Load reports dropped: invalid, or faster than they can be processed."
        case .ready: "1 if clients are served."
        case .problems: "Current problems, as in /readyz."
        case .staleSources: "Sources, and names in DNS, that are stale."
        case .heldEndpoints: "Pods that are served although their source no longer lists them."
        case .certificateExpiry: "The end of a certificate's validity, in seconds since 1970, by file."
        case .configurationInfo: "1 for the configuration in force, by version."
        case .configurationRefused: "1 while a newer configuration can't be used."
        case .configurationLoaded: "The time when the configuration in force was loaded, in seconds since 1970."
        }
    }
}

/// The metrics of a change's path from a source to its clients.
public struct ServingMetrics: Sendable {
    /// See `MetricName.sourceToSnapshot`.
    public let sourceToSnapshot: Timer
    let snapshotToLastWrite: Timer
    let snapshotToLastACK: Timer
    /// See `MetricName.publications`.
    public let publications: Counter
    let pushes: Counter
    let pushedBytes: Counter
    let pushedResources: Counter
    let conflatedPushes: Counter
    let requests: Counter
    let nacks: Counter
    let streams: Meter
    let queueDepth: Meter
    /// See `MetricName.ready`.
    public let ready: Meter
    /// See `MetricName.problems`.
    public let problems: Meter
    /// See `MetricName.staleSources`.
    public let staleSources: Meter
    /// See `MetricName.heldEndpoints`.
    public let heldEndpoints: Meter
    let droppedLoadReports: Counter
    let clientBytes: Meter
    let connections: Meter
    let refusedStreams: Counter
    /// See `MetricName.configurationRefused`.
    public let configurationRefused: Meter
    /// See `MetricName.configurationLoaded`.
    public let configurationLoaded: Meter
    private let factory: any MetricsFactory

    /// Creates metrics with this factory.
    public init(_ factory: any MetricsFactory) {
        let counter = { (name: MetricName) in Counter(label: name.rawValue, factory: factory) }
        let meter = { (name: MetricName) in Meter(label: name.rawValue, factory: factory) }
        let timer = { (name: MetricName) in Timer(label: name.rawValue, factory: factory) }
        sourceToSnapshot = timer(.sourceToSnapshot)
        snapshotToLastWrite = timer(.snapshotToLastWrite)
        snapshotToLastACK = timer(.snapshotToLastACK)
        publications = counter(.publications)
        pushes = counter(.pushes)
        pushedBytes = counter(.pushedBytes)
        pushedResources = counter(.pushedResources)
        conflatedPushes = counter(.conflatedPushes)
        requests = counter(.requests)
        nacks = counter(.nacks)
        streams = meter(.streams)
        queueDepth = meter(.queueDepth)
        ready = meter(.ready)
        problems = meter(.problems)
        staleSources = meter(.staleSources)
        heldEndpoints = meter(.heldEndpoints)
        droppedLoadReports = counter(.droppedLoadReports)
        clientBytes = meter(.clientBytes)
        connections = meter(.connections)
        refusedStreams = counter(.refusedStreams)
        configurationRefused = meter(.configurationRefused)
        configurationLoaded = meter(.configurationLoaded)
        self.factory = factory
        ready.set(0)
        problems.set(0)
    }

    /// See `MetricName.configurationInfo`.
    public func configurationInfo(_ version: String) -> Meter { meter(.configurationInfo, ("version", version)) }

    /// See `MetricName.certificateExpiry`.
    public func certificateExpiry(_ file: String) -> Meter { meter(.certificateExpiry, ("file", file)) }

    /// See `MetricName.refusedConnections`.
    func refusedConnections(_ reason: String) -> Counter {
        Counter(
            label: MetricName.refusedConnections.rawValue, dimensions: [("reason", reason)], factory: factory)
    }

    private func meter(_ name: MetricName, _ dimension: (String, String)) -> Meter {
        Meter(label: name.rawValue, dimensions: [dimension], factory: factory)
    }
}

extension Timer {
    /// Records the time since a moment.
    public func record(since start: ContinuousClock.Instant) {
        let (seconds, attoseconds) = start.duration(to: .now).components
        recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
