import CoreMetrics
import struct Foundation.Date

/// What a control plane counts and times, on the way of a change through the house.
///
/// docs/admin.md describes each.
struct ControlPlaneMetrics: Sendable {
    let sourceToSnapshot: Timer
    let snapshotToLastWrite: Timer
    let snapshotToLastACK: Timer
    let publications: Counter
    let pushes: Counter
    let pushedBytes: Counter
    let pushedResources: Counter
    let conflatedPushes: Counter
    let requests: Counter
    let nacks: Counter
    let clients: Meter
    let queueDepth: Meter
    let staleSources: Meter
    let heldEndpoints: Meter
    let droppedLoadReports: Counter
    let clientBytes: Meter
    let connections: Meter
    let refusedStreams: Counter
    let configurationRefused: Meter
    private let configurationLoaded: Meter
    private let factory: any MetricsFactory

    init(_ factory: any MetricsFactory) {
        sourceToSnapshot = Timer(label: "ballast_source_to_snapshot_seconds", factory: factory)
        snapshotToLastWrite = Timer(label: "ballast_snapshot_to_last_write_seconds", factory: factory)
        snapshotToLastACK = Timer(label: "ballast_snapshot_to_last_ack_seconds", factory: factory)
        publications = Counter(label: "ballast_publications_total", factory: factory)
        pushes = Counter(label: "ballast_pushes_total", factory: factory)
        pushedBytes = Counter(label: "ballast_pushed_bytes_total", factory: factory)
        pushedResources = Counter(label: "ballast_pushed_resources_total", factory: factory)
        conflatedPushes = Counter(label: "ballast_conflated_pushes_total", factory: factory)
        requests = Counter(label: "ballast_requests_total", factory: factory)
        nacks = Counter(label: "ballast_nacks_total", factory: factory)
        clients = Meter(label: "ballast_connected_streams", factory: factory)
        queueDepth = Meter(label: "ballast_queue_depth", factory: factory)
        staleSources = Meter(label: "ballast_stale_sources", factory: factory)
        heldEndpoints = Meter(label: "ballast_held_endpoints", factory: factory)
        droppedLoadReports = Counter(label: "ballast_dropped_load_reports_total", factory: factory)
        clientBytes = Meter(label: "ballast_client_bytes", factory: factory)
        connections = Meter(label: "ballast_connections", factory: factory)
        refusedStreams = Counter(label: "ballast_refused_streams_total", factory: factory)
        configurationRefused = Meter(label: "ballast_configuration_refused", factory: factory)
        configurationLoaded = Meter(label: "ballast_configuration_loaded_timestamp_seconds", factory: factory)
        self.factory = factory
    }

    /// A configuration is in force.
    func noteConfiguration(_ status: ConfigurationStatus, after last: ConfigurationStatus) {
        let info = { version in
            Meter(label: "ballast_configuration_info", dimensions: [("version", version)], factory: factory)
        }
        if last.version != status.version { info(last.version).set(0) }
        info(status.version).set(1)
        configurationRefused.set(0)
        configurationLoaded.set(status.loaded.timeIntervalSince1970)
    }

    /// The end of a certificate's validity, in seconds since 1970.
    func certificateExpiry(_ file: String) -> Meter {
        Meter(
            label: "ballast_certificate_expiry_timestamp_seconds", dimensions: [("file", file)], factory: factory)
    }

    /// Connections that were refused or ended for a reason.
    func refusedConnections(_ reason: String) -> Counter {
        Counter(label: "ballast_refused_connections_total", dimensions: [("reason", reason)], factory: factory)
    }
}

extension Timer {
    /// Records the time since a moment.
    func record(since start: ContinuousClock.Instant) {
        let (seconds, attoseconds) = start.duration(to: .now).components
        recordNanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
