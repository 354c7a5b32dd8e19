/// How much a server takes of its connections, before anything of it is a stream.
///
/// Rates are of one connection, and allow a burst of four seconds' worth unless something else is said.
public struct ConnectionLimits: Hashable, Sendable {
    /// False lets everything through, to compare.
    public var isOn = true
    /// Open connections.
    public var connections = 10_000
    /// Open connections from one address: an IPv4 address, or the first 64 bits of an IPv6 address.
    public var perAddress = 2_000
    /// New connections from one address in a second, after a burst of `perAddress`.
    public var newPerSecond = 100
    /// How long a connection may take to be set up, TLS and HTTP/2, from 1 millisecond.
    public var handshake = Duration.seconds(10)
    /// Streams opened in a second by all connections from one address, after a burst of `addressStreamsBurst`.
    public var addressStreamsPerSecond = 2_000
    /// See `addressStreamsPerSecond`.
    public var addressStreamsBurst = 20_000
    /// Streams opened in a second, after a burst of `streamsBurst`.
    public var streamsPerSecond = 1_000
    /// See `streamsPerSecond`.
    public var streamsBurst = 10_000
    /// Resets in a second of streams that are 1 to 2 seconds old at most (CVE-2023-44487).
    public var resetsPerSecond = 250
    /// PING frames in a second.
    public var pingsPerSecond = 200
    /// SETTINGS frames in a second.
    public var settingsPerSecond = 20
    /// PRIORITY frames in a second.
    public var prioritiesPerSecond = 100
    /// Frames in a second, except DATA frames of more than 1,024 bytes.
    public var framesPerSecond = 100_000
    /// The longest header block, in bytes as sent, over all of its frames (CVE-2024-27316).
    public var headerBlockBytes = 32_768
    /// CONTINUATION frames of one header block.
    public var continuations = 8
    /// Bytes of header blocks in a second.
    public var headerBytesPerSecond = 1 << 20
    /// The longest message that is kept; as `ServerLimits` has it.
    var messageBytes = 0
    /// Bytes of messages that have come in part, which libgrpc keeps: of one connection.
    public var partialBytes = 16 << 20
    /// The same of all connections from one address.
    public var addressPartialBytes = 64 << 20
    /// The same of all connections.
    public var allPartialBytes = 256 << 20

    /// The default limits.
    public init() {}
}
