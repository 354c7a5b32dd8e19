import EnvoyAPI
import GRPCTransport
public import Intent
import Logging
public import MeshConfiguration
public import Model
import Pacing
import Synchronization
import XDS
import YAMLFile

/// Imports a cluster's pods and gateways from that cluster's own Ballast.
///
/// Uses delta ADS over mutual TLS. A new stream requests only what has changed since the last one.
public final class PeerSource: EndpointSource {
    /// How often the probe is sent, and how long an answer may take before the source is reported stale.
    ///
    /// An answer follows everything sent before it, so it may take long over a slow line. That is no reason to open a
    /// new connection.
    private static let probeInterval = Duration.seconds(2)
    private static let patience = Duration.seconds(6)
    /// A connection that receives nothing at all is considered lost.
    private static let keepalive = Keepalive(interval: .seconds(6), timeout: .seconds(10))
    private static let longestPause = Duration.seconds(5)
    /// How long a stream may take to deliver everything before the source is reported stale.
    private static let syncPatience = Duration.seconds(30)

    private let peer: BallastPeer
    private let limits: Configuration.SourceLimits
    private let node: Node
    private let imported: Mutex<ImportedServices>

    /// Creates a source that connects when it runs.
    public init(_ peer: BallastPeer, limits: Configuration.SourceLimits) {
        self.limits = limits
        let cluster = peer.importer
        self.peer = peer
        node = Node(
            id: "ballast-\(cluster)", cluster: cluster.rawValue, userAgent: "ballast",
            metadata: ["role": Node.peerRole])
        imported = Mutex(ImportedServices(peer, limits: limits))
    }

    /// Follows the other Ballast until the task is cancelled.
    public func run(_ report: @escaping @Sendable (SourceReport) async -> Void) async {
        var backoff = Backoff(first: .milliseconds(200), longest: Self.longestPause)
        while !Task.isCancelled {
            let start = ContinuousClock.now
            let reason = await follow(report)
            guard !Task.isCancelled else { return }
            await report(.failure(reason: "ballast \(peer.address): \(reason)"))
            if ContinuousClock.now - start > .seconds(10) { backoff.reset() }
            try? await Task.sleep(for: backoff.next())
        }
    }

    /// The exported service, its cluster and its version, as the origin of each pod.
    public func origins(of service: ServiceName) async -> [String: PodOrigin] {
        imported.withLock { imported in
            guard let known = imported.services[service] else { return [:] }
            let origin = PodOrigin(
                object: "\(service) of cluster \(known.service.cluster) at \(peer.address)", version: known.version)
            return Dictionary(known.service.pods.map { ($0.name, origin) }, uniquingKeysWith: { first, _ in first })
        }
    }

    /// Follows one stream until it ends.
    ///
    /// - Returns: why it ended.
    private func follow(_ report: @escaping @Sendable (SourceReport) async -> Void) async -> String {
        let channel: Channel
        do {
            channel = try Channel(
                address: peer.address, security: try security(), keepalive: Self.keepalive,
                messageBytes: limits.bytes)
        } catch {
            return "\(error)"
        }
        let stream = await channel.open(Method.deltaAggregatedResources.path)
        let answered = LastAnswer()
        let reason = await withTaskGroup(of: String?.self) { group in
            group.addTask { await self.read(stream, report) { answered.note() } }
            group.addTask {
                let start = ContinuousClock.now
                while (try? await Task.sleep(for: Self.probeInterval)) != nil {
                    if ContinuousClock.now - start > Self.syncPatience, !self.imported.withLock({ $0.hasEverything }) {
                        await report(
                            .failure(
                                reason: """
                                    ballast \(self.peer.address): it has not told everything within \(Self.syncPatience); the \
                                    connection is kept
                                    """))
                    }
                    if answered.age > Self.patience {
                        await report(
                            .failure(
                                reason: """
                                    ballast \(self.peer.address): it has not answered for more than \(Self.patience); the \
                                    connection is kept
                                    """))
                    }
                    await self.send(self.imported.withLock { $0.probe() }, on: stream)
                }
                return nil
            }
            let first = await group.next() ?? nil
            group.cancelAll()
            await stream.cancel()
            return first
        }
        await channel.shutdown()
        return reason ?? "stopped"
    }

    private func read(
        _ stream: ClientStream, _ report: @escaping @Sendable (SourceReport) async -> Void,
        _ noteAnswer: @Sendable () -> Void
    ) async -> String {
        await send(imported.withLock { $0.start() }, on: stream, node)
        do {
            for try await message in stream.messages {
                let response = try DecodedResponse(message, .delta)
                noteAnswer()
                let news: SourceReport?
                do throws(ImportFailure) {
                    news = try imported.withLock { imported throws(ImportFailure) in
                        try imported.receive(response, of: message.count)
                    }
                } catch {
                    await send(imported.withLock { $0.reject(response, error) }, on: stream)
                    return "\(error)"
                }
                await send(imported.withLock { $0.accept(response) }, on: stream)
                if let news { await send(news, report) }
                await reportUnwanted(report)
            }
            return "it ended the stream"
        } catch {
            return "\(error)"
        }
    }

    /// Reports `news`.
    ///
    /// A confirmation counts only while the peer's own source is not stale.
    private func send(_ news: SourceReport, _ report: @Sendable (SourceReport) async -> Void) async {
        let stale = imported.withLock { $0.staleReason }
        let isConfirmation = if case .confirmed = news { true } else { false }
        if !isConfirmation || stale == nil { await report(news) }
        guard let stale else { return }
        await report(
            .failure(
                reason: "ballast \(peer.address): it answers, but its own source is stale \(stale)", ofPart: true))
    }

    /// Reports the services that the peer exports although they weren't requested.
    ///
    /// The registry ignores a report that brings nothing new.
    private func reportUnwanted(_ report: @Sendable (SourceReport) async -> Void) async {
        let unwanted = imported.withLock { $0.unwanted }
        await report(
            .problems(
                unwanted.isEmpty
                    ? []
                    : [
                        """
                        it exports \(unwanted.sorted().map(\.rawValue).joined(separator: ", ").prefix(utf8Count: 300)), which \
                        `endpoints.ballast.services` doesn't name: left out
                        """
                    ]))
    }

    private func send(_ request: DiscoveryRequest, on stream: ClientStream, _ node: Node? = nil) async {
        await stream.send(request.encoded(type: TypeURL.exportedService.rawValue, node: node))
    }

    /// Read for each connection, so that certificates can be replaced.
    private func security() throws(ConfigurationError) -> ChannelSecurity {
        let material = try TLSMaterial(
            certificate: peer.tls.certificate, key: peer.tls.key, authorities: peer.tls.ca)
        return .tls(roots: material.authorities ?? "", serverName: peer.tls.serverName, material.pair)
    }
}

/// The time of the peer's last response.
private final class LastAnswer: Sendable {
    private let time = Mutex(ContinuousClock.now)

    var age: Duration { ContinuousClock.now - time.withLock { $0 } }

    func note() { time.withLock { $0 = .now } }
}
