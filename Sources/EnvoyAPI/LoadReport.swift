public import Balancing
import CEnvoyAPI
public import Model

/// A client's load report (LRS): its requests since the last report.
public struct LoadReport: Hashable, Sendable {
    /// The requests to one target.
    public struct Load: Hashable, Sendable {
        /// Requests started in the interval.
        public var issued: UInt64 = 0
        /// Requests that succeeded in the interval.
        public var successes: UInt64 = 0
        /// Requests that failed in the interval.
        public var errors: UInt64 = 0
        /// Requests in progress at the end of the interval.
        public var inProgress: UInt64 = 0
        /// Metrics reported by the endpoints (ORCA).
        public var metrics: [Metric] = []

        /// Creates an empty load.
        public init() {}
    }

    /// A metric reported with responses.
    public struct Metric: Hashable, Sendable {
        /// The metric's name.
        public var name: String
        /// The number of requests that reported it.
        public var count: UInt64
        /// The sum of its values.
        public var total: Double

        /// Creates a metric.
        public init(name: String, count: UInt64, total: Double) {
            self.name = name
            self.count = count
            self.total = total
        }
    }

    /// The requests to one locality.
    public struct LocalityLoad: Hashable, Sendable {
        /// The locality, as sent in EDS.
        public var locality: Locality
        /// The locality's priority, as sent in EDS.
        public var priority: UInt32
        /// The load of all its endpoints together.
        public var load: Load
        /// The load of each endpoint, if the client reports it: Envoy does, gRPC doesn't.
        public var endpoints: [Assignment.Endpoint.Address: Load]
    }

    /// The requests to one Envoy cluster.
    public struct ClusterLoad: Hashable, Sendable {
        /// The EDS resource name.
        public var name: String
        /// Requests that the client dropped without sending them.
        public var dropped: UInt64
        /// The time that the report covers.
        public var interval: Duration
        /// The localities that had requests.
        public var localities: [LocalityLoad]
    }

    /// The path of the LRS method.
    public static let method = "/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats"

    /// The client's node; only in a stream's first report.
    public var node: Node?
    /// The Envoy clusters, in the order of the message.
    public var clusters: [ClusterLoad]

    /// Decodes only the node of a report, at a low cost even for long reports; nil if it has none.
    public static func node(of bytes: RawSpan) throws(DecodingFailure) -> Node? {
        // load_stats.proto: LoadStatsRequest.node is field 1.
        let (content, isBroken) = bytes.withUnsafeBytes { bytes in
            var reader = WireReader(bytes)
            var node: [UInt8]?
            while let (field, value) = reader.next() {
                if field == 1, case .bytes(let content) = value { node = [UInt8](content) }
            }
            return (node, reader.isBroken)
        }
        guard !isBroken else { throw DecodingFailure(description: "a load report that can't be decoded") }
        guard let content else { return nil }
        return try withDecoded(
            content, Envoy__Config__Core__V3__Node.self, envoy__config__core__v3__node__descriptor
        ) { Node($0) }
    }

    /// Decodes a report.
    public init(_ bytes: [UInt8]) throws(DecodingFailure) {
        self = try withDecoded(
            bytes, Envoy__Service__LoadStats__V3__LoadStatsRequest.self,
            envoy__service__load_stats__v3__load_stats_request__descriptor
        ) { LoadReport($0) }
    }

    private init(_ message: Envoy__Service__LoadStats__V3__LoadStatsRequest) {
        node = message.node.map { Node($0.pointee) }
        clusters = messages(message.cluster_stats, message.n_cluster_stats).map(ClusterLoad.init)
    }

    /// Encodes a response that requests reports on all Envoy clusters and endpoints at this interval.
    public static func request(every interval: Duration) -> [UInt8] {
        let arena = Arena()
        return encode(
            arena.make(envoy__service__load_stats__v3__load_stats_response__init) { message in
                message.send_all_clusters = 1
                message.report_endpoint_granularity = 1
                message.load_reporting_interval = arena.duration(interval)
            })
    }
}

extension LoadReport.ClusterLoad {
    fileprivate init(_ message: Envoy__Config__Endpoint__V3__ClusterStats) {
        let service = String(message.cluster_service_name)
        name = service.isEmpty ? String(message.cluster_name) : service
        dropped = sound(message.total_dropped_requests)
        interval = message.load_report_interval.map { Duration($0.pointee) } ?? .zero
        localities = messages(message.upstream_locality_stats, message.n_upstream_locality_stats).map(
            LoadReport.LocalityLoad.init)
    }
}

extension LoadReport.LocalityLoad {
    fileprivate init(_ message: Envoy__Config__Endpoint__V3__UpstreamLocalityStats) {
        locality = Locality(message.locality?.pointee)
        priority = message.priority
        load = LoadReport.Load()
        load.issued = sound(message.total_issued_requests)
        load.successes = sound(message.total_successful_requests)
        load.errors = sound(message.total_error_requests)
        load.inProgress = sound(message.total_requests_in_progress)
        load.metrics = metrics(message.load_metric_stats, message.n_load_metric_stats)
        endpoints = [:]
        for stats in messages(message.upstream_endpoint_stats, message.n_upstream_endpoint_stats) {
            guard let address = Assignment.Endpoint.Address(stats.address?.pointee) else { continue }
            var load = LoadReport.Load()
            load.issued = sound(stats.total_issued_requests)
            load.successes = sound(stats.total_successful_requests)
            load.errors = sound(stats.total_error_requests)
            load.inProgress = sound(stats.total_requests_in_progress)
            load.metrics = metrics(stats.load_metric_stats, stats.n_load_metric_stats)
            endpoints[address] = load
        }
    }
}

extension Duration {
    /// Zero unless the value is valid and at most a year, since clients may send any number.
    fileprivate init(_ message: Google__Protobuf__Duration) {
        let isSound = (0...31_536_000).contains(message.seconds) && (0..<1_000_000_000).contains(message.nanos)
        self = isSound ? .seconds(message.seconds) + .nanoseconds(Int64(message.nanos)) : .zero
    }
}

/// A count, cut to a billion in a report: clients may send any number, and sums of many must not overflow.
private func sound(_ count: UInt64) -> UInt64 { min(count, 1_000_000_000) }

private func metrics(
    _ array: UnsafeMutablePointer<UnsafeMutablePointer<Envoy__Config__Endpoint__V3__EndpointLoadMetricStats>?>?,
    _ count: Int
) -> [LoadReport.Metric] {
    messages(array, count).map {
        LoadReport.Metric(
            name: String($0.metric_name), count: sound($0.num_requests_finished_with_metric),
            total: $0.total_metric_value.isFinite ? min(max($0.total_metric_value, -1e18), 1e18) : 0)
    }
}
