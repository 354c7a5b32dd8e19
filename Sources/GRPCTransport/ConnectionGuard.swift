import CConnectionGuard

/// Limits a server's connections, and the HTTP/2 frames on them.
///
/// C-core 1.51 has known vulnerabilities there: see docs/decisions/001-connection-guard.md.
public final class ConnectionGuard: @unchecked Sendable {
    // Safety: the pointer is set once, and the C guard has its own lock.

    /// Why a connection was refused or closed.
    public enum Reason: String, Hashable, Sendable, CaseIterable {
        /// Exceeded `ConnectionLimits.connections`.
        case connections
        /// Exceeded `ConnectionLimits.perAddress`.
        case connectionsPerAddress = "connections_per_address"
        /// Exceeded `ConnectionLimits.newPerSecond`.
        case connectionRate = "connection_rate"
        /// The process had no file descriptor left.
        case descriptors
        /// Exceeded `ConnectionLimits.streamsPerSecond`.
        case newStreams = "new_streams"
        /// Exceeded `ConnectionLimits.addressStreamsPerSecond`.
        case newStreamsOfAddress = "new_streams_of_address"
        /// Exceeded `ConnectionLimits.resetsPerSecond`.
        case resets
        /// Exceeded `ConnectionLimits.pingsPerSecond`.
        case pings
        /// Exceeded `ConnectionLimits.settingsPerSecond`.
        case settings
        /// Exceeded `ConnectionLimits.prioritiesPerSecond`.
        case priorities
        /// Exceeded `ConnectionLimits.framesPerSecond`.
        case frames
        /// Exceeded `ConnectionLimits.headerBlockBytes` or `.continuations`.
        case headerBlock = "header_block"
        /// Exceeded `ConnectionLimits.headerBytesPerSecond`.
        case headerRate = "header_rate"
        /// Its ClientHello was a copy of another connection's.
        case clientHello = "client_hello"
        /// It opened a stream with an even number, which only servers may use.
        case streamID = "stream_id"
        /// Exceeded `ConnectionLimits.partialBytes`, `.addressPartialBytes` or `.allPartialBytes`, or had more than 32
        /// incomplete messages.
        case partialMessages = "partial_messages"
        /// The connection ended before its TLS handshake was complete.
        case handshake
        /// It sent no TLS to a server that requires it.
        case plaintext
        /// It sent TLS to a server without TLS.
        case tls

        fileprivate var raw: ballast_guard_reason {
            switch self {
            case .connections: BALLAST_GUARD_CONNECTIONS
            case .connectionsPerAddress: BALLAST_GUARD_CONNECTIONS_PER_ADDRESS
            case .connectionRate: BALLAST_GUARD_CONNECTION_RATE
            case .descriptors: BALLAST_GUARD_DESCRIPTORS
            case .newStreams: BALLAST_GUARD_NEW_STREAMS
            case .newStreamsOfAddress: BALLAST_GUARD_NEW_STREAMS_OF_ADDRESS
            case .resets: BALLAST_GUARD_RESETS
            case .pings: BALLAST_GUARD_PINGS
            case .settings: BALLAST_GUARD_SETTINGS
            case .priorities: BALLAST_GUARD_PRIORITIES
            case .frames: BALLAST_GUARD_FRAMES
            case .headerBlock: BALLAST_GUARD_HEADER_BLOCK
            case .headerRate: BALLAST_GUARD_HEADER_RATE
            case .clientHello: BALLAST_GUARD_CLIENT_HELLO
            case .streamID: BALLAST_GUARD_STREAM_ID
            case .partialMessages: BALLAST_GUARD_PARTIAL_MESSAGES
            case .handshake: BALLAST_GUARD_HANDSHAKE
            case .plaintext: BALLAST_GUARD_PLAINTEXT
            case .tls: BALLAST_GUARD_TLS
            }
        }
    }

    /// Connections from one address that were refused or closed for one reason.
    public struct Refusal: Hashable, Sendable {
        /// The reason.
        public var reason: Reason
        /// The peers' address, without a port.
        public var address: String
        /// The number of connections.
        public var count: Int
    }

    /// Owned: one reference, released in `deinit`; open connections hold others.
    private let raw: OpaquePointer

    init(_ limits: ConnectionLimits) {
        var raw = ballast_guard_limits()
        if limits.isOn {
            raw.connections = UInt32(clamping: limits.connections)
            raw.connections_per_address = UInt32(clamping: limits.perAddress)
            raw.connections_per_second = UInt32(clamping: limits.newPerSecond)
            raw.address_streams_per_second = UInt32(clamping: limits.addressStreamsPerSecond)
            raw.address_streams_burst = UInt32(clamping: limits.addressStreamsBurst)
            raw.streams_per_second = UInt32(clamping: limits.streamsPerSecond)
            raw.streams_burst = UInt32(clamping: limits.streamsBurst)
            raw.resets_per_second = UInt32(clamping: limits.resetsPerSecond)
            raw.pings_per_second = UInt32(clamping: limits.pingsPerSecond)
            raw.settings_per_second = UInt32(clamping: limits.settingsPerSecond)
            raw.priorities_per_second = UInt32(clamping: limits.prioritiesPerSecond)
            raw.frames_per_second = UInt32(clamping: limits.framesPerSecond)
            raw.header_block_bytes = UInt32(clamping: limits.headerBlockBytes)
            raw.continuations = UInt32(clamping: limits.continuations)
            raw.message_bytes = UInt32(clamping: limits.messageBytes)
            raw.partial_bytes = UInt32(clamping: limits.partialBytes)
            raw.address_partial_bytes = UInt32(clamping: limits.addressPartialBytes)
            raw.all_partial_bytes = UInt32(clamping: limits.allPartialBytes)
            raw.header_bytes_per_second = UInt32(clamping: limits.headerBytesPerSecond)
        }
        guard let guardian = ballast_guard_create(&raw) else { preconditionFailure("there is no memory for a guard") }
        self.raw = guardian
    }

    deinit { ballast_guard_release(raw) }

    /// The name of a function of this program that libgrpc doesn't call; nil if the guard sees everything.
    static var missingFunction: String? { ballast_guard_missing_function().map { String(cString: $0) } }

    /// Calls `body`, and guards the sockets that it listens on.
    ///
    /// - Parameter isTLS: whether clients must begin with a TLS handshake.
    func whileListening<Result>(isTLS: Bool, _ body: () -> Result) -> Result {
        ballast_guard_begin_listening(raw, isTLS)
        defer { ballast_guard_end_listening() }
        return body()
    }

    /// Excludes connections from this client port from the reports, for the program's own health check.
    public func ignore(port: UInt16) { ballast_guard_ignore(raw, port) }

    /// The number of connections accepted so far.
    public var accepted: Int { Int(clamping: ballast_guard_accepted(raw)) }

    /// The number of open connections.
    public var open: Int { Int(ballast_guard_open(raw)) }

    /// Closes the connections of these peers, given as in `10.0.0.1:45678`.
    func end(_ peers: Set<String>) {
        withUnsafePointer(to: peers) { peers in
            // Borrowed until the call returns.
            ballast_guard_end(
                raw,
                { address, port, context in
                    guard let address, let peers = context?.assumingMemoryBound(to: Set<String>.self) else {
                        return false
                    }
                    let host = String(cString: address)
                    return peers.pointee.contains(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
                }, UnsafeMutableRawPointer(mutating: peers))
        }
    }

    /// The number of connections refused or closed for a reason so far.
    public func refused(_ reason: Reason) -> Int { Int(clamping: ballast_guard_refused(raw, reason.raw)) }

    /// The connections refused or closed since the last call, at most 64 entries.
    ///
    /// Call it about once a second.
    public func takeRefusals() -> [Refusal] {
        ballast_guard_sweep(raw)
        var refusals: [Refusal] = []
        var event = ballast_guard_event()
        while refusals.count < 64, ballast_guard_take_event(raw, &event) {
            guard let reason = Reason.allCases.first(where: { $0.raw == event.reason }) else { continue }
            let address = withUnsafeBytes(of: event.address) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            refusals.append(Refusal(reason: reason, address: address, count: Int(clamping: event.count)))
        }
        return refusals
    }
}
